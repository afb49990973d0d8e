"""Tables, clocks and values of NWB files, of any version and writer."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import h5py
import numpy as np

from synapsnet_pyg.files import require_memory
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import numbers, plain_array
from synapsnet_pyg.readers.nwb_groups import Node, as_text

_TICKS = {
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e3),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), 1e6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e9),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 3600),
}
"""Unit of times, in lower case -> ticks a second."""

_WIDEST = 3
"""Largest number of columns of a field of the neurons; wider ones are waveforms and images."""


def column(table: Node, name: str) -> np.ndarray | None:
    """Reads a column of a table as a plain array; categories as texts, references as the names of their targets.

    Args:
        table: Table of NWB.
        name: Name of the column.

    Returns:
        Entries, or None if there is no such column or it holds records.
    """
    array = table.array(name)
    if array is None or array.dtype.names:
        return None
    if h5py.check_ref_dtype(array.dtype) is not None:
        targets = [table.target(reference) for reference in array[()].ravel()]
        return np.array(["" if target is None else target.name for target in targets], dtype=np.str_)
    values = plain_array(np.atleast_1d(array[()]))
    labels = categories(table, array)
    if labels is not None and values.dtype.kind in "iu":
        known = (values >= 0) & (values < len(labels))
        return np.where(known, labels[np.where(known, values, 0)], "") if len(labels) else values
    return values


def needed_column(table: Node, name: str) -> np.ndarray:
    """Reads a column of a table as :func:`column` does.

    Raises:
        ValueError: There is no such column.
    """
    values = column(table, name)
    if values is None:
        raise ValueError(f"Expected a column '{name}' in {table!r} (there is none).")
    return values


def categories(table: Node, array: Node) -> np.ndarray | None:
    """Returns the texts that the whole numbers of a column stand for, or None."""
    elements = array.attribute("elements")
    target = None if elements is None else table.target(elements)
    if target is None:
        target = table.array(f"{array.name}_elements")
    if target is not None and target.is_array:
        return plain_array(np.atleast_1d(target[()])).astype(np.str_)
    enum = h5py.check_enum_dtype(array.dtype)
    if enum and array.dtype != np.bool_ and set(enum) != {"FALSE", "TRUE"}:
        labels = np.full(max(max(enum.values()) + 1, 0), "", dtype=object)
        for label, value in enum.items():
            if value >= 0:
                labels[value] = label
        return labels.astype(np.str_)
    return None


def ends_of(table: Node, name: str) -> np.ndarray | None:
    """Returns the end of each row's entries in a ragged column, or None if the column is not ragged."""
    index = table.array(f"{name}_index")
    return None if index is None else numbers(index[()], f"the ends {index!r}", missing=False).ravel().astype(np.int64)


def first_entries(table: Node, name: str) -> np.ndarray | None:
    """Returns the first entry of each row of a column of row numbers, -1 for none; None without such a column."""
    values, ends = column(table, name), ends_of(table, name)
    if values is None or values.dtype.kind not in "fi":
        return None
    values = np.where(np.isfinite(values), values, -1).astype(np.int64)
    if ends is None:
        return values.reshape(len(values), -1)[:, 0] if values.size else values
    start = np.concatenate([[0], ends[:-1]])
    filled = (ends > start) & (start < len(values))
    return np.where(filled, values[np.where(filled, start, 0)], -1) if len(values) else np.full(len(ends), -1)


def neuron_columns(table: Node, count: int) -> dict[str, np.ndarray]:
    """Reads the columns of a table of neurons that have one entry, or up to three numbers, a neuron.

    Waveforms, images and lists are not read. Of a column ``iscell`` of Suite2p, the second number becomes
    ``cell_probability``.

    Args:
        table: Table of units or cells.
        count: Number of neurons.
    """
    order = table.attribute("colnames")
    names = [] if order is None else [as_text(name) for name in np.ravel(order)]
    present = table.names()
    known: dict[str, np.ndarray] = {}
    for name in dict.fromkeys([name for name in names if name in present] + sorted(present)):
        base = name.removesuffix("_index").removesuffix("_elements")
        if name in ("id", "spike_times") or (base != name and base in present) or f"{name}_index" in present:
            continue
        array = table.array(name)
        if array is None or len(array.shape) not in (1, 2) or array.dtype.names:
            continue
        if len(array) != count or (len(array.shape) == 2 and array.shape[1] > _WIDEST):
            if len(array.shape) == 1:
                warn(f"the column {array!r} has {len(array)} entries for {count} neurons, and is left out.")
            continue
        values = column(table, name)
        if values is None or (values.dtype.kind == "U" and values.ndim > 1):
            continue
        if name.lower() in ("iscell", "is_cell") and values.ndim == 2 and values.shape[1] == 2:
            known[name], known["cell_probability"] = values[:, 0], values[:, 1]
        else:
            known[name] = values
    return known


