"""Units of NWB files: spike times, fields, electrodes and the time in which each was observed."""

import numpy as np

from synapsnet_pyg.intake.blocks import Blocks, blocks_of, merged
from synapsnet_pyg.intake.neuron_table import MICROMETRES, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import at_rows, numbers, rows_of, texts
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.nwb_contents import FoundActivity, NamedActivity
from synapsnet_pyg.readers.nwb_groups import Node, as_text
from synapsnet_pyg.readers.nwb_tables import (
    column,
    ends_of,
    first_entries,
    ids_of,
    neuron_columns,
    seconds,
    ticks,
)

_AXES = ("x", "y", "z")
"""Columns of the positions of electrodes."""


def units_of(activity: NamedActivity, selection: Selection) -> FoundActivity:
    """Finds the units of a table; their spike times stay in the file.

    Args:
        activity: Table of units.
        selection: Choices of the user.

    Raises:
        ValueError: The ends of the units do not fit the spike times.
    """
    table = activity.nodes[0]
    spikes = spikes_of(table, selection.sampling_rate)
    count = spikes.count
    if table.array("spike_times") is None:  # NWB 1
        labels = None if table.kind == "Clustering" else [child.name for child in _unit_groups(table)]
        return FoundActivity(spikes, NeuronTable(count, labels=labels, prefix="nwb"), None, [])
    columns = neuron_columns(table, count)
    columns.pop("electrodes", None)
    columns |= {key: values for key, values in places(table, count).items() if key not in columns}
    neurons = NeuronTable(
        count, labels=ids_of(table, count), columns=dict(columns), prefix="nwb", position_unit=MICROMETRES
    )
    return FoundActivity(spikes, neurons, observed_by(table, spikes), [])


def spikes_of(table: Node, rate: float | None = None) -> Spikes:
    """Returns the spikes of a table of units, which stay in the file.

    Args:
        table: Table of units; or unit times or clusters of NWB 1.
        rate: Number of ticks of the spike times a second. None: from their unit, or seconds.

    Raises:
        ValueError: The ends of the units are missing or do not fit the spike times.
    """
    times = table.array("spike_times")
    if times is None:
        return _old_spikes(table, rate)
    ends = ends_of(table, "spike_times")
    if ends is None:
        ids = column(table, "id")
        if ids is not None and len(ids) > 1:
            raise ValueError(
                f"Expected spike_times_index, the end of each unit's spike times, in {table!r} (there is none)."
            )
        ends = np.array([len(times)], dtype=np.int64)
    return Spikes.from_ends(times, ends, ticks(times) if rate is None else rate, label=f"the spike times {times!r}")


class _Slices:
    """Slices of an array one after the other, which are read when they are asked for.

    Args:
        array: Array of one axis.
        start: Start of each slice.
        stop: Stop of each slice.
    """

    def __init__(self, array: Node, start: np.ndarray, stop: np.ndarray) -> None:
        self._array, self._start, self._end = array, start, np.cumsum(stop - start)

    def __len__(self) -> int:
        return int(self._end[-1]) if len(self._end) else 0

    def __getitem__(self, key: slice) -> np.ndarray:
        parts = []
        for row in range(*np.searchsorted(self._end, [key.start, key.stop - 1], side="right") + [0, 1]):
            shift = self._start[row] - (self._end[row - 1] if row else 0)
            first = max(key.start + shift, self._start[row])
            parts.append(self._array[first : min(key.stop, self._end[row]) + shift])
        return np.concatenate(parts) if parts else np.zeros(0)


def kept_spikes(table: Node, rows: np.ndarray) -> Spikes:
    """Returns the spikes of some units, in seconds; those of the others are not read.

    Args:
        table: Table of units.
        rows: Row of each unit.

    Raises:
        ValueError: The ends of the units are missing or do not fit the spike times.
    """
    spikes_of(table, 1.0)  # checks the ends
    times, ends = table.array("spike_times"), ends_of(table, "spike_times")
    assert times is not None
    ends = np.array([len(times)]) if ends is None else ends
    start = np.concatenate([[0], ends[:-1]])[rows]
    own = np.cumsum(ends[rows] - start)
    return Spikes.from_ends(_Slices(times, start, ends[rows]), own, 1.0, label=f"the spike times {times!r}")


