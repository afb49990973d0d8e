"""Names, import paths and descriptions of the data sets, which can be read without importing torch."""

import os
from collections.abc import Mapping
from inspect import signature
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from synapsnet_pyg.datasets.recordings import RecordingDataset


class RegisteredDataset(NamedTuple):
    """Import path and description of a data set."""

    path: str
    """Module and class."""
    description: str
    """Description in the command line's help."""
    public: bool = False
    """True for data sets that ``synapsnet download`` fetches."""


DATASETS = {
    "bugeon": RegisteredDataset(
        "synapsnet_pyg.datasets.bugeon:Bugeon",
        "two-photon imaging of mouse V1 with cell types (Bugeon et al. 2022)",
        public=True,
    ),
    "allen-neuropixels": RegisteredDataset(
        "synapsnet_pyg.datasets.allen_neuropixels:AllenNeuropixels",
        "Allen Visual Coding (Siegle et al. 2021)",
        public=True,
    ),
    "nwb": RegisteredDataset("synapsnet_pyg.datasets.nwb:NWBRecording", "any NWB file, or a folder of NWB files"),
    "suite2p": RegisteredDataset("synapsnet_pyg.datasets.suite2p:Suite2p", "output folder of Suite2p"),
}
"""Name -> data set, for ``synapsnet prepare``."""

PUBLIC_DATASETS = {name: dataset for name, dataset in DATASETS.items() if dataset.public}
"""Name -> data set, for ``synapsnet download``."""


def dataset_class(name: str) -> "type[RecordingDataset]":
    """Imports the class of a data set.

    Args:
        name: Key of :data:`DATASETS`.

    Raises:
        ValueError: There is no such data set.

    Example:
        >>> dataset_class("suite2p")
        <class 'synapsnet_pyg.datasets.suite2p.Suite2p'>
    """
    if name not in DATASETS:
        raise ValueError(f"Expected a data set among {', '.join(DATASETS)} (got '{name}').")
    dataset: type[RecordingDataset] = resolve_name(DATASETS[name].path)
    return dataset


def open_dataset(name: str, root: str | os.PathLike[str], arguments: Mapping[str, Any]) -> "RecordingDataset":
    """Opens a data set by its name.

    Args:
        name: Key of :data:`DATASETS`.
        root: Folder or file of the data set.
        arguments: Other argument of the class -> value.

    Raises:
        ValueError: There is no such data set, or it has no such argument.
    """
    dataset = dataset_class(name)
    general = ("self", "root", "path", "folder", "transform")
    known = [key for key in signature(dataset.__init__).parameters if key not in general]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(known)} (got {', '.join(unknown)}).")
    try:
        return dataset(root, **arguments)
    except TypeError as error:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(known)} ({error}).") from None
