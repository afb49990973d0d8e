"""Files of a connectivity that changes in time; they are written and read a few windows at a time."""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.running_summaries import ConnectivityBatch
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.files.hdf5 import Field, OwnFile, atomic_hdf5, open_hdf5
from synapsnet_pyg.intake.notes import warn

FORMAT = "synapsnet dynamic connectivity"
VERSION = 1

_WEIGHTS = Field("f", 3)

_CHUNK = 2**17
"""Number of weights in one chunk of a file, half a megabyte."""


@dataclass(frozen=True)
class SavedConnectivity:
    """Dynamic connectivity in a file; iteration reads a few windows at a time.

    Attributes:
        path: Path of the file.
        name: Name of the session.
        bin_size: Duration of one bin in seconds.
        neuron_id: Ids of the neurons, in the order of rows and columns.
        bins: Newest bin of each window: [M].
    """

    path: Path
    name: str
    bin_size: float
    neuron_id: list[str]
    bins: Tensor

    def __iter__(self) -> Iterator[ConnectivityBatch]:
        with _open(self.path) as own:
            weights = own.dataset("connectivity", _WEIGHTS, whole=False)
            for chunk in range(0, len(self.bins), weights.chunks[0]):
                windows = slice(chunk, chunk + weights.chunks[0])
                batch = torch.from_numpy(weights[windows])
                if not bool(batch.isfinite().all()):
                    raise DamagedFileError(f"Expected finite 'connectivity' in '{self.path}' (got NaN or infinity).")
                yield ConnectivityBatch(self.bins[windows], batch)


def write_dynamic_connectivity(
    path: str | os.PathLike[str], session: Session, bins: Tensor, batches: Iterable[ConnectivityBatch]
) -> None:
    """Writes a dynamic connectivity to one HDF5 file batch by batch, completely or not at all.

    The file holds ``connectivity`` [window, receiver, sender] in float32, compressed, ``bins`` and ``neuron_id``, and
    the session's ``name`` and ``bin_size``.

    Args:
        path: Path of the file, in an existing folder.
        session: Session of the N neurons.
        bins: Newest bin of each window :math:`(M)`.
        batches: Batches of all M windows, in the order of time.

    Raises:
        OSError: The folder is missing, not writable or full; an older file at ``path`` is unchanged.
    """
    M, N = len(bins), session.num_neurons
    with atomic_hdf5(path, FORMAT) as (file, check):
        file.attrs.update(version=VERSION, name=session.name, bin_size=session.bin_size)
        file["bins"] = bins.numpy()
        file.create_dataset("neuron_id", data=session.neuron_id, dtype=h5py.string_dtype())
        weights = file.create_dataset(
            "connectivity",
            (M, N, N),
            "f4",
            chunks=(max(1, min(M, _CHUNK // N**2)), N, N),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        written = 0
        for batch in batches:
            weights[written : written + len(batch.bins)] = batch.connectivity.float().cpu().numpy()
            written += len(batch.bins)
            check()


def read_dynamic_connectivity(path: str | os.PathLike[str]) -> SavedConnectivity:
    """Opens a file of :meth:`~synapsnet_pyg.analysis.dynamic_connectivity.DynamicConnectivity.save`.

    Weights are read during iteration. Nothing is unpickled.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has another format, is incomplete or damaged.
    """
    path = Path(path)
    with _open(path) as own:
        bins, N = own.read("bins", Field("i", 1)), len(own.texts("neuron_id"))
        shape = (len(bins), N, N)
        weights = own.dataset("connectivity", _WEIGHTS, whole=False)
        if weights.shape != shape or weights.chunks is None or weights.chunks[1:] != (N, N):
            raise DamagedFileError(
                f"Expected 'connectivity' of '{path}' to be {list(shape)}, in chunks of whole windows (got "
                f"{list(weights.shape)}); save it anew."
            )
        if not own.sealed:
            warn(f"'{path}' has no checksum (an earlier version wrote it), so damage cannot be seen; save it anew.")
        return SavedConnectivity(
            path=path,
            name=own.attribute("name", str),
            bin_size=own.attribute("bin_size", float),
            neuron_id=own.texts("neuron_id"),
            bins=torch.from_numpy(np.asarray(bins)),
        )


def _open(path: Path) -> AbstractContextManager[OwnFile]:
    """Opens a file of a dynamic connectivity."""
    return open_hdf5(path, FORMAT, VERSION, remedy="save it anew")
