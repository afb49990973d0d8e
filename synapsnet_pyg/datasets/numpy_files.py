"""Arrays of ``.npy`` and ``.npz`` files; pickled objects are never read."""

import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.datasets.array_entry import Entries, Entry, dtype_name
from synapsnet_pyg.files import optional_import, require_memory

PICKLED = "it holds pickled objects, which are never read"
"""Reason why an array of objects is not read."""

_HEAD = 1 << 16
"""Number of bytes of an array that are read to describe it."""


class StoredVector:
    """Vector of a ``.npy`` file that is read slice by slice; unlike a memory map it leaves no pages in memory.

    Args:
        path: File.
        length: Number of entries.
        dtype: Kind of the entries.
        offset: Number of bytes before the first entry.
    """

    ndim = 1

    def __init__(self, path: Path, length: int, dtype: np.dtype, offset: int) -> None:
        self.path, self.shape, self.dtype, self.offset = path, (length,), dtype, offset

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, _ = part.indices(len(self))
        place = self.offset + start * self.dtype.itemsize
        return np.fromfile(self.path, self.dtype, max(stop - start, 0), offset=place)


class UnreadableFileError(ValueError):
    """Error for a file that cannot be read; its message is the reason."""


def load_npy(path: Path) -> np.ndarray:
    """Reads one ``.npy`` file of numbers or texts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or holds pickled objects; the message names it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected the file '{path}' (there is none).")
    try:
        with path.open("rb") as file:  # numpy does not close a file that it opened itself when it fails
            array: np.ndarray = np.load(file, allow_pickle=False)
    except MemoryError:
        require_memory(path.stat().st_size, f"'{path}'")
        raise
    except Exception as error:  # truncated headers fail in many ways
        # numpy takes every foreign file for a pickle.
        pickled = "pickle" in str(error) and begins(path, b"\x93NUMPY")
        reason = PICKLED if pickled else "it is not a file of numpy, or cut short"
        raise ValueError(f"'{path}' cannot be read: {reason}.") from None
    return array


def load_numbers(path: Path, ndim: int | None = None) -> np.ndarray:
    """Reads one ``.npy`` file of real numbers; a column ``(n, 1)`` becomes a vector if ``ndim`` is 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or does not hold real numbers of ``ndim`` axes.
    """
    array = load_npy(path)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"Expected real numbers in '{path}' (got {array.dtype}).")
    if ndim == 1 and array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"Expected {ndim} axes in '{path}' (got shape {list(array.shape)}).")
    return array


def load_lines(path: Path) -> list[str]:
    r"""Reads the lines of a text file; they end in ``\n`` or ``\r\n``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not UTF-8 text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected the file '{path}' (there is none).")
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").rstrip("\r\n ").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"'{path}' is not UTF-8 text ({error}).") from None


def begins(path: Path, mark: bytes) -> bool:
    """Returns True if a file begins with some bytes."""
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def npy_entries(path: Path, key: str) -> Entries:
    """Returns the array of a ``.npy`` file, or the fields of its records.

    Raises:
        UnreadableFileError: The file is damaged, or holds pickled objects.
    """
    with path.open("rb") as file:
        shape, dtype = _header(file)
        offset = file.tell()
    if dtype.hasobject:
        return {key: Entry.refused(PICKLED)}
    count = int(np.prod(shape, dtype=np.int64))
    if path.stat().st_size < offset + count * dtype.itemsize:
        raise UnreadableFileError("it is cut short")

    def opened() -> np.ndarray:
        """Maps the file into memory, or reads it if it has no entries or the process may take no such address space."""
        with suppress(OSError, ValueError):
            mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return mapped
        require_memory(count * dtype.itemsize, f"'{path}'")
        return load_npy(path)

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
                shape, dtype = _header(file)
        except (zipfile.BadZipFile, OSError, EOFError, UnreadableFileError, NotImplementedError):
            entries[key] = Entry.refused("it is damaged")
            continue
        if dtype.hasobject:
            entries[key] = Entry.refused(PICKLED)
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
    shape = tuple(_member(archive, "shape.npy").tolist())
    dtype = _member(archive, "data.npy").dtype

    def load() -> np.ndarray:
        """Reads the matrix with its zeros."""
        with path.open("rb") as file:
            dense: np.ndarray = optional_import("scipy.sparse", "train").load_npz(file).toarray()
        return dense

    return Entry(load, shape, f"sparse {dtype}")


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Returns shape and kind of an array from the begin of its file."""
    begin = file.read(8)
    if begin[:1] == b"\x80" and begin[1:2] in b"\2\3\4\5":
        raise UnreadableFileError(f"{PICKLED}; save the arrays with numpy.savez")
    if len(begin) < 8 or not begin.startswith(b"\x93NUMPY"):
        raise UnreadableFileError("it is not a file of numpy, or cut short")
    try:
        size = int.from_bytes(file.read(2 if begin[6] == 1 else 4), "little")
        text = file.read(size)
        # The header of version 3 is that of version 2 in UTF-8, which numpy's public functions do not read.
        if begin[6] > 2:
            text = text.decode("utf-8").encode("latin-1", "replace")
        whole = io.BytesIO(len(text).to_bytes(4, "little") + text)
        shape, _, dtype = np.lib.format.read_array_header_2_0(whole)
    except (ValueError, EOFError, TypeError, SyntaxError):
        raise UnreadableFileError("its header is damaged or cut short") from None
    return tuple(shape), dtype


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads one array of an archive."""
    with archive.open(name) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _member_head(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Reads the first numbers of an array of an archive, flat."""
    with archive.open(name) as file:
        _header(file)
        count = min(int(np.prod(shape, dtype=np.int64)), max(_HEAD // max(dtype.itemsize, 1), 1))
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
