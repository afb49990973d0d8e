"""Several clocks, one recording: spikes into bins, behaviour onto bins, frame times into segments."""

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_MOST_BINS = 20_000_000
"""Of 33 ms these make a week: more come of a time in another unit, or of one that went wrong."""


class DataWarning(UserWarning):
    """Something in a recording that its owner should know of."""


def warn(message: str) -> None:
    """Tells the owner of a recording what was found or mended."""
    warnings.warn(message, DataWarning, stacklevel=3)


class Bins:
    r"""Bins of one length in blocks of time that do not overlap; each block becomes a segment.

    Bin k of a block that starts at :math:`s` holds the times :math:`s + k d \le t < s + (k + 1) d`.

    Args:
        blocks: Start and stop of each block in seconds, in order; what does not fill a whole bin at the end is left.
        bin_size: d, seconds.

    Raises:
        ValueError: No block holds a whole bin, there are absurdly many bins, or blocks are not numbers, overlap or are
            not in order.
    """

    def __init__(self, blocks: Iterable[tuple[float, float]], bin_size: float) -> None:
        if not np.isfinite(bin_size) or bin_size <= 0:
            raise ValueError(f"Expected bin_size, the duration of one bin in seconds, above 0 (got {bin_size}).")
        table = np.array(list(blocks), dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(table).all() or (np.diff(table.ravel()) < 0).any():
            raise ValueError(f"Expected blocks of time in order and apart (got {table[:4].tolist()}...).")
        # A block of whole bins must not lose its last one to rounding.
        length = np.floor((table[:, 1] - table[:, 0]) / bin_size + 1e-6).astype(int)
        table, length = table[length > 0], length[length > 0]
        if not len(table):
            raise ValueError(f"Expected a stretch of time of at least one bin of {bin_size:g} s (all are shorter).")
        if length.sum() > _MOST_BINS:
            raise ValueError(
                f"Expected fewer than {_MOST_BINS} bins (got {length.sum()} of {bin_size:g} s, from {table[0, 0]:g} to "
                f"{table[-1, 1]:g} s); are all times in seconds? One that is far off can be cut away by start and stop."
            )
        self.bin_size = bin_size
        stop = np.cumsum(length)
        self.segment = np.stack([stop - length, stop], axis=1)
        self._edges = np.concatenate([s + bin_size * np.arange(n + 1) for (s, _), n in zip(table, length, strict=True)])
        self._within = np.ones(len(self._edges), dtype=bool)
        self._within[np.cumsum(length + 1) - 1] = False  # from the last edge of a block to the next block is no bin

    def __len__(self) -> int:
        return int(self.segment[-1, 1])

    @property
    def centres(self) -> np.ndarray:
        """The middle of each bin in seconds: [T]."""
        return self._edges[self._within] + self.bin_size / 2

    def count(self, times: np.ndarray) -> np.ndarray:
        """How many of these times fall in each bin: [T]. They need no order."""
        slot = np.searchsorted(self._edges, times, side="right") - 1
        return np.bincount(slot[slot >= 0], minlength=len(self._edges))[self._within]


class Frames(NamedTuple):
    """A clock of frames put in order."""

    order: np.ndarray
    """Which samples to keep, in order of time: [T]."""
    times: np.ndarray
    """Their times in seconds: [T]."""
    segment: np.ndarray
    """Stretches without a gap: [S, 2]."""
    bin_size: float
    """The usual step in seconds."""


def frames(times: np.ndarray, what: str) -> Frames:
    """Finds steps and gaps of a clock; what is out of order, repeated or no number is mended and told.

    Args:
        times: Seconds [T].
        what: For messages, such as the file's name.

    Raises:
        ValueError: Fewer than two times are left.
    """
    times = np.asarray(times, dtype=np.float64).ravel()
    order = _in_order(times, what)
    if len(order) < 2:
        raise ValueError(f"Expected at least two different times in {what} (got {len(order)}).")
    ordered = times[order]
    step = np.diff(ordered)
    usual = float(np.median(step))
    gap = np.flatnonzero(step > 1.5 * usual) + 1
    if len(gap):
        warn(f"{what} has {len(gap)} gaps of up to {step.max():.3g} s (the usual step is {usual:.3g} s): segments end.")
    border = np.concatenate([[0], gap, [len(ordered)]])
    return Frames(order, ordered, np.stack([border[:-1], border[1:]], axis=1), usual)


def onto(at: np.ndarray, times: np.ndarray, values: np.ndarray, what: str) -> np.ndarray:
    """Brings a course from its own clock onto other times, linearly between samples, held constant beyond the ends.

    Samples that are no number are left out, so that the course runs straight over them; this is told, as is everything
    else that had to be mended.

    Args:
        at: Where it is wanted, seconds [T].
        times: Its own clock, seconds [R].
        values: Its samples [R].
        what: For messages, such as the file's name.

    Returns:
        [T], float64.

    Raises:
        ValueError: Times and values differ in length, no sample is a number, or none lies within ``at``.
    """
    times, values = np.asarray(times, np.float64).ravel(), np.asarray(values, np.float64).ravel()
    if len(times) != len(values):
        raise ValueError(f"Expected as many times as values in {what} (got {len(times)} and {len(values)}).")
    order = _in_order(times, what)
    times, values = times[order], values[order]
    good = np.isfinite(values)
    if not good.any():
        raise ValueError(f"Expected numbers in {what} (got {len(values)} samples, none of them a number).")
    if not good.all():
        stretches = int(np.diff(np.concatenate([[0], ~good, [0]]).astype(int)).clip(0).sum())
        warn(f"{what} holds {int((~good).sum())} values that are no number in {stretches} stretches, filled linearly.")
    times, values = times[good], values[good]
    outside = float(((at < times[0]) | (at > times[-1])).mean())
    if times[-1] < at[0] or times[0] > at[-1]:
        raise ValueError(
            f"Expected {what} to have samples within the recording, {at[0]:g} to {at[-1]:g} s (got {times[0]:g} to "
            f"{times[-1]:g} s); is it another clock?"
        )
    if outside > 0.01:
        warn(f"{what} covers only {100 * (1 - outside):.0f} % of the recording; its first and last values are held.")
    return np.interp(at, times, values)


def _in_order(times: np.ndarray, what: str) -> np.ndarray:
    """Which samples to keep so that times are numbers and increase: all of them, for a sound clock."""
    kept = np.flatnonzero(np.isfinite(times))
    if len(kept) < len(times):
        warn(f"{what} holds {len(times) - len(kept)} times that are no number; their samples are left out.")
    if (np.diff(times[kept]) < 0).any():
        warn(f"{what} has times out of order; its samples are sorted.")
        kept = kept[np.argsort(times[kept], kind="stable")]
    repeated = np.concatenate([[False], np.diff(times[kept]) == 0]) if len(kept) else np.zeros(0, bool)
    if repeated.any():
        warn(f"{what} has {int(repeated.sum())} repeated times; the first sample of each is kept.")
    return kept[~repeated]


def advanced(behaviour: Tensor, segment: Tensor, bins: int) -> Tensor:
    """Behaviour moved forward in time within each segment, whose last value is held at the end.

    A forecast of bin t + 1 sees the behaviour of bin t. What acts within its own bin, such as a stimulus that is known
    beforehand, has to stand one bin earlier.

    Args:
        behaviour: :math:`(T, K)`.
        segment: :math:`(S, 2)`.
        bins: By how many bins.

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
