"""Names, import paths and descriptions of data sets and formats, which can be read without importing torch."""

import os
from collections.abc import Mapping
from dataclasses import fields
from inspect import signature
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from synapsnet_pyg.datasets.recordings import RecordingDataset
    from synapsnet_pyg.readers.reader import Reader


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

READERS = {
    "nwb": RegisteredDataset("synapsnet_pyg.readers.nwb:NWBReader", "NWB, in HDF5 or Zarr, on disk or at a URL"),
    "suite2p": RegisteredDataset("synapsnet_pyg.readers.suite2p:Suite2pReader", "output folder of Suite2p"),
    "phy": RegisteredDataset("synapsnet_pyg.readers.phy:PhyReader", "output folder of phy or Kilosort"),
    "ibl-alf": RegisteredDataset("synapsnet_pyg.readers.alf:AlfReader", "ALF folder of the IBL"),
    "cellexplorer": RegisteredDataset(
        "synapsnet_pyg.readers.cell_explorer:CellExplorerReader", "spikes.cellinfo.mat of CellExplorer"
    ),
    "caiman": RegisteredDataset("synapsnet_pyg.readers.imaging:CaimanReader", "HDF5 file of CaImAn"),
    "cnmfe": RegisteredDataset("synapsnet_pyg.readers.imaging:CnmfeReader", "MATLAB file of CNMF-E"),
    "extract": RegisteredDataset("synapsnet_pyg.readers.imaging:ExtractReader", "MATLAB file of EXTRACT"),
    "minian": RegisteredDataset("synapsnet_pyg.readers.minian:MinianReader", "output folder of Minian"),
    "inscopix": RegisteredDataset("synapsnet_pyg.readers.inscopix:InscopixReader", "cell set of Inscopix (isxd, csv)"),
    "zapbench": RegisteredDataset("synapsnet_pyg.readers.zapbench:ZapBenchReader", "traces of ZAPBench in Zarr"),
    "spike-prophecy": RegisteredDataset(
        "synapsnet_pyg.readers.spike_prophecy:SpikeProphecyReader", "counts and metadata.json of SpikeProphecy"
    ),
    "poco": RegisteredDataset("synapsnet_pyg.readers.poco:PocoReader", "npz of POCO's preprocessing"),
    "worm-wide-web": RegisteredDataset("synapsnet_pyg.readers.worm_wide_web:WormWideWebReader", "JSON of WormWideWeb"),
    "fish-explorer": RegisteredDataset(
        "synapsnet_pyg.readers.fish_explorer:FishExplorerReader", "zebrafish of Chen et al. 2018"
    ),
    "kato": RegisteredDataset("synapsnet_pyg.readers.kato:KatoReader", "worms of Kato et al. 2015"),
    "torch-brain": RegisteredDataset("synapsnet_pyg.readers.torch_brain:TorchBrainReader", "HDF5 of torch_brain"),
    "pynapple": RegisteredDataset("synapsnet_pyg.readers.pynapple_files:PynappleReader", "npz file of pynapple"),
    "spikeinterface": RegisteredDataset(
        "synapsnet_pyg.readers.sortings:SortingReader", "what SpikeInterface's extractors of sortings open"
    ),
    "neo": RegisteredDataset("synapsnet_pyg.readers.neo_files:NeoReader", "spike trains in files that neo opens"),
    "arrays": RegisteredDataset("synapsnet_pyg.readers.arrays:ArraysReader", "arrays and tables by key"),
}
"""Name -> format of recordings, for ``synapsnet convert``; the most particular first."""

PUBLIC_DATASETS = {name: dataset for name, dataset in DATASETS.items() if dataset.public}
"""Name -> data set, for ``synapsnet download``."""


def readers(name: str | None = None) -> "list[Reader]":
    """Imports the readers of all formats, or of one.

    Args:
        name: Key of :data:`READERS`. None: all.

    Raises:
        ValueError: There is no such format.

    Example:
        >>> readers("phy")[0].name
        'phy'
    """
    if name is not None and name not in READERS:
        raise ValueError(f"Expected a format among {', '.join(READERS)} (got '{name}').")
    return [resolve_name(entry.path)() for key, entry in READERS.items() if name in (None, key)]


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
    from synapsnet_pyg.intake.recording import Selection

    dataset = dataset_class(name)
    general = ("self", "root", "path", "folder", "transform")
    parameters = signature(dataset.__init__).parameters
    known = [key for key in parameters if key not in general and key != "choices"]
    if "choices" in parameters:
        known += [choice.name for choice in fields(Selection) if choice.name not in known]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(known)} (got {', '.join(unknown)}).")
    try:
        return dataset(root, **arguments)
    except TypeError as error:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(known)} ({error}).") from None
