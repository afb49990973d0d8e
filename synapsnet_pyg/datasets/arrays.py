"""A lab's own arrays, in .npz, .npy, .mat (v5 and v7.3) or .h5, as a session."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.array_files import Source
from synapsnet_pyg.datasets.time_bins import Bins, frames, onto, warn

AXES = (("neuron", "bin"), ("bin", "neuron"), ("trial", "neuron", "bin"), ("trial", "bin", "neuron"))


def read_arrays(
    source: str | Path,
    activity: str | None,
    axes: Sequence[str],
    bin_size: float | None = None,
    behaviour: Sequence[str] = (),
    behaviour_axes: Sequence[str] | None = None,
    fields: dict[str, str] | None = None,
    neuron_ids: str | None = None,
    rebin: int = 1,
    rebin_mean: bool = False,
    name: str | None = None,
    times: str | None = None,
    behaviour_times: str | None = None,
    true_connectivity: str | None = None,
    fill_nan: float = 0.0,
) -> Session:
    """Reads arrays of one file or folder into a session.

    Neurons that hold NaN are left out with a warning, as are bins in which every neuron is NaN, which end a segment;
    NaN in behaviour is filled by linear interpolation. Silent and constant neurons are kept and told.

    Args:
        source: ``.npz``, ``.npy`` (activity alone), ``.mat``, ``.h5`` (keys of groups are joined by ``/``) or a folder
            of ``.npy`` files (keys are their names).
        activity: Key of the activity; None where there is one array only.
        axes: Its axes in order, one of :data:`AXES`; trials become segments.
        bin_size: Seconds a bin *as stored*; after rebinning it is ``rebin`` times as long. None: from ``times``.
        behaviour: Keys of what all neurons share; each has an axis as long as the activity's bins (and one as long as
            its trials), found by length. A value a trial holds for all its bins.
        behaviour_axes: The order of the behaviours' axes, of ``trial``, ``bin`` and ``value``, where lengths leave it
            open.
        fields: What is known of each neuron: name in the session -> key.
        neuron_ids: Key of the neurons' ids, the same neuron wherever they come; one without (an empty text), or
            whose id comes twice here, is named after the session and its row, as all are without the key.
        rebin: Bins to join into one; what is left over at the end of a segment is dropped.
        rebin_mean: Average joined activity instead of adding it up (for dF/F; counts are added).
        name: Of the session; None: the file's stem.
        times: Key of the time of each bin in seconds, for continuous activity; gaps end a segment.
        behaviour_times: Key of the behaviours' own clock; they are brought onto ``times`` (or onto bins counted from
            zero) linearly.
        true_connectivity: Key of the true weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        fill_nan: Neurons with at most this share of NaN are kept, each gap filled linearly within its segment.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A key is missing, a length does not fit, or the file cannot be read; the message says what is there.
    """
    source = Path(source)
    axes = tuple(axes)
    if axes not in AXES:
        raise ValueError(f"Expected axes among {'; '.join(','.join(a) for a in AXES)} (got {','.join(axes)}).")
    if rebin < 1:
        raise ValueError(f"Expected to join at least 1 bin (got rebin {rebin}).")
    if axes[0] == "trial" and (times or behaviour_times):
        raise ValueError("Expected times for continuous activity only (got trials); bring behaviour onto bins first.")
    name = source.stem if name is None else name
    with Source(source) as file:
        values = file.numbers(activity)
        if values.ndim != len(axes):
            raise ValueError(
                f"Expected {len(axes)} axes ({','.join(axes)}) in '{activity}' of '{source}' "
                f"(got shape {list(values.shape)})."
            )
        trials = values.shape[0] if axes[0] == "trial" else None
        # [trials, N, bins of a trial], one trial for a continuous recording.
        values = np.moveaxis(values, axes.index("neuron"), -2).astype(np.float32)
        values = values if trials is not None else values[None]
        N, T = values.shape[1:]
        neurons = _Neurons.read(file, N, name, neuron_ids, fields, true_connectivity)
        order, border, at = np.arange(T), np.array([[0, T]]), None
        if times is not None:
            clock = file.numbers(times)
            if clock.size != T:
                raise ValueError(f"Expected a time for each of the {T} bins in '{times}' (got {list(clock.shape)}).")
            order, at, border, step = frames(clock, f"'{times}' of '{source}'")
            bin_size = step if bin_size is None else bin_size
        if bin_size is None:
            raise ValueError(
                "Expected the duration of a bin in seconds; give --bin-size, or --times with each bin's time."
            )
        if behaviour_times is None:
            shared = [_Behaviour(key, file.numbers(key), trials, T, behaviour_axes) for key in behaviour]
            names = [n for b in shared for n in b.names]
            over_time = np.concatenate([b.values for b in shared], -1) if shared else np.zeros((len(values), T, 0))
            over_time = _filled(over_time, names)[:, order]
        else:
            at = bin_size * (np.arange(T) + 0.5) if at is None else at
            names, over_time = _own_clock(file, behaviour, behaviour_times, at)
            over_time = over_time[None]
    values = values[..., order]
    segments, activity_parts, behaviour_parts = [], [], []
    stop = gaps = 0
    for trial, covariate in zip(values, over_time, strict=True):
        for first, last in border:
            stretches = _stretches(trial[:, first:last])
            gaps += max(len(stretches) - 1, 0)
            for begin, end in stretches:
                joined = (end - begin) // rebin
                if joined:
                    used = slice(first + begin, first + begin + joined * rebin)
                    blocks = trial[:, used].reshape(N, joined, rebin)
                    activity_parts.append(blocks.mean(-1) if rebin_mean else blocks.sum(-1))
                    behaviour_parts.append(covariate[used].reshape(joined, rebin, -1).mean(1))
                    segments.append((stop, stop + joined))
                    stop += joined
    if not segments:
        raise ValueError(f"Expected activity in '{source}' (every bin is NaN, or shorter than the bins to join).")
    if gaps:
        warn(f"{gaps} gaps, in which all neurons are NaN, were cut out and end a segment.")
    recorded = np.concatenate(activity_parts, axis=1)
    if trials is None and recorded.shape[1] < N:
        warn(f"there are more neurons ({N}) than bins ({recorded.shape[1]}); are the axes the other way round?")
    recorded = _bridged(recorded, fill_nan, segments)
    kept = np.isfinite(recorded).all(axis=1)
    _tell_of_neurons(recorded, kept)
    if not kept.any():
        raise ValueError(f"Expected at least one neuron without NaN in '{source}' (all {N} hold some); fill the gaps.")
    return Session.from_arrays(
        recorded[kept],
        np.concatenate(behaviour_parts),
        bin_size=bin_size * rebin,
        name=name,
        segment=np.array(segments),
        neuron_id=[neurons.ids[i] for i in np.flatnonzero(kept)],
        behaviour_name=names,
        true_connectivity=None if neurons.truth is None else neurons.truth[np.ix_(kept, kept)],
        **{field: np.asarray(entries)[kept] for field, entries in neurons.fields.items()},
    )


def read_spike_times(
    source: str | Path,
    spike_times: str,
    bin_size: float,
    spike_index: str | None = None,
    spike_neuron: str | None = None,
    seconds_per_unit: float = 1.0,
    start: float | None = None,
    stop: float | None = None,
    behaviour: Sequence[str] = (),
    behaviour_times: str | None = None,
    fields: dict[str, str] | None = None,
    neuron_ids: str | None = None,
    name: str | None = None,
    true_connectivity: str | None = None,
) -> Session:
    """Counts spikes of one file or folder in bins, and brings behaviour of another clock onto them.

    Args:
        source: As for :func:`read_arrays`.
        spike_times: Key of all spikes' times.
        bin_size: Seconds.
        spike_index: Key of the end of each neuron's spikes among them (as in NWB), or
        spike_neuron: key of the neuron of each spike (as ``spike_clusters`` of phy); neurons are in order of number.
        seconds_per_unit: What one unit of the spike times is: 1 / sampling rate where they count samples.
        start: Seconds; None: the first spike.
        stop: Seconds; None: the last spike.
        behaviour: Keys of what all neurons share, on their own clock.
        behaviour_times: Key of that clock in seconds.
        fields: What is known of each neuron: name in the session -> key.
        neuron_ids: Key of the neurons' ids; None: name and row, or name and number.
        name: Of the session; None: the file's stem.
        true_connectivity: As for :func:`read_arrays`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A key is missing, or lengths do not fit.
    """
    source = Path(source)
    name = source.stem if name is None else name
    if (spike_index is None) == (spike_neuron is None):
        raise ValueError("Expected either the end of each neuron's spikes (spike index) or each spike's neuron.")
    if behaviour and behaviour_times is None:
        raise ValueError("Expected the behaviours' own clock beside them; say its key with --behaviour-times.")
    with Source(source) as file:
        times = file.numbers(spike_times).ravel() * seconds_per_unit
        numbers = None
        if spike_index is not None:
            end = file.numbers(spike_index).ravel().astype(np.int64)
            if len(end) and (end[-1] != len(times) or (np.diff(end) < 0).any() or end[0] < 0):
                raise ValueError(
                    f"Expected rising ends up to {len(times)} spikes in '{spike_index}' of '{source}' "
                    f"(got {end[:3].tolist()}..., {end[-1]})."
                )
            each = np.split(times, end[:-1]) if len(end) else []
        else:
            owner = file.numbers(spike_neuron).ravel()
            if len(owner) != len(times):
                raise ValueError(
                    f"Expected a neuron for each of the {len(times)} spikes in '{spike_neuron}' (got {len(owner)})."
                )
            order = np.argsort(owner, kind="stable")
            numbers, first = np.unique(owner[order], return_index=True)
            each = np.split(times[order], first[1:])
        if not len(times) or not each:
            raise ValueError(f"Expected spikes in '{spike_times}' of '{source}' (there are none).")
        begin, end_time = (np.nanmin(times) if start is None else start), (np.nanmax(times) if stop is None else stop)
        bins = Bins([(float(begin), float(end_time))], bin_size)
        counts = np.stack([bins.count(one) for one in each]).astype(np.float32)
        numbered = None if numbers is None else [f"{name}/{n:.17g}" for n in numbers]
        neurons = _Neurons.read(file, len(each), name, neuron_ids, fields, true_connectivity, numbered)
        names, over_time = _own_clock(file, behaviour, behaviour_times or "", bins.centres)
    _tell_of_neurons(counts, np.ones(len(counts), bool))
    return Session.from_arrays(
        counts,
        over_time,
        bin_size=bin_size,
        name=name,
        neuron_id=neurons.ids,
        behaviour_name=names,
        true_connectivity=neurons.truth,
        **neurons.fields,
    )


class _Neurons(NamedTuple):
    """What a file tells of its neurons."""

    ids: list[str]
    fields: dict[str, Any]
    truth: np.ndarray | None

    @classmethod
    def read(
        cls,
        file: Source,
        N: int,
        name: str,
        ids: str | None,
        fields: dict[str, str] | None,
        truth: str | None,
        numbered: list[str] | None = None,
    ) -> "_Neurons":
        """Reads the given keys; neurons without a key of ids are called as they are numbered, if they are."""
        matrix = None if truth is None else file.numbers(truth)
        if matrix is not None and matrix.shape != (N, N):
            raise ValueError(f"Expected true weights of shape [{N}, {N}] in '{truth}' (got {list(matrix.shape)}).")
        return cls(
            _named(numbered if ids is None else file.per_neuron(ids, N), name, N),
            {field: file.per_neuron(key, N) for field, key in (fields or {}).items()},
            matrix,
        )


def _own_clock(file: Source, behaviour: Sequence[str], clock: str, at: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names [K] and courses [T, K] of behaviours that were sampled at other times."""
    names: list[str] = []
    columns: list[np.ndarray] = []
    times = file.numbers(clock).ravel() if behaviour else np.zeros(0)
    for key in behaviour:
        values = file.numbers(key)
        values = values.T if values.ndim == 2 and values.shape[0] != len(times) else values
        if values.ndim not in (1, 2) or values.shape[0] != len(times):
            raise ValueError(
                f"Expected an axis of the {len(times)} times of '{clock}' in '{key}' (got shape {list(values.shape)})."
            )
        values = values.reshape(len(times), -1)
        for k, column in enumerate(values.T):
            names.append(key if values.shape[1] == 1 else f"{key} {k}")
            columns.append(onto(at, times, column, f"'{names[-1]}' of '{file.path}'"))
    return names, np.stack(columns, axis=1) if columns else np.zeros((len(at), 0))


