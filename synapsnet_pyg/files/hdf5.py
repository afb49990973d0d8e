"""HDF5 files of our own: written completely or not at all, and read only as what they are declared to be."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h5py

from synapsnet_pyg.files.writing import atomic_stream


@contextmanager
def atomic_hdf5(path: str | os.PathLike[str]) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Gives a ``with`` block a new HDF5 file, which gets the name ``path`` if the block ends without an error.

    Args:
        path: Path of the file; its folder must exist.

    Returns:
        The file, and a function that raises the error of an earlier write, for a block that writes for long.

    Raises:
        OSError: As in :func:`atomic_path`.
    """
    with atomic_stream(path) as stream, h5py.File(stream, "w") as file:
        yield file, stream.check  # type: ignore[attr-defined]
