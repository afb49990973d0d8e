"""Experiments by name, with import paths and descriptions only, so that the command line lists them at once."""

from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from synapsnet_pyg.experiments.experiment import Experiment


class RegisteredExperiment(NamedTuple):
    """Import path, description and sizes of an experiment."""

    path: str
    """Module and function."""
    description: str
    """Description in the command line's help."""
    seeds: int
    """Number of seeds, the published one where there is one."""
    quick: Mapping[str, object] = MappingProxyType({})
    """Arguments that make it a matter of a minute or two; the numbers are not the paper's."""
    data: str | None = None
    """Argument that takes folders of recordings, if there is one."""


EXPERIMENTS: dict[str, RegisteredExperiment] = {
    "toy-systems": RegisteredExperiment(
        "synapsnet_pyg.experiments.toy_systems:toy_systems",
        "five variables, weights constant or changing",
        seeds=10,
        quick={"seeds": 2, "epochs": 100},
    ),
    "stdp": RegisteredExperiment(
        "synapsnet_pyg.experiments.stdp:stdp",
        "a neuron whose synapses learn",
        seeds=5,
        quick={"seeds": 1, "epochs": 2, "bins": 40_000},
    ),
    "task-networks": RegisteredExperiment(
        "synapsnet_pyg.experiments.task_networks:task_networks",
        "networks trained on tasks",
        seeds=5,
        quick={"seeds": 1, "epochs": 0.1},
        data="published",
    ),
    "cell-types": RegisteredExperiment(
        "synapsnet_pyg.experiments.cell_types:cell_types",
        "a population wired by cell type",
        seeds=3,
        quick={"seeds": 1, "epochs": 2, "bins": 6_000},
    ),
    "ring": RegisteredExperiment(
        "synapsnet_pyg.experiments.rings:ring",
        "a ring of rate neurons, whose correlations mislead",
        seeds=2,
        quick={"seeds": 1, "epochs": 1, "bins": 6_000},
    ),
    "spiking-ring": RegisteredExperiment(
        "synapsnet_pyg.experiments.rings:spiking_ring",
        "rings of spiking neurons, whose correlations mislead",
        seeds=3,
        quick={"seeds": 1, "epochs": 15},
    ),
    "states": RegisteredExperiment(
        "synapsnet_pyg.experiments.states:states",
        "wiring that follows the state of the brain",
        seeds=2,
        quick={"seeds": 1, "epochs": 2, "bins": 6_000},
        data="recordings",
    ),
}
"""Name -> experiment, of all that ``synapsnet experiment`` runs."""

ALIASES = {"netformer-toy": "toy-systems", "taskrnn": "task-networks", "celltypes": "cell-types"}
"""Name in older versions -> name today; accepted for one release."""


def experiment(name: str, quick: bool = False, seeds: int | None = None, data: Sequence[str] = ()) -> "Experiment":
    """Makes an experiment of the published size, or a small one.

    Args:
        name: Key of :data:`EXPERIMENTS` or :data:`ALIASES`.
        quick: Whether to take fewer seeds, epochs and bins.
        seeds: Number of seeds; None: as published, or the small number.
        data: Folders of recordings, for an experiment that takes some.

    Raises:
        ValueError: There is no such experiment, it takes no recordings, or there are no seeds.

    Example:
        >>> experiment("toy-systems", quick=True).settings
        {'seeds': 2, 'epochs': 100}
    """
    name = ALIASES.get(name, name)
    if name not in EXPERIMENTS:
        raise ValueError(f"Expected an experiment among {', '.join(EXPERIMENTS)} (got '{name}').")
    registered = EXPERIMENTS[name]
    if seeds is not None and seeds < 1:
        raise ValueError(f"Expected at least 1 seed (got {seeds}).")
    if data and registered.data is None:
        takers = ", ".join(other for other, entry in EXPERIMENTS.items() if entry.data)
        raise ValueError(f"Expected recordings for {takers} only (got '{name}'); leave --data out.")
    arguments: dict[str, object] = {"seeds": registered.seeds, **(registered.quick if quick else {})}
    if seeds is not None:
        arguments["seeds"] = seeds
    if registered.data and data:
        arguments[registered.data] = list(data)
    make: Callable[..., Experiment] = resolve_name(registered.path)
    return make(**arguments)
