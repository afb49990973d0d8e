"""Behaviours brought onto bins: numbers, angles, states, events and intervals, and where they were recorded."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from synapsnet_pyg.intake.blocks import Blocks, merged
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import kind_of, plain_array
from synapsnet_pyg.intake.time_bins import TimeBins

_MOST_STATES = 20
"""Largest number of different texts in a behaviour of states."""

_LONGEST_GAP = 1.0
"""Longest gap in seconds between samples that counts as recorded; also five usual steps."""


class Grid(Protocol):
    """Bins that behaviours are brought onto."""

    @property
    def bin_size(self) -> float:
        """Duration of a bin in seconds."""

    @property
    def segment(self) -> np.ndarray:
        """First bin and end of each segment [S, 2]."""

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin in seconds [T]."""


class Columns(NamedTuple):
    """Behaviours of all bins."""

    names: list[str]
    """Name of each column."""
    values: np.ndarray
    """Values [T, K], finite."""
    recorded: np.ndarray
    """True where the behaviour was recorded [T, K]."""


class Behaviour(Protocol):
    """Behaviour that can be brought onto bins."""

    @property
    def name(self) -> str:
        """Name of the behaviour."""

    def on(self, grid: Grid) -> Columns:
        """Returns the behaviour in each bin."""


@dataclass(frozen=True)
class Series:
    """Behaviour with samples at times: numbers, angles, or texts that name a state.

    Numbers are interpolated linearly at the middle of each bin, angles along the shorter arc of their circle; a state
    holds until the next sample and becomes one column of zeros and ones for each text. Bins before the first sample,
    after the last and within long gaps are marked as not recorded.

    Args:
        name: Name of the behaviour.
        values: Samples :math:`(R)` or :math:`(R, k)`.
        times: Times of the samples :math:`(R)` in seconds.
        period: Length of the full circle, for angles. None: no angle.
        label: Name in messages, such as the path in the file. Empty: the name.

    Example:
        >>> grid = TimeBins([(0.0, 2.0)], 1.0)
        >>> Series("heading", np.array([350.0, 30.0]), np.array([0.0, 2.0]), period=360.0).on(grid).values.ravel()
        array([ 0., 20.])
    """

    name: str
    values: np.ndarray
    times: np.ndarray
    period: float | None = None
    label: str = ""

    def on(self, grid: Grid) -> Columns:
        """Returns the behaviour in each bin.

        Raises:
            ValueError: Values and times differ in length, no sample is a number, or none lies within the bins.
        """
        label = self.label or f"'{self.name}'"
        values, times, at = plain_array(self.values), np.asarray(self.times, dtype=np.float64).ravel(), grid.centres
        if len(values) != len(times):
            raise ValueError(f"Expected as many times as values in {label} (got {len(times)} and {len(values)}).")
        _check_overlap(times, at, label)
        if values.dtype.kind == "U" and values.ndim == 1:
            return self._states(values, times, grid, label)
        if values.dtype.kind not in "fib":
            raise ValueError(f"Expected behaviours of numbers or texts in {label} (got {kind_of(values)}).")
        columns = values.reshape(len(values), -1).T.astype(np.float64)
        seen = [bool(np.isfinite(column).any()) for column in columns]
        if not any(seen):
            raise ValueError(f"Expected numbers in {label} (got {len(values)} samples, none of them a number).")
        if not all(seen):
            warn(f"{label} holds no number in {seen.count(False)} of {len(seen)} columns, which are marked.")
        on_bins = [_interpolated(at, times, column, self.period, label=label) for column in columns]
        recorded = [mask for _, mask in on_bins]
        _tell_missing(label, np.concatenate([mask for mask, good in zip(recorded, seen, strict=True) if good]))
        return Columns(_names(self.name, len(columns)), np.stack([v for v, _ in on_bins], 1), np.stack(recorded, 1))

    def _states(self, values: np.ndarray, times: np.ndarray, grid: Grid, label: str) -> Columns:
        """Returns a column of zeros and ones for each text."""
        kinds = state_names(values, label)
        order = np.argsort(times, kind="stable")
        last = np.searchsorted(times[order], grid.centres + 1e-9, side="right") - 1
        state = np.where(last >= 0, values[order][last], "")
        recorded = state != ""
        _tell_missing(label, recorded)
        return Columns(
            [f"{self.name} {kind}" for kind in kinds],
            np.stack([(state == kind).astype(float) for kind in kinds], axis=1),
            np.repeat(recorded[:, None], len(kinds), axis=1),
        )