def ids_of(table: Node, count: int) -> np.ndarray | None:
    """Returns the ids of a table's rows, or None if there are none, or not one for each row."""
    ids = column(table, "id")
    if ids is not None and len(ids) != count:
        warn(f"{table!r} has {len(ids)} ids for {count} neurons; they are numbered.")
        return None
    return ids


def is_intervals(node: Node) -> bool:
    """Returns True if a group holds intervals: starts and stops, a series of ons and offs, or epochs of NWB 1."""
    names = set(node.names())
    if {"start_time", "stop_time"} <= names:
        return True
    if node.kind == "IntervalSeries":
        return "timestamps" in names
    return node.path == "epochs" and any({"start_time", "stop_time"} <= set(child.names()) for child in node.children())


def intervals(node: Node) -> Blocks:
    """Reads the blocks of time of a table of intervals, of an interval series, or of the epochs of NWB 1.

    Raises:
        ValueError: Starts or stops are missing.
    """
    if node.kind == "IntervalSeries":
        data, stamps = node.array("data"), seconds(node, "timestamps")
        ons = np.ones(len(stamps)) if data is None else numbers(data[()], repr(data)).ravel()
        if len(ons) != len(stamps):
            raise ValueError(f"Expected as many times as values in {node!r} (got {len(stamps)} and {len(ons)}).")
        return _on_and_off(stamps, ons, repr(node))
    if node.path == "epochs" and node.array("start_time") is None:
        epochs = [child for child in node.children() if child.array("start_time") is not None]
        start, stop = (np.array([seconds(epoch, key)[0] for epoch in epochs]) for key in ("start_time", "stop_time"))
        return blocks_of(start, stop, repr(node))
    return blocks_of(seconds(node, "start_time"), seconds(node, "stop_time"), repr(node))


def _on_and_off(times: np.ndarray, codes: np.ndarray, label: str) -> Blocks:
    """Returns the block from each start to the next stop of its kind: codes k and -k, or 1 and 0."""
    if len(codes) and codes.min() == 0:
        codes = np.where(codes == 0, -1, codes)
    blocks: list[tuple[float, float]] = []
    for kind in np.unique(np.abs(codes)):
        start, stop = times[codes == kind], times[codes == -kind]
        after = np.searchsorted(stop, start, side="right")
        blocks += [(float(a), float(stop[i])) for a, i in zip(start, after, strict=True) if i < len(stop)]
    alone = len(codes) - 2 * len(blocks)
    if alone:
        warn(f"{alone} starts or stops of {label} have no partner and are left out.")
    return sorted(blocks)


def seconds(node: Node, name: str) -> np.ndarray:
    """Reads an array of times in seconds, from the unit that the file gives.

    Raises:
        ValueError: There is no such array, or it does not hold numbers.
    """
    array = node.need(name)
    times: np.ndarray = numbers(np.atleast_1d(array[()]), repr(array)).astype(np.float64) / (ticks(array) or 1.0)
    return times


def ticks(array: Node) -> float | None:
    """Returns the ticks a second of an array of times, if its unit is not the second."""
    return _TICKS.get(as_text(array.attribute("unit")).lower())


class Clock(NamedTuple):
    """Clock of a time series."""

    times: np.ndarray | None
    """Time of each sample in ticks [T]; None if the series has no clock."""
    rate: float | None
    """Number of ticks a second; None: seconds."""
    step: float | None
    """Seconds between samples, for a clock of even steps that the file states."""


