"""Time of a recording that becomes segments: observed, chosen, not excluded."""

import numpy as np

from synapsnet_pyg.intake.blocks import Blocks, apart, duration, merged, within, without
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.intake.spikes import SpikeSurvey

_LEAST_OBSERVED = 0.5
"""Smallest share of the observed time in which a kept neuron was observed."""


def observed_enough(recording: Recording, rows: np.ndarray, gone: list[str]) -> np.ndarray:
    """Returns the neurons that were observed in at least half of the time in which any was observed."""
    if recording.observed_by is None:
        return rows
    time = np.array([duration(merged(recording.observed_by[row])) for row in rows.tolist()])
    whole = duration(merged([block for row in rows.tolist() for block in recording.observed_by[row]]))
    short = time < _LEAST_OBSERVED * whole
    if whole == 0 or not short.any() or short.all():
        return rows
    gone.append(f"{int(short.sum())} observed in less than half of the time")
    warn(
        f"{int(short.sum())} of {len(rows)} neurons were observed in less than half of the {whole:.0f} s in which any "
        "was, and are left out."
    )
    return rows[~short]


def chosen_blocks(
    recording: Recording,
    selection: Selection,
    span: tuple[float, float],
    *,
    notes: list[str],
    rows: np.ndarray,
    survey: SpikeSurvey | None,
) -> Blocks:
    """Returns the blocks of time that become segments."""
    margin = _margin(span, survey)
    start = span[0] if selection.start is None else selection.start
    stop = span[1] if selection.stop is None else selection.stop
    if survey is not None and recording.observed is None and recording.observed_by is None:
        start, stop = _near(start, stop, span, margin)
    observed = recording.observed
    if recording.observed_by is not None:
        observed = _observed_in_all([recording.observed_by[row] for row in rows.tolist()], notes, observed)
    if not start < stop:
        alone = f"all spikes lie at {span[0]:g} s; --start and --stop give a longer time"
        reason = alone if span[0] == span[1] else f"got {start:g} and {stop:g} s"
        raise ValueError(f"Expected a start before the stop ({reason}).")
    # A stop that is asked for may lie beyond the last spike: silence up to there is then observed.
    recorded = [(start, stop)]
    if observed is not None:
        low = -np.inf if selection.start is None else start
        high = np.inf if selection.stop is None else stop
        recorded = within(merged(observed), [(low, high)])
        if len(recorded) > 1:
            notes.append(f"{len(recorded)} stretches were observed, {duration(recorded):.1f} s in all")
        if survey is not None and survey.total >= 20 and duration(recorded) > 100 * (span[1] - span[0]):
            raise ValueError(
                f"Expected the observed time in the unit of the spikes (it is {duration(recorded):g} s long, the "
                f"spikes span {span[1] - span[0]:g} s: milliseconds?); --start {np.floor(span[0]):g} --stop "
                f"{np.ceil(span[1]):g} takes the time of the spikes."
            )
    blocks = recorded
    if recording.intervals is not None:
        low = start if selection.start is not None else start - margin
        high = stop if selection.stop is not None else stop + margin
        blocks = _clipped(recording.intervals, recorded if observed is not None else [(low, high)], span, notes)
    excluded = [block for block in merged(recording.excluded) if within([block], blocks)]
    if recording.excluded and not within(merged(recording.excluded), [span]):
        first, last = recording.excluded[0][0], max(block[1] for block in recording.excluded)
        warn(
            f"no interval to leave out lies within the recording, {span[0]:g} to {span[1]:g} s (they span {first:g} to "
            f"{last:g} s; in another unit?)."
        )
    if excluded:
        blocks = without(blocks, excluded)
        notes.append(f"{duration(within(merged(excluded), recorded)):.1f} s in {len(excluded)} intervals are left out")
    if not blocks:
        raise ValueError(
            f"Expected time that was observed within the chosen one (none of {start:g} to {stop:g} s is left)."
        )
    return blocks


def _observed_in_all(blocks: list[Blocks], notes: list[str], observed: Blocks | None) -> Blocks:
    """Returns the blocks in which all neurons were observed; notes how much time others were."""
    every = merged([block for own in blocks for block in own])
    common = every if observed is None else within(merged(observed), every)
    for own in {tuple(merged(own)): None for own in blocks}:  # most neurons share their blocks
        common = within(common, list(own))
    if not common and every:
        raise ValueError(
            f"Expected time in which all {len(blocks)} neurons were observed (there is none: they were observed at "
            "different times); choose those of one time by --where."
        )
    if duration(common) < 0.99 * duration(every):
        notes.append(f"{duration(common):.1f} s of {duration(every):.1f} s were observed in all {len(blocks)} neurons")
    return common


def _margin(span: tuple[float, float], survey: SpikeSurvey | None) -> float:
    """Returns how many seconds a recording may go on before its first and after its last spike; none for frames."""
    return 0.0 if survey is None else max(1.0, 20 * (span[1] - span[0]) / max(survey.total, 1))


def _near(start: float, stop: float, span: tuple[float, float], margin: float) -> tuple[float, float]:
    """Returns start and stop that are asked for; far from all spikes nothing was observed, which is no silence."""
    near_start, near_stop = (
        start if start >= span[0] - margin else span[0],
        stop if stop <= span[1] + margin else span[1],
    )
    if (near_start, near_stop) != (start, stop):
        warn(
            f"nothing was recorded outside {span[0]:g} to {span[1]:g} s; the time from there to the chosen "
            f"{start:g} to {stop:g} s is left out."
        )
    return near_start, near_stop


def _clipped(intervals: Blocks, outer: Blocks, span: tuple[float, float], notes: list[str]) -> Blocks:
    """Returns intervals within the recorded time; says how many lie outside."""
    inside = [piece for block in intervals for piece in within([block], outer)]
    if not inside:
        raise ValueError(
            f"Expected intervals within the recording, {span[0]:g} to {span[1]:g} s (all {len(intervals)} lie outside, "
            f"{intervals[0][0]:g} to {intervals[-1][1]:g} s, as if they were in another unit; milliseconds?)."
            if intervals
            else "Expected intervals with a start before their stop (there are none)."
        )
    joined = apart(intervals)
    if len(joined) < len(intervals) or duration(joined) < duration(intervals) - 1e-9:
        warn(
            f"intervals overlap; their common time counts once, in the first ({len(joined)} of {len(intervals)} left)."
        )
        inside = [piece for block in joined for piece in within([block], outer)]
    outside = sum(1 for block in intervals if not within([block], outer))
    cut = sum(1 for block in intervals if 0 < duration(within([block], outer)) < block[1] - block[0] - 1e-9)
    if outside:
        other = intervals[-1][1] - intervals[0][0] > 20 * (span[1] - span[0])
        hint = f" (they span {intervals[0][0]:g} to {intervals[-1][1]:g} s; in another unit?)" if other else ""
        warn(f"{outside} of {len(intervals)} intervals lie outside the recorded time and are left out{hint}.")
    if cut:
        warn(f"{cut} of {len(intervals)} intervals reach beyond the recorded time and are clipped.")
    notes.append(f"{len(intervals) - outside} of {len(intervals)} intervals kept, as segments")
    return inside
