"""Arrays of numpy's files, mapped into memory so that only the parts in use are read; keys of HDF5 files."""

import io
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.intake.plain import kind_of
from synapsnet_pyg.readers.array_entry import PICKLED, UnreadableFileError
from synapsnet_pyg.readers.hdf5_files import open_hdf5
from synapsnet_pyg.readers.matlab_survey import survey_matlab


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


def header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Returns shape and kind of an array from the begin of its open file, which then stands at the first entry.

    Raises:
        UnreadableFileError: It is no array, or damaged.
    """
    begin = file.read(8)
    if begin[:1] == b"\x80" and begin[1:2] in b"\2\3\4\5":
        raise UnreadableFileError(f"{PICKLED}; save the arrays with numpy.savez")
    if len(begin) < 8 or not begin.startswith(b"\x93NUMPY"):
        raise UnreadableFileError("it is not a file of numpy, or cut short")
    if begin[6] not in (1, 2, 3) or begin[7]:
        raise UnreadableFileError(f"its header is damaged: it has the version {begin[6]}.{begin[7]}")
    try:
        size = int.from_bytes(file.read(2 if begin[6] == 1 else 4), "little")
        text = file.read(size)
        # The header of version 3 is that of version 2 in UTF-8, which numpy's public functions do not read.
        if begin[6] > 2:
            text = text.decode("utf-8").encode("latin-1", "replace")
        whole = io.BytesIO(len(text).to_bytes(4, "little") + text)
        shape, _, dtype = np.lib.format.read_array_header_2_0(whole)
    except Exception:  # a header that is cut short fails in many ways
        raise UnreadableFileError("its header is damaged or cut short") from None
    if min(shape, default=0) < 0:
        raise UnreadableFileError(f"its header has the shape {list(shape)}")
    return tuple(shape), dtype


def header_of(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Returns shape and kind of a ``.npy`` file's array, and the place of its first entry.

    Raises:
        UnreadableFileError: It is no array, damaged or cut short.
    """
    with path.open("rb") as file:
        if file.read(6) in (b"/annex", b"versio"):  # what git-annex and git LFS leave in place of a file
            raise UnreadableFileError(
                "it holds the name of a file that was not fetched; 'datalad get', 'git annex get' or 'git lfs pull' "
                "fetches it"
            )
        file.seek(0)
        shape, dtype = header(file)
        offset = file.tell()
    size = 0 if dtype.hasobject else math.prod(shape) * dtype.itemsize
    if path.stat().st_size < offset + size:
        raise UnreadableFileError("it is cut short")
    return shape, dtype, offset


def mapped(path: Path) -> np.ndarray:
    """Opens a ``.npy`` file of numbers or texts without reading it, unless it cannot be mapped into memory.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: There is no such file; a link without its target is named.
        ValueError: It is no file of numpy, is cut short, or holds pickled objects, which are never read.
    """
    if not path.is_file():
        if path.is_symlink():
            raise FileNotFoundError(
                f"Expected the file '{path}' (it is a link to '{path.readlink()}', which is not there; 'datalad get' "
                "or 'git annex get' fetches what a data set links to)."
            )
        raise FileNotFoundError(f"Expected the file '{path}' (there is none).")
    try:
        shape, dtype, _ = header_of(path)
        if dtype.hasobject:
            raise UnreadableFileError(PICKLED)
    except OSError as error:
        raise ValueError(f"Expected a file that can be read at '{path}' ({error.strerror or 'it cannot'}).") from None
    except UnreadableFileError as error:
        raise ValueError(f"Expected an array of numpy in '{path}' ({error}).") from None
    with suppress(OSError, ValueError):  # no entries, or more than the process may map
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array
    require_memory(math.prod(shape) * dtype.itemsize, f"'{path}'")
    with path.open("rb") as file:
        return np.asarray(np.load(file, allow_pickle=False))


def mapped_numbers(path: Path, ndim: int | None = None) -> np.ndarray:
    """Opens a ``.npy`` file of real numbers without reading it.

    Args:
        path: Path of the file.
        ndim: Number of axes; a table of one column or row becomes a vector if it is 1. None: any.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold real numbers, or has other axes.
    """
    array = mapped(path)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"Expected real numbers in '{path}' (got {kind_of(array)}).")
    if ndim == 1 and array.size in array.shape:  # (n, 1) and (1, n), as MATLAB's vectors
        array = array.reshape(-1)
    elif ndim == 1 and array.size == 1:
        array = array.reshape(1)
    elif ndim is not None and array.ndim != ndim:
        raise ValueError(f"Expected {ndim} axes in '{path}' (got shape {list(array.shape)}).")
    return array


def stored_vector(path: Path) -> StoredVector:
    """Opens numbers of a ``.npy`` file to be read in slices, so that a long file never lies in memory as a whole.

    Args:
        path: Path of a file of numbers :math:`(n)`, :math:`(n, 1)` or :math:`(1, n)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file does not hold real numbers, or is a table.
    """
    array = mapped_numbers(path, 1)
    return StoredVector(path, array.size, array.dtype, int(getattr(array, "offset", 0) or 0))  # none for an empty file


def matlab_variables(path: Path) -> dict[str, str]:
    """Returns the class of each variable of a file of MATLAB before v7.3, ``structs`` for arrays of them.

    Args:
        path: Path of the file.

    Returns:
        An empty mapping for another file.
    """
    if path.suffix.lower() != ".mat" or not path.is_file():
        return {}
    survey_matlab(path)
    try:
        found = optional_import("scipy.io", "lab").whosmat(path)
        return {name: "structs" if kind == "struct" and max(shape) > 1 else kind for name, shape, kind in found}
    except Exception:  # scipy has errors of many kinds for a file that is none of MATLAB
        return {}


def keys_of_hdf5(path: Path, *suffixes: str) -> dict[str, set[str]]:
    """Returns the keys at the root of an HDF5 file, each with the keys below it.

    Args:
        path: Path of the file.
        *suffixes: Endings, in lower case, that the file may have.

    Returns:
        An empty mapping for another file, and for one that cannot be opened.
    """
    if path.suffix.lower() not in suffixes or not path.is_file():
        return {}
    try:
        with open_hdf5(path, parts=True) as file:
            items = {key: file.get(key) for key in file}  # None for a link to nothing
            return {key: set(item) if isinstance(item, h5py.Group) else set() for key, item in items.items()}
    except (OSError, RuntimeError):  # no HDF5, or cut short
        return {}