def clock_of(series: Node, length: int | None = None) -> Clock:
    """Reads the clock of a time series: its time stamps, the starts of stamps of starts and ends, or start and rate.

    Args:
        series: Time series.
        length: Number of samples. None: that of the data.
    """
    stamps = series.array("timestamps")
    if stamps is not None:
        times = numbers(stamps[()], repr(stamps))
        if times.ndim == 2 and 2 in times.shape:  # starts and ends of the samples
            times = times[0] if times.shape[0] == 2 and times.shape[1] != 2 else times[:, 0]
        return Clock(times.ravel(), ticks(stamps), None)
    start = series.array("starting_time")
    rate = 0.0 if start is None else start.number("rate", 0.0)
    if start is None or not (np.isfinite(rate) and rate > 0):
        return Clock(None, None, None)
    if length is None:
        data = series.array("data")
        length = 0 if data is None else len(data)
    first = float(np.ravel(numbers(start[()], repr(start)))[0]) / (ticks(start) or 1.0)
    return Clock(first + np.arange(length) / rate, None, 1 / rate)


def times_of(series: Node, length: int, rate: float | None = None) -> np.ndarray:
    """Returns the times of a series' samples in seconds.

    Args:
        series: Time series.
        length: Number of samples.
        rate: Number of ticks a second. None: as the file says.

    Raises:
        ValueError: The series has neither time stamps nor a rate.
    """
    clock = clock_of(series, length)
    if clock.times is None:
        raise ValueError(f"Expected timestamps or a rate in {series!r} (there is neither){series.file.remark()}.")
    times: np.ndarray = clock.times.astype(np.float64) / ((None if clock.step else rate) or clock.rate or 1.0)
    return times


class Scale(NamedTuple):
    """Factor and offset that bring stored values into their unit."""

    factor: np.ndarray | float
    """Factor, or one for each channel."""
    offset: float
    """Value that is added after the multiplication."""

    @property
    def changes(self) -> bool:
        """True if values differ from those that are stored."""
        return bool(np.any(np.asarray(self.factor) != 1.0) or self.offset != 0.0)


def scale_of(series: Node, data: Node) -> Scale:
    """Returns the scale of a time series, from ``conversion``, ``offset`` and ``channel_conversion``."""
    factor: np.ndarray | float = data.number("conversion", 1.0)
    factor = factor if np.isfinite(factor) and factor != 0 else 1.0
    channel = series.array("channel_conversion")
    if channel is not None and len(data.shape) == 2 and len(channel) == data.shape[1]:
        factor = factor * numbers(channel[()], repr(channel)).ravel()
    offset = data.number("offset", 0.0)
    return Scale(factor, offset if np.isfinite(offset) else 0.0)


def values_of(series: Node) -> np.ndarray:
    """Reads the values [T, ...] of a time series, numbers in their unit.

    Raises:
        ValueError: There are none, or they do not fit into memory.
    """
    data = series if series.is_array else series.need("data")
    require_memory(int(np.prod(data.shape, dtype=np.int64)) * 16, f"the values of {series!r}")
    values = plain_array(data[()])
    labels = None if series.is_array else categories(series, data)
    if (
        labels is not None
        and values.dtype.kind == "i"
        and values.size
        and 0 <= values.min() <= values.max() < len(labels)
    ):
        return labels[values]
    scale = scale_of(series, data)
    if values.dtype.kind in "fib" and scale.changes:
        values = values.astype(np.float64) * scale.factor + scale.offset
    return values


def walk_groups(root: Node, skip: frozenset[str] = frozenset({"general", "specifications"})) -> Iterator[Node]:
    """Yields every group below a root once, even if several links lead to it; tables are not entered.

    Args:
        root: Root of the file.
        skip: Names of groups at the root that are left out.
    """
    yield from _walk(root, skip, {root.key})


def _walk(group: Node, skip: frozenset[str], seen: set[tuple[Any, ...]]) -> Iterator[Node]:
    """Yields the groups below a group that were not seen."""
    for child in group.children():
        if child.is_array or child.name in skip:
            continue
        with suppress(ValueError):
            if child.key in seen:
                continue
            seen.add(child.key)
        yield child
        if child.array("id") is None and child.array("data") is None:
            yield from _walk(child, frozenset(), seen)
