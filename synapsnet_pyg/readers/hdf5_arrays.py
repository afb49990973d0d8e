"""Arrays of HDF5 files, with links followed; those of MATLAB v7.3 as MATLAB shows them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.files import require_memory
from synapsnet_pyg.readers.array_entry import Entries, Entry, cell_entry
from synapsnet_pyg.readers.hdf5_files import LEFT_OUT, require_stored
from synapsnet_pyg.readers.hdf5_links import elsewhere
from synapsnet_pyg.readers.matlab_files import object_refusal
from synapsnet_pyg.readers.sparse_matrices import require_indices

_HEAD = 1 << 13
"""Number of entries of an array that are read to describe it."""

_LARGE = 1 << 22
"""Number of entries from which an array is checked against the free memory."""

_MATLAB_KINDS = frozenset(
    {"", "double", "single", "logical", "char", "cell", "struct", "canonical empty"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
"""Classes of MATLAB's variables that hold numbers or texts."""


def hdf5_entries(file: h5py.File, matlab: bool) -> Entries:
    """Returns all data sets of an HDF5 file by their paths.

    Links are followed. Sparse matrices (MATLAB's, scipy's and AnnData's) are arrays, fields of records keys of their
    own. What cannot be read is told by its entry, and leaves the others readable.

    Args:
        file: Open file.
        matlab: Whether MATLAB wrote it: axes are reversed, cells and struct arrays are references.
    """
    walk = _Walk(file, matlab)
    walk.group("", file, ())
    return walk.entries