@dataclass(frozen=True)
class Events:
    """Behaviour of moments, such as licks: their number in each bin.

    Args:
        name: Name of the behaviour.
        times: Times of the events in seconds.
    """

    name: str
    times: np.ndarray

    def on(self, grid: Grid) -> Columns:
        """Returns the number of events in each bin."""
        times = np.asarray(self.times, dtype=np.float64).ravel()
        counts = bins_of(grid).count(times[np.isfinite(times)]).astype(np.float64)
        _tell_outside(f"event of '{self.name}'", times, grid, seen=bool(counts.any()))
        return Columns([self.name], counts[:, None], np.ones((len(counts), 1), dtype=bool))


@dataclass(frozen=True)
class Intervals:
    """Behaviour that is on within blocks of time: the share of each bin that lies in one.

    Args:
        name: Name of the behaviour.
        blocks: Blocks of time in which it is on.
    """

    name: str
    blocks: Blocks

    def on(self, grid: Grid) -> Columns:
        """Returns the share of each bin in which the behaviour is on."""
        table = np.array(merged(self.blocks), dtype=np.float64).reshape(-1, 2)
        share = bins_of(grid).covered(table[:, 0], table[:, 1])
        _tell_outside(f"interval of '{self.name}'", table, grid, seen=bool(share.any()))
        return Columns([self.name], share[:, None], np.ones((len(share), 1), dtype=bool))


@dataclass(frozen=True)
class NotRecorded:
    """Behaviour that other recordings have and this one lacks: marked in every bin.

    Args:
        name: Name of the behaviour.
    """

    name: str

    def on(self, grid: Grid) -> Columns:
        """Returns zeros that are marked as not recorded."""
        T = len(grid.centres)
        return Columns([self.name], np.zeros((T, 1)), np.zeros((T, 1), dtype=bool))


@dataclass(frozen=True)
class OnFrames:
    """Behaviour with a sample for each frame of the activity.

    Args:
        name: Name of the behaviour.
        values: Samples :math:`(T)` or :math:`(T, k)`, numbers, angles or texts.
        period: Length of the full circle, for angles. None: no angle.
    """

    name: str
    values: np.ndarray
    period: float | None = None

    def joined(self, frame: np.ndarray, segment: np.ndarray) -> Columns:
        """Returns the behaviour in bins that join frames.

        Missing samples are filled from their own segment; bins without any sample are marked as not recorded.

        Args:
            frame: Index of each frame of each bin [T, R].
            segment: First bin and end of each segment [S, 2].
        """
        values, label = plain_array(self.values), f"behaviour '{self.name}'"
        if values.dtype.kind == "U" and values.ndim == 1:
            kinds = state_names(values, label)
            parts = [(f"{self.name} {kind}", np.where(values == "", np.nan, values == kind)) for kind in kinds]
        elif values.dtype.kind in "fib":
            columns = values.reshape(len(values), -1).T.astype(np.float64)
            parts = list(zip(_names(self.name, len(columns)), columns, strict=True))
        else:
            raise ValueError(f"Expected numbers or texts in {label} (got {kind_of(values)}).")
        filled, recorded, lost = [], [], 0
        for _, column in parts:
            samples = column[frame]
            seen = np.isfinite(samples)
            if not seen.any():
                raise ValueError(f"Expected numbers in {label} (all are NaN); leave it out.")
            samples = _fill_segments(samples, segment, self.period)
            filled.append(circular_mean(samples, self.period) if self.period else samples.mean(1))
            recorded.append(seen.any(1))
            lost = max(lost, int((~seen).sum()))
        if lost:
            warn(f"{label} holds {lost} NaN or missing samples, filled by linear interpolation within segments.")
        return Columns([name for name, _ in parts], np.stack(filled, axis=1), np.stack(recorded, axis=1))


