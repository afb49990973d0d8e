"""Bins of equal length in blocks of time."""

from collections.abc import Iterable

import numpy as np

_MOST_BINS = 20_000_000
"""Largest number of bins, a week of 33 ms. More bins come from times that are not in seconds, or from a wrong time."""

_SHARE_OF_BIN = 1e-6
"""Share of a bin by which a time may lie below the bin's start and still fall into it, for rounding."""


class TimeBins:
    r"""Bins of equal length in blocks of time that do not overlap; each block becomes a segment.

    Bin k of a block that starts at :math:`s` holds the times :math:`s + k d \le t < s + (k + 1) d`. A time that lies
    below a bin's start by less than its own rounding error falls into the bin, so that a spike at a whole number of
    milliseconds or samples is counted where it belongs.

    Args:
        blocks: Start and stop of each block in seconds, in order; time after the last complete bin is left out.
        bin_size: Duration d of one bin in seconds.
        label: Name of what holds the times, in messages.

    Raises:
        ValueError: No block holds a complete bin, there are more than 20 million bins, or blocks are not numbers,
            overlap or are not in order.

    Example:
        >>> TimeBins([(0.0, 1.0)], 0.1).count(np.array([0.3, 0.6, 0.7])).tolist()  # 0.3 / 0.1 is below 3
        [0, 0, 0, 1, 0, 0, 1, 1, 0, 0]
    """

    def __init__(self, blocks: Iterable[tuple[float, float]], bin_size: float, label: str = "the recording") -> None:
        if not np.isfinite(bin_size) or bin_size <= 0:
            raise ValueError(f"Expected bin_size, the duration of one bin in seconds, above 0 (got {bin_size}).")
        table = np.array(list(blocks), dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(table).all() or (np.diff(table.ravel()) < 0).any():
            raise ValueError(f"Expected blocks of time in order and apart (got {table[:4].tolist()}...).")
        # Rounding must not remove the last bin of a block.
        length = np.floor((table[:, 1] - table[:, 0]) / bin_size + _SHARE_OF_BIN).astype(int)
        table, length = table[length > 0], length[length > 0]
        if not len(table):
            raise ValueError(
                f"Expected a block of time of at least one bin of {bin_size:g} s in {label} (all are shorter)."
            )
        if length.sum() > _MOST_BINS:
            raise ValueError(
                f"Expected fewer than {_MOST_BINS} bins (got {length.sum()} of {bin_size:g} s, from {table[0, 0]:g} to "
                f"{table[-1, 1]:g} s in {label}); are all times in seconds? --sampling-rate gives their ticks a "
                "second; --start and --stop leave out single wrong times."
            )
        self.bin_size = float(bin_size)
        stop = np.cumsum(length)
        self.segment = np.stack([stop - length, stop], axis=1).astype(np.int64)
        self._start, self._length = table[:, 0], length

    def __len__(self) -> int:
        return int(self.segment[-1, 1])

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin in seconds [T]."""
        within = np.arange(len(self)) - np.repeat(self.segment[:, 0], self._length)
        return np.repeat(self._start, self._length) + self.bin_size * (within + 0.5)

    def slots(self, times: np.ndarray, rounding: float = 0.0) -> np.ndarray:
        """Returns the bin of each time, -1 for times in no bin; times may be in any order.

        Args:
            times: Times in seconds.
            rounding: Rounding error of the times in seconds beyond that of their own precision.
        """
        finite = np.isfinite(times)
        if not finite.any():
            return np.full(len(times), -1, dtype=np.int64)
        times = np.where(finite, times, -np.inf)
        slack = _SHARE_OF_BIN * self.bin_size + 2 * float(np.spacing(np.abs(times[finite]).max())) + rounding
        slack = min(slack, 0.5 * self.bin_size)
        block = np.searchsorted(self._start, times + slack, side="right") - 1
        within = np.floor((np.where(finite, times, 0) - self._start[block] + slack) / self.bin_size).astype(np.int64)
        inside = (block >= 0) & (within < self._length[block])
        return np.where(inside, self.segment[block, 0] + within, -1)

    def count(self, times: np.ndarray, rounding: float = 0.0) -> np.ndarray:
        """Counts the times in each bin [T]; times may be in any order."""
        slot = self.slots(times, rounding)
        return np.bincount(slot[slot >= 0], minlength=len(self))

    def covered(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Returns the share of each bin [T] that lies in blocks of time that do not overlap."""
        edge = self.centres - self.bin_size / 2
        before = _time_inside(edge + self.bin_size, start, stop) - _time_inside(edge, start, stop)
        share: np.ndarray = np.clip(before / self.bin_size, 0.0, 1.0)
        return share


def _time_inside(times: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Returns the time that lies in blocks before each of some times."""
    if not len(start):
        return np.zeros(len(times))
    total = np.concatenate([[0.0], np.cumsum(stop - start)])
    block = np.searchsorted(start, times, side="right")
    last = np.clip(block - 1, 0, None)
    after = np.minimum(np.clip(times - start[last], 0.0, None), stop[last] - start[last])
    inside: np.ndarray = np.where(block > 0, total[last] + after, 0.0)
    return inside
