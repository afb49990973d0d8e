"""Bins of a recording: choice of neurons, segments of time, counts of spikes or joined frames, behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synapsnet_pyg.files import require_memory, shorten
from synapsnet_pyg.intake.behaviours import Behaviour, Columns, OnFrames
from synapsnet_pyg.intake.chosen_time import chosen_blocks, observed_enough
from synapsnet_pyg.intake.clocks import Frames
from synapsnet_pyg.intake.joined_frames import FrameGrid, fill_gaps, frames_inside, frames_of, seen_frames
from synapsnet_pyg.intake.neuron_table import NeuronTable, chosen, conditions_of
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import plain_array, row_blocks
from synapsnet_pyg.intake.recording import DEFAULT_BIN_SIZE, Recording, Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.intake.time_bins import TimeBins

_FAST = 300.0
"""Median rate in Hz from which a warning asks whether the clock is right."""
_FASTEST, _MOST_AT_ONCE = 2000.0, 10
"""Spikes a second in a bin, and spikes in any bin, from which a warning asks whether they are one neuron's."""

_LONG = 5.0
"""Duration of a bin in seconds from which a warning asks whether it was meant."""


@dataclass
class BinnedRecording:
    """Recording in bins, the arguments of a session.

    Args:
        name: Name of the session.
        activity: Activity :math:`(N, T)`, float32.
        behaviour: Behaviour :math:`(T, K)`, finite.
        recorded: True where a behaviour was recorded :math:`(T, K)`.
        segment: First bin and end of each segment :math:`(S, 2)`.
        bin_size: Duration of a bin in seconds.
        neurons: Ids and fields of the kept neurons.
        behaviour_name: Name of each behaviour.
        notes: Sentences on what was kept and what was left out.
    """

    name: str
    activity: np.ndarray
    behaviour: np.ndarray
    recorded: np.ndarray
    segment: np.ndarray
    bin_size: float
    neurons: NeuronTable
    behaviour_name: list[str]
    notes: list[str]


def bin_recording(recording: Recording, selection: Selection) -> BinnedRecording:
    """Brings a recording into bins.

    In this order: neurons are chosen by their fields and rates; what was not observed, is excluded or lies outside the
    chosen intervals ends a segment; spikes are counted, or frames joined; neurons with missing values are left out;
    behaviours are brought onto the bins.

    Args:
        recording: Recording as a reader found it.
        selection: Choices of the user.

    Raises:
        ValueError: The clock is not in seconds, no neuron or no bin is left, or lengths do not fit.
    """
    notes, found = list(recording.notes), recording.neurons.count
    if found == 0:
        raise ValueError(f"Expected neurons in '{recording.name}' (found none).")
    gone: list[str] = []
    conditions = conditions_of(selection.where)
    rows = chosen(recording.neurons, conditions, gone) if conditions else np.arange(found)
    grid: TimeBins | FrameGrid
    if isinstance(recording.activity, Spikes):
        rows, activity, grid = _bin_spikes(recording, recording.activity, selection, rows=rows, gone=gone, notes=notes)
    else:
        rows, activity, grid = _bin_traces(recording, recording.activity, selection, rows=rows, gone=gone, notes=notes)
    _warn_of_constant(activity)
    if grid.bin_size >= _LONG:
        warn(f"bins of {grid.bin_size:g} s are long for neurons; --bin-size is in seconds.")
    if len(rows) < found:
        notes.append(f"{len(rows)} of {found} neurons kept: {'; '.join(gone)}")
    _check_angles(recording, selection)
    names, values, recorded = _behaviours(recording, grid, len(grid.centres))
    if selection.advance:
        values = advanced(values, grid.segment, selection.advance)
        recorded = advanced(recorded, grid.segment, selection.advance)
    return BinnedRecording(
        recording.name,
        activity,
        behaviour=values.astype(np.float32),
        recorded=recorded,
        segment=grid.segment,
        bin_size=grid.bin_size,
        neurons=recording.neurons.take(rows) if len(rows) < found else recording.neurons,
        behaviour_name=names,
        notes=notes,
    )


