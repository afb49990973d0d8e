"""One array of a file: its header, and functions that read it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synapsnet_pyg.intake.plain import plain_array

PICKLED = "it holds pickled objects, which are never read"
"""Reason why an array of objects is not read."""


class UnreadableFileError(ValueError):
    """Error for a file that cannot be read; its message is the reason."""


@dataclass(frozen=True)
class Entry:
    """Array of a file, not yet read.

    Args:
        load: Function that reads the array.
        shape: Shape by the header. None: unknown.
        dtype: Kind of its entries by the header, in numpy's words. Empty: unknown.
        pieces: Function that reads one array for each of the first entries (None: of all), of ragged arrays such as
            MATLAB's cells.
        lazy: Function that opens the array, to read slices of its first axis. None: ``load``.
        head: Function that reads a small part of the array. None: ``load``, where the shape is small.
        axes: Names of the axes, where the file has them.
        attributes: Texts beside the array, such as its unit.
        refusal: Reason why the array cannot be read. Empty: it can.
    """

    load: Callable[[], Any]
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    pieces: Callable[[int | None], list[np.ndarray]] | None = None
    lazy: Callable[[], Any] | None = None
    head: Callable[[], Any] | None = None
    axes: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""

    @classmethod
    def refused(cls, reason: str) -> "Entry":
        """Makes an entry that cannot be read."""
        return cls(lambda: None, refusal=reason)

    @classmethod
    def known(cls, values: Any) -> "Entry":
        """Makes an entry of values in memory."""
        array = np.asarray(values)
        return cls(lambda: array, array.shape, dtype_name(array.dtype))


def dtype_name(dtype: np.dtype) -> str:
    """Returns the kind of an array's entries in numpy's words, texts as such."""
    return "texts" if dtype.kind in "SU" else dtype.name


Entries = dict[str, Entry]
"""Arrays of a file by key."""


def cell_entry(items: Callable[[int | None], Sequence[Any]], shape: tuple[int, ...], first: Any) -> Entry:
    """Makes an entry of a cell array: numbers or texts where each cell holds at most one, else ragged.

    Args:
        items: Function that reads the content of the first cells (None: of all); None for an empty one.
        shape: Shape of the cell array.
        first: Content of the first cell that is not empty, or None.
    """
    kind = getattr(getattr(first, "dtype", None), "kind", "")
    return Entry(
        lambda: from_cells(items(None), shape),
        shape,
        "cells of texts" if kind in "US" and kind else "cells",
        lambda limit: [np.zeros(0) if item is None else np.asarray(item) for item in items(limit)],
    )


def from_cells(items: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Returns the content of cells in column order: numbers or texts of a cell array's shape, else arrays.

    Example:
        >>> from_cells([np.array(["AVAL"]), np.zeros((0, 0)), np.array(["RIM"])], (3, 1)).ravel().tolist()
        ['AVAL', '', 'RIM']
        >>> from_cells([np.ones((1, 1)), np.zeros((0, 0))], (1, 2))
        array([[ 1., nan]])
    """
    flat = np.empty(len(items), dtype=object)
    single = True
    for i, item in enumerate(items):
        array = np.zeros(0) if item is None else np.asarray(item)
        if array.dtype.kind in "US" and array.size > 1:  # rows of a char matrix
            single = False
        single = single and array.size <= 1 and array.dtype.kind != "O"
        flat[i] = (array.ravel()[0] if array.size else None) if single else array
    if single:
        return plain_array(flat).reshape(shape, order="F")
    for i, item in enumerate(items):
        flat[i] = np.zeros(0) if item is None else np.asarray(item)
    return flat.reshape(shape, order="F")
