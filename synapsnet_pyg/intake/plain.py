"""Plain arrays of numpy from whatever holds numbers or texts: masked, nullable, categorical, big-endian, unsigned."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

MISSING_TEXTS = frozenset({"", "nan", "none", "<na>", "nat", "null", "n/a", "[]"})
"""Texts, in lower case, that stand for a missing entry."""

_WHOLE = re.compile(r"(-?\d+)\.0+")
"""Whole number with zeros after its point."""

_BLOCK = 1 << 20
"""Number of entries of a table that are looked at at once."""


class MissingNumberError(ValueError):
    """Error for missing entries where every number is needed."""


def plain_array(values: Any) -> np.ndarray:
    """Returns values as an array of native float, whole number, bool or text; missing entries become NaN or ``""``.

    Masked entries, ``None`` and pandas' ``<NA>`` are missing. Half precision becomes single precision; unsigned whole
    numbers become signed ones, or float64 above their range; bytes become texts, categories their labels, and times
    texts in ISO form.

    Args:
        values: Array of numpy, column of pandas, tensor, xarray's ``DataArray``, or nested lists.

    Returns:
        Array of kind ``b``, ``i``, ``f`` or ``U``; another kind (complex, records) is returned unchanged.

    Example:
        >>> plain_array(np.ma.masked_array([1, 2], mask=[False, True]))
        array([ 1., nan])
        >>> plain_array([b"VISp", None]).tolist()
        ['VISp', '']
    """
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        array = plain_array(values.data)
        return _with_missing(array, mask) if mask.any() else array
    if hasattr(values, "detach"):  # a tensor
        values = values.detach().cpu()
    if hasattr(values, "toarray"):  # a sparse matrix of scipy
        values = values.toarray()
    if hasattr(values, "isna") and hasattr(values, "to_numpy"):  # pandas: nullable types and categories
        return plain_array(values.to_numpy(dtype=object))
    try:
        array = np.asarray(values)
    except ValueError:  # entries of different lengths
        array = np.empty(len(values), dtype=object)
        array[:] = list(values)
    if array.dtype == object:
        return _from_objects(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "u":
        large = array.dtype.itemsize == 8 and array.size and int(array.max()) > np.iinfo(np.int64).max
        return array.astype(np.float64 if large else np.int64)
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    if array.dtype.kind in "SMm":
        return np.array([_text(entry) for entry in array.ravel().tolist()], dtype=np.str_).reshape(array.shape)
    return np.char.strip(np.char.lstrip(array, "\ufeff")) if array.dtype.kind == "U" else array


def numbers(values: Any, label: str, missing: bool = True) -> np.ndarray:
    """Returns values as an array of real numbers.

    Args:
        values: Values as of :func:`plain_array`.
        label: Name of the values in messages.
        missing: Whether entries may be missing; they are NaN.

    Raises:
        ValueError: The values are not real numbers, or an entry is missing and must not be.
    """
    array = plain_array(values)
    if array.dtype.kind not in "fib" and not (array.size == 0 and array.dtype.kind in "UO"):
        raise ValueError(f"Expected real numbers in {label} (got {kind_of(array)}).")
    if not missing and array.dtype.kind == "f" and np.isnan(array).any():
        raise MissingNumberError(f"Expected a number in every entry of {label} (some are missing).")
    return array


def is_positive(value: Any) -> bool:
    """Returns True for one finite number above zero."""
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value) and value > 0)


def row_blocks(values: Any, rows: np.ndarray | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields rows of a table of numbers, about a million entries at once, each with its place among the rows.

    Args:
        values: Table [N, T]: an array, or what reads its rows from a file one by one.
        rows: Rows to take. None: all.

    Example:
        >>> [(place, block.tolist()) for place, block in row_blocks(np.eye(3), np.array([0, 2]))]
        [(slice(0, 2, None), [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])]
    """
    rows = np.arange(len(values)) if rows is None else rows
    in_array = isinstance(values, np.ndarray)
    step = max(_BLOCK // max(values.shape[1], 1), 1) if in_array else 1
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        yield slice(start, start + len(part)), values[part] if in_array else np.asarray(values[int(part[0])])[None]


def kind_of(array: np.ndarray) -> str:
    """Returns the kind of an array's entries in words."""
    if array.dtype.names:
        return f"records of {', '.join(array.dtype.names)}"
    return {"U": "texts", "S": "texts", "c": "complex numbers", "O": "objects of several kinds", "V": "raw bytes"}.get(
        array.dtype.kind, str(array.dtype)
    )


def texts(values: Any) -> list[str]:
    """Returns entries as texts: whole numbers without ``.0``, missing entries as ``""``.

    Texts of whole numbers are understood too, so that ``"101.0"`` of one session is 101 of another.

    Example:
        >>> texts([101.0, float("nan"), 102.5])
        ['101', '', '102.5']
        >>> texts(["101.0", "<NA>", None])
        ['101', '', '']
    """
    array = plain_array(values).ravel()
    if array.dtype.kind == "f":
        return ["" if np.isnan(x) else str(int(x)) if float(x).is_integer() else repr(x) for x in array.tolist()]
    entries = [str(entry).strip() for entry in array.tolist()]
    return ["" if t.lower() in MISSING_TEXTS else (_WHOLE.fullmatch(t) or [t, t])[1] for t in entries]


def rows_of(ids: Any, wanted: Any) -> np.ndarray:
    """Returns the row of each wanted id among ids, -1 for an id without a row; ids are compared as :func:`texts`.

    Missing ids have no row. Of an id that comes several times the last row counts.

    Example:
        >>> rows_of([4.0, 7.0, 9.0], ["9", "5"]).tolist()
        [2, -1]
    """
    row = {text: i for i, text in enumerate(texts(ids)) if text}
    return np.array([row.get(text, -1) for text in texts(wanted)], dtype=np.int64)


def at_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns entries at rows; rows outside the table are missing: empty texts, or NaN.

    Args:
        values: Column or table of numbers or texts, a row for each entry.
        rows: Row of each wanted entry.

    Example:
        >>> at_rows(np.array(["CA1", "DG"]), np.array([1, -1])).tolist()
        ['DG', '']
    """
    known = (rows >= 0) & (rows < len(values))
    if known.all():
        return values[rows]
    missing = "" if values.dtype.kind == "U" else np.nan
    if not len(values):
        return np.full((len(rows), *values.shape[1:]), missing)
    found = values[np.where(known, rows, 0)]
    return np.where(known.reshape(-1, *[1] * (values.ndim - 1)), found, missing)


def _from_objects(array: np.ndarray) -> np.ndarray:
    """Returns an array of objects as numbers if all are numbers or missing, else as texts."""
    flat = [_item(entry) for entry in array.ravel()]
    present = [entry for entry in flat if entry is not None]
    if all(isinstance(entry, (bool, np.bool_)) for entry in present) and len(present) == len(flat) and flat:
        return np.array(flat, dtype=bool).reshape(array.shape)
    if present and all(isinstance(entry, (int, float)) for entry in present):
        if len(present) == len(flat) and all(isinstance(entry, int) for entry in present):
            return plain_array(np.array(flat)).reshape(array.shape)
        filled = [np.nan if entry is None else float(entry) for entry in flat]
        return np.array(filled, dtype=np.float64).reshape(array.shape)
    flat = [None if isinstance(entry, float) and np.isnan(entry) else entry for entry in flat]
    if all(isinstance(entry, (str, bytes, bool, int, float)) for entry in present):
        return np.array(["" if e is None or e != e else _text(e) for e in flat], dtype=np.str_).reshape(array.shape)
    return array


def _item(entry: Any) -> Any:
    """Returns an entry as a plain number or text; None for a missing one."""
    if isinstance(entry, np.ndarray) and entry.size == 1:  # MATLAB's cells
        entry = entry.ravel()[0]
    if isinstance(entry, np.ndarray) and entry.size == 0:
        return None
    if isinstance(entry, np.generic):
        entry = entry.item()
    if entry is None or entry is np.ma.masked or type(entry).__name__ in ("NAType", "NaTType"):
        return None
    return entry if isinstance(entry, (bool, int, float, str, bytes, np.ndarray, list, dict)) else str(entry)


def _text(entry: Any) -> str:
    """Returns a text, without a byte order mark."""
    text = entry.decode("utf-8", "replace") if isinstance(entry, bytes) else str(entry)
    return "" if text in ("None", "NaT") else text.lstrip("\ufeff").strip()


def _with_missing(array: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns an array whose masked entries are NaN, or empty texts."""
    if array.dtype.kind == "U":
        return np.where(mask, "", array)
    filled: np.ndarray = array.astype(np.float32 if array.dtype == np.float32 else np.float64)
    filled[mask] = np.nan
    return filled
