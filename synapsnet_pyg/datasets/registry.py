"""The sets of recordings by name."""

import os
from collections.abc import Mapping
from inspect import signature
from typing import Any

from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.datasets.nwb import NWBRecording
from synapsnet_pyg.datasets.recordings import Recordings
from synapsnet_pyg.datasets.suite2p import Suite2p

DATASETS: dict[str, type[Recordings]] = {
    "bugeon": Bugeon,
    "allen-neuropixels": AllenNeuropixels,
    "nwb": NWBRecording,
    "suite2p": Suite2p,
}
"""Name -> class, of all that is read from disk."""


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
