"""Activities, time series, intervals and events of an NWB file, and the search for them by name."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, Series
from synapsnet_pyg.intake.blocks import Blocks, merged
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.recording import Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.nwb_groups import Node, NWBFile
from synapsnet_pyg.readers.nwb_tables import (
    clock_of,
    first_entries,
    intervals,
    is_intervals,
    seconds,
    times_of,
    values_of,
    walk_groups,
)

_MOST = 12
"""Largest number of names in a message."""


@dataclass(frozen=True)
class NamedActivity:
    """Activity of an NWB file.

    Args:
        path: Path of the table of units, of the series, or of the group that holds the series of all planes.
        nodes: Table of units, or series of each plane.
        units: Whether it holds spikes of units.
    """

    path: str
    nodes: list[Node]
    units: bool


class FoundActivity(NamedTuple):
    """Activity that was found in an NWB file."""

    activity: Spikes | Traces
    """Spike times, or traces."""
    neurons: NeuronTable
    """Ids and fields of the neurons."""
    observed_by: Sequence[Blocks] | None
    """Blocks in which each neuron was observed, or None."""
    notes: list[str]
    """Sentences on what was found and chosen."""


class Contents:
    """Contents of an NWB file, found by their structure and not by their place, which differs between labs.

    Args:
        file: File.
    """

    def __init__(self, file: NWBFile) -> None:
        self.file = file
        self.units: list[Node] = []
        self.traces: list[Node] = []
        self.series: list[Node] = []
        self.intervals: list[Node] = []
        self.events: list[Node] = []
        self.planes: list[Node] = []
        for group in walk_groups(file):
            self._sort(group)

    def _sort(self, group: Node) -> None:
        """Files a group under its kind."""
        names = set(group.names())
        if is_units(group, names):
            self.units.append(group)
        elif is_intervals(group):
            self.intervals.append(group)
        elif "data" in names:
            if group.array("data") is None:  # a link that leads nowhere
                return
            if {"timestamps", "starting_time"} & names or group.kind.endswith("Series"):
                self.series.append(group)
            parent = group.path.rpartition("/")[0].rpartition("/")[2]
            if (
                "RoiResponseSeries" in group.kind
                or {"rois", "roi_names"} & names
                or parent in ("DfOverF", "Fluorescence")
            ):
                self.traces.append(group)
        elif {"timestamps", "timestamp"} & names and "external_file" not in names:
            self.events.append(group)
        elif group.kind == "PlaneSegmentation" or {"pixel_mask", "image_mask"} & names:
            self.planes.append(group)

    @property
    def activities(self) -> list[NamedActivity]:
        """Activities that are taken without being named: tables of units, and two-photon series by their group."""
        found = [NamedActivity(table.path, [table], True) for table in self.units]
        for path, series in self._by_group().items():
            if are_planes(series):
                found.append(NamedActivity(path, series, False))
            else:
                found += [NamedActivity(one.path, [one], False) for one in series]
        return found

    def activity(self, wanted: str | None) -> NamedActivity:
        """Returns the activity of a name, the only one if no name is given.

        Args:
            wanted: Name, whole path, or name of the group of a two-photon series with one series a plane.

        Raises:
            ValueError: There is none, or several; the message lists them.
        """
        known = self.activities
        if wanted is None:
            if len(known) == 1:
                return known[0]
            shown = shorten([one.path for one in known], _MOST) or "none"
            hint = f"; give {_option(known[0].path)}, or another one" if known else self._others()
            raise ValueError(f"Expected one activity in '{self.file.name}' (it has {shown}){hint}{self.file.remark()}.")
        single = [NamedActivity(one.path, [one], False) for one in self.traces]
        fitting = matching(wanted, known, lambda one: one.path) or matching(wanted, single, lambda one: one.path)
        if not fitting:
            groups = [NamedActivity(path, nodes, False) for path, nodes in self._by_group().items()]
            fitting = [
                NamedActivity(series.path, [series], False)
                for group in matching(wanted, groups, lambda one: one.path)
                for series in group.nodes
            ]
        if not fitting and (direct := self.file.get(wanted)) is not None:  # a second link to one of them
            fitting = [one for one in known if one.nodes[0].key == direct.key]
        if not fitting:
            wide = [one for one in self.series if len(one.need("data").shape) < 3]
            other = [NamedActivity(one.path, [one], False) for one in wide]
            fitting = matching(wanted, other, lambda one: one.path)
            known = known or other
        if len(fitting) > 1:
            raise ValueError(
                f"Expected one activity called '{wanted}' in '{self.file.name}' (it fits "
                f"{shorten([one.path for one in fitting], _MOST)}); give {_option(fitting[0].path)}, or another one."
            )
        if not fitting:
            raise ValueError(
                f"Expected an activity among {shorten([one.path for one in known], _MOST) or 'none'} in "
                f"'{self.file.name}' (got '{wanted}'){self.file.remark()}."
            )
        return fitting[0]

    def _by_group(self) -> dict[str, list[Node]]:
        """Returns the two-photon series by the path of the group that holds them."""
        groups: dict[str, list[Node]] = {}
        for series in self.traces:
            groups.setdefault(series.path.rpartition("/")[0], []).append(series)
        return groups

    def _others(self) -> str:
        """Returns a hint at time series that can be taken as activity."""
        wide = [one.path for one in self.series if len(one.need("data").shape) == 2]
        return f"; --activity takes one of its time series: {shorten(wide, _MOST)}" if wide else ""

    def blocks(self, wanted: str, label: str) -> Blocks:
        """Returns the intervals of a name.

        Args:
            wanted: Name or path of a table of intervals, an interval series, or the group of a single one.
            label: What the intervals are for, in messages.

        Raises:
            ValueError: There are none, or several tables fit.
        """
        return intervals(self._one(wanted, self.intervals, label))

    def excluded(self, selection: Selection) -> Blocks:
        """Returns the intervals that the user leaves out, and those that the file marks as invalid."""
        blocks = selection.excluded(lambda name: self.blocks(name, "intervals to exclude"))
        for table in self.intervals:
            if table.name == "invalid_times":
                blocks += intervals(table)
        return merged(blocks)

    def behaviour(self, wanted: str, selection: Selection) -> Behaviour:
        """Returns the behaviour of a name: a time series, an array with time stamps beside it, events or intervals.

        Args:
            wanted: Name or path.
            selection: Choices of the user.

        Raises:
            ValueError: There is none, or several fit.
        """
        series = [one for one in self.series if one.kind != "IntervalSeries"]
        beside = self._beside_stamps(wanted)
        if beside is not None:
            group, array = beside
            clock = "timestamps" if group.array("timestamps") is not None else "timestamp"
            values = values_of(array)
            return Series(wanted, values, seconds(group, clock), selection.period(wanted), label=f"behaviour {array!r}")
        node = self._one(wanted, [*series, *self.intervals, *self.events], "a behaviour")
        if node in self.intervals:
            return _intervals_of(wanted, node, selection.behaviour_rate)
        if node in self.events:
            return Events(wanted, event_times(node, selection.behaviour_rate))
        data = node.need("data")
        if len(data.shape) > 2:
            raise ValueError(f"Expected a behaviour of shape [T] or [T, k] in {node!r} (got {list(data.shape)}).")
        values = values_of(node)
        times = times_of(node, len(values), selection.behaviour_rate)
        if values.ndim == 2 and len(times) not in (len(values), 1) and len(times) == values.shape[1]:
            values = values.T
        period = selection.period(wanted) or circle_of(node, values)
        return Series(wanted, values, times, period, label=f"behaviour {node!r}")

    def happenings(self, wanted: str, selection: Selection) -> Behaviour:
        """Returns the events or intervals of a name: their number, or their share, in each bin.

        Args:
            wanted: Name or path of a table of intervals, an interval series, a series of events, or a column of times.
            selection: Choices of the user.

        Raises:
            ValueError: There are none, or several fit.
        """
        column = self.file.array(wanted) or next(
            (one for table in self.intervals if (one := _column_at(table, wanted)) is not None), None
        )
        if column is not None:
            times = seconds(column.file if column.path == column.name else _parent(column), column.name)
            return Events(wanted, times / (selection.behaviour_rate or 1.0))
        node = self._one(wanted, [*self.intervals, *self.events, *self.series], "events or intervals")
        if node in self.intervals:
            return _intervals_of(wanted, node, selection.behaviour_rate)
        return Events(wanted, event_times(node, selection.behaviour_rate))

    def _beside_stamps(self, wanted: str) -> tuple[Node, Node] | None:
        """Returns a group of columns with one clock, and its column of a path, such as ``pupil_fits/width``."""
        where, _, name = wanted.strip("/").rpartition("/")
        for group in matching(where, self.events, lambda one: one.path) if where else []:
            array = group.array(name)
            if array is not None and name not in ("timestamps", "timestamp"):
                return group, array
        return None

    def _one(self, wanted: str, nodes: Sequence[Node], label: str) -> Node:
        """Returns the only node of a name, path, or group that holds it."""
        fitting = matching(wanted, nodes, lambda node: node.path)
        if not fitting:
            fitting = [node for node in nodes if matching(wanted, [node], lambda one: one.path.rpartition("/")[0])]
        direct = self.file.get(wanted) if not fitting else None
        if direct is not None:  # a second link to something that was found at another path
            fitting = [node for node in nodes if node.key == direct.key]
        if len(fitting) != 1:
            shown = shorten([node.path for node in fitting or nodes], _MOST) or "none"
            several = f", which fits {len(fitting)}" if fitting else ""
            raise ValueError(
                f"Expected {label} among {shown} in '{self.file.name}' (got '{wanted}'{several}){self.file.remark()}."
            )
        return fitting[0]


def _intervals_of(name: str, node: Node, rate: float | None) -> Intervals:
    """Returns intervals as a behaviour; their times count ticks of a rate, or seconds."""
    return Intervals(name, [(start / (rate or 1.0), stop / (rate or 1.0)) for start, stop in intervals(node)])


def _option(path: str) -> str:
    """Returns the option that names an activity, as it is typed."""
    return f"--activity {shlex.quote(path)}"


def matching(wanted: str, things: Iterable[Any], path_of: Any) -> list[Any]:
    """Returns the things whose path, or else the last parts of it, are a name.

    Example:
        >>> matching("b", ["a/b", "c/b", "bb"], str), matching("/c/b/", ["a/b", "c/b"], str)
        (['a/b', 'c/b'], ['c/b'])
    """
    key, things = wanted.strip("/"), list(things)
    exact = [thing for thing in things if path_of(thing) == key]
    return exact or [thing for thing in things if path_of(thing).endswith(f"/{key}")]


def is_units(group: Node, names: set[str]) -> bool:
    """Returns True for a table of units, and for the unit times and clusters of NWB 1."""
    if "spike_times" in names:
        return group.array("spike_times") is not None
    if group.kind == "UnitTimes" or group.name == "UnitTimes":
        return any(child.array("times") is not None for child in group.children())
    return group.kind == "Clustering" and {"times", "num"} <= names


def are_planes(series: Sequence[Node]) -> bool:
    """Returns True if two-photon series are of different cells, and not several kinds of traces of the same ones."""
    if len(series) == 1:
        return True
    taken: set[tuple[Any, int]] = set()
    for one in series:
        region, rows = one.array("rois"), first_entries(one, "rois")
        if region is None or rows is None:
            return all(re.fullmatch(r"\D*plane\D*\d+\D*", other.name, re.IGNORECASE) for other in series)
        table = one.target(region.attribute("table"))
        cells = {(table.key if table is not None else one.path, int(row)) for row in rows}
        if cells & taken:
            return False
        taken |= cells
    return True


def circle_of(series: Node, values: np.ndarray) -> float | None:
    """Returns the full circle of a direction, in the unit of its values; None for other series.

    Args:
        series: Time series.
        values: Its values in their unit.
    """
    parent = _parent(series)
    inside = "CompassDirection" in (parent.kind, parent.name) or series.kind == "CompassDirection"
    if not inside or values.dtype.kind not in "fi" or (values.ndim == 2 and values.shape[1] != 1):
        return None
    data = series.array("data")
    unit = "" if data is None else str(data.attribute("unit")).lower()
    if "deg" in unit:
        return 360.0
    largest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    return 2 * np.pi if "rad" in unit or largest < 6.3 else 360.0


def event_times(node: Node, rate: float | None) -> np.ndarray:
    """Returns the times of events in seconds.

    Args:
        node: Events, or a time series with a time stamp for each event.
        rate: Number of ticks a second. None: as the file says.

    Raises:
        ValueError: The series has evenly spaced samples.
    """
    if node.array("timestamps") is None and node.array("timestamp") is not None:
        return seconds(node, "timestamp")
    clock = clock_of(node)
    if clock.step:
        raise ValueError(
            f"Expected event times in {node!r} (it has a sample every {clock.step:g} s); give it as --behaviour."
        )
    return times_of(node, 0, rate)


def _parent(node: Node) -> Node:
    """Returns the group that holds a node."""
    return node.file.get(node.path.rpartition("/")[0]) or node.file


def _column_at(table: Node, wanted: str) -> Node | None:
    """Returns the column of a path such as ``trials/response_time`` in a table."""
    where, _, name = wanted.strip("/").rpartition("/")
    return table.array(name) if where and matching(where, [table], lambda node: node.path) else None
