"""Arrays of a file or a folder by key, in the formats of numpy, MATLAB and HDF5, without unpickling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np


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
    except Exception as error:  # truncated headers fail in many ways
        raise ValueError(f"'{path}' cannot be read: {_reason(path, error)}.") from None
    return array


def _reason(path: Path, error: Exception) -> str:
    """Returns the reason why numpy could not read a file; numpy reports every foreign file as a pickle."""
    with path.open("rb") as file:
        begin = file.read(6)
    if not begin.startswith((b"\x93NUMPY", b"PK")):
        return "it is not a file of numpy, or cut short"
    return "it holds pickled objects, which are never read" if "pickle" in str(error) else str(error)


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


class ArrayFile:
    """Arrays of one file, or of all ``.npy`` files of a folder, by key. An array is read when it is requested.

    Args:
        path: ``.npz``, ``.npy``, ``.mat`` (v5 and v7.3) or ``.h5`` file, or a folder. Keys of a folder are the
            stems of its files.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The file is damaged, or a key is missing; the message lists the keys.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/counts.npy", np.eye(2))
        ...     with ArrayFile(Path(folder)) as file:
        ...         file.keys, file.numbers("counts").shape
        (['counts'], (2, 2))
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "ArrayFile":
        self._file: Any = None
        self.turned = False
        if self.path.is_dir():
            self.keys = sorted(path.stem for path in self.path.glob("*.npy"))
            self._get = lambda key: load_npy(self.path / f"{key}.npy")
            return self
        if not self.path.is_file():
            raise FileNotFoundError(f"Expected a file of arrays (there is no file '{self.path}').")
        readers: dict[str, Callable[[], None]] = {
            ".npy": self._open_npy,
            ".npz": self._open_npz,
            ".mat": self._open_mat,
            ".h5": self._open_hdf5,
            ".hdf5": self._open_hdf5,
        }
        suffix = self.path.suffix.lower()
        if suffix not in readers:
            raise ValueError(f"Expected a file ending in {', '.join(readers)} (got '{self.path}').")
        try:
            readers[suffix]()
        except ValueError as error:
            self.__exit__()
            reason = _reason(self.path, error) if suffix in (".npy", ".npz") else error
            raise ValueError(f"'{self.path}' cannot be read: {reason}.") from None
        except Exception as error:  # each reader has errors of its own for a damaged file
            self.__exit__()
            raise ValueError(f"'{self.path}' is damaged or not a {suffix} file ({error}).") from None
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file is not None:
            self._file.close()

    def _open_npy(self) -> None:
        """Sets the only key, that of the activity."""
        whole = load_npy(self.path)
        self.keys, self._get = ["activity"], lambda key: whole

    def _open_npz(self) -> None:
        """Opens an archive of numpy."""
        self._file = self.path.open("rb")  # numpy does not close a file that it opened itself when it fails
        archive = np.load(self._file, allow_pickle=False)
        self.keys, self._get = list(archive.files), lambda key: archive[key]

    def _open_mat(self) -> None:
        """Opens a file of MATLAB."""
        import scipy.io
        import scipy.sparse

        if h5py.is_hdf5(self.path):  # v7.3
            self._open_hdf5()
            self.turned = True  # MATLAB writes the first axis last
            return
        loaded = scipy.io.loadmat(self.path)
        self.keys = [key for key in loaded if not key.startswith("__")]
        # Spikes are often stored as a sparse matrix.
        self._get = lambda key: loaded[key].toarray() if scipy.sparse.issparse(loaded[key]) else loaded[key]

    def _open_hdf5(self) -> None:
        """Opens an HDF5 file; keys are the paths of its data sets."""
        file = self._file = h5py.File(self.path, "r")
        self.keys = []

        def collect(key: str, item: h5py.Dataset | h5py.Group) -> None:
            """Keeps the key of an array."""
            if isinstance(item, h5py.Dataset) or "MATLAB_sparse" in item.attrs:
                self.keys.append(key)

        file.visititems(collect)
        self._get = lambda key: file[key][()] if isinstance(file[key], h5py.Dataset) else _sparse(file[key])

    def get(self, key: str | None) -> np.ndarray:
        """Returns the array of a key; the only array of the file for None."""
        if key is None and len(self.keys) == 1:
            key = self.keys[0]
        if key is None:
            raise ValueError(f"Expected the key of the activity among {', '.join(sorted(self.keys))}; give --activity.")
        if key not in self.keys and self.path.suffix.lower() != ".npy":
            raise ValueError(f"Expected a key among {', '.join(sorted(self.keys))} in '{self.path}' (got '{key}').")
        try:
            array = np.asarray(self._get(str(key)))
        except Exception as error:  # pickled entries, unreadable filters of HDF5
            raise ValueError(f"'{key}' of '{self.path}' cannot be read ({error}).") from None
        if self.turned:
            array = self._matlab(array, str(key))
        return array

    def numbers(self, key: str | None) -> np.ndarray:
        """Returns the array of a key; raises an error unless it holds real numbers."""
        array = self.get(key)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"Expected real numbers in '{key}' of '{self.path}' (got {array.dtype}).")
        return array

    def per_neuron(self, key: str, N: int) -> np.ndarray:
        """Returns an array with N entries along its first axis; the axis of the neurons is moved there."""
        array = self.get(key)
        array = array.squeeze() if N > 1 else array.reshape(N, -1).squeeze(-1) if array.size == N else array
        if array.dtype == object:  # MATLAB's cell arrays
            array = np.array([str(np.asarray(entry).squeeze()) for entry in array.ravel()])
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        fitting = [axis for axis, length in enumerate(array.shape) if length == N]
        if not fitting or array.ndim > 2:
            raise ValueError(
                f"Expected {N} entries, one for each neuron, in '{key}' of '{self.path}' (got {list(array.shape)})."
            )
        array = np.moveaxis(array, fitting[0], 0)
        stripped: np.ndarray = np.char.strip(array) if array.dtype.kind == "U" else array
        return stripped

    def _matlab(self, array: np.ndarray, key: str) -> np.ndarray:
        """Decodes an array of MATLAB v7.3: reversed axes, texts as numbers, cells as references."""
        stored = self._file[key]
        if array.dtype == object:  # a cell array: a reference to a data set for each entry
            return np.array([self._matlab_entry(self._file[reference]) for reference in array.T.ravel()])
        if stored.attrs.get("MATLAB_class") == b"char":
            return np.array(["".join(chr(c) for c in row) for row in array.T])
        return array.T

    @staticmethod
    def _matlab_entry(entry: h5py.Dataset) -> str:
        """Decodes an entry of a cell array as text."""
        values = entry[()]
        if entry.attrs.get("MATLAB_class") == b"char":
            return "".join(chr(c) for c in values.ravel())
        return str(values.squeeze())


def _sparse(group: h5py.Group) -> np.ndarray:
    """Reads a sparse matrix of MATLAB v7.3 (compressed columns), with reversed axes as in other arrays of v7.3."""
    start = group["jc"][()]
    rows, columns = int(group.attrs["MATLAB_sparse"]), np.repeat(np.arange(len(start) - 1), np.diff(start))
    matrix = np.zeros((len(start) - 1, rows))
    if len(columns):  # an empty matrix has no ``ir`` and ``data``
        matrix[columns, group["ir"][()]] = group["data"][()]
    return matrix
