"""Recordings of other packages' objects, known by their methods: none of these packages is imported.

Understood are SpikeInterface's ``Sorting``, pynapple's ``TsGroup``, ``Tsd`` and ``TsdFrame``, neo's ``SpikeTrain`` and
``AnalogSignal``, xarray's ``DataArray``, frames and series of pandas, mappings and sequences of arrays.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, OnFrames, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import numbers, plain_array, texts
from synapsnet_pyg.intake.recording import Traces
from synapsnet_pyg.intake.spikes import Spikes

PAUSE = 10.0
"""Seconds between the segments of a recording whose clocks all start anew."""

_TIMES = ("time", "times", "t", "spike_time", "spike_times", "timestamp", "timestamps")
"""Names of a column of times, in lower case."""

_NEURONS = ("neuron", "unit", "unit_id", "cluster", "cluster_id", "cell", "neuron_id", "spike_clusters")
"""Names of a column of neurons, in lower case."""


class SpikeSource(NamedTuple):
    """Spikes of an object."""

    spikes: Spikes
    """Spike times of N neurons."""
    neurons: NeuronTable
    """Ids and fields of the neurons."""
    observed: Blocks | None
    """Blocks of time that were recorded, if the object knows them."""


class TraceSource(NamedTuple):
    """Traces of an object."""

    traces: Traces
    """Traces of N neurons."""
    neurons: NeuronTable
    """Ids and fields of the neurons."""
    observed: Blocks | None
    """Blocks of time that were recorded, if the object knows them."""


def spikes_of(source: Any) -> SpikeSource:
    """Returns the spikes of an object.

    Args:
        source: SpikeInterface ``Sorting``, pynapple ``TsGroup``, neo ``SpikeTrain`` objects, a frame of pandas with a
            column of times and one of neurons, a mapping of neuron to times in seconds, or a sequence of times of each
            neuron.

    Raises:
        ValueError: The object is of no such kind.

    Example:
        >>> spikes_of({"a": [0.1, 0.2], "b": [0.5]}).neurons.labels
        ['a', 'b']
    """
    if hasattr(source, "get_unit_spike_train") and hasattr(source, "get_sampling_frequency"):
        return _of_sorting(source)
    if hasattr(source, "time_support") and hasattr(source, "keys"):  # pynapple's TsGroup
        labels = list(source.keys())
        trains = [np.asarray(source[label].index) for label in labels]
        return SpikeSource(
            Spikes.from_trains(trains, rate=1.0),
            NeuronTable(len(labels), labels=labels, columns=_metadata(source)),
            _support(source),
        )
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):
        return _of_spike_frame(source)
    if isinstance(source, Mapping):
        trains = [_train(train) for train in source.values()]
        return SpikeSource(Spikes.from_trains(trains), NeuronTable(len(trains), labels=list(source)), None)
    if _is_train(source):
        source = [source]
    if isinstance(source, Sequence) or hasattr(source, "__len__"):
        items = list(source)
        if items and all(_is_train(item) for item in items):
            return _of_neo(items)
        if all(np.ndim(item) == 1 for item in items):
            return SpikeSource(Spikes.from_trains(items), NeuronTable(len(items)), None)
    raise ValueError(
        "Expected spikes as a mapping of neuron to times, a sequence of times of each neuron, or an object of "
        f"SpikeInterface, pynapple, neo or pandas (got {type(source).__name__})."
    )


def traces_of(source: Any, bin_size: float | None = None) -> TraceSource:
    """Returns the traces of an object.

    Args:
        source: pynapple ``TsdFrame``, xarray ``DataArray`` of two dimensions of which one is time, neo
            ``AnalogSignal``, a frame of pandas (a row a frame, its index the time), a mapping of neuron to trace, or an
            array (N, T).
        bin_size: Duration of a frame in seconds, for objects without a clock.

    Raises:
        ValueError: The object is of no such kind, or has no clock.
    """
    if hasattr(source, "time_support"):  # pynapple
        values = np.asarray(source.values)
        values = values.reshape(len(values), -1).T
        labels = list(source.columns) if hasattr(source, "columns") else None
        table = NeuronTable(len(values), labels=labels, columns=_metadata(source))
        return TraceSource(Traces(values, np.asarray(source.index), rate=1.0), table, _support(source))
    if hasattr(source, "dims") and hasattr(source, "coords"):
        return _of_data_array(source, bin_size)
    if hasattr(source, "sampling_rate") and hasattr(source, "magnitude"):  # neo's AnalogSignal
        values, times = np.asarray(source.magnitude), np.asarray(source.times.rescale("s").magnitude)
        return TraceSource(Traces(values.T, times, rate=1.0), NeuronTable(values.shape[1]), None)
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):
        values = np.stack([numbers(source[column], f"column '{column}'") for column in source.columns])
        clock = None if bin_size is not None else _times_of_index(source.index)
        return TraceSource(
            Traces(values, clock, bin_size), NeuronTable(len(values), labels=texts(list(source.columns))), None
        )
    if isinstance(source, Mapping):
        traces = [numbers(trace, f"trace '{key}'").ravel() for key, trace in source.items()]
        if len({len(trace) for trace in traces}) != 1:
            lengths = sorted({len(trace) for trace in traces})
            raise ValueError(f"Expected traces of one length (got lengths {lengths}).")
        values = np.stack(traces)
        return TraceSource(Traces(values, bin_size=bin_size), NeuronTable(len(values), labels=list(source)), None)
    values = numbers(source, "the traces")
    if values.ndim != 2:
        raise ValueError(f"Expected traces of shape [N, T], neurons first (got {list(values.shape)}).")
    return TraceSource(Traces(values, bin_size=bin_size), NeuronTable(len(values)), None)


def behaviours_of(source: Mapping[str, Any] | None, circular: Mapping[str, float]) -> list[Behaviour | OnFrames]:
    """Returns behaviours of objects.

    Args:
        source: Name -> behaviour: a series with its own clock (pynapple ``Tsd``, series of pandas, neo
            ``AnalogSignal``, xarray ``DataArray``, or a pair of times and values), events (pynapple ``Ts``, neo
            ``Event``), intervals (pynapple ``IntervalSet``), or an array with a sample for each frame.
        circular: Name of a behaviour that is an angle -> length of its full circle.
    """
    if source is not None and not isinstance(source, Mapping):
        raise ValueError(f"Expected behaviours as a mapping of name to behaviour (got {type(source).__name__}).")
    return [_behaviour(name, value, circular.get(name)) for name, value in (source or {}).items()]


def intervals_of(source: Any, label: str) -> Blocks:
    """Returns blocks of time of an object: pynapple ``IntervalSet``, neo ``Epoch``, frame of pandas, or (n, 2)."""
    if hasattr(source, "start") and hasattr(source, "end"):
        return blocks_of(np.asarray(source.start), np.asarray(source.end), label)
    if hasattr(source, "durations") and hasattr(source, "rescale"):
        start = np.asarray(source.times.rescale("s").magnitude)
        return blocks_of(start, start + np.asarray(source.durations.rescale("s").magnitude), label)
    table = numbers(source, label)
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError(f"Expected {label} of shape [n, 2], starts and stops (got {list(table.shape)}).")
    return blocks_of(table[:, 0], table[:, 1], label)


def _of_sorting(sorting: Any) -> SpikeSource:
    """Returns the spikes of SpikeInterface's sorting; segments follow each other with a pause between them."""
    ids, rate = list(sorting.unit_ids), float(sorting.get_sampling_frequency())
    parts: list[list[np.ndarray]] = [[] for _ in ids]
    observed: Blocks = []
    offset = 0.0
    for segment in range(sorting.get_num_segments()):
        trains = [
            np.asarray(sorting.get_unit_spike_train(unit, segment_index=segment, return_times=True), dtype=np.float64)
            for unit in ids
        ]
        present = [train for train in trains if len(train)]
        if not present:
            continue
        first, last = min(train.min() for train in present), max(train.max() for train in present)
        shift = offset - first if segment else 0.0
        for own, train in zip(parts, trains, strict=True):
            own.append(train + shift)
        observed.append((first + shift, last + shift + 0.5 / rate))
        offset = last + shift + PAUSE
    trains = [np.concatenate(own) if own else np.zeros(0) for own in parts]
    columns = {key: sorting.get_property(key) for key in sorting.get_property_keys()}
    table = NeuronTable(len(ids), labels=ids, columns=columns)
    return SpikeSource(Spikes.from_trains(trains, rate=1.0), table, observed if len(observed) > 1 else None)


