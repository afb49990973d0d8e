"""Files of a connectivity that changes in time; they are written and read a few windows at a time."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.running_summaries import ConnectivityBatch
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.hdf5 import atomic_hdf5

FORMAT = "synapsnet dynamic connectivity"
VERSION = 1

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
        try:
            with h5py.File(self.path, "r") as file:
                weights = file["connectivity"]
                for chunk in range(0, len(self.bins), weights.chunks[0]):
                    windows = slice(chunk, chunk + weights.chunks[0])
                    yield ConnectivityBatch(self.bins[windows], torch.from_numpy(weights[windows]))
        except OSError as error:
            raise _unreadable(self.path, error) from None


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
    with atomic_hdf5(path) as (file, check):
        file.attrs.update(format=FORMAT, version=VERSION, name=session.name, bin_size=session.bin_size)
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
    if not path.is_file():
        raise FileNotFoundError(f"Expected a dynamic connectivity file (there is no file '{path}').")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or int(file.attrs["version"]) > VERSION:
                raise ValueError("of another program or a newer version")
            saved = SavedConnectivity(
                path=path,
                name=str(file.attrs["name"]),
                bin_size=float(file.attrs["bin_size"]),
                neuron_id=[neuron.decode("utf-8") for neuron in file["neuron_id"][()]],
                bins=torch.from_numpy(np.asarray(file["bins"][()])),
            )
            shape, N = tuple(file["connectivity"].shape), len(saved.neuron_id)
            if shape != (len(saved.bins), N, N) or file["connectivity"].chunks is None:
                raise ValueError(f"connectivity {list(shape)} for {len(saved.bins)} windows of {N} neurons")
    except (OSError, KeyError, RuntimeError, AttributeError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from None
    return saved


def _unreadable(path: Path, error: Exception) -> ValueError:
    """Returns the error for a file that cannot be read."""
    reason = " ".join(str(error).split())
    return ValueError(f"'{path}' holds no dynamic connectivity, is cut short or damaged ({reason}); save it anew.")