class _Walk:
    """Walk through the groups of a file."""

    def __init__(self, file: h5py.File, matlab: bool) -> None:
        self.file, self.matlab = file, matlab
        self.entries: Entries = {}

    def group(self, key: str, group: h5py.Group, above: tuple[Any, ...]) -> None:
        """Adds all data sets of a group; a link to a group above is not followed."""
        for name in group:
            if not key and name in ("#refs#", "#subsystem#"):
                continue
            path = f"{key}/{name}" if key else name
            try:
                item = group[name]
            except (KeyError, OSError, ValueError):
                self.entries[path] = Entry.refused(_broken_link(group.get(name, getlink=True)))
                continue
            if target := elsewhere(item, self.file.filename):
                self.entries[path] = Entry.refused(f"it lies in '{target}'{LEFT_OUT}")
            elif isinstance(item, h5py.Group):
                place = h5py.h5o.get_info(item.id)
                if (place.fileno, place.addr) not in above:
                    self.item(path, item, (*above, (place.fileno, place.addr)))
            else:
                self.item(path, item, above)

    def item(self, key: str, item: Any, above: tuple[Any, ...] = ()) -> None:
        """Adds a data set, a sparse matrix, or the content of a group."""
        kind = _matlab_class(item)
        if isinstance(item, h5py.Group):
            if "MATLAB_sparse" in item.attrs:
                size = (int(item.attrs["MATLAB_sparse"]), len(item["jc"]) - 1)
                self.entries[key] = Entry(lambda: _sparse(item, size), size, "sparse")
            elif self.matlab and (kind not in ("", "struct") or "MATLAB_object_decode" in item.attrs):
                self.entries[key] = Entry.refused(object_refusal(kind))
            elif {"data", "indices", "indptr"} <= set(item) and (shape := _sparse_shape(item)):
                self.entries[key] = Entry(lambda: _sparse(item, shape), shape, "sparse")
            else:
                self.group(key, item, above)
        elif isinstance(item, h5py.Dataset):
            self.dataset(key, item, kind)
        else:
            self.entries[key] = Entry.refused("it is a named type of HDF5, which holds no numbers")

    def dataset(self, key: str, data: h5py.Dataset, kind: str) -> None:
        """Adds a data set, or its fields."""
        dtype = data.dtype
        if self.matlab and ("MATLAB_object_decode" in data.attrs or kind not in _MATLAB_KINDS):
            self.entries[key] = Entry.refused(object_refusal(kind))
        elif self.matlab and data.attrs.get("MATLAB_empty", 0):
            shape = tuple(int(length) for length in np.ravel(data[()])) if data.shape is not None else (0, 0)
            empty = np.zeros(shape if 0 in shape else (0, 0), dtype="U1" if kind == "char" else float)
            self.entries[key] = Entry(lambda: empty, empty.shape, "texts" if kind == "char" else "empty", lambda _: [])
        elif h5py.check_ref_dtype(dtype) is not None:
            self.references(key, data)
        elif data.shape is None:
            self.entries[key] = Entry(lambda: np.zeros(0), (0,), "empty")
        elif dtype.names and set(dtype.names) != {"real", "imag"}:
            for name in dtype.names:
                self.entries[f"{key}/{name}"] = self.array(data, dtype[name], partial(data.fields, name))
        else:
            self.entries[key] = self.array(data, dtype, lambda: data)

    def array(self, data: h5py.Dataset, dtype: np.dtype, view: Callable[[], Any]) -> Entry:
        """Returns an entry of numbers, texts or ragged arrays."""
        if h5py.check_ref_dtype(dtype) is not None:
            return Entry.refused("it holds references to other data")
        shape = data.shape + dtype.shape
        text = h5py.check_string_dtype(dtype)
        if text is None and h5py.check_vlen_dtype(dtype) is not None:
            return Entry(
                lambda: np.asarray(view()[()], dtype=object),
                shape,
                "ragged",
                lambda limit: [np.asarray(entry) for entry in np.ravel(view()[:limit])],
            )
        is_char = self.matlab and _matlab_class(data) == "char"
        decode = _chars if is_char else _complex if dtype.names else np.transpose if self.matlab else np.asarray
        shown = shape[-1:] if is_char else shape[::-1] if self.matlab else shape

        def load() -> np.ndarray:
            """Reads the whole data set."""
            if data.size > _LARGE:  # the name of a cell takes a search through the file
                require_stored(data, f"'{data.name}' of '{data.file.filename}'")
            return decode(np.asarray(view()[()]))

        def head() -> np.ndarray:
            """Reads the first rows."""
            return decode(np.asarray(view()[first_part(data.shape)]))

        long = len(shape) == 1 or (self.matlab and len(shape) == 2 and shape[1] == 1)
        lazy = (lambda: data) if not dtype.names and text is None and long else None
        kind = "texts" if text or is_char else dtype.name
        units = {name: _text(data.attrs[name]) for name in ("unit", "units") if name in data.attrs}
        axes = () if self.matlab or len(shape) != data.ndim else _axes(data)
        return Entry(load, shown, kind, lazy=lazy, head=head, axes=axes, attributes=units)

    def references(self, key: str, data: h5py.Dataset) -> None:
        """Adds a cell array or a field of a struct array of MATLAB."""
        if not self.matlab:
            self.entries[key] = Entry.refused("it holds references to other data")
            return
        refs = data[()].ravel()
        cells = _Cells(lambda i: self.file[refs[i]] if refs[i] else None, len(refs))
        self.cells(key, cells, data.shape[::-1])

    def cells(self, key: str, cells: "_Cells", shape: tuple[int, ...]) -> None:
        """Adds a cell array; cells of structs become a key for each field. The first full cell tells their kind."""
        first = next((item for item in cells if item is not None and not item.attrs.get("MATLAB_empty", 0)), None)
        if isinstance(first, h5py.Group) and "MATLAB_sparse" not in first.attrs:
            structs = [item if isinstance(item, h5py.Group) else {} for item in cells]
            for name in dict.fromkeys(name for item in structs for name in item):
                own = [item.get(name) for item in structs]
                self.cells(f"{key}/{name}", _Cells(own.__getitem__, len(own)), shape)
            return
        known = None if first is None else self.cell(first)
        if isinstance(known, Entry):
            self.entries[key] = known
            return
        self.entries[key] = cell_entry(
            lambda limit: [self.content(cells[i]) for i in range(len(cells))[:limit]], shape, known
        )

    def content(self, item: Any) -> np.ndarray | None:
        """Reads one cell."""
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":  # the usual case, without a look at attributes
            return np.asarray(item[()]).T
        content = None if item is None else self.cell(item)
        return np.zeros(0) if isinstance(content, Entry) else content

    def cell(self, item: Any) -> Any:
        """Reads one cell; an entry that cannot be read is returned as such."""
        inner = _Walk(self.file, True)
        inner.item("cell", item)
        entry = inner.entries.get("cell")
        if entry is None or entry.refusal:
            return entry or Entry.refused("its cells hold structs of several kinds")
        return entry.load()


class _Cells(Sequence[Any]):
    """Contents of cells that are opened one by one."""

    def __init__(self, item: Callable[[int], Any], count: int) -> None:
        self._item, self._count = item, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self._count:
            raise IndexError(i)
        return self._item(i)


