"""Clocks of frames: steps, gaps, falls and coarse times."""

from typing import NamedTuple

import numpy as np

from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import numbers


class Frames(NamedTuple):
    """Frames of a recording with a clock, in the order in which they were stored."""

    frame: np.ndarray
    """Index of each kept frame [T]."""
    times: np.ndarray
    """Time of each kept frame in seconds [T]."""
    segment: np.ndarray
    """First and end of each block of kept frames without a gap [S, 2]."""
    bin_size: float
    """Mean step in seconds."""


def frames(times: np.ndarray, label: str, rate: float | None = None) -> Frames:
    """Finds the steps of a clock, and the blocks without a gap.

    A gap (a step above 1.5 usual ones) ends a block, and so does a clock that falls back, as where two recordings were
    joined: frames are never sorted. Frames without a time are left out, as are repeated times of a clock that is fine
    enough to tell frames apart. A coarse clock (float32 hours into a session) counts as one of even steps.

    Args:
        times: Times [T] in ticks.
        label: Name of the clock in messages, such as the file's name.
        rate: Number of ticks a second; 1 for seconds. None: seconds, unless steps are of another order, which raises
            an error.

    Raises:
        ValueError: Fewer than two times are left, or steps are no steps of seconds.

    Example:
        >>> frames(np.array([0, 100, 200, 300]), "a clock", rate=1000.0).bin_size
        0.1
    """
    stored = numbers(times, label).ravel()
    ticks = stored.astype(np.float64) / (1.0 if rate is None else rate)
    kept = np.flatnonzero(np.isfinite(ticks))
    if len(kept) < len(ticks):
        warn(f"{label} holds {len(ticks) - len(kept)} times that are not a number; their frames are left out.")
    if len(kept) < 2:
        raise ValueError(f"Expected at least two different times in {label} (got {len(kept)}).")
    ordered = ticks[kept]
    rising = np.diff(ordered)[np.diff(ordered) > 0]
    if not len(rising) and ordered[0] > ordered[-1]:
        raise ValueError(f"Expected rising times in {label} (they fall from {ordered[0]:g} to {ordered[-1]:g}).")
    if not len(rising):
        raise ValueError(f"Expected at least two different times in {label} (got {len(np.unique(ordered))}).")
    usual = float(np.median(rising))
    grain = max(_grain(stored, rate), _rounding(ordered))
    coarse = grain > 0.05 * usual
    repeated = np.concatenate([[False], np.diff(ordered) == 0])
    if repeated.any() and not coarse:
        warn(f"{label} has {int(repeated.sum())} repeated times; the first frame of each is kept.")
        kept, ordered = kept[~repeated], ordered[~repeated]
    step = np.diff(ordered)
    mean = float(step[(step >= 0) & (step <= 1.5 * usual + grain)].mean())
    _check_step(mean, label, rate)
    gap = step > 1.5 * usual + grain
    fall = step < -0.5 * usual - grain  # less is jitter of one clock
    _tell_borders(step, gap, fall, label=label, usual=mean)
    border = np.concatenate([[0], np.flatnonzero(gap | fall) + 1, [len(ordered)]])
    segment = np.stack([border[:-1], border[1:]], axis=1)
    if coarse:
        warn(f"{label} is coarse, with times {grain:.2g} s apart; even steps of {mean:.6g} s are taken.")
        for start, stop in segment.tolist():
            centre = ordered[start:stop].mean() - mean * (stop - start - 1) / 2
            ordered[start:stop] = centre + mean * np.arange(stop - start)
    return Frames(kept, ordered, segment, float(f"{mean:.12g}"))


def _grain(stored: np.ndarray, rate: float | None) -> float:
    """Returns the distance in seconds of neighbouring times that the clock's numbers can hold."""
    if stored.dtype.kind != "f" or stored.dtype.itemsize > 4:
        return 0.0
    return float(np.spacing(np.nanmax(np.abs(stored)))) / (1.0 if rate is None else rate)


def _rounding(times: np.ndarray) -> float:
    """Returns the place to which times were rounded (1, 0.1, 0.01 or 0.001 s) if half of them repeat, or else 0."""
    if (np.diff(times) == 0).mean() >= 0.5:
        for place in (1.0, 0.1, 0.01, 0.001):
            if np.allclose(times / place, np.round(times / place), rtol=0, atol=1e-3):
                return place
    return 0.0


def _check_step(step: float, label: str, rate: float | None) -> None:
    """Raises an error if steps are too long or too short for a recording in seconds."""
    if rate is None and not 1e-4 <= step < 5.0:
        guess = "milliseconds or samples?" if step >= 5.0 else "minutes or days?"
        raise ValueError(
            f"Expected the times of {label} in seconds (their usual step is {step:g}: {guess}); give "
            "--sampling-rate: 1000 for milliseconds, the clock's ticks a second for samples, 1 for seconds, "
            "0.0166667 for minutes, 1.15741e-05 for days."
        )


def _tell_borders(step: np.ndarray, gap: np.ndarray, fall: np.ndarray, *, label: str, usual: float) -> None:
    """Warns of gaps and of falls of a clock."""
    if gap.any():
        warn(f"{label} has {int(gap.sum())} gaps of up to {step.max():.3g} s (usual step {usual:.3g} s): segments end.")
    if fall.any():
        warn(
            f"{label} falls back {int(fall.sum())} times, by up to {-step.min():.3g} s; the frames keep their order, "
            "and segments end there."
        )
