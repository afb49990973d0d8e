"""The sets of recordings by name."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any

from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.datasets.cell_types import simulate_cell_types
from synapsnet_pyg.datasets.nwb import NWBRecording
from synapsnet_pyg.datasets.plasticity import simulate_plasticity
from synapsnet_pyg.datasets.recordings import Recordings
from synapsnet_pyg.datasets.ring_attractors import simulate_ring, simulate_spiking_ring
from synapsnet_pyg.datasets.simulated import simulate
from synapsnet_pyg.datasets.simulated_calcium import simulate_calcium
from synapsnet_pyg.datasets.simulated_neuropixels import simulate_neuropixels
from synapsnet_pyg.datasets.suite2p import Suite2p
from synapsnet_pyg.datasets.task_rnn import simulate_task
from synapsnet_pyg.datasets.toy_systems import simulate_toy
from synapsnet_pyg.session import Session

DATASETS: dict[str, type[Recordings]] = {
    "bugeon": Bugeon,
    "allen-neuropixels": AllenNeuropixels,
    "nwb": NWBRecording,
    "suite2p": Suite2p,
}
"""Name -> class, of all that is read from disk."""


SIMULATIONS: dict[str, Callable[..., Session]] = {
    "paper": simulate,
    "calcium": simulate_calcium,
    "neuropixels": simulate_neuropixels,
    "toy": simulate_toy,
    "plasticity": simulate_plasticity,
    "cell-types": simulate_cell_types,
    "ring": simulate_ring,
    "spiking-ring": simulate_spiking_ring,
    "task": simulate_task,
}
"""Name -> what simulates a session."""


def simulation(name: str, laws: Mapping[str, Any]) -> Callable[..., Session]:
    """What makes session number ``session`` of the population that ``seed`` decides, by laws of one's own.

    Raises:
        ValueError: There is no such population, or an argument does not suit it.
    """
    if name not in SIMULATIONS:
        raise ValueError(f"Expected a population among {', '.join(SIMULATIONS)} (got '{name}').")
    arguments = [key for key in signature(SIMULATIONS[name]).parameters if key not in ("session", "seed", "name")]
    unknown = sorted(set(laws) - set(arguments))
    if unknown:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(arguments)} (got {', '.join(unknown)}).")
    law = partial(SIMULATIONS[name], **laws)
    if "session" not in signature(law).parameters:  # another population each, by the next seed
        return lambda session, seed, **named: law(seed=seed + session, **named)
    return lambda session, seed, **named: law(session, seed=seed, **named)


def dataset_class(name: str) -> type[Recordings]:
    """The class of a set.

    Raises:
        ValueError: There is no such set.
    """
    if name not in DATASETS:
        raise ValueError(f"Expected a set among {', '.join(DATASETS)} (got '{name}').")
    return DATASETS[name]


def open_dataset(name: str, root: str | os.PathLike[str], arguments: Mapping[str, Any]) -> Recordings:
    """Makes a set of recordings from its name.

    Raises:
        ValueError: There is no such set, or an argument does not suit it.
    """
    made = dataset_class(name)
    try:
        return made(root, **arguments)
    except TypeError as error:
        known = [key for key in signature(made).parameters if key not in ("root", "path", "folder", "transform")]
        raise ValueError(f"Expected arguments of set '{name}' among {', '.join(known)} ({error}).") from None
