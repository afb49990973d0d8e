"""Sessions from a lab's own arrays in .npz, .npy, .mat (v5 and v7.3) or .h5 files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.behaviour_arrays import Behaviours, BehaviourSource
from synapsnet_pyg.datasets.neuron_arrays import NeuronKeys, warn_of_neurons
from synapsnet_pyg.datasets.time_bins import frames, warn

AXES = (("neuron", "bin"), ("bin", "neuron"), ("trial", "neuron", "bin"), ("trial", "bin", "neuron"))
"""Orders that the axes of an activity may have."""


@dataclass(frozen=True)
class ActivitySource:
    """Key of the activity in a file, its axes and its bins.

    Args:
        key: Key of the activity. None: the only array of the file.
        axes: Axes of the activity in order, one of :data:`AXES`; trials become segments.
        bin_size: Duration of one bin *of the file* in seconds. None: from ``times``.
        times: Key of the time of each bin in seconds, for continuous activity; gaps end a segment.
        rebin: Number of bins to join into one; remaining bins at the end of a segment are dropped.
        rebin_mean: Whether joined bins are averaged (dF/F) or added up (counts).
        fill_nan: Largest share of NaN in a kept neuron; gaps are filled linearly within segments.

    Raises:
        ValueError: The axes are not among :data:`AXES`, or ``rebin`` is below 1.
    """

    key: str | None
    axes: Sequence[str]
    bin_size: float | None = None
    times: str | None = None
    rebin: int = 1
    rebin_mean: bool = False
    fill_nan: float = 0.0

    def __post_init__(self) -> None:
        if tuple(self.axes) not in AXES:
            known = "; ".join(",".join(axes) for axes in AXES)
            raise ValueError(f"Expected axes among {known} (got {','.join(self.axes)}).")
        if self.rebin < 1:
            raise ValueError(f"Expected to join at least 1 bin (got rebin {self.rebin}).")

    @property
    def in_trials(self) -> bool:
        """True if the activity has an axis of trials."""
        return "trial" in self.axes

    def read(self, file: ArrayFile) -> np.ndarray:
        """Reads the activity as [trials, N, bins of a trial]; a continuous recording is one trial.

        Raises:
            ValueError: The key is missing, or has another number of axes.
        """
        values = file.numbers(self.key)
        if values.ndim != len(self.axes):
            raise ValueError(
                f"Expected {len(self.axes)} axes ({','.join(self.axes)}) in '{self.key}' of '{file.path}' "
                f"(got shape {list(values.shape)})."
            )
        values = np.moveaxis(values, list(self.axes).index("neuron"), -2).astype(np.float32)
        return values if self.in_trials else values[None]


def read_arrays(
    path: str | Path,
    activity: ActivitySource,
    *,
    behaviour: BehaviourSource | None = None,
    neurons: NeuronKeys | None = None,
    name: str | None = None,
) -> Session:
    """Reads arrays of one file or folder into a session.

    Neurons that hold NaN are left out with a warning. Bins with NaN in every neuron are left out and end a segment. NaN
    in behaviour is filled by linear interpolation. Silent and constant neurons are kept with a warning.

    Args:
        path: ``.npz``, ``.npy`` (activity alone), ``.mat`` or ``.h5`` file (keys of groups are joined by ``/``), or
            folder of ``.npy`` files (keys are their names).
        activity: Key, axes and bins of the activity.
        behaviour: Keys of the behaviours. A behaviour has an axis of the activity's bins, an axis of its trials, or
            both; a value of a trial holds for all bins of the trial. Behaviours with a clock are interpolated at the
            times of the activity, or at bins counted from zero.
        neurons: Keys of the ids, the fields and the true connectivity of the neurons.
        name: Name of the session. None: the file's stem.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A key is missing, a length does not fit, or the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/mouse.npz", spikes=np.eye(3, 40), speed=np.zeros(40))
        ...     source = ActivitySource("spikes", ["neuron", "bin"], bin_size=0.05)
        ...     read_arrays(f"{folder}/mouse.npz", source, behaviour=BehaviourSource(["speed"]))
        Session('mouse', 3 neurons x 40 bins of 0.05 s, 1 behaviour, 1 segment)
    """
    path = Path(path)
    behaviour, neurons = behaviour or BehaviourSource(), neurons or NeuronKeys()
    if activity.in_trials and (activity.times or behaviour.times):
        raise ValueError("Expected times for continuous activity only (got trials); bring behaviour onto bins first.")
    name = path.stem if name is None else name
    with ArrayFile(path) as file:
        values = activity.read(file)
        trials, N, T = values.shape
        known_neurons = neurons.read(file, N, name)
        clock = _clock(file, activity, T)
        if behaviour.times is None:
            shared = behaviour.on_bins(file, trials if activity.in_trials else None, T)
            shared = shared._replace(values=shared.values[:, clock.order])
        else:
            shared = behaviour.on_clock(file, clock.times)
            shared = shared._replace(values=shared.values[None])
    joined = _joined(values[..., clock.order], shared, clock.segment, activity)
    if not len(joined.segment):
        raise ValueError(f"Expected activity in '{path}' (every bin is NaN, or shorter than the bins to join).")
    recorded = joined.activity
    if not activity.in_trials and recorded.shape[1] < N:
        warn(f"there are more neurons ({N}) than bins ({recorded.shape[1]}); are the axes in the other order?")
    recorded = _bridged(recorded, activity.fill_nan, joined.segment)
    kept = np.isfinite(recorded).all(axis=1)
    warn_of_neurons(recorded, kept)
    if not kept.any():
        raise ValueError(f"Expected at least one neuron without NaN in '{path}' (all {N} hold some); fill the gaps.")
    known_neurons = known_neurons.take(kept)
    return Session.from_arrays(
        recorded[kept],
        joined.behaviour,
        bin_size=clock.bin_size * activity.rebin,
        name=name,
        segment=joined.segment,
        neuron_id=known_neurons.ids,
        behaviour_name=shared.names,
        true_connectivity=known_neurons.truth,
        **known_neurons.fields,
    )


class _Clock(NamedTuple):
    """Order, times and segments of the bins of a trial."""

    order: np.ndarray
    """Bins in order of time [T]."""
    times: np.ndarray
    """Times of the ordered bins in seconds [T]."""
    segment: np.ndarray
    """First bin and end of each block without a gap [S, 2]."""
    bin_size: float
    """Duration of one bin in seconds."""


def _clock(file: ArrayFile, activity: ActivitySource, T: int) -> _Clock:
    """Reads the times of the bins, or counts bins from zero."""
    if activity.times is not None:
        times = file.numbers(activity.times)
        if times.size != T:
            raise ValueError(
                f"Expected a time for each of the {T} bins in '{activity.times}' (got {list(times.shape)})."
            )
        clock = frames(times, f"'{activity.times}' of '{file.path}'")
        bin_size = clock.bin_size if activity.bin_size is None else activity.bin_size
        return _Clock(clock.order, clock.times, clock.segment, bin_size)
    if activity.bin_size is None:
        raise ValueError("Expected the duration of a bin in seconds; give --bin-size, or --times with each bin's time.")
    return _Clock(np.arange(T), activity.bin_size * (np.arange(T) + 0.5), np.array([[0, T]]), activity.bin_size)


class _Joined(NamedTuple):
    """Recording of all trials, one after the other."""

    activity: np.ndarray
    """Activity [N, T]."""
    behaviour: np.ndarray
    """Behaviour [T, K]."""
    segment: np.ndarray
    """First bin and end of each segment [S, 2]."""


def _joined(values: np.ndarray, shared: Behaviours, border: np.ndarray, activity: ActivitySource) -> _Joined:
    """Joins bins and trials; bins with NaN in every neuron are left out and end a segment.

    Args:
        values: Activity [trials, N, bins].
        shared: Behaviours [trials, bins, K].
        border: First bin and end of each block of a trial [S, 2].
        activity: Source of the activity, with the number of bins to join.
    """
    rebin, N = activity.rebin, values.shape[1]
    activities, behaviours, segments = [np.zeros((N, 0))], [np.zeros((0, len(shared.names)))], []
    stop = gaps = 0
    for trial, covariate in zip(values, shared.values, strict=True):
        for first, last in border:
            blocks = _seen_blocks(trial[:, first:last])
            gaps += max(len(blocks) - 1, 0)
            for begin, end in blocks:
                count = (end - begin) // rebin
                if count:
                    used = slice(first + begin, first + begin + count * rebin)
                    bins = trial[:, used].reshape(N, count, rebin)
                    activities.append(bins.mean(-1) if activity.rebin_mean else bins.sum(-1))
                    behaviours.append(covariate[used].reshape(count, rebin, -1).mean(1))
                    segments.append((stop, stop + count))
                    stop += count
    if gaps and segments:
        warn(f"{gaps} gaps with NaN in every neuron were left out and end a segment.")
    return _Joined(np.concatenate(activities[1:] or activities, axis=1), np.concatenate(behaviours), np.array(segments))


def _seen_blocks(trial: np.ndarray) -> list[tuple[int, int]]:
    """Returns first bin and end of each block of bins without NaN in at least one neuron."""
    seen = ~np.isnan(trial).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _bridged(activity: np.ndarray, share: float, segment: np.ndarray) -> np.ndarray:
    """Fills NaN within segments in neurons with at most ``share`` of it; gaps at the ends get the nearest value."""
    bad = ~np.isfinite(activity)
    few = bad.any(1) & (bad.mean(1) <= share)
    for row in np.flatnonzero(few):
        for start, stop in segment:
            good = np.flatnonzero(~bad[row, start:stop])
            if len(good):
                activity[row, start:stop] = np.interp(np.arange(stop - start), good, activity[row, start:stop][good])
    if few.any():
        warn(f"{int(few.sum())} neurons held up to {100 * bad[few].mean(1).max():.2g} % NaN, filled linearly.")
    return activity
