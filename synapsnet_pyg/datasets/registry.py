"""The sets of recordings by name."""

import os
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.datasets.nwb import NWBRecording
from synapsnet_pyg.datasets.recordings import Recordings
from synapsnet_pyg.datasets.simulated import simulate
from synapsnet_pyg.datasets.simulated_calcium import simulate_calcium
from synapsnet_pyg.datasets.simulated_neuropixels import simulate_neuropixels
from synapsnet_pyg.datasets.suite2p import Suite2p
from synapsnet_pyg.session import Session

DATASETS: dict[str, type[Recordings]] = {
    "bugeon": Bugeon,
    "allen-neuropixels": AllenNeuropixels,
    "nwb": NWBRecording,
    "suite2p": Suite2p,
}
"""Name -> class, of all that is read from disk."""


def _paper(session: int, seed: int, **laws: Any) -> Session:
    """Another population each, by the next seed."""
    return simulate(seed=seed + session, **laws)


SIMULATIONS: dict[str, Callable[..., Session]] = {
    "paper": _paper,
    "calcium": lambda session, seed, **laws: simulate_calcium(session, seed=seed, **laws),
    "neuropixels": lambda session, seed, **laws: simulate_neuropixels(session, seed=seed, **laws),
}
"""Name -> what makes session number ``session`` of the population that ``seed`` decides."""


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
