"""The experiments by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from synapsnet_pyg.experiments.cell_types import cell_types
from synapsnet_pyg.experiments.experiment import Experiment
from synapsnet_pyg.experiments.rings import ring, spiking_ring
from synapsnet_pyg.experiments.states import states
from synapsnet_pyg.experiments.stdp import plasticity
from synapsnet_pyg.experiments.tasks import tasks
from synapsnet_pyg.experiments.toy import toy


class Choice(NamedTuple):
    """An experiment and its sizes."""

    make: Callable[..., Experiment]
    seeds: int
    """As published, where it is."""
    quick: dict[str, object]
    """What makes it a matter of a minute or two; its numbers are not the paper's."""
    data: str | None = None
    """Argument that takes recordings of others, if there are any."""


EXPERIMENTS: dict[str, Choice] = {
    "netformer-toy": Choice(toy, 10, {"seeds": 2, "epochs": 100}),
    "stdp": Choice(plasticity, 5, {"seeds": 1, "epochs": 2, "bins": 40_000}),
    "taskrnn": Choice(tasks, 5, {"seeds": 1, "epochs": 0.1}, "published"),
    "celltypes": Choice(cell_types, 3, {"seeds": 1, "epochs": 2, "bins": 6_000}),
    "ring": Choice(ring, 2, {"seeds": 1, "epochs": 1, "bins": 6_000}),
    "spiking-ring": Choice(spiking_ring, 3, {"seeds": 1, "epochs": 15}),
    "states": Choice(states, 2, {"seeds": 1, "epochs": 2, "bins": 6_000}, "recordings"),
}
"""Name -> experiment, of all that ``synapsnet experiment`` runs."""


def experiment(name: str, quick: bool = False, seeds: int | None = None, data: Sequence[str] = ()) -> Experiment:
    """An experiment of the published size, or a small one.

    Args:
        name: A key of :data:`EXPERIMENTS`.
        quick: Fewer seeds, epochs and cases.
        seeds: How many, instead.
        data: Folders of recordings, for an experiment that takes some.

    Raises:
        ValueError: There is no such experiment, it takes no recordings, or there are no seeds.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"Expected an experiment among {', '.join(EXPERIMENTS)} (got '{name}').")
    make, published, small, argument = EXPERIMENTS[name]
    if seeds is not None and seeds < 1:
        raise ValueError(f"Expected at least 1 seed (got {seeds}).")
    if data and argument is None:
        takes = ", ".join(one for one, choice in EXPERIMENTS.items() if choice.data)
        raise ValueError(f"Expected recordings for {takes} only (got '{name}'); leave --data out.")
    arguments: dict[str, object] = {"seeds": published} | (small if quick else {})
    arguments |= {} if seeds is None else {"seeds": seeds}
    arguments |= {argument: list(data)} if argument and data else {}
    return make(**arguments)
