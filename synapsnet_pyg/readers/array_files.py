"""Arrays of a file or a folder by key: numpy, MATLAB, HDF5, Zarr, NetCDF and tables. Nothing is unpickled."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.plain import kind_of, numbers, plain_array, texts
from synapsnet_pyg.readers.array_entry import PICKLED, Entries, Entry, UnreadableFileError, from_cells
from synapsnet_pyg.readers.array_keys import unit_in_name
from synapsnet_pyg.readers.hdf5_arrays import hdf5_entries, missing_filter
from synapsnet_pyg.readers.hdf5_files import is_hdf5, open_hdf5
from synapsnet_pyg.readers.labelled_files import netcdf_entries, zarr_entries
from synapsnet_pyg.readers.matlab_files import matlab_entries
from synapsnet_pyg.readers.numpy_files import npy_entries, npz_entries
from synapsnet_pyg.readers.reader import natural
from synapsnet_pyg.readers.table_files import parquet_entries, text_table_entries

SUFFIXES = frozenset(
    {".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".csv", ".tsv", ".txt", ".parquet", ".nc", ".nc4", ".cdf", ".zarr"}
)
"""Endings of files of arrays."""

_PIECES = frozenset({".npy", ".npz", ".csv", ".tsv", ".parquet"})
"""Endings of the files of a folder that is one recording."""


_TICKS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e3),
    **dict.fromkeys(("us", "\u00b5s", "microsecond", "microseconds"), 1e6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e9),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 3600),
    **dict.fromkeys(("d", "day", "days"), 1 / 86400),
}
"""Unit of a clock -> ticks a second."""

DATES = ("datetime", "timedelta", "timestamp", "duration")
"""Kinds of times with a unit of their own, of numpy and of parquet."""


class ArrayFile:
    """Arrays of one file, or of the files of a folder, by key. An array is read when it is requested.

    Fields of structs and records, columns of tables and data sets in groups have keys joined by ``/``, as in
    ``units/times``; ``units.times`` is understood too.

    Args:
        path: ``.npy``, ``.npz``, ``.mat`` (any version), ``.h5`` or other HDF5 file, ``.zarr`` folder, ``.csv``,
            ``.tsv``, ``.txt``, ``.parquet`` or ``.nc`` file, or a folder of ``.npy``, ``.npz``, ``.csv``, ``.tsv`` or
            ``.parquet`` files, whose keys are their stems.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The file is damaged or of another kind, or a key is missing; the message lists the keys.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/counts.npy", np.eye(2))
        ...     with ArrayFile(Path(folder)) as file:
        ...         file.keys, file.numbers("counts").shape
        (['counts'], (2, 2))
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.entries: Entries = {}
        self.notes: list[str] = []
        self._closers: list[Any] = []
        self._in_use = False

    def __enter__(self) -> "ArrayFile":
        if self.path.is_symlink() and not self.path.exists():
            raise FileNotFoundError(
                f"Expected the file '{self.path}' (it is a link to '{self.path.readlink()}', which is not there; "
                "'datalad get' or 'git annex get' fetches what a data set links to)."
            )
        if not self.path.exists():
            raise FileNotFoundError(f"Expected a file of arrays (there is no file '{self.path}').")
        try:
            self.entries = self._folder() if _is_plain_folder(self.path) else self._open(self.path, "activity")
        except UnreadableFileError as error:
            self.__exit__()
            raise ValueError(f"'{self.path}' cannot be read: {error}.") from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        for opened in () if self._in_use else self._closers:
            opened.close()
        self._closers = []

    @property
    def keys(self) -> list[str]:
        """Keys of all arrays, in natural order."""
        return sorted(self.entries, key=natural)

    def _folder(self) -> Entries:
        """Opens all files of a folder; one that cannot be read is told when it is requested."""
        entries: Entries = {}
        for path in sorted(self.path.iterdir(), key=lambda path: natural(path.name)):
            if path.suffix.lower() not in _PIECES or path.name.startswith(".") or not path.is_file():
                continue
            key = path.stem if path.stem not in entries else path.name
            start = "" if path.suffix.lower() == ".npy" else f"{key}/"
            try:
                own = self._open(path, key)
            except (ValueError, ImportError) as error:
                reason = str(error) if isinstance(error, UnreadableFileError | ImportError) else f"{error}".rstrip(".")
                own, start = {key: Entry.refused(reason)}, ""
            entries |= {f"{start}{name}": entry for name, entry in own.items()}
        if not entries:
            raise ValueError(
                f"Expected files ending in {', '.join(sorted(_PIECES))} in the folder '{self.path}' (found none)."
            )
        return entries

    def _open(self, path: Path, key: str) -> Entries:
        """Opens one file; every library has errors of its own for a damaged one."""
        suffix = path.suffix.lower()
        try:
            return self._entries(path, key, suffix)
        except (UnreadableFileError, ImportError, MemoryError, FileNotFoundError, PermissionError):
            raise
        except Exception as error:
            if str(error).startswith("Expected "):
                raise
            kind = "file" if path.is_file() else "folder"
            raise UnreadableFileError(f"it is damaged, cut short or no {suffix} {kind}") from None

    def _entries(self, path: Path, key: str, suffix: str) -> Entries:
        """Opens a file by its ending and its first bytes."""
        if path.is_dir() and suffix == ".zarr":
            return zarr_entries(path)
        if suffix in (".pkl", ".pickle", ".joblib"):
            raise UnreadableFileError(f"{PICKLED}; save the arrays with numpy.savez")
        if suffix == ".npy":
            return npy_entries(path, key)
        if suffix == ".npz":
            try:
                archive = zipfile.ZipFile(path)
            except zipfile.BadZipFile:
                raise UnreadableFileError("it is not a file of numpy, or cut short") from None
            self._closers.append(archive)
            return npz_entries(archive, path)
        if suffix in (".nc", ".nc4", ".cdf"):
            return netcdf_entries(path, self._closers)
        if suffix == ".parquet":
            return parquet_entries(path)
        if suffix in (".csv", ".tsv", ".txt"):
            return text_table_entries(path, self.notes)
        if is_hdf5(path):
            file = open_hdf5(path, parts=True)
            self._closers.append(file)
            return hdf5_entries(file, matlab=suffix == ".mat" or file.userblock_size == 512)
        if suffix == ".mat":
            return matlab_entries(path)
        if suffix in SUFFIXES:
            raise UnreadableFileError(f"it is damaged, cut short or no {suffix} file")
        raise ValueError(f"Expected a file ending in {', '.join(sorted(SUFFIXES))} (got '{path}').")

    def resolve(self, key: str | None) -> str:
        """Returns a key as the file spells it; the only key for None.

        Raises:
            ValueError: There is no such key, or none is given and there are several.
        """
        known = self.keys
        if key is None:
            if len(known) == 1:
                return known[0]
            raise ValueError(f"Expected the key of the activity among {shorten(known, 20)}; give --activity.")
        for spelling in (key, key.strip("/"), key.strip("/").replace(".", "/")):
            if spelling in self.entries:
                return spelling
        if self.path.suffix.lower() == ".npy" and len(known) == 1:
            return known[0]
        ends = [name for name in known if name.endswith(f"/{key.strip('/')}")]
        if len(ends) == 1:
            return ends[0]
        raise ValueError(f"Expected a key among {shorten(known, 20)} in '{self.path}' (got '{key}').")

    def has(self, key: str) -> bool:
        """Returns True if there is an array of a key."""
        try:
            self.resolve(key)
        except ValueError:
            return False
        return True

    def entry(self, key: str | None) -> Entry:
        """Returns the header of an array."""
        return self.entries[self.resolve(key)]

    def shape(self, key: str | None) -> tuple[int, ...] | None:
        """Returns the shape of an array by its header, None if the file does not say."""
        return self.entry(key).shape

    def dtype(self, key: str | None) -> str:
        """Returns the kind of an array's entries by its header; an empty text if the file does not say."""
        return self.entry(key).dtype

    def children(self, key: str) -> list[str]:
        """Returns the names of the arrays right below a group, in natural order; those of the file for ``""``."""
        spelling = key.strip("/")
        below = self._below(spelling) or self._below(spelling.replace(".", "/"))
        return sorted(below, key=natural)

    def is_group(self, key: str) -> bool:
        """Returns True if a key is no array itself, and there are arrays below it."""
        spelling = key.strip("/")
        if spelling in self.entries or not spelling:
            return False
        starts = (f"{spelling}/", f"{spelling.replace('.', '/')}/")
        return any(name.startswith(starts) for name in self.entries)

    def matching(self, pattern: str) -> dict[str, str]:
        """Returns the keys that fit a pattern such as ``unit_*``, by what stands for ``*``, in natural order."""
        expression = re.compile("(.+)".join(map(re.escape, pattern.strip("/").split("*"))))
        found = {name: expression.fullmatch(name) for name in self.keys}
        return {"/".join(fit.groups()): name for name, fit in found.items() if fit}

    def rate(self, key: str) -> float | None:
        """Returns the ticks a second of a clock whose unit the file states, None if it does not."""
        if self.is_group(key) or "*" in key:
            return None
        entry = self.entry(key)
        if entry.dtype.startswith(DATES):
            return 1.0
        unit = entry.attributes.get("units", entry.attributes.get("unit", "")).lower().split(" since ")[0].strip()
        if not unit and (unit := unit_in_name(key)) in _TICKS and unit not in ("s", "sec", "seconds"):
            self.notes += [note for note in [f"'{key}' is in {unit} by its name"] if note not in self.notes]
        return _TICKS.get(unit)

    def _below(self, group: str) -> list[str]:
        """Returns the names of the arrays right below a group."""
        start = f"{group}/" if group else ""
        return [name[len(start) :] for name in self.entries if name.startswith(start) and "/" not in name[len(start) :]]

    def get(self, key: str | None) -> np.ndarray:
        """Returns the array of a key; the only array of the file for None."""
        values = self._read(key, lambda entry: entry.load())
        return np.ma.asarray(values) if isinstance(values, np.ma.MaskedArray) else _as_array(values)

    def head(self, key: str) -> np.ndarray | None:
        """Returns a small part of an array, None if only the whole could be read and it is large."""
        entry = self.entry(key)
        if entry.pieces is not None:
            first = self.pieces(key, 20)
            return from_cells(first, (len(first),))
        if entry.head is None:
            small = entry.shape is not None and int(np.prod(entry.shape, dtype=np.int64)) <= 1 << 22
            return self.get(key) if small else None
        return _as_array(self._read(key, lambda entry: entry.head() if entry.head else entry.load()))

    def sequence(self, key: str) -> Any:
        """Returns numbers along one axis, to be read in slices where the file allows."""
        entry = self.entry(key)
        if entry.lazy is not None:
            opened = self._read(key, lambda entry: entry.lazy() if entry.lazy else None)
            kind = getattr(opened, "dtype", np.dtype(object)).kind
            if kind in "fiub" and (opened.ndim == 1 or opened.shape[1:] == (1,)):
                self._in_use = True  # the file is closed with its last slice
                return opened
        return self.numbers(key).ravel()

    def numbers(self, key: str | None) -> np.ndarray:
        """Returns the array of a key as native numbers; raises an error unless it holds real numbers."""
        values = self.get(key)
        if values.dtype.kind in "mM":  # dates count from 1970, so that clocks of a file agree
            lost, values = np.isnat(values), values.astype(f"{values.dtype.kind}8[ns]").astype(np.int64) / 1e9
            values[lost] = np.nan
        return numbers(values, f"'{self.resolve(key)}' of '{self.path}'")

    def texts(self, key: str) -> list[str]:
        """Returns the entries of an array as texts; missing ones are empty."""
        return texts(self.get(key))

    def ragged(self, key: str) -> list[np.ndarray]:
        """Returns one array for each entry of ragged arrays, or for each array of a group.

        Raises:
            ValueError: The key is neither, or its arrays hold no numbers.
        """
        pieces = self.pieces(key)
        return [numbers(piece, f"entry {i} of '{key}' of '{self.path}'").ravel() for i, piece in enumerate(pieces)]

    def pieces(self, key: str, limit: int | None = None) -> list[np.ndarray]:
        """Returns one array for each of the first entries as they are stored, of any shape; None: of all."""
        if self.is_group(key):
            return [self.get(f"{key.strip('/')}/{name}") for name in self.children(key)[:limit]]
        found: list[np.ndarray] | None = self._read(key, lambda entry: entry.pieces and entry.pieces(limit))
        if found is None:
            shape = list(self.shape(key) or ())
            raise ValueError(f"Expected one array for each neuron in '{key}' of '{self.path}' (got shape {shape}).")
        return found

    def is_ragged(self, key: str) -> bool:
        """Returns True if a key holds one array for each entry, or is a group."""
        return self.is_group(key) or self.entry(key).pieces is not None

    def per_neuron(self, key: str, N: int) -> np.ndarray:
        """Returns an array with N entries along its first axis; the axis of the neurons is moved there.

        Raises:
            ValueError: No axis has N entries.
        """
        array = plain_array(self.get(key))
        label = f"'{key}' of '{self.path}'"
        if array.dtype.kind not in "fibU":
            raise ValueError(f"Expected numbers or texts in {label} (got {kind_of(array)}).")
        shape = list(array.shape)
        array = array.reshape([length for length in array.shape if length != 1]) if N > 1 else array.reshape(1, -1)
        if N == 1:
            array = array[:, 0] if array.shape[1] == 1 else array
        fitting = [axis for axis, length in enumerate(array.shape) if length == N]
        if not fitting or array.ndim > 2:
            raise ValueError(f"Expected {N} entries, one for each neuron, in {label} (got {shape}).")
        return np.moveaxis(array, fitting[0], 0)

    def _read(self, key: str | None, read: Callable[[Entry], Any]) -> Any:
        """Reads an array, and says in plain words why it cannot be read."""
        name = self.resolve(key)
        entry = self.entries[name]
        if entry.refusal:
            raise ValueError(f"'{name}' of '{self.path}' cannot be read: {entry.refusal}.")
        try:
            return read(entry)
        except (ValueError, OSError, MemoryError, TypeError, KeyError, RuntimeError, EOFError, ImportError) as error:
            if str(error).startswith("Expected ") or isinstance(error, ImportError):
                raise
            if isinstance(error, MemoryError):
                reason = "it does not fit into memory"
            else:
                opened = next((file for file in self._closers if isinstance(file, h5py.File)), None)
                reason = (missing_filter(opened, name) if opened else "") or "it is damaged or cut short"
            raise ValueError(f"'{name}' of '{self.path}' cannot be read: {reason}.") from None
        except zipfile.BadZipFile:
            raise ValueError(f"'{name}' of '{self.path}' cannot be read: it is damaged.") from None


def _as_array(values: Any) -> np.ndarray:
    """Returns values as an array; columns of pandas with missing entries become plain."""
    if hasattr(values, "isna") and values.dtype.kind not in "mM":
        return plain_array(values.astype(object).where(values.notna(), None))
    return np.asarray(values)


def _is_plain_folder(path: Path) -> bool:
    """Returns True for a folder that is no Zarr folder."""
    return path.is_dir() and not any((path / name).exists() for name in (".zgroup", ".zarray", "zarr.json"))