def _named(ids: Any, name: str, N: int) -> list[str]:
    """A text for each neuron; one that has none, or shares it with another of this recording, is new."""
    ids = [""] * N if ids is None else [str(one).strip() for one in ids]
    twice = sorted({one for one in ids if one and ids.count(one) > 1})
    if twice:
        warn(f"the ids {', '.join(map(repr, twice))} come more than once; their neurons are taken as new ones.")
        ids = ["" if one in twice else one for one in ids]
    return [one or f"{name}/{i}" for i, one in enumerate(ids)]


def _bridged(activity: np.ndarray, share: float, segments: list[tuple[int, int]]) -> np.ndarray:
    """Fills NaN of neurons that hold few, within segments; a gap at an end takes the nearest value."""
    bad = ~np.isfinite(activity)
    few = bad.any(1) & (bad.mean(1) <= share)
    for row in np.flatnonzero(few):
        for start, stop in segments:
            good = np.flatnonzero(~bad[row, start:stop])
            if len(good):
                activity[row, start:stop] = np.interp(np.arange(stop - start), good, activity[row, start:stop][good])
    if few.any():
        warn(f"{int(few.sum())} neurons held up to {100 * bad[few].mean(1).max():.2g} % NaN, filled linearly.")
    return activity


class _Behaviour:
    """One behaviour as [trials, bins, values], whichever way its axes lie."""

    def __init__(
        self, key: str, values: np.ndarray, trials: int | None, bins: int, order: Sequence[str] | None
    ) -> None:
        wanted = ("trial", "bin", "value") if trials is not None else ("bin", "value")
        lengths = {"bin": bins} | ({} if trials is None else {"trial": trials})
        self.key, self.shape = key, values.shape
        order = self._found(values.shape, lengths, wanted) if order is None else self._given(order, lengths, wanted)
        for axis in wanted:
            if axis not in order:
                values, order = values[..., None], (*order, axis)
        values = values.transpose([order.index(axis) for axis in wanted])
        if trials is None:
            values = values[None]
        self.values = np.broadcast_to(values, (values.shape[0], bins, values.shape[2])).astype(np.float64)
        count = self.values.shape[-1]
        self.names = [key] if count == 1 else [f"{key} {k}" for k in range(count)]

    def _found(self, shape: tuple[int, ...], lengths: dict[str, int], wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The one order of axes that the lengths allow."""
        orders: set[tuple[str, ...]] = set()

        def extend(order: tuple[str, ...]) -> None:
            if len(order) == len(shape):
                # A value for each bin, or for each trial.
                if "bin" in order or "trial" in order:
                    orders.add(order)
                return
            for axis in wanted:
                if axis not in order and lengths.get(axis, shape[len(order)]) == shape[len(order)]:
                    extend((*order, axis))

        extend(())
        full = {order for order in orders if set(lengths) <= set(order)} or orders
        if not full:
            told = " and ".join(f"{length} {axis}s" for axis, length in lengths.items())
            raise ValueError(
                f"Expected an axis of the activity's {told} in behaviour '{self.key}' (got shape {list(shape)})."
            )
        if len(full) > 1:
            raise ValueError(
                f"Behaviour '{self.key}' of shape {list(shape)} fits in several ways; say which with --behaviour-axes "
                + " or ".join(",".join(order) for order in sorted(full))
                + "."
            )
        return full.pop()

    def _given(self, order: Sequence[str], lengths: dict[str, int], wanted: tuple[str, ...]) -> tuple[str, ...]:
        order = tuple(order)
        fits = len(order) == len(self.shape) and len(set(order)) == len(order) and set(order) <= set(wanted)
        if not fits or any(lengths.get(axis, n) != n for axis, n in zip(order, self.shape, strict=True)):
            raise ValueError(
                f"Behaviour '{self.key}' of shape {list(self.shape)} does not have the axes {','.join(order)}."
            )
        return order


def _stretches(trial: np.ndarray) -> list[tuple[int, int]]:
    """Runs of bins in which not every neuron is NaN, as (begin, end)."""
    seen = ~np.isnan(trial).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _filled(behaviour: np.ndarray, names: list[str]) -> np.ndarray:
    """Behaviour [trials, bins, values] with NaN interpolated along the bins."""
    bad = ~np.isfinite(behaviour)
    for k in np.flatnonzero(bad.any(axis=(0, 1))):
        warn(f"behaviour '{names[k]}' holds {int(bad[..., k].sum())} NaN, filled by linear interpolation.")
        course, missing = behaviour[..., k].ravel(), bad[..., k].ravel()
        if missing.all():
            raise ValueError(f"Expected numbers in behaviour '{names[k]}' (all are NaN); leave it out.")
        course[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), course[~missing])
        behaviour[..., k] = course.reshape(bad.shape[:2])
    return behaviour


def _tell_of_neurons(activity: np.ndarray, kept: np.ndarray) -> None:
    """Warns of neurons that hold NaN, are silent (all zero) or constant (all the same)."""
    constant = np.zeros(len(activity), bool)
    constant[kept] = np.ptp(activity[kept], axis=1) == 0
    silent = constant & (activity[:, 0] == 0)
    for which, what in (
        (~kept, "hold NaN and are left out (--fill-nan keeps those that hold few)"),
        (silent, "are silent: no score will count them"),
        (constant & ~silent, "are constant: no score will count them"),
    ):
        rows = np.flatnonzero(which)
        if len(rows):
            shown = ", ".join(map(str, rows[:8])) + (" ..." if len(rows) > 8 else "")
            warn(f"{len(rows)} of {len(activity)} neurons (rows {shown}) {what}.")
