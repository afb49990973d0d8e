"""JSON files of our own: read as what they are declared to be, with a checksum where one was written."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from synapsnet_pyg.files.checksums import DamagedFileError, json_checksum
from synapsnet_pyg.files.settings import Json
from synapsnet_pyg.files.writing import atomic_path

_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}

_DIGEST = re.compile("[0-9a-f]{64}")

T = TypeVar("T")


def write_json(path: Path, values: Mapping[str, Any], *, indent: int = 1, new: bool = False) -> None:
    """Writes values to a JSON file with their checksum, completely or not at all.

    Args:
        path: Path of the file, in an existing folder.
        values: Name -> value.
        indent: Number of blanks before a value in a list or an object.
        new: Whether there may be no such file yet.

    Raises:
        FileExistsError: There is one, and the file must be new.
        OSError: The folder is missing, not writable or full.
    """
    sealed = {**values, "checksum": json_checksum(json.loads(json.dumps(values)))}
    with atomic_path(path, new=new) as temporary:
        temporary.write_text(json.dumps(sealed, indent=indent) + "\n")


def read_json(path: str | os.PathLike[str]) -> tuple[Json, bool]:
    """Reads an object from a JSON file.

    Args:
        path: Path of the file.

    Returns:
        Name -> value without the checksum, and whether there was one that agrees; files of earlier versions have none.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is no JSON, holds no object, or its values are not those that were written.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:150]
        raise DamagedFileError(f"Expected JSON in '{path}' (got: {reason}); take a copy.") from None
    if not isinstance(values, dict):
        raise DamagedFileError(f"Expected an object of JSON in '{path}' (got {_short(values)}); take a copy.")
    checksum = values.pop("checksum", None)
    if checksum is None:  # damage may be in its name
        checksum = next(
            (value for value in values.values() if isinstance(value, str) and _DIGEST.fullmatch(value)), None
        )
    if checksum is not None and checksum != json_checksum(values):
        raise DamagedFileError(
            f"'{path}' is damaged, or was changed: its checksum is not that of its values; take a copy, or if you "
            "changed it yourself remove the line 'checksum'."
        )
    return values, checksum is not None


def read_as(kind: type[T], value: Any, field: str, path: str | os.PathLike[str]) -> T:
    """Returns a value of a JSON file as a declared type, with a :class:`DamagedFileError` if it is no such value.

    Args:
        kind: A dataclass, whose fields are declared by their annotations; or str, int, float, bool, or lists, mappings
            and unions of these.
        value: Value to check.
        field: Name of the value in messages, such as ``sessions[0].name``.
        path: Path of the file.

    Example:
        >>> read_as(list[int], [1, 2], "bins", "a.json")
        [1, 2]
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _read_dataclass(kind, value, field, path)
    if origin is UnionType:
        if value is None and NoneType in inner:
            return None  # type: ignore[return-value]
        return read_as(next(one for one in inner if one is not NoneType), value, field, path)
    if origin is list:
        entries = _require(list, value, field, path)
        return [read_as(inner[0], one, f"{field}[{i}]", path) for i, one in enumerate(entries)]  # type: ignore[return-value]
    if origin is not None:
        entries = _require(dict, value, field, path)
        return {key: read_as(inner[1], one, f"{field}.{key}", path) for key, one in entries.items()}  # type: ignore[return-value]
    return _require(kind, value, field, path)


def _read_dataclass(kind: type[T], value: Any, field: str, path: str | os.PathLike[str]) -> T:
    """Returns an object of JSON as a dataclass; a missing value has its default."""
    values, hints = _require(dict, value, field, path), get_type_hints(kind)
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise DamagedFileError(f"Expected {field} of {', '.join(known)} in '{path}' (got '{key}' too).")
    for key, entry in known.items():
        if key not in values and entry.default is MISSING and entry.default_factory is MISSING:
            raise DamagedFileError(f"Expected {field}.{key} in '{path}' (there is none).")
    try:
        return kind(**{key: read_as(hints[key], one, f"{field}.{key}", path) for key, one in values.items()})
    except DamagedFileError:
        raise
    except (ValueError, TypeError) as error:
        raise DamagedFileError(f"Expected a valid {field} in '{path}' ({error}).") from None


def _require(kind: Any, value: Any, field: str, path: str | os.PathLike[str]) -> Any:
    """Returns a value of JSON if it is of a kind; a whole number is a number too, infinity is none."""
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (isinstance(value, bool) and kind is not bool) or (kind is float and not abs(value) < 1e300):
        raise DamagedFileError(f"Expected {field} in '{path}' to be {_NAMES[kind]} (got {_short(value)}).")
    return value


def _short(value: Any) -> str:
    """Returns a value for a message, cut short."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
