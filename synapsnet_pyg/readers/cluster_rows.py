"""Neurons of many spikes: which there are, and the row of each spike's neuron; spikes are read in pieces."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synapsnet_pyg.intake.plain import MISSING_TEXTS, plain_array
from synapsnet_pyg.readers.mapped_arrays import StoredVector
from synapsnet_pyg.readers.reader import natural

PIECE = 1 << 20
"""Number of spikes whose neurons are read at once."""

LARGEST_TABLE = 1 << 24
"""Largest whole number that is looked up in a table."""


def label_rows(owner: Any, label: str, notes: list[str]) -> tuple[np.ndarray, Callable[[int, int], np.ndarray]]:
    """Returns the different labels of spikes in natural order, and a function that gives the row of each spike.

    Labels that are below zero, NaN or empty are no neuron; their spikes have the row -1.

    Args:
        owner: Label of each spike: numbers or texts, an array or a data set.
        label: Name of the labels in messages.
        notes: List that is added to.

    Example:
        >>> labels, rows = label_rows(np.array([7, 3, -1, 7]), "units", [])
        >>> labels.tolist(), rows(0, 4).tolist()
        ([3, 7], [1, 0, -1, 1])
    """
    found, lost = [np.zeros(0, dtype=np.int64)], 0
    for start in range(0, len(owner), PIECE):
        piece = _labels(owner, start, start + PIECE)
        good = _is_label(piece)
        lost += len(piece) - int(good.sum())
        found.append(_distinct(piece[good]))
    if lost:
        notes.append(f"{lost} of {len(owner)} spikes have no neuron in {label} (-1, NaN or empty) and are left out")
    known = np.unique(np.concatenate([part for part in found if len(part)] or found))
    if known.dtype.kind == "U":
        order = np.array(sorted(range(len(known)), key=lambda i: natural(str(known[i]))), dtype=np.int64)
    else:
        order = np.arange(len(known))
    rank = np.full(len(known) + 1, -1, dtype=np.int64)
    rank[order] = np.arange(len(known))
    table = None
    if known.dtype.kind in "iu" and len(known) and known[-1] <= LARGEST_TABLE:
        table = np.full(int(known[-1]) + 2, -1, dtype=np.int64)  # the last entry is that of no neuron
        table[known] = rank[:-1]

    def rows(start: int, stop: int) -> np.ndarray:
        """Returns the row of each spike."""
        piece = _labels(owner, start, stop)
        if table is not None:
            return table[np.maximum(piece, -1)]
        slot = np.searchsorted(known, piece).clip(max=max(len(known) - 1, 0))
        return rank[np.where(known[slot] == piece, slot, -1)] if len(known) else np.full(len(piece), -1)

    labels = known[order]
    whole = labels.dtype.kind == "f" and bool((labels == np.floor(labels)).all())
    return labels.astype(np.int64) if whole else labels, rows


def _labels(owner: Any, start: int, stop: int) -> np.ndarray:
    """Reads the labels of some spikes."""
    piece = np.asarray(owner[start:stop]).ravel()
    return whole_ids(piece) if piece.dtype.kind in "iu" else plain_array(piece)


def _distinct(labels: np.ndarray) -> np.ndarray:
    """Returns the different labels, by a table in place of a sort where they are small whole numbers."""
    if labels.dtype.kind not in "iu" or not len(labels) or labels.max() > LARGEST_TABLE:
        return np.unique(labels)
    seen = np.zeros(int(labels.max()) + 1, dtype=bool)
    seen[labels] = True
    return np.flatnonzero(seen)


def _is_label(values: np.ndarray) -> np.ndarray:
    """Returns True for each label that names a neuron."""
    if values.dtype.kind == "U":
        return ~np.isin(np.char.lower(values), [*MISSING_TEXTS, "-1"])
    good: np.ndarray = np.isfinite(values) & (values >= 0)
    return good


def whole_ids(clusters: np.ndarray) -> np.ndarray:
    """Returns cluster ids as signed whole numbers; what is no number, or -1 written as unsigned, is no cluster."""
    if clusters.dtype.kind == "u" and clusters.dtype.itemsize > 2:
        return np.where(clusters == np.iinfo(clusters.dtype).max, -1, clusters.astype(np.int64))
    if clusters.dtype.kind == "f":
        clusters = np.where(np.isfinite(clusters), clusters, -1)
    return clusters.astype(np.int64)


class JoinedVectors:
    """Numbers of several files, one after the other, read in slices.

    Args:
        parts: Vectors to join.
    """

    def __init__(self, parts: Sequence[StoredVector]) -> None:
        self.parts = list(parts)
        self.ends = np.cumsum([len(part) for part in parts]).tolist()

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, _ = part.indices(len(self))
        return np.concatenate([self.parts[i][a:b] for i, a, b in self.pieces(start, stop)])

    def pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Returns the part, first and end entry within it, of all that lies between two entries."""
        firsts = [0, *self.ends[:-1]]
        return [
            (i, max(start - first, 0), min(stop, end) - first)
            for i, (first, end) in enumerate(zip(firsts, self.ends, strict=True))
            if start < end and stop > first
        ] or [(0, 0, 0)]