def _of_neo(trains: list[Any]) -> SpikeSource:
    """Returns the spikes of neo's spike trains, recorded from the latest start to the earliest stop."""
    seconds = [np.asarray(train.rescale("s").magnitude) for train in trains]
    start = max(float(train.t_start.rescale("s")) for train in trains)
    stop = min(float(train.t_stop.rescale("s")) for train in trains)
    keys = sorted({key for train in trains for key in train.annotations})
    columns = {key: [train.annotations.get(key) for train in trains] for key in keys}
    names = [train.name or train.annotations.get("id") for train in trains]
    table = NeuronTable(len(trains), labels=names if any(names) else None, columns=columns)
    return SpikeSource(Spikes.from_trains(seconds, rate=1.0), table, [(start, stop)] if start < stop else None)


def _of_spike_frame(frame: Any) -> SpikeSource:
    """Returns the spikes of a frame with a column of times and one of neurons."""
    found = [next((c for c in frame.columns if str(c).lower() in names), None) for names in (_TIMES, _NEURONS)]
    if None in found:
        raise ValueError(
            "Expected a column of times ('time') and one of neurons ('neuron') in the table of spikes (got "
            f"{', '.join(map(str, frame.columns))})."
        )
    times = numbers(frame[found[0]], f"column '{found[0]}'")
    labels, row = np.unique(plain_array(frame[found[1]]), return_inverse=True)
    known = np.array([text not in ("", "-1") for text in texts(labels)], dtype=bool)
    if not known.all():
        lost = int((~known[row]).sum())
        warn(f"{lost} of {len(row)} spikes have no neuron in column '{found[1]}' and are left out.")
        row, labels = np.where(known, known.cumsum() - 1, -1)[row], labels[known]
    table = NeuronTable(len(labels), labels=labels)
    return SpikeSource(Spikes.from_neurons(times, row, len(labels), label=f"column '{found[0]}'"), table, None)


