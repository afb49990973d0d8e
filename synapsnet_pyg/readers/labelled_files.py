"""Arrays with named axes: ``.nc`` files, and ``.zarr`` folders."""

from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.readers.array_entry import PICKLED, Entries, Entry, UnreadableFileError
from synapsnet_pyg.readers.hdf5_arrays import first_part
from synapsnet_pyg.readers.hdf5_files import survey_hdf5

_PICKLES = {"pickle"}
"""Names of codecs that run code."""


def netcdf_entries(path: Path, closers: list[Any]) -> Entries:
    """Returns the variables and coordinates of a NetCDF file; those of groups after the group's name.

    Fill values become NaN, scales and offsets are applied; times stay numbers.

    Args:
        path: File.
        closers: List to which open files are added.
    """
    xarray = optional_import("xarray", "lab")
    survey_hdf5(path)
    groups = xarray.open_groups(path, decode_times=False, decode_timedelta=False)
    closers.extend(groups.values())
    entries: Entries = {}
    for place, group in groups.items():
        entries |= _variables(group, place.strip("/"))
    return entries


def zarr_entries(path: Path) -> Entries:
    """Returns the arrays of a Zarr folder by their paths.

    Arrays that xarray wrote have the names of their axes; their fill values become NaN, scales and offsets are applied.

    Args:
        path: Folder.

    Raises:
        UnreadableFileError: The folder is no Zarr folder.
    """
    zarr = optional_import("zarr", "lab")
    try:
        root = zarr.open(str(path), mode="r")
    except Exception:  # zarr has many errors for a folder without its files
        raise UnreadableFileError("it is no Zarr folder, or damaged") from None
    if not hasattr(root, "arrays"):
        return {"activity": _zarr_array(root)}
    entries: Entries = {}
    _walk(root, "", entries)
    return entries


def _variables(data: Any, prefix: str) -> Entries:
    """Returns the variables of a dataset of xarray."""
    entries: Entries = {}
    for name, variable in data.variables.items():
        key = f"{prefix}/{name}" if prefix else str(name)

        def load(variable: Any = variable, key: str = key) -> np.ndarray:
            """Reads a variable."""
            require_memory(variable.size * variable.dtype.itemsize, f"'{key}'")
            values: np.ndarray = variable.values
            return values

        def head(variable: Any = variable) -> np.ndarray:
            """Reads the first rows of a variable."""
            values: np.ndarray = variable[first_part(variable.shape)].values
            return values

        texts = {key: str(value) for key, value in variable.attrs.items()}
        entries[key] = Entry(
            load,
            tuple(variable.shape),
            "texts" if variable.dtype.kind in "OUST" else variable.dtype.name,
            head=head,
            axes=tuple(map(str, variable.dims)),
            attributes=texts,
        )
    return entries


def _walk(group: Any, prefix: str, entries: Entries) -> None:
    """Adds the arrays of a group of Zarr."""
    for name, array in group.arrays():
        entries[f"{prefix}{name}"] = _zarr_array(array)
    for name, inner in group.groups():
        _walk(inner, f"{prefix}{name}/", entries)


def _zarr_array(array: Any) -> Entry:
    """Returns an array of Zarr as an entry."""
    filters = getattr(array, "filters", None) or ()
    if any(getattr(codec, "codec_id", "") in _PICKLES for codec in filters):
        return Entry.refused(PICKLED)
    shape, dtype = tuple(array.shape), array.dtype
    ragged = any(getattr(codec, "codec_id", "") == "vlen-array" for codec in filters)
    texts = dict(array.attrs)
    axes = tuple(
        texts.get("_ARRAY_DIMENSIONS") or getattr(getattr(array, "metadata", None), "dimension_names", None) or ()
    )

    def decoded(values: Any) -> np.ndarray:
        """Applies fill value, scale and offset of xarray's arrays."""
        plain: np.ndarray = np.asarray(values)
        fill, scale, offset = (
            texts.get("_FillValue", array.fill_value or None),  # zeros are counts; Zarr's own fill value is zero
            texts.get("scale_factor"),
            texts.get("add_offset"),
        )
        if not axes or plain.dtype.kind not in "iuf" or (fill is None and scale is None and offset is None):
            return plain
        lost = plain == fill if fill is not None else np.zeros(plain.shape, dtype=bool)
        if not lost.any() and scale is None and offset is None:
            return plain
        plain = plain.astype(np.float64) * (1 if scale is None else scale) + (0 if offset is None else offset)
        plain[lost] = np.nan
        return plain

    def load() -> np.ndarray:
        """Reads the whole array."""
        require_memory(array.size * dtype.itemsize, f"'{array.name}'")
        return decoded(array[...])

    return Entry(
        load,
        shape,
        "ragged" if ragged else "texts" if dtype.kind == "O" else dtype.name,
        (lambda limit: [np.asarray(entry) for entry in np.ravel(array[:limit])]) if ragged else None,
        lazy=None if axes else lambda: array,
        head=lambda: decoded(array[first_part(shape) if shape else ...]),
        axes=axes,
        attributes={key: str(value) for key, value in texts.items()},
    )
