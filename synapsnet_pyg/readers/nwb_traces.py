"""Two-photon and other series of NWB files as traces of neurons."""

from collections.abc import Iterator, Sequence

import numpy as np

from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import kind_of, numbers, plain_array, texts
from synapsnet_pyg.intake.recording import Selection, Traces
from synapsnet_pyg.readers.nwb_contents import FoundActivity, NamedActivity
from synapsnet_pyg.readers.nwb_groups import Node
from synapsnet_pyg.readers.nwb_tables import (
    Clock,
    clock_of,
    column,
    first_entries,
    ids_of,
    neuron_columns,
    scale_of,
)

_BLOCK = 1 << 25
"""Number of samples that are read at once."""

_ACCEPTED = ("accepted", "iscell", "is_cell", "valid_roi")
"""Columns, in lower case, that mark accepted cells."""

_REJECTED = ("rejected",)
"""Columns, in lower case, that mark rejected cells."""


def cells_of(activity: NamedActivity, selection: Selection) -> FoundActivity:
    """Finds the cells of two-photon series, one of each plane, or the channels of another series.

    Cells that are marked as rejected are left out, unless the user chooses cells.

    Args:
        activity: Series of each plane.
        selection: Choices of the user.

    Raises:
        ValueError: The axes do not fit the cells and the clock, or planes have different clocks.
    """
    planes = [_plane(series) for series in activity.nodes]
    clock, length = _common_clock(activity, planes, selection)
    notes: list[str] = []
    if len(planes) > 1:
        notes.append(f"{len(planes)} planes: {', '.join(plane.series.name for plane in planes)}")
    rows = np.array([(p, row) for p, plane in enumerate(planes) for row in range(plane.count)], dtype=np.int64)
    neurons = _joined(planes)
    if not selection.chooses("cell_probability", *_ACCEPTED, *_REJECTED):
        kept = _accepted(neurons, notes)
        rows, neurons = rows[kept], neurons if len(kept) == neurons.count else neurons.take(kept)
    traces = Traces(
        _LazyTraces(planes, rows.reshape(-1, 2), length),  # type: ignore[arg-type]
        clock.times if clock.times is None else clock.times[:length],
        bin_size=clock.step,
        rate=clock.rate,
        label=repr(activity.nodes[0]),
    )
    return FoundActivity(traces, neurons, None, notes)


