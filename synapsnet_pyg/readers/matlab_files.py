"""Arrays of MATLAB files before v7.3: every field of a struct is an array of its own."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.readers.array_entry import Entries, Entry, cell_entry
from synapsnet_pyg.readers.matlab_survey import survey_matlab
from synapsnet_pyg.readers.sparse_matrices import dense

_KINDS = {"double": "float64", "single": "float32", "char": "texts", "logical": "bool"}
"""Names of MATLAB's kinds of numbers -> numpy's."""


def matlab_entries(path: Path) -> Entries:
    """Returns the variables of a MATLAB file of v4, v5, v6 or v7; fields of structs are keys of their own.

    Args:
        path: File that scipy reads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of names that come twice, and of functions
        return _variables(path)


def _variables(path: Path) -> Entries:
    """Returns the variables of a file that scipy reads."""
    io = optional_import("scipy.io", "train")
    survey_matlab(path)
    entries: Entries = {}
    nested = []
    for name, shape, kind in io.whosmat(path):
        if name.startswith("__"):
            continue
        if kind in ("struct", "cell", "object", "opaque", "function", "unknown"):
            nested.append(name)
            continue

        def load(name: str = name, shape: tuple[int, ...] = shape, kind: str = kind) -> np.ndarray:
            """Reads one variable."""
            if not kind.startswith("sparse"):
                size = 16 if kind in ("char", "unknown") else 8
                require_memory(size * math.prod(shape), f"'{name}' of '{path}', {list(shape)},")
            return _dense(io.loadmat(path, variable_names=[name])[name], f"'{name}' of '{path}'")

        entries[name] = Entry(load, tuple(shape), _KINDS.get(kind, kind))
    if nested:
        require_memory(2 * path.stat().st_size, f"the structs and cells of '{path}'")
        # A variable that scipy cannot name (an object of MATLAB) is called "None".
        loaded = io.loadmat(path, variable_names=[None if name == "None" else name for name in nested])
        for name in nested:
            if name in loaded:
                _flatten(name, loaded[name], entries)
            else:
                entries[name] = _object("object")
    return entries


def object_refusal(kind: str) -> str:
    """Returns the reason why an object of MATLAB is not read."""
    mend = {"string": "; save it as cellstr(...)", "table": "; save table2struct(..., 'ToScalar', true)"}.get(kind, "")
    return f"it is an object of MATLAB's class '{kind}', which only MATLAB reads{mend}"


def _object(kind: str) -> Entry:
    """Returns an entry for an object that only MATLAB reads."""
    return Entry.refused(object_refusal(kind))


def _dense(value: Any, label: str) -> np.ndarray:
    """Returns a sparse matrix as an array."""
    return dense(value, label) if hasattr(value, "toarray") else np.asarray(value)


def _flatten(key: str, value: Any, entries: Entries) -> None:
    """Adds a value, or all fields of a struct."""
    kind = type(value).__name__
    if kind == "MatlabOpaque":
        entries[key] = _object(_class_of(value))
    elif kind == "MatlabFunction":
        entries[key] = _object("function_handle")
    elif hasattr(value, "toarray"):
        entries[key] = Entry(lambda: _dense(value, f"'{key}'"), value.shape, f"sparse {value.dtype}")
    elif value.dtype.names and value.size == 1:
        for name in value.dtype.names:
            _flatten(f"{key}/{name}", value.ravel()[0][name], entries)
    elif value.dtype.names:
        for name in value.dtype.names:
            _cells(f"{key}/{name}", [entry[name] for entry in value.ravel("F")], value.shape, entries)
    elif value.dtype == object:
        _cells(key, list(value.ravel("F")), value.shape, entries)
    else:
        entries[key] = Entry.known(value)


def _cells(key: str, items: Sequence[Any], shape: tuple[int, ...], entries: Entries) -> None:
    """Adds a cell array; cells of structs become a key for each field."""
    full = [item for item in items if item is not None and np.size(item)]
    opaque = next((item for item in full if type(item).__name__ in ("MatlabOpaque", "MatlabFunction")), None)
    if opaque is not None:
        entries[key] = _object(_class_of(opaque))
    elif full and all(item.size == 1 and getattr(item.dtype, "names", None) for item in full):
        for name in dict.fromkeys(name for item in full for name in item.dtype.names):
            own = [item.ravel()[0][name] if item.size and name in item.dtype.names else None for item in items]
            _cells(f"{key}/{name}", own, shape, entries)
    else:
        arrays = [None if item is None else _dense(item, f"a cell of '{key}'") for item in items]
        entries[key] = cell_entry(lambda limit: arrays[:limit], shape, full[0] if full else None)


def _class_of(value: Any) -> str:
    """Returns the name of the class of an object of MATLAB."""
    names = value.dtype.names or ()
    kind = value.ravel()[0]["s2"] if "s2" in names and value.size else b"object"
    return kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