def _of_data_array(array: Any, bin_size: float | None) -> TraceSource:
    """Returns the traces of xarray's data array; the dimension of time is known by its name."""
    dims = [str(dim) for dim in array.dims]
    time = next((dim for dim in dims if dim.lower() in (*_TIMES, "frame", "bin", "sample")), None)
    if len(dims) != 2 or time is None:
        raise ValueError(f"Expected two dimensions, one of them 'time', in the DataArray (got {', '.join(dims)}).")
    other = next(dim for dim in dims if dim != time)
    values = np.asarray(array.transpose(other, time).values)
    times = _seconds(array.coords[time].values) if time in array.coords and bin_size is None else None
    labels = list(array.coords[other].values) if other in array.coords else None
    columns = {
        str(key): np.asarray(coord.values)
        for key, coord in array.coords.items()
        if tuple(coord.dims) == (other,) and key != other
    }
    return TraceSource(Traces(values, times, bin_size), NeuronTable(len(values), labels=labels, columns=columns), None)


def _behaviour(name: str, value: Any, period: float | None) -> Behaviour | OnFrames:
    """Returns one behaviour of an object."""
    if hasattr(value, "time_support") and not hasattr(value, "values"):  # pynapple's Ts
        return Events(name, np.asarray(value.index))
    if hasattr(value, "time_support"):
        return Series(name, np.asarray(value.values), np.asarray(value.index), period)
    if (hasattr(value, "start") and hasattr(value, "end")) or hasattr(value, "durations"):
        return Intervals(name, intervals_of(value, f"'{name}'"))
    if hasattr(value, "rescale") and hasattr(value, "times"):  # neo
        times = np.asarray(value.times.rescale("s").magnitude)
        if hasattr(value, "sampling_rate") or hasattr(value, "sampling_period"):
            return Series(name, np.asarray(value.magnitude), times, period)
        return Events(name, times)
    if hasattr(value, "dims") and hasattr(value, "coords"):
        return Series(name, np.asarray(value.values), _seconds(value.coords[value.dims[0]].values), period)
    if hasattr(value, "index") and hasattr(value, "to_numpy"):
        if _numbers_rows(value.index):
            return OnFrames(name, plain_array(value), period)
        return Series(name, plain_array(value), _times_of_index(value.index), period)
    if isinstance(value, tuple) and len(value) == 2:
        return Series(name, plain_array(value[1]), numbers(value[0], f"the times of '{name}'").ravel(), period)
    return OnFrames(name, plain_array(value), period)


def _is_train(item: Any) -> bool:
    """Returns True for neo's spike train."""
    return hasattr(item, "t_start") and hasattr(item, "t_stop") and hasattr(item, "rescale")


def _train(item: Any) -> np.ndarray:
    """Returns the times of one neuron in seconds."""
    if _is_train(item):
        return np.asarray(item.rescale("s").magnitude)
    if hasattr(item, "time_support"):
        return np.asarray(item.index)
    return plain_array(item)


def _support(source: Any) -> Blocks | None:
    """Returns the blocks in which a pynapple object is defined."""
    start, end = np.asarray(source.time_support.start), np.asarray(source.time_support.end)
    finite = np.isfinite(start) & np.isfinite(end)
    return blocks_of(start, end, "the time support") if len(start) and finite.all() else None


def _metadata(source: Any) -> dict[str, np.ndarray]:
    """Returns the metadata of a pynapple object's columns."""
    names = list(getattr(source, "metadata_columns", []))
    return {str(name): plain_array(source.get_info(name)) for name in names if name != "rate"}


def _seconds(values: Any) -> np.ndarray:
    """Returns times in seconds; dates count from the first one."""
    array = np.asarray(values)
    if array.dtype.kind == "M":
        array = array - array[0]
    return array / np.timedelta64(1, "s") if array.dtype.kind == "m" else numbers(array, "the times")


def _times_of_index(index: Any) -> np.ndarray:
    """Returns the index of a pandas object as times in seconds.

    Raises:
        ValueError: The index numbers the rows and holds no times.
    """
    if _numbers_rows(index):
        raise ValueError("Expected the time in seconds as the index (it numbers the rows); pass bin_size.")
    return _seconds(index.to_numpy())


def _numbers_rows(index: Any) -> bool:
    """Returns True for an index of pandas that counts the rows."""
    entries = index.to_numpy()
    return entries.dtype.kind == "i" and len(entries) > 1 and bool((np.diff(entries) == 1).all())