def state_names(values: np.ndarray, label: str) -> list[str]:
    """Returns the different texts of a behaviour, without the empty one.

    Raises:
        ValueError: There are more than twenty, or none.
    """
    kinds = sorted(set(values.tolist()) - {""})
    if not 0 < len(kinds) <= _MOST_STATES:
        raise ValueError(
            f"Expected numbers, or texts of at most {_MOST_STATES} states, in {label} (it holds texts, {len(kinds)} "
            "different ones)."
        )
    return kinds


def circular_mean(values: np.ndarray, period: float) -> np.ndarray:
    """Returns the mean direction of angles along the last axis, in the range of the angles.

    Example:
        >>> circular_mean(np.array([[350.0, 20.0]]), 360.0).round(6)
        array([5.])
    """
    angle = np.exp(2j * np.pi * values / period).mean(-1)
    return _wrapped(np.angle(angle) * period / (2 * np.pi), period, values)


def bins_of(grid: Grid) -> TimeBins:
    """Returns the bins of a grid as bins of time, whose segments are blocks."""
    if isinstance(grid, TimeBins):
        return grid
    centres, half = grid.centres, grid.bin_size / 2
    blocks = [(centres[a] - half, centres[a] - half + (b - a) * grid.bin_size) for a, b in grid.segment.tolist()]
    apart = [(max(start, blocks[i - 1][1]) if i else start, stop) for i, (start, stop) in enumerate(blocks)]
    return TimeBins(apart, grid.bin_size)