def observed_by(table: Node, spikes: Spikes) -> list[Blocks] | None:
    """Returns the blocks in which each unit was observed, or None if the table does not say.

    Units without a block, of a table in which others have some, were observed whenever any was.

    Args:
        table: Table of units.
        spikes: Its spikes.
    """
    ends, stored = ends_of(table, "obs_intervals"), table.array("obs_intervals")
    if ends is None or stored is None or not len(stored):
        return None
    rows = numbers(stored[()], repr(stored)).astype(np.float64)
    if spikes.rate and _in_ticks(rows, table, spikes.rate):
        rows = rows / spikes.rate
    if rows.ndim == 2 and rows.shape[0] == 2 and rows.shape[1] != 2:
        rows = rows.T
    if rows.ndim != 2 or rows.shape[1] != 2 or len(ends) != spikes.count or (len(ends) and ends[-1] > len(rows)):
        warn(f"{stored!r} does not fit the {spikes.count} units, and is not used.")
        return None
    if np.isinf(rows).any():
        survey = spikes.survey()
        rows = np.clip(rows, survey.first, survey.last)
    start = np.concatenate([[0], ends[:-1]])
    known: dict[bytes, Blocks] = {}
    own: list[Blocks] = []
    for a, b in zip(start.tolist(), ends.tolist(), strict=True):
        part = rows[a:b]
        key = part.tobytes()  # most units share their blocks
        if key not in known:
            known[key] = merged(blocks_of(part[:, 0], part[:, 1], repr(stored)))
        own.append(known[key])
    whole = merged([block for blocks in known.values() for block in blocks])
    return [blocks or whole for blocks in own] if whole else None


def _in_ticks(rows: np.ndarray, table: Node, rate: float) -> bool:
    """Returns True if intervals are in ticks as the spike times are, and not in seconds: by the end of both."""
    times = table.array("spike_times")
    last = float(np.abs(times[len(times) - 1])) if times is not None and len(times) else 0.0
    finite = rows[np.isfinite(rows)]
    end = float(finite.max()) if finite.size else 0.0
    return not (last > 0 and end > 0) or abs(np.log(end / last)) < abs(np.log(end * rate / last))


def places(table: Node, count: int) -> dict[str, np.ndarray]:
    """Returns ``area`` and ``position`` of the peak channel of each unit, or else of its first electrode.

    Args:
        table: Table of units.
        count: Number of units.
    """
    region = table.array("electrodes")
    electrodes = None if region is None else table.target(region.attribute("table"))
    electrodes = electrodes or table.file.get("general/extracellular_ephys/electrodes")
    if electrodes is None or electrodes.is_array:
        return {}
    rows = peak_rows(table, electrodes)
    rows = first_entries(table, "electrodes") if rows is None else rows
    if rows is None or len(rows) != count:
        return {}
    known: dict[str, np.ndarray] = {}
    area = column(electrodes, "location")
    if area is not None:
        known["area"] = at_rows(np.array(texts(area), dtype=np.str_), rows)
    axes = [column(electrodes, axis) for axis in _AXES]
    if all(axis is not None and axis.dtype.kind in "fi" and axis.ndim == 1 for axis in axes):
        position = at_rows(np.stack(axes, axis=1).astype(np.float64), rows)  # type: ignore[arg-type]
        if np.isfinite(position).any():
            known["position"] = position
    return known


def peak_rows(table: Node, electrodes: Node) -> np.ndarray | None:
    """Returns the row of each unit's peak channel in the table of electrodes, -1 for none; None without such a column.

    Args:
        table: Table of units.
        electrodes: Table of electrodes.
    """
    peak, ids = column(table, "peak_channel_id"), column(electrodes, "id")
    if peak is None or ids is None:
        return None
    return rows_of(ids, peak)


def _unit_groups(table: Node) -> list[Node]:
    """Returns the groups of the units of NWB 1, in the order of their list."""
    listed = column(table, "unit_list")
    groups = {child.name: child for child in table.children() if child.array("times") is not None}
    order = [] if listed is None else [as_text(name) for name in listed if as_text(name) in groups]
    return [groups[name] for name in dict.fromkeys([*order, *groups])]


def _old_spikes(table: Node, rate: float | None) -> Spikes:
    """Returns the spikes of unit times, or of clusters, of NWB 1."""
    label = f"the spike times {table!r}"
    if table.kind == "Clustering":
        times, cluster = seconds(table, "times"), column(table, "num")
        kinds, row = np.unique([] if cluster is None else cluster, return_inverse=True)
        return Spikes.from_neurons(times, row, len(kinds), rate, label=label)
    return Spikes.from_trains([seconds(unit, "times") for unit in _unit_groups(table)], rate, label)