def advanced(behaviour: np.ndarray, segment: np.ndarray, bins: int) -> np.ndarray:
    """Moves behaviour to earlier bins within each segment; the last value is repeated at the end.

    A forecast of bin t + 1 sees the behaviour of bin t. Behaviour that is known in advance and acts within its own bin,
    such as a stimulus, must therefore move one bin earlier.

    Args:
        behaviour: Behaviour :math:`(T, K)`.
        segment: First bin and end of each segment :math:`(S, 2)`.
        bins: Number of bins to move by.

    Example:
        >>> behaviour = np.array([[1.0], [2.0], [3.0], [7.0], [8.0]])
        >>> advanced(behaviour, np.array([[0, 3], [3, 5]]), 1).ravel()
        array([2., 3., 3., 8., 8.])
    """
    moved = behaviour.copy()
    for start, stop in segment.tolist():
        moved[start:stop] = behaviour[np.minimum(np.arange(start + bins, stop + bins), stop - 1)]
    return moved


def _bin_spikes(
    recording: Recording,
    spikes: Spikes,
    selection: Selection,
    *,
    rows: np.ndarray,
    gone: list[str],
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray, TimeBins]:
    """Counts the spikes of chosen neurons in bins."""
    bin_size = selection.bin_size
    if bin_size is None:
        bin_size = DEFAULT_BIN_SIZE
        notes.append(f"spikes are counted in bins of {bin_size:.4g} s (--bin-size for others)")
    if selection.rebin != 1:
        raise ValueError("Expected no rebin beside spike times; give the duration of a bin as --bin-size.")
    rows = observed_enough(recording, rows, gone)
    chosen_spikes = spikes if len(rows) == spikes.count else spikes.take(rows)
    survey = chosen_spikes.survey(selection.start, selection.stop)
    if doubt := survey.doubt():
        raise ValueError(doubt)
    if not survey.total:
        outside = f"all {survey.outside} lie outside the chosen time; are both in seconds?"
        raise ValueError(f"Expected spikes in {spikes.label} ({outside if survey.outside else 'there are none'}).")
    if survey.lost:
        notes.append(f"{survey.lost} spikes have no time (NaN or infinity) and are left out")
    if survey.rounding > 0.05 * bin_size:
        apart = 2 * survey.rounding
        warn(f"{spikes.label} are coarse, {apart:.2g} s apart; bins of {bin_size:g} s are too fine for them.")
    blocks = chosen_blocks(recording, selection, (survey.first, survey.last), notes=notes, rows=rows, survey=survey)
    bins = TimeBins(blocks, bin_size, spikes.label)
    require_memory(8 * len(rows) * len(bins), f"{len(rows)} neurons in {len(bins)} bins of {bin_size:g} s")
    counts = chosen_spikes.counts(bins)
    missed = survey.total - int(counts.sum(dtype=np.float64))
    if missed > 0:
        notes.append(f"{missed} of {survey.total} spikes are left out, in excluded time or in the rest of a last bin")
    notes.append(f"bins begin at {blocks[0][0]:.9g} s of the recording's clock")
    if float(np.median(survey.rates)) > _FAST:
        warn(
            f"the median neuron fires at {np.median(survey.rates):.3g} Hz; is the clock's rate right (--sampling-rate)?"
        )
    crowded = int((counts.max(1) > _MOST_AT_ONCE + _FASTEST * bin_size).sum())
    if crowded:
        warn(
            f"{crowded} of {len(rows)} neurons have bins with more spikes than a neuron can fire (up to "
            f"{counts.max():.0f} in {bin_size:g} s); are they times of spikes, in seconds, of one neuron each?"
        )
    if not counts.any():
        raise ValueError(
            f"Expected spikes within the chosen time, {blocks[0][0]:g} to {blocks[-1][1]:g} s (all lie outside, "
            f"{survey.first:g} to {survey.last:g} s); are both in seconds?"
        )
    if selection.min_rate > 0:
        fast = counts.mean(1, dtype=np.float64) / bin_size >= selection.min_rate
        _tell_slow(fast, selection.min_rate, gone)
        counts, rows = counts[fast], rows[fast]
    return rows, counts, bins


