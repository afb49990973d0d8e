"""YAML files of options: read as an object of plain values, however deep or repetitive their text is."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from synapsnet_pyg.files.settings import Json

MOST_VALUES = 10_000
"""Largest number of values of a file, where a value that is referred to counts again every time."""

DEEPEST = 50
"""Largest number of lists and objects within each other."""


def read_yaml(path: str | os.PathLike[str]) -> Json:
    """Reads an object from a YAML file.

    Values that refer to others (``*name``) are counted before they are put in place: ten lines of these can stand for
    10^9 values.

    Args:
        path: Path of the file.

    Returns:
        Name -> value.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no YAML, holds no object of named values, or holds more than options can be.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "fit.yaml")
        ...     size = path.write_text("epochs: 20")
        ...     read_yaml(path)
        {'epochs': 20}
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = Path(path).read_text(encoding="utf-8")
        _require_small(yaml.parse(text, Loader=loader))
        values = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:150]  # AttributeError: a date that is none
        raise ValueError(f"Expected YAML of plain values in '{path}' (got: {reason}).") from None
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ValueError(f"Expected lines 'name: value' in '{path}' (got {_kind(values)}).")
    return values


def _require_small(events: Iterable[Any]) -> None:
    """Raises a ValueError if the events of a YAML text stand for too many values, or too deep ones."""
    sizes: dict[str, int] = {}
    open_values: list[tuple[str | None, int]] = []
    total = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"'*{event.anchor}' refers to no value before it")
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            total += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_values.append((event.anchor, total - 1))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = open_values.pop()
            if anchor is not None:
                sizes[anchor] = total - start
        if total > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values")
        if len(open_values) > DEEPEST:
            raise ValueError(f"more than {DEEPEST} lists within each other")


def _kind(values: Any) -> str:
    """Returns the kind of a value for a message."""
    return "names that are no texts" if isinstance(values, dict) else type(values).__name__