class _Plane:
    """Series of one plane: its table of cells, and its traces, which stay in the file until they are asked for."""

    def __init__(self, series: Node, data: Node, *, frames_last: bool, table: Node | None, rows: np.ndarray) -> None:
        self.series, self.data, self.frames_last, self.table, self.rows = series, data, frames_last, table, rows
        self.length = data.shape[-1 if frames_last else 0]
        self.count = len(rows)
        self._scale = scale_of(series, data)
        self._first, self._block = -1, np.zeros((0, 0), dtype=np.float32)

    def trace(self, cell: int) -> np.ndarray:
        """Returns the trace of a cell [T], float32."""
        step = max(1, _BLOCK // max(self.length, 1))
        first = cell // step * step
        if first != self._first:
            self._block = np.zeros((0, 0), dtype=np.float32)  # freed before the next one is read
            self._first, self._block = first, self._read(first, min(first + step, self.count))
        return self._block[cell - first]

    def _read(self, first: int, stop: int) -> np.ndarray:
        """Reads the traces of some cells [cells, T], float32."""
        if len(self.data.shape) == 1:
            stored = self.data[:][None]
        else:
            stored = self.data[first:stop] if self.frames_last else self.data[:, first:stop].T
        stored = numbers(stored, repr(self.data))
        if self._scale.changes:
            factor = self._scale.factor
            factor = factor[first:stop, None] if isinstance(factor, np.ndarray) else factor
            stored = stored * factor + self._scale.offset
        return np.ascontiguousarray(stored, dtype=np.float32)

    def fields(self) -> tuple[dict[str, np.ndarray], list[str]]:
        """Returns the columns of the cells, and their labels."""
        if self.table is None:
            names = column(self.series, "roi_names")  # NWB 1
            labels = texts(names) if names is not None and len(names) == self.count else []
            return {}, labels or [str(row) for row in self.rows]
        size = _size(self.table)
        columns = {key: plain_array(values)[self.rows] for key, values in neuron_columns(self.table, size).items()}
        plane = self.table.get("imaging_plane")
        location = None if plane is None else column(plane, "location")
        area = "" if location is None else texts(location)[0]
        if area and area.lower() != "unknown" and "area" not in columns:
            columns["area"] = np.full(self.count, area)
        ids = ids_of(self.table, size)
        return columns, texts(self.rows if ids is None else ids[self.rows])


class _LazyTraces:
    """Traces [N, T] of several planes, in place of an array: rows are read when they are asked for."""

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, planes: Sequence[_Plane], rows: np.ndarray, length: int) -> None:
        self._planes, self._rows = planes, rows
        self.shape = (len(rows), length)
        self.size = len(rows) * length

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, neuron: int) -> np.ndarray:
        plane, cell = self._rows[neuron].tolist()
        return self._planes[plane].trace(cell)[: self.shape[1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[neuron] for neuron in range(len(self)))


def _plane(series: Node) -> _Plane:
    """Finds the axes of a series, and its table of cells."""
    data = series.array("data")
    if data is None or len(data.shape) not in (1, 2) or data.dtype.kind not in "fiub":
        shape = None if data is None else f"{kind_of(np.zeros(0, data.dtype))} {list(data.shape)}"
        raise ValueError(f"Expected traces of numbers [frames, cells] in {series!r} (got {shape}).")
    data.require_stored(whole=False)
    region, rows = series.array("rois"), first_entries(series, "rois")
    table = None if region is None else series.target(region.attribute("table"))
    clock = clock_of(series, 0).times
    frames = None if clock is None or not len(clock) else len(clock)
    if len(data.shape) == 1:
        frames_last, count = False, 1
    else:
        frames_last = _frames_last(data.shape, frames, None if rows is None else len(rows))
        count = data.shape[0 if frames_last else 1]
        if frames_last and rows is not None and len(rows) == count:
            warn(f"{series!r} has axes [cell, frame] and was transposed.")
    if rows is not None and (
        len(rows) != count or table is None or table.is_array or rows.max(initial=-1) >= _size(table)
    ):
        warn(f"the table of cells of {series!r} does not fit its {count} traces, and is not used.")
        rows = None
    if rows is None:
        table, rows = None, np.arange(count)
    return _Plane(series, data, frames_last=frames_last, table=table, rows=rows)


def _size(table: Node) -> int:
    """Returns the number of rows of a table of cells."""
    ids = table.array("id")
    lengths = [len(array) for name in table.names() if (array := table.array(name)) is not None]
    return len(ids) if ids is not None else max(lengths, default=0)


def _frames_last(shape: tuple[int, ...], frames: int | None, cells: int | None) -> bool:
    """Returns True if traces are [cell, frame], by the lengths of the clock and of the list of cells."""
    straight = (frames in (None, shape[0])) + (cells in (None, shape[1]))
    turned = (frames in (None, shape[1])) + (cells in (None, shape[0]))
    return turned > straight


def _common_clock(activity: NamedActivity, planes: list[_Plane], selection: Selection) -> tuple[Clock, int]:
    """Returns the clock of all planes, and the number of frames that all have."""
    clocks = [clock_of(plane.series, plane.length) for plane in planes]
    for plane, clock in zip(planes, clocks, strict=True):
        if clock.times is None and selection.frame_rate is None and selection.bin_size is None:
            raise ValueError(
                f"Expected timestamps or a rate in {plane.series!r} (there is neither){plane.series.file.remark()}; "
                "give --frame-rate."
            )
        stamps = plane.length if clock.times is None else len(clock.times)
        if abs(stamps - plane.length) > 0.001 * plane.length + 1:
            raise ValueError(
                f"Expected a time for each frame of {plane.series!r} (got {stamps} times for data "
                f"{list(plane.data.shape)})."
            )
        if stamps != plane.length:
            warn(f"{plane.series!r} has {stamps} times for {plane.length} frames; the first ones are paired.")
            plane.length = min(plane.length, stamps)
    lengths = [plane.length for plane in planes]
    length = min(lengths)
    if max(lengths) > length:
        if max(lengths) > 1.02 * length + 2:
            raise ValueError(
                f"Expected planes of equal length in '{activity.path}' of '{planes[0].series.file.name}' (they have "
                f"{', '.join(map(str, lengths))} frames); give --activity {planes[0].series.path}, or another plane."
            )
        warn(f"planes have {', '.join(map(str, lengths))} frames; the first {length} are kept.")
    first = clocks[0]
    for plane, clock in zip(planes[1:], clocks[1:], strict=True):
        if first.times is None or clock.times is None or length < 2:
            continue
        apart = np.abs(clock.times[:length].astype(np.float64) - first.times[:length]).max()
        step = float(np.median(np.diff(first.times[:length].astype(np.float64))))
        if apart > 1.5 * abs(step):
            raise ValueError(
                f"Expected one clock of all planes in '{activity.path}' of '{plane.series.file.name}' (that of "
                f"'{plane.series.name}' is up to {apart:.3g} s apart, steps are {step:.3g} s); give --activity "
                f"{plane.series.path}, or another plane."
            )
        if apart > 0.5 * abs(step):
            warn(f"the frames of {plane.series!r} are {apart:.3g} s from those of the first plane, which count.")
    return first, length


def _joined(planes: list[_Plane]) -> NeuronTable:
    """Returns the table of the cells of all planes; with several, labels and the field ``plane`` name it."""
    parts = [plane.fields() for plane in planes]
    count = sum(plane.count for plane in planes)
    columns: dict[str, np.ndarray | None] = {}
    for key in dict.fromkeys(key for part, _ in parts for key in part):
        pieces = [part.get(key) for part, _ in parts]
        columns[key] = _stacked(pieces, [plane.count for plane in planes])
    labels = [label for _, own in parts for label in own]
    if len(planes) > 1:
        columns["plane"] = np.repeat([plane.series.name for plane in planes], [plane.count for plane in planes])
        if len(set(labels)) < len(labels):
            labels = [
                f"{plane.series.name}/{one}" for plane, (_, own) in zip(planes, parts, strict=True) for one in own
            ]
    kept = {key: values for key, values in columns.items() if values is not None}
    return NeuronTable(count, labels=labels, columns=dict(kept), prefix="nwb")


def _stacked(pieces: list[np.ndarray | None], counts: list[int]) -> np.ndarray | None:
    """Joins a column of several planes; planes without it get missing entries. None if kinds differ."""
    present = [piece for piece in pieces if piece is not None]
    if len({(piece.dtype.kind == "U", piece.shape[1:]) for piece in present}) > 1:
        return None
    missing = "" if present[0].dtype.kind == "U" else np.nan
    return np.concatenate(
        [
            np.full((count, *present[0].shape[1:]), missing) if piece is None else piece
            for piece, count in zip(pieces, counts, strict=True)
        ]
    )


def _accepted(neurons: NeuronTable, notes: list[str]) -> np.ndarray:
    """Returns the rows of the cells that no column marks as rejected, and notes how many go."""
    every = np.arange(neurons.count)
    name = next((name for name in neurons.columns if name.lower() in (*_ACCEPTED, *_REJECTED)), None)
    if name is None or not neurons.count:
        return every
    accepts = name.lower() in _ACCEPTED
    entries = neurons.column(name)
    if entries.dtype.kind == "U":
        marks = np.isin(np.char.lower(entries), ["true", "1", "yes", "accepted" if accepts else "rejected"])
    else:
        marks = np.nan_to_num(entries.astype(np.float64), nan=0.0 if accepts else 1.0) > 0.5
    good = np.flatnonzero(marks == accepts)
    if not len(good):
        warn(f"all {neurons.count} cells are marked as rejected by '{name}', and are kept all the same.")
        return every
    if len(good) < neurons.count:
        notes.append(
            f"kept {len(good)} of {neurons.count} cells: {neurons.count - len(good)} are marked as rejected by "
            f"'{name}' (--where to choose otherwise)"
        )
    return good