def _bin_traces(
    recording: Recording,
    traces: Traces,
    selection: Selection,
    *,
    rows: np.ndarray,
    gone: list[str],
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray, FrameGrid]:
    """Joins the frames of chosen neurons into bins."""
    rebin = _frames_to_join(traces, clock := frames_of(traces, selection), selection, notes)
    segments = seen_frames(traces.values, clock)
    if len(clock.times):
        step = clock.bin_size
        outer = (float(clock.times.min()) - step / 2, float(clock.times.max()) + step / 2)
        blocks = chosen_blocks(recording, selection, outer, notes=notes, rows=rows, survey=None)
        segments = frames_inside(segments, clock.times, blocks, step)
    parts = [np.arange(a, a + (b - a) // rebin * rebin).reshape(-1, rebin) for a, b in segments if b - a >= rebin]
    if not parts:
        raise ValueError(
            f"Expected activity in '{recording.name}' (every frame is missing or outside the chosen time, or segments "
            f"are shorter than the {rebin} frames to join)."
        )
    kept, length = np.concatenate(parts), np.array([len(part) for part in parts])
    segment = np.stack([length.cumsum() - length, length.cumsum()], axis=1).astype(np.int64)
    grid = FrameGrid(clock.frame[kept], clock.times[kept].mean(1), segment, clock.bin_size * rebin)
    counts = traces.counts if selection.rebin_by is None else selection.rebin_by == "sum"
    activity = _joined(traces.values, rows, grid.frame, counts)
    fill_gaps(activity, selection.fill_nan, segment)
    good = np.concatenate([np.isfinite(block).all(1) for _, block in row_blocks(activity)])
    if not good.all():
        gone.append(f"{int((~good).sum())} hold NaN")
        shown = shorten(np.flatnonzero(~good).tolist(), 8)
        warn(
            f"{int((~good).sum())} of {len(good)} neurons (rows {shown}) hold NaN and are left out (--fill-nan keeps "
            "neurons with few)."
        )
        if not good.any():
            raise ValueError(
                f"Expected a neuron without NaN in '{recording.name}' (all {len(good)} hold some); --fill-nan 0.05 "
                "keeps neurons with up to 5 %."
            )
        activity, rows = activity[good], rows[good]
    if selection.min_rate > 0:
        fast = activity.mean(1) / (grid.bin_size if counts else 1.0) >= selection.min_rate
        _tell_slow(fast, selection.min_rate, gone)
        activity, rows = activity[fast], rows[fast]
    N, T = activity.shape
    if traces.border is None and N > T:
        warn(f"there are more neurons ({N}) than bins ({T}); are the axes in the other order?")
    return rows, activity, grid


def _joined(values: np.ndarray, rows: np.ndarray, frame: np.ndarray, counts: bool) -> np.ndarray:
    """Joins frames [T, R] of some neurons, float32 [N, T]; values that need no change are not copied."""
    whole = len(rows) == len(values) and np.array_equal(frame.ravel(), np.arange(values.shape[1]))
    in_memory = isinstance(values, np.ndarray) and values.flags.writeable  # others read their rows from a file
    if whole and frame.shape[1] == 1 and values.dtype == np.float32 and in_memory:
        return values
    require_memory(4 * len(rows) * len(frame), f"{len(rows)} neurons in {len(frame)} bins")
    activity = np.empty((len(rows), len(frame)), dtype=np.float32)
    for place, block in row_blocks(values, rows):
        joined = block[:, frame].astype(np.float64)
        activity[place] = joined.sum(2) if counts else joined.mean(2)
    return activity


def _frames_to_join(traces: Traces, clock: Frames, selection: Selection, notes: list[str]) -> int:
    """Returns the number of frames in a bin; a bin size beside a clock must be a whole number of frames."""
    own_clock = traces.times is not None or traces.bin_size is not None
    if selection.bin_size is None or not own_clock or selection.bin_size == clock.bin_size:
        return selection.rebin
    ratio = selection.bin_size / clock.bin_size
    count = round(ratio)
    if count < 1 or abs(ratio - count) > 0.02 * count:
        raise ValueError(
            f"Expected a bin size of whole frames of {clock.bin_size:.6g} s (got {selection.bin_size:.6g} s); leave "
            "--bin-size out to take frames as bins, or join frames by --rebin."
        )
    if count > 1 and selection.rebin != 1:
        raise ValueError("Expected either --bin-size or --rebin for frames with a clock of their own; give one.")
    if count > 1:
        notes.append(f"{count} frames of {clock.bin_size:.6g} s are joined into a bin")
    return max(count, selection.rebin)


def _tell_slow(fast: np.ndarray, min_rate: float, gone: list[str]) -> None:
    """Notes the neurons below a rate; raises an error if all are."""
    if not fast.any():
        raise ValueError(f"Expected a neuron of at least {min_rate:g} Hz (all {len(fast)} are slower).")
    if not fast.all():
        gone.append(f"{int((~fast).sum())} below {min_rate:g} Hz")


def _warn_of_constant(activity: np.ndarray) -> None:
    """Warns of neurons that are silent (zero in all bins) or constant."""
    constant = activity.min(1) == activity.max(1)
    silent = constant & (activity[:, 0] == 0)
    for mask, finding in ((silent, "silent"), (constant & ~silent, "constant")):
        rows = np.flatnonzero(mask).tolist()
        if rows:
            warn(
                f"{len(rows)} of {len(activity)} neurons (rows {shorten(rows, 8)}) are {finding}: no score will count "
                "them."
            )


def _behaviours(recording: Recording, grid: TimeBins | FrameGrid, T: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Returns names [K], values [T, K] and where they were recorded [T, K], of all behaviours."""
    frames = 0 if isinstance(recording.activity, Spikes) else recording.activity.values.shape[1]
    parts: Sequence[Columns] = [_columns(behaviour, grid, frames) for behaviour in recording.behaviours]
    names = [name for part in parts for name in part.names]
    if len(set(names)) < len(names):
        names = [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names)]
    values = [np.zeros((T, 0)), *(part.values for part in parts)]
    recorded = [np.zeros((T, 0), dtype=bool), *(part.recorded for part in parts)]
    return names, np.concatenate(values, axis=1), np.concatenate(recorded, axis=1)


def _check_angles(recording: Recording, selection: Selection) -> None:
    """Raises an error if a name of an angle is no behaviour of the session."""
    names = {behaviour.name for behaviour in recording.behaviours}
    names |= {name.rsplit("/", 1)[-1] for name in names}
    for name in selection.circular:
        if name not in names:
            known = ", ".join(behaviour.name for behaviour in recording.behaviours) or "none"
            raise ValueError(f"Expected a chosen behaviour as the angle of --circular, among {known} (got '{name}').")


def _columns(behaviour: Behaviour | OnFrames, grid: TimeBins | FrameGrid, frames: int) -> Columns:
    """Returns one behaviour in bins."""
    if isinstance(behaviour, OnFrames):
        if not isinstance(grid, FrameGrid):
            raise ValueError(f"Expected a clock of behaviour '{behaviour.name}'; give --behaviour-times.")
        values = plain_array(behaviour.values)
        values = values.T if values.ndim == 2 and values.shape[0] != frames else values
        if values.ndim not in (1, 2) or len(values) != frames:
            raise ValueError(
                f"Expected a sample for each of the {frames} frames in behaviour '{behaviour.name}' (got shape "
                f"{list(np.shape(behaviour.values))})."
            )
        return replace(behaviour, values=values).joined(grid.frame, grid.segment)
    return behaviour.on(grid)