def _interpolated(
    at: np.ndarray, times: np.ndarray, values: np.ndarray, period: float | None, *, label: str
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolates samples at other times; returns the values [T], and where they were recorded [T]."""
    good = np.isfinite(times) & np.isfinite(values)
    if not good.any():
        return np.zeros(len(at)), np.zeros(len(at), dtype=bool)
    if not np.isfinite(times).all():
        warn(f"{label} holds {int((~np.isfinite(times)).sum())} times that are not a number; samples are left out.")
    bad = np.isfinite(times) & ~np.isfinite(values)
    if bad.any():
        gaps = int(np.diff(np.concatenate([[0], bad, [0]]).astype(int)).clip(0).sum())
        warn(f"{label} holds {int(bad.sum())} values that are not a number in {gaps} gaps, filled within the gap.")
    times, values = _without_jitter(times[good], values[good])
    pieces = _rising_pieces(times, label)
    result, count = np.zeros(len(at)), np.zeros(len(at), dtype=int)
    for start, stop in pieces:
        piece_values, mask = _in_piece(at, times[start:stop], values[start:stop], period)
        use = mask | (count == 0)
        result[use] = piece_values[use]
        count += mask
    return result, count == 1


def _without_jitter(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns samples in order of time if their clock only jitters; one that is set back is left as it is."""
    step = np.diff(times)
    usual = float(np.median(np.abs(step))) if len(step) else 0.0
    if not (step < 0).any() or step.min() < -5 * usual:
        return times, values
    order = np.argsort(times, kind="stable")
    return times[order], values[order]


def _rising_pieces(times: np.ndarray, label: str) -> list[tuple[int, int]]:
    """Returns the parts of a clock in which it does not fall back."""
    fall = np.flatnonzero(np.diff(times) < 0) + 1
    if len(fall):
        warn(f"{label} has a clock that falls back {len(fall)} times; bins that two of its parts claim are marked.")
    border = [0, *fall.tolist(), len(times)]
    return list(pairwise(border))


def _in_piece(
    at: np.ndarray, times: np.ndarray, values: np.ndarray, period: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolates one part of a series; returns the values [T], and where they were recorded [T]."""
    first = np.concatenate([[True], np.diff(times) > 0])  # the first sample of repeated times
    times, values = times[first], values[first]
    if period:
        smooth = np.interp(at, times, np.unwrap(values, period=period))
        smooth = _wrapped(smooth, period, values)
    else:
        smooth = np.interp(at, times, values)
    step = np.diff(times)
    usual = float(np.median(step)) if len(step) else 0.0
    recorded = (at >= times[0] - usual) & (at <= times[-1] + usual)
    next_sample = np.clip(np.searchsorted(times, at), 1, max(len(times) - 1, 1))
    if len(step):
        recorded &= ~((step[next_sample - 1] > max(_LONGEST_GAP, 5 * usual)) & (at > times[0]) & (at < times[-1]))
    return smooth, recorded


def _wrapped(angles: np.ndarray, period: float, like: np.ndarray) -> np.ndarray:
    """Returns angles in the range in which some angles lie: from zero, or around zero."""
    low = -period / 2 if np.nanmin(like) < 0 else 0.0
    wrapped: np.ndarray = (angles - low) % period + low
    return wrapped


def _fill_segments(samples: np.ndarray, segment: np.ndarray, period: float | None) -> np.ndarray:
    """Fills missing samples [T, R] along time within each segment; a segment without samples gets the mean of all."""
    samples = samples.copy()
    whole = circular_mean(samples[np.isfinite(samples)], period) if period else np.nanmean(samples)
    for start, stop in segment.tolist():
        series = samples[start:stop].ravel()
        good = np.flatnonzero(np.isfinite(series))
        if not len(good):
            series[:] = whole
        elif len(good) < len(series):
            known = np.unwrap(series[good], period=period) if period else series[good]
            filled = np.interp(np.arange(len(series)), good, known)
            series = _wrapped(filled, period, series) if period else filled
        samples[start:stop] = series.reshape(stop - start, -1)
    return samples


def _check_overlap(times: np.ndarray, at: np.ndarray, label: str) -> None:
    """Raises an error unless some samples lie within the recording, or if their clock has another unit."""
    finite = times[np.isfinite(times)]
    if not len(finite):
        raise ValueError(f"Expected times in {label} (none of {len(times)} is a number).")
    first, last = float(finite.min()), float(finite.max())
    usual = float(np.median(np.diff(at))) if len(at) > 1 else 0.0
    if last < at[0] - usual or first > at[-1] + usual:
        raise ValueError(
            f"Expected {label} to have samples within the recording, {at[0]:g} to {at[-1]:g} s (got {first:g} to "
            f"{last:g} s); give times of the same clock, or --behaviour-rate for ticks that are no seconds."
        )
    span, recorded = last - first, at[-1] - at[0]
    if span > 100 * recorded and len(finite) > 20:
        raise ValueError(
            f"Expected the times of {label} in seconds (they span {span:g} s, the recording {recorded:g} s: "
            "milliseconds or samples?); give --behaviour-rate, ticks a second (1: seconds)."
        )
    if span > 3 * recorded and len(finite) > 20:
        warn(f"{label} spans {span:g} s, the recording {recorded:g} s; is --behaviour-rate right?")


def _tell_outside(label: str, times: np.ndarray, grid: Grid, *, seen: bool) -> None:
    """Warns of events or intervals most of which lie outside the recording."""
    at, rows = grid.centres, times if times.ndim == 2 else times[:, None]
    inside = int(((rows[:, 0] <= at[-1] + grid.bin_size) & (rows[:, -1] >= at[0] - grid.bin_size)).sum())
    if not len(rows) or (seen and inside >= len(rows) / 2):
        return
    found = f"{label}: only {inside} of {len(rows)} lie" if seen else f"no {label} lies"
    warn(
        f"{found} within the recording, {at[0]:g} to {at[-1]:g} s (they span {np.nanmin(times):g} to "
        f"{np.nanmax(times):g} s; --behaviour-rate is the ticks a second of another unit, 1000 for milliseconds)."
    )


def _tell_missing(label: str, recorded: np.ndarray) -> None:
    """Warns of bins in which a behaviour was not recorded."""
    share = float((~recorded).mean())
    if share > 0.01:
        warn(f"{label} was not recorded in {100 * share:.0f} % of the bins, which are marked.")


def _names(name: str, count: int) -> list[str]:
    """Returns a name for each column of a behaviour."""
    return [name] if count == 1 else [f"{name} {k}" for k in range(count)]
