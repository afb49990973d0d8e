"""Arrays of ``.npy`` and ``.npz`` files; pickled objects are never read."""

import math
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.readers.array_entry import PICKLED, Entries, Entry, UnreadableFileError, dtype_name
from synapsnet_pyg.readers.mapped_arrays import StoredVector, header, header_of, mapped
from synapsnet_pyg.readers.sparse_matrices import dense

_HEAD = 1 << 16
"""Number of bytes of an array that are read to describe it."""

_DEFLATE = 1100
"""Largest number of bytes that one compressed byte stands for; archives of numpy use no other compression."""

_REFUSAL = f"{PICKLED}; save it as an array of numbers or texts with numpy.savez"


def npy_entries(path: Path, key: str) -> Entries:
    """Returns the array of a ``.npy`` file, or the fields of its records.

    Raises:
        UnreadableFileError: The file is damaged, or holds pickled objects.
    """
    shape, dtype, offset = header_of(path)
    if dtype.hasobject:
        return {key: Entry.refused(_REFUSAL)}
    count, opened = math.prod(shape), partial(mapped, path)

    def head() -> np.ndarray:
        """Reads the first entries, flat."""
        return np.fromfile(path, dtype, min(count, max(_HEAD // max(dtype.itemsize, 1), 1)), offset=offset)

    if len(shape) == 1 and dtype.names is None:
        vector = StoredVector(path, shape[0], dtype, offset)
        return {key: Entry(opened, shape, dtype_name(dtype), lazy=lambda: vector, head=head)}
    return _with_fields(key, shape, dtype, opened, head)


def npz_entries(archive: zipfile.ZipFile, path: Path) -> Entries:
    """Returns the arrays of an open ``.npz`` archive; a sparse matrix of scipy becomes the array ``activity``.

    Raises:
        UnreadableFileError: The archive is damaged.
    """
    names = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
    if {"format", "shape", "data"} <= names.keys() <= _SPARSE:
        return {"activity": _sparse(archive, path)}
    entries: Entries = {}
    for key, name in names.items():
        try:
            with archive.open(name) as file:
                shape, dtype = header(file)
        except (zipfile.BadZipFile, OSError, EOFError, UnreadableFileError, NotImplementedError):
            entries[key] = Entry.refused("it is damaged")
            continue
        if dtype.hasobject:
            entries[key] = Entry.refused(_REFUSAL)
            continue
        entries |= _with_fields(
            key,
            shape,
            dtype,
            load=partial(_member, archive, name),
            head=partial(_member_head, archive, name, shape, dtype),
        )
    return entries


_SPARSE = frozenset({"format", "shape", "data", "indices", "indptr", "row", "col", "offsets", "coords", "_is_array"})
"""Names of the arrays of a sparse matrix that scipy saved."""


def _sparse(archive: zipfile.ZipFile, path: Path) -> Entry:
    """Returns a sparse matrix of scipy as an entry."""
    shape = tuple(_member(archive, "shape.npy").ravel().tolist())
    for name in archive.namelist():
        _require_held(archive, name)
    with archive.open("data.npy") as file:
        _, dtype = header(file)

    def load() -> np.ndarray:
        """Reads the matrix with its zeros."""
        with path.open("rb") as file:
            return dense(optional_import("scipy.sparse", "train").load_npz(file), f"the sparse matrix of '{path}'")

    return Entry(load, shape, f"sparse {dtype}")


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads one array of an archive."""
    _require_held(archive, name)
    with archive.open(name) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _require_held(archive: zipfile.ZipFile, name: str) -> None:
    """Raises an error if an archive claims more for an array than it holds, or than fits into memory."""
    packed = archive.getinfo(name)
    with archive.open(name) as file:
        shape, dtype = header(file)
    size = math.prod(shape) * dtype.itemsize
    label = f"'{name.removesuffix('.npy')}' of '{archive.filename}'"
    if size > packed.file_size or packed.file_size > (1 << 20) + _DEFLATE * packed.compress_size:
        raise ValueError(
            f"Expected the entries of {label} in the file (its shape {list(shape)} takes {size} bytes, of which it "
            f"holds {packed.compress_size})."
        )
    require_memory(size, f"{label} of shape {list(shape)}")


def _member_head(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Reads the first numbers of an array of an archive, flat."""
    with archive.open(name) as file:
        header(file)
        count = min(math.prod(shape), max(_HEAD // max(dtype.itemsize, 1), 1))
        flat: np.ndarray = np.frombuffer(file.read(count * dtype.itemsize), dtype=dtype)
    return flat


def _field(load: Callable[[], np.ndarray], name: str) -> np.ndarray:
    """Reads one field of records."""
    return load()[name]


def _with_fields(
    key: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    load: Callable[[], np.ndarray],
    head: Callable[[], np.ndarray],
) -> Entries:
    """Returns an array as an entry, or an entry for each field of its records."""
    if dtype.names is None:
        return {key: Entry(load, shape, dtype_name(dtype), lazy=load, head=head)}
    return {
        f"{key}/{field}": Entry(
            partial(_field, load, field),
            shape + dtype[field].shape,
            dtype_name(dtype[field].base),
            head=partial(_field, head, field),
        )
        for field in dtype.names
    }
