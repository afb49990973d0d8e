"""Clusters of many spikes: which there are, and the row of each spike's cluster, by a table in place of a search."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from synapsnet_pyg.datasets.mapped_arrays import StoredVector

PIECE = 1 << 21
"""Number of spikes whose clusters are read at once."""

LARGEST_TABLE = 1 << 24
"""Largest cluster id that is looked up in a table."""


def _pieces(values: StoredVector) -> Iterator[np.ndarray]:
    """Yields clusters in pieces of whole numbers."""
    for start in range(0, len(values), PIECE):
        yield whole_ids(values[start : start + PIECE])


def whole_ids(clusters: np.ndarray) -> np.ndarray:
    """Returns cluster ids as signed whole numbers; what is no number, or -1 written as unsigned, is no cluster."""
    if clusters.dtype.kind == "u" and clusters.dtype.itemsize > 2:
        return np.where(clusters == np.iinfo(clusters.dtype).max, -1, clusters.astype(np.int64))
    if clusters.dtype.kind == "f":
        clusters = np.where(np.isfinite(clusters), clusters, -1)
    return clusters.astype(np.int64)


def cluster_ids(of_spike: StoredVector, path: Path) -> tuple[np.ndarray, int]:
    """Returns the ids of the clusters that have spikes, in order, and the number of spikes without a cluster."""
    largest, without = -1, 0
    for piece in _pieces(of_spike):
        largest, without = max(largest, int(piece.max())), without + int((piece < 0).sum())
    if largest <= LARGEST_TABLE:
        seen = np.zeros(largest + 2, dtype=bool)
        for piece in _pieces(of_spike):
            seen[np.where(piece >= 0, piece, largest + 1)] = True
        ids = np.flatnonzero(seen[:-1])
    else:
        parts = [np.unique(piece[piece >= 0]) for piece in _pieces(of_spike)]
        ids = np.unique(np.concatenate(parts))
    if not len(ids):
        raise ValueError(f"Expected clusters with spikes in '{path}' (no spike has a cluster).")
    return ids, without


def row_lookup(ids: np.ndarray, of_spike: StoredVector) -> Callable[[int, int], np.ndarray]:
    """Returns the function of first and end spike that returns the row of each spike's cluster; -1 for none."""
    if ids[-1] > LARGEST_TABLE:

        def rows_by_search(start: int, stop: int) -> np.ndarray:
            """Returns rows by a search for each spike."""
            piece = whole_ids(of_spike[start:stop])
            return np.where(piece >= 0, np.searchsorted(ids, piece), -1)

        return rows_by_search
    table = np.full(int(ids[-1]) + 2, -1, dtype=np.int64)
    table[ids] = np.arange(len(ids))

    def rows(start: int, stop: int) -> np.ndarray:
        """Returns rows by the table."""
        return table[whole_ids(of_spike[start:stop]).clip(-1)]  # the last entry is that of no cluster

    return rows


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
