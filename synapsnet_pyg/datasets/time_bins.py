"""Bins of a recording with several clocks: spike counts, interpolated behaviour, segments of frames."""

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_MOST_BINS = 20_000_000
"""Largest number of bins, a week of 33 ms. More bins come from times that are not in seconds, or from a wrong time."""


class DataWarning(UserWarning):
    """Warning of a defect or a repair in a recording."""


def warn(message: str) -> None:
    """Warns of a defect or a repair in a recording."""
    warnings.warn(message, DataWarning, stacklevel=3)


class TimeBins:
    r"""Bins of equal length in blocks of time that do not overlap; each block becomes a segment.

    Bin k of a block that starts at :math:`s` holds the times :math:`s + k d \le t < s + (k + 1) d`.

    Args:
        blocks: Start and stop of each block in seconds, in order; time after the last complete bin is left out.
        bin_size: Duration d of one bin in seconds.

    Raises:
        ValueError: No block holds a complete bin, there are more than 20 million bins, or blocks are not numbers,
            overlap or are not in order.
    """

    def __init__(self, blocks: Iterable[tuple[float, float]], bin_size: float) -> None:
        if not np.isfinite(bin_size) or bin_size <= 0:
            raise ValueError(f"Expected bin_size, the duration of one bin in seconds, above 0 (got {bin_size}).")
        table = np.array(list(blocks), dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(table).all() or (np.diff(table.ravel()) < 0).any():
            raise ValueError(f"Expected blocks of time in order and apart (got {table[:4].tolist()}...).")
        # Rounding must not remove the last bin of a block.
        length = np.floor((table[:, 1] - table[:, 0]) / bin_size + 1e-6).astype(int)
        table, length = table[length > 0], length[length > 0]
        if not len(table):
            raise ValueError(f"Expected a block of time of at least one bin of {bin_size:g} s (all are shorter).")
        if length.sum() > _MOST_BINS:
            raise ValueError(
                f"Expected fewer than {_MOST_BINS} bins (got {length.sum()} of {bin_size:g} s, from {table[0, 0]:g} to "
                f"{table[-1, 1]:g} s); are all times in seconds? Leave out single wrong times by start and stop."
            )
        self.bin_size = bin_size
        stop = np.cumsum(length)
        self.segment = np.stack([stop - length, stop], axis=1)
        self._edges = np.concatenate([s + bin_size * np.arange(n + 1) for (s, _), n in zip(table, length, strict=True)])
        self._within = np.ones(len(self._edges), dtype=bool)
        self._within[np.cumsum(length + 1) - 1] = False  # the gap between two blocks is not a bin

    def __len__(self) -> int:
        return int(self.segment[-1, 1])

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin in seconds [T]."""
        return self._edges[self._within] + self.bin_size / 2

    def count(self, times: np.ndarray) -> np.ndarray:
        """Counts the times in each bin [T]; times may be in any order."""
        slot = np.searchsorted(self._edges, times, side="right") - 1
        return np.bincount(slot[slot >= 0], minlength=len(self._edges))[self._within]


class Frames(NamedTuple):
    """Frames in order of time."""

    order: np.ndarray
    """Indices of the kept samples, in order of time [T]."""
    times: np.ndarray
    """Times of the kept samples in seconds [T]."""
    segment: np.ndarray
    """First frame and end of each block without a gap [S, 2]."""
    bin_size: float
    """Median step in seconds."""


def frames(times: np.ndarray, label: str) -> Frames:
    """Finds steps and gaps of a clock.

    Times that are out of order, repeated or not a number are repaired with a warning.

    Args:
        times: Times in seconds [T].
        label: Name of the clock in messages, such as the file's name.

    Raises:
        ValueError: Fewer than two times are left.
    """
    times = np.asarray(times, dtype=np.float64).ravel()
    order = _in_order(times, label)
    if len(order) < 2:
        raise ValueError(f"Expected at least two different times in {label} (got {len(order)}).")
    ordered = times[order]
    step = np.diff(ordered)
    usual = float(np.median(step))
    gap = np.flatnonzero(step > 1.5 * usual) + 1
    if len(gap):
        warn(f"{label} has {len(gap)} gaps of up to {step.max():.3g} s (usual step {usual:.3g} s): segments end.")
    border = np.concatenate([[0], gap, [len(ordered)]])
    return Frames(order, ordered, np.stack([border[:-1], border[1:]], axis=1), usual)


def onto(at: np.ndarray, times: np.ndarray, values: np.ndarray, label: str) -> np.ndarray:
    """Interpolates a time series at other times, linearly between samples and constant beyond its ends.

    Samples that are not a number are left out. Every repair is reported by a warning.

    Args:
        at: Times of the result in seconds [T].
        times: Times of the samples in seconds [R].
        values: Samples [R].
        label: Name of the time series in messages, such as the file's name.

    Returns:
        Interpolated values [T], float64.

    Example:
        >>> onto(np.array([0.5, 1.0]), times=np.array([0.0, 1.0]), values=np.array([2.0, 4.0]), label="speed")
        array([3., 4.])

    Raises:
        ValueError: Times and values differ in length, no sample is a number, or none lies within ``at``.
    """
    times, values = np.asarray(times, np.float64).ravel(), np.asarray(values, np.float64).ravel()
    if len(times) != len(values):
        raise ValueError(f"Expected as many times as values in {label} (got {len(times)} and {len(values)}).")
    order = _in_order(times, label)
    times, values = times[order], values[order]
    good = np.isfinite(values)
    if not good.any():
        raise ValueError(f"Expected numbers in {label} (got {len(values)} samples, none of them a number).")
    if not good.all():
        gaps = int(np.diff(np.concatenate([[0], ~good, [0]]).astype(int)).clip(0).sum())
        warn(f"{label} holds {int((~good).sum())} values that are not a number in {gaps} gaps, filled linearly.")
    times, values = times[good], values[good]
    outside = float(((at < times[0]) | (at > times[-1])).mean())
    if times[-1] < at[0] or times[0] > at[-1]:
        raise ValueError(
            f"Expected {label} to have samples within the recording, {at[0]:g} to {at[-1]:g} s (got {times[0]:g} to "
            f"{times[-1]:g} s); give times of the same clock."
        )
    if outside > 0.01:
        warn(f"{label} covers only {100 * (1 - outside):.0f} % of the recording; its first and last values are held.")
    return np.interp(at, times, values)


def _in_order(times: np.ndarray, label: str) -> np.ndarray:
    """Returns the indices of samples, in the order in which their times are numbers and increase."""
    kept = np.flatnonzero(np.isfinite(times))
    if len(kept) < len(times):
        warn(f"{label} holds {len(times) - len(kept)} times that are not a number; their samples are left out.")
    if (np.diff(times[kept]) < 0).any():
        warn(f"{label} has times out of order; its samples are sorted.")
        kept = kept[np.argsort(times[kept], kind="stable")]
    repeated = np.concatenate([[False], np.diff(times[kept]) == 0]) if len(kept) else np.zeros(0, bool)
    if repeated.any():
        warn(f"{label} has {int(repeated.sum())} repeated times; the first sample of each is kept.")
    return kept[~repeated]


def advanced(behaviour: Tensor, segment: Tensor, bins: int) -> Tensor:
    """Moves behaviour to earlier bins within each segment; the last value is repeated at the end.

    A forecast of bin t + 1 sees the behaviour of bin t. Behaviour that is known in advance and acts within its own bin,
    such as a stimulus, must therefore move one bin earlier.

    Args:
        behaviour: Behaviour :math:`(T, K)`.
        segment: First bin and end of each segment :math:`(S, 2)`.
        bins: Number of bins to move by.

    Raises:
        ValueError: ``bins`` is negative.

    Example:
        >>> advanced(torch.tensor([[1.0], [2.0], [3.0], [7.0], [8.0]]), torch.tensor([[0, 3], [3, 5]]), 1).flatten()
        tensor([2., 3., 3., 8., 8.])
    """
    if bins < 0:
        raise ValueError(f"Expected behaviour to be advanced by 0 bins or more (got {bins}).")
    moved = behaviour.clone()
    for start, stop in segment.tolist():
        later = torch.arange(start + bins, stop + bins).clamp(max=stop - 1)
        moved[start:stop] = behaviour[later]
    return moved