def missing_filter(file: h5py.File, key: str) -> str:
    """Returns why a data set cannot be decompressed here, or an empty text."""
    data = file.get(key)
    if not isinstance(data, h5py.Dataset):
        return ""
    plist = data.id.get_create_plist()
    for i in range(plist.get_nfilters()):
        number, _, _, name = plist.get_filter(i)
        if not h5py.h5z.filter_avail(number):
            label = name.decode("ascii", "replace") or f"filter {number}"
            return f"it is compressed with {label}, which needs: pip install hdf5plugin"
    return ""


def first_part(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Returns the part of an array that is read to describe it: whole rows, or the begin of the first one.

    Example:
        >>> first_part((1000, 4096)), first_part((3, 10**9))
        ((slice(0, 2, None), slice(0, 4096, None)), (slice(0, 1, None), slice(0, 8192, None)))
    """
    left, parts = _HEAD, []
    for length in reversed(shape):
        parts.append(slice(0, min(length, max(left, 1))))
        left //= max(length, 1)
    return tuple(reversed(parts))


def _matlab_class(item: Any) -> str:
    """Returns the class that MATLAB gave to a variable, or an empty text."""
    return _text(item.attrs.get("MATLAB_class", ""))


def _text(value: Any) -> str:
    """Returns an attribute as a text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _axes(data: h5py.Dataset) -> tuple[str, ...]:
    """Returns the names of a data set's axes, by their labels or scales; empty if one has none."""
    if not {"DIMENSION_LIST", "DIMENSION_LABELS"} & set(data.attrs):
        return ()
    names = [dim.label or (dim[0].name.strip("/") if len(dim) else "") for dim in data.dims]
    return tuple(names) if all(names) else ()


def _broken_link(link: Any) -> str:
    """Returns what a link that leads nowhere names."""
    if isinstance(link, h5py.ExternalLink):
        return f"it is a link to '{link.path}' of the file '{link.filename}', which is not there"
    return f"it is a link to '{link.path}', which is not there" if isinstance(link, h5py.SoftLink) else "it is damaged"


def _chars(stored: np.ndarray) -> np.ndarray:
    """Returns texts of MATLAB's numbers of characters, one for each row of a char matrix."""
    rows = np.atleast_2d(stored.T)
    return np.array(["".join(map(chr, row.ravel().tolist())) for row in rows]) if rows.size else np.zeros(0, "U1")


def _complex(stored: np.ndarray) -> np.ndarray:
    """Returns complex numbers from their parts."""
    return (stored["real"] + 1j * stored["imag"]).T


def _sparse_shape(group: h5py.Group) -> tuple[int, ...]:
    """Returns the shape of a sparse matrix of scipy, AnnData or 10x; empty if the group is none."""
    shape = group["shape"][()] if "shape" in group else group.attrs.get("shape", group.attrs.get("h5sparse_shape", ()))
    return tuple(int(length) for length in np.ravel(shape)) if np.size(shape) == 2 else ()


def _sparse(group: h5py.Group, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a sparse matrix of compressed rows, or of columns as MATLAB's."""
    label = f"the sparse matrix '{group.name}' of '{group.file.filename}'"
    require_memory(8 * shape[0] * shape[1], f"{label} with its zeros, {list(shape)},")
    for name in set(group) & {"jc", "ir", "indptr", "indices", "data"}:
        require_stored(group[name], f"'{name}' of {label}")
    start = group["jc" if "jc" in group else "indptr"][()].astype(np.int64)
    by_row = "jc" not in group and len(start) == shape[0] + 1
    if by_row and shape[0] == shape[1]:
        kind = group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", b"csr"))
        by_row = "csc" not in str(kind)
    major_minor = (shape[0], shape[1]) if by_row else (shape[1], shape[0])
    if not start.any():  # MATLAB leaves the entries of an empty matrix out
        return np.zeros(shape)
    values = group["data"][()]
    matrix = np.zeros(shape, dtype=values.dtype)
    minor = group["ir" if "ir" in group else "indices"][()].astype(np.int64)
    require_indices(start, minor, major_minor, label)
    major = np.repeat(np.arange(len(start) - 1), np.diff(start))
    # Entries that come twice are added up, as scipy does.
    np.add.at(matrix, (major, minor) if by_row else (minor, major), values)
    return matrix
