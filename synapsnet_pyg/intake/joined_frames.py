"""Frames of traces, joined into bins."""

from typing import NamedTuple

import numpy as np

from synapsnet_pyg.intake.blocks import Blocks
from synapsnet_pyg.intake.clocks import Frames, frames
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import row_blocks
from synapsnet_pyg.intake.recording import Selection, Traces


class FrameGrid(NamedTuple):
    """Bins that are joined frames of traces."""

    frame: np.ndarray
    """Index of each frame of each bin [T, R]."""
    centres: np.ndarray
    """Middle of each bin in seconds [T]."""
    segment: np.ndarray
    """First bin and end of each segment [S, 2]."""
    bin_size: float
    """Duration of a bin in seconds."""


def frames_of(traces: Traces, selection: Selection) -> Frames:
    """Returns the frames of all trials with their times, and the blocks without a gap."""
    T = traces.values.shape[1]
    border = np.array([[0, T]]) if traces.border is None else np.asarray(traces.border, dtype=np.int64)
    if traces.times is None:
        size = traces.bin_size or (1 / selection.frame_rate if selection.frame_rate else selection.bin_size)
        if size is None:
            raise ValueError(
                f"Expected the duration of a frame of {traces.label} (the file has no clock); give --frame-rate or "
                "--bin-size."
            )
        return Frames(np.arange(T), size * (np.arange(T) + 0.5), border, size)
    if np.size(traces.times) != T:
        raise ValueError(
            f"Expected a time for each of the {T} frames of {traces.label} (got {list(np.shape(traces.times))})."
        )
    rate = traces.rate if selection.sampling_rate is None else selection.sampling_rate
    clock = frames(np.asarray(traces.times).ravel(), traces.label, rate)
    if traces.border is not None:
        cuts = np.searchsorted(clock.frame, np.unique(border))
        edges = np.union1d(clock.segment.ravel(), cuts)
        clock = clock._replace(segment=np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64))
    return clock if traces.bin_size is None else clock._replace(bin_size=traces.bin_size)


def seen_frames(values: np.ndarray, clock: Frames) -> list[tuple[int, int]]:
    """Returns the blocks of frames in which something was recorded; frames with NaN in every neuron end a block."""
    lost, stuck = _lost_frames(values)
    segments: list[tuple[int, int]] = []
    gaps = 0
    for start, stop in clock.segment.tolist():
        good = ~(lost | stuck)[clock.frame[start:stop]]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(int))).reshape(-1, 2)
        gaps += len(edges) - 1 if good.any() else 0
        segments += [(start + int(a), start + int(b)) for a, b in edges]
    inside = clock.frame
    if lost[inside].any():
        warn(
            f"{int(lost[inside].sum())} frames hold NaN in every neuron; they are left out, and end a segment"
            + (f" ({gaps} gaps)." if gaps else ".")
        )
    if stuck[inside].any():
        warn(
            f"{int(stuck[inside].sum())} frames repeat the frame beside them in every neuron (a closed shutter?); they "
            "are left out, and end a segment."
        )
    return segments


def _lost_frames(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns masks [T] of the frames with NaN in every neuron, and of those that repeat another in every neuron.

    Counts and sparse events repeat themselves, in zeros; traces of real numbers do so only while nothing is measured.
    """
    T = values.shape[1]
    lost, frozen, dark = np.ones(T, dtype=bool), np.ones(max(T - 1, 0), dtype=bool), np.ones(T, dtype=bool)
    real, zeros = False, 0
    for _, rows in row_blocks(values):
        finite = np.isfinite(rows)
        lost &= ~finite.any(0)
        frozen &= (rows[:, 1:] == rows[:, :-1]).all(0)
        dark &= (rows == 0).all(0)
        zeros += int((rows == 0).sum())
        real = real or bool((rows != np.round(rows))[finite].any())
    stuck = np.zeros(T, dtype=bool)
    if real and len(values) > 1:
        stuck[1:] = frozen
        stuck[:-1] |= frozen
        if zeros - len(values) * int(dark.sum()) > 0.01 * values.size:
            stuck &= ~dark
    return lost, stuck & ~lost


def frames_inside(
    segments: list[tuple[int, int]], times: np.ndarray, blocks: Blocks, step: float
) -> list[tuple[int, int]]:
    """Returns the parts of segments whose frames lie within blocks of time."""
    parts = []
    for first, last in segments:
        own = np.maximum.accumulate(times[first:last])
        for start, stop in blocks:
            a, b = np.searchsorted(own, [start - 1e-6 * step, stop - 1e-6 * step])
            if a < b:
                parts.append((first + int(a), first + int(b)))
    return sorted(parts)


def fill_gaps(activity: np.ndarray, share: float, segment: np.ndarray) -> None:
    """Fills NaN within segments in neurons with at most ``share`` of it; gaps at the ends get the nearest value."""
    if share <= 0:
        return
    lost = np.array([1 - np.isfinite(row).mean() for row in activity])
    few = np.flatnonzero((lost > 0) & (lost <= share))
    for row in few.tolist():
        for start, stop in segment.tolist():
            series = activity[row, start:stop]
            good = np.flatnonzero(np.isfinite(series))
            if 0 < len(good) < len(series):
                series[:] = np.interp(np.arange(stop - start), good, series[good])
    if len(few):
        warn(f"{len(few)} neurons held up to {100 * lost[few].max():.2g} % NaN, filled linearly.")
