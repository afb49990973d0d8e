"""Arrays of numpy's files, mapped into memory so that only the parts in use are read; keys of HDF5 files."""

from pathlib import Path

import h5py
import numpy as np

from synapsnet_pyg.datasets.numpy_files import PICKLED, StoredVector
from synapsnet_pyg.files import optional_import
from synapsnet_pyg.intake.plain import kind_of


def mapped(path: Path) -> np.ndarray:
    """Opens a ``.npy`` file of numbers or texts without reading it.

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
        with path.open("rb") as file:
            begin = file.read(6)
        if begin.startswith((b"/annex", b"versio")):  # what git-annex and git LFS leave in place of a file
            raise ValueError(
                f"Expected an array of numpy in '{path}' (it begins with the name of a file that was not fetched; "
                "'datalad get', 'git annex get' or 'git lfs pull' fetches it)."
            )
        if not begin.startswith(b"\x93NUMPY"):
            raise ValueError(f"Expected an array of numpy in '{path}' (it begins with other bytes than one).")
        try:
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        except ValueError:  # an array without entries cannot be mapped
            with path.open("rb") as file:
                return np.asarray(np.load(file, allow_pickle=False))
    except OSError as error:
        raise ValueError(f"Expected a file that can be read at '{path}' ({error.strerror or 'it cannot'}).") from None
    except Exception as error:  # headers that are cut short fail in many ways
        if "begins with" in str(error):
            raise
        pickled = "pickle" in str(error).lower() or "object" in str(error).lower()
        reason = PICKLED if pickled else "it is cut short"
        raise ValueError(f"Expected numbers or texts in '{path}' ({reason}).") from None


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
        with h5py.File(path, "r") as file:
            items = {key: file.get(key) for key in file}  # None for a link to nothing
            return {key: set(item) if isinstance(item, h5py.Group) else set() for key, item in items.items()}
    except (OSError, RuntimeError):  # no HDF5, or cut short
        return {}
