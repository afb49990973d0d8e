"""NWB files, read with h5py alone."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from synapsnet_pyg.datasets.clocks import Bins, frames, onto, warn
from synapsnet_pyg.datasets.recordings import Recordings
from synapsnet_pyg.session import Session

Blocks = list[tuple[float, float]]
"""Stretches of time in seconds, (start, stop), in order and apart."""


@contextmanager
def open_nwb(path: Path) -> Iterator[h5py.File]:
    """Opens a file for reading; whatever is damaged in it is told in one line.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no HDF5, cut short or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected an NWB file (there is no file '{path}').")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, LookupError, RuntimeError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        # All that h5py and numpy make of a damaged file, or of one in which something else stands in a known place.
        raise ValueError(f"'{path}' is no NWB file, cut short or damaged ({' '.join(str(error).split())}).") from None


def text(value: Any) -> str:
    """A text, however HDF5 stores it."""
    value = value[()] if isinstance(value, h5py.Dataset) else value
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()


def column(table: h5py.Group, name: str) -> np.ndarray:
    """A column of a table [rows], texts as str.

    Raises:
        ValueError: There is no such column.
    """
    if name not in table:
        raise ValueError(f"Expected a column '{name}' in '{table.name}' of '{table.file.filename}' (there is none).")
    dataset = table[name]
    if h5py.check_string_dtype(dataset.dtype) is not None or dataset.dtype.kind == "S":
        return np.array([text(entry) for entry in np.atleast_1d(dataset[()])], dtype=np.str_)
    values: np.ndarray = np.atleast_1d(dataset[()])
    return values


class Ragged:
    """A ragged column: row r owns the values from the end of row r - 1 to its own end. Values are read row by row.

    Args:
        table: That holds ``name`` and ``name_index``.
        name: Of the column.

    Raises:
        ValueError: A part is missing, or the ends do not fit the values.
    """

    def __init__(self, table: h5py.Group, name: str) -> None:
        index = column(table, f"{name}_index")
        if name not in table or index.dtype.kind not in "iu":
            raise ValueError(
                f"Expected '{name}' with whole-number ends in '{table.name}' of '{table.file.filename}' "
                f"(got {index.dtype})."
            )
        # Cast first: newer writers store unsigned bytes, whose differences wrap around.
        self.end = index.astype(np.int64).ravel()
        self.start = np.concatenate([[0], self.end[:-1]]) if len(self.end) else self.end
        self.values = table[name]
        if (self.end < self.start).any() or (len(self.end) and self.end[-1] > len(self.values)):
            raise ValueError(
                f"Expected rising ends within the {len(self.values)} values of '{table.name}/{name}' of "
                f"'{table.file.filename}' (got {self.end[:3].tolist()}...)."
            )

    def __len__(self) -> int:
        return len(self.end)

    def __getitem__(self, row: int) -> np.ndarray:
        values: np.ndarray = self.values[self.start[row] : self.end[row]]
        return values


def intervals(table: h5py.Group) -> Blocks:
    """``start_time`` and ``stop_time`` of a table's rows, sorted; rows that are no numbers or empty are left out."""
    start, stop = column(table, "start_time").astype(float), column(table, "stop_time").astype(float)
    if len(start) != len(stop):
        raise ValueError(
            f"Expected as many starts as stops in '{table.name}' of '{table.file.filename}' "
            f"(got {len(start)} and {len(stop)})."
        )
    good = np.isfinite(start) & np.isfinite(stop) & (stop > start)
    if not good.all():
        warn(f"{int((~good).sum())} rows of '{table.name}' have no start before their stop and are left out.")
    return sorted(zip(start[good].tolist(), stop[good].tolist(), strict=True))


def merged(blocks: Blocks, gap: float = 0.0) -> Blocks:
    """Joins blocks (sorted by start) that overlap or are at most ``gap`` seconds apart."""
    joined: Blocks = []
    for start, stop in blocks:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def without(blocks: Blocks, bad: Blocks) -> Blocks:
    """What is left of blocks when bad stretches are cut out."""
    for begin, end in bad:
        blocks = [
            piece
            for start, stop in blocks
            for piece in ((start, min(stop, begin)), (max(start, end), stop))
            if piece[0] < piece[1]
        ]
    return blocks


def series(group: h5py.Group) -> tuple[np.ndarray, np.ndarray]:
    """Times [T] in seconds and values [T, ...] in the series' unit.

    Raises:
        ValueError: It has neither timestamps nor a rate.
    """
    values = values_of(group)
    return times_of(group, len(values)), values


def values_of(group: h5py.Group) -> np.ndarray:
    """Values of a time series in its unit."""
    data = group["data"]
    values: np.ndarray = data[()] * float(data.attrs.get("conversion", 1.0)) + float(data.attrs.get("offset", 0.0))
    return values


def times_of(group: h5py.Group, length: int) -> np.ndarray:
    """Times of a series' samples in seconds, from its timestamps or its rate."""
    if "timestamps" in group:
        times: np.ndarray = group["timestamps"][()].astype(np.float64)
        return times
    if "starting_time" in group and float(group["starting_time"].attrs.get("rate", 0)) > 0:
        start = group["starting_time"]
        return float(start[()]) + np.arange(length) / float(start.attrs["rate"])
    raise ValueError(f"Expected timestamps or a rate in '{group.name}' of '{group.file.filename}' (there is neither).")


def neuron_fields(table: h5py.Group, kept: np.ndarray) -> dict[str, Any]:
    """Whatever a table tells of each row: its columns of numbers and texts, for the rows kept."""
    known: dict[str, Any] = {}
    rows = len(column(table, "id"))
    ragged = {name.removesuffix("_index") for name in table if name.endswith("_index")}
    for name, item in table.items():
        plain = isinstance(item, h5py.Dataset) and item.ndim == 1 and len(item) == rows and name != "id"
        if plain and name not in ragged and not name.endswith("_index"):
            is_text = h5py.check_string_dtype(item.dtype) is not None
            if is_text or item.dtype.kind in "iufb":
                known[name] = column(table, name)[kept]
    return known


class NWBRecording(Recordings):
    """Any NWB file, or a folder of them: spikes of its units, or the traces of a two-photon series.

    Spikes are counted in bins; a two-photon trace keeps its frames as bins. The stretches of an interval table (trials,
    a stimulus) become segments where one is named, and ``/intervals/invalid_times`` is always cut out. Columns of the
    units' (or cells') table come along as neuron fields, and for units with electrodes their area and position.

    Args:
        path: A ``.nwb`` file, or a folder that is searched for them.
        activity: ``"units"``, or the name of a ``RoiResponseSeries``; None: what the file has, if it is one.
        bin_size: Seconds, for units.
        behaviour: Names of time series that all neurons share, by their last name or whole path; each column of theirs
            is brought onto the bins linearly.
        intervals: Name of a table in ``/intervals``; None: the whole recording.
        where: Column -> value that the kept rows of the units' (or cells') table have, such as
            ``{"quality": "good"}``.
        sessions: See :class:`~synapsnet_pyg.datasets.recordings.Recordings`, as the rest.
        processed: Where session files are kept; None: ``processed`` beside the file or in the folder.
        jobs: How many processes read at once.
        transform: Applied to a session whenever it is taken.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged or has no such activity, behaviour or table; the message says what it has.

    Example:
        >>> NWBRecording("sub-1.nwb", bin_size=1 / 30, behaviour=["running_speed"])[0]  # doctest: +SKIP
        Session('sub-1', 31 neurons x 54000 bins of 0.0333333 s, 1 behaviour, 1 segment, quality, area)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        activity: str | None = None,
        bin_size: float | None = None,
        behaviour: Sequence[str] = (),
        intervals: str | None = None,
        where: Mapping[str, Any] | None = None,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        self.activity, self.bin_size, self.behaviour = activity, bin_size, _listed(behaviour)
        self.intervals, self.where = intervals, dict(where or {})
        path = Path(path).expanduser()
        if processed is None:
            processed = (path if path.is_dir() else path.parent) / "processed"
        super().__init__(path, sessions, processed, jobs, transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Every ``.nwb`` file."""
        if root.is_dir():
            paths = sorted(root.rglob("*.nwb"))
            stems = [path.stem for path in paths]
            return {
                path.stem if stems.count(path.stem) == 1 else "-".join(path.relative_to(root).with_suffix("").parts): [
                    path
                ]
                for path in paths
            }
        if not root.is_file():
            raise FileNotFoundError(f"Expected an NWB file or a folder of them (there is no '{root}').")
        return {root.stem: [root]}

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads one file."""
        with open_nwb(files[0]) as file:
            activity = self._chosen(file)
            return self._units(file, name) if activity == "units" else self._traces(file, activity, name)

    def _chosen(self, file: h5py.File) -> str:
        """``"units"`` or the path of a two-photon series."""
        traces = [group.name for group in _groups(file, "RoiResponseSeries") if "data" in group]
        units = ["units"] if "units/spike_times" in file else []
        if self.activity is None:
            if len(units + traces) == 1:
                return (units + traces)[0]
            raise ValueError(
                f"Expected one activity in '{file.filename}' (it has {', '.join(units + traces) or 'none'}); say which."
            )
        fitting = [one for one in units + traces if self.activity in (one, one.rsplit("/", 1)[-1], one.strip("/"))]
        if len(fitting) != 1:
            raise ValueError(
                f"Expected an activity among {', '.join(units + traces) or 'none'} in '{file.filename}' "
                f"(got '{self.activity}')."
            )
        return fitting[0]

    def _units(self, file: h5py.File, name: str) -> Session:
        if self.bin_size is None:
            raise ValueError(f"Expected bin_size, seconds, to count the spikes of '{file.filename}' in.")
        table = file["units"]
        spikes = Ragged(table, "spike_times")
        kept = self._kept_rows(table, len(spikes))
        blocks = self._blocks(file)
        if blocks is None:
            blocks = without([span(spikes, kept)], invalid(file))
        bins = Bins(blocks, self.bin_size)
        counts = torch.empty(len(kept), len(bins))
        for i, row in enumerate(kept):
            counts[i] = torch.from_numpy(bins.count(spikes[row]))
        known = neuron_fields(table, kept) | _electrodes(file, table, kept)
        return self._session(file, name, counts, bins.centres, bins.segment, self.bin_size, table, kept, known)

    def _traces(self, file: h5py.File, path: str, name: str) -> Session:
        values = values_of(file[path])
        rois = file[path].get("rois")
        table, rows = None, np.arange(values.shape[-1])
        if rois is not None:
            rows = rois[()].astype(np.int64)
            table = file[rois.attrs["table"]] if "table" in rois.attrs else None
        if values.ndim != 2:
            raise ValueError(f"Expected traces [frame, cell] in '{path}' of '{file.filename}' (got {values.shape}).")
        if values.shape[1] != len(rows) and values.shape[0] == len(rows):
            warn(f"'{path}' lies as [cell, frame] and was turned to [frame, cell].")
            values = values.T
        times = times_of(file[path], len(values))
        if values.shape != (len(times), len(rows)):
            raise ValueError(
                f"Expected traces [{len(times)} frames, {len(rows)} cells] in '{path}' of '{file.filename}' "
                f"(got {list(values.shape)})."
            )
        clock = frames(times, f"'{path}' of '{file.filename}'")
        values = values[clock.order]
        segment = clock.segment
        blocks = self._blocks(file)
        blocks = without([(-np.inf, np.inf)], invalid(file)) if blocks is None else blocks
        inside = [
            (max(first, a), min(last, b))
            for start, stop in blocks
            for a, b in [np.searchsorted(clock.times, [start, stop])]
            for first, last in segment.tolist()
            if max(first, a) < min(last, b)
        ]
        if not inside:
            raise ValueError(f"Expected frames of '{path}' in '{file.filename}' within '{self.intervals}' (got none).")
        frame = np.concatenate([np.arange(a, b) for a, b in inside])
        stop = np.cumsum([b - a for a, b in inside])
        segment = np.stack([stop - np.array([b - a for a, b in inside]), stop], axis=1)
        kept = self._kept_rows(table, len(rows), rows)
        activity = torch.from_numpy(values[frame][:, kept].T.astype(np.float32))
        known = {} if table is None else neuron_fields(table, rows[kept])
        return self._session(
            file, name, activity, clock.times[frame], segment, clock.bin_size, table, rows[kept], known
        )

    def _kept_rows(self, table: h5py.Group | None, count: int, rows: np.ndarray | None = None) -> np.ndarray:
        kept = np.ones(count, dtype=bool)
        for key, value in self.where.items():
            if table is None:
                raise ValueError(f"Expected a table of cells to look up '{key}' in (there is none).")
            entries = column(table, key) if rows is None else column(table, key)[rows]
            kept &= entries.astype(str) == str(value) if entries.dtype.kind in "US" else entries == value
        if not kept.any():
            told = ", ".join(f"{key} = {value}" for key, value in self.where.items()) or "any"
            raise ValueError(f"Expected rows with {told} among {count} units or cells (got none).")
        return np.flatnonzero(kept)

    def _blocks(self, file: h5py.File) -> Blocks | None:
        if self.intervals is None:
            return None
        tables = [key for key in file.get("intervals", {}) if key != "invalid_times"]
        if self.intervals not in tables:
            raise ValueError(
                f"Expected intervals among {', '.join(tables) or 'none'} in '{file.filename}' (got '{self.intervals}')."
            )
        return without(apart(intervals(file["intervals"][self.intervals])), invalid(file))

    def _session(
        self,
        file: h5py.File,
        name: str,
        activity: torch.Tensor,
        at: np.ndarray,
        segment: np.ndarray,
        bin_size: float,
        table: h5py.Group | None,
        rows: np.ndarray,
        known: dict[str, Any],
    ) -> Session:
        names, columns = [], []
        for wanted in self.behaviour:
            group = _series_named(file, wanted)
            times, values = series(group)
            values = values.reshape(len(values), -1)
            for k, values_k in enumerate(values.T):
                names.append(wanted if values.shape[1] == 1 else f"{wanted} {k}")
                columns.append(onto(at, times, values_k, f"'{group.name}' of '{file.filename}'"))
        good = activity.isfinite().all(1)
        if not bool(good.all()):
            warn(f"{int((~good).sum())} of {len(good)} neurons hold NaN or infinity and are left out.")
        if not bool(good.any()):
            raise ValueError(f"Expected a neuron without NaN in '{file.filename}' (all hold some).")
        ids = np.arange(len(rows)) if table is None else column(table, "id")[rows]
        mask = good.numpy()
        return Session(
            activity[good],
            torch.from_numpy(np.stack(columns, 1).astype(np.float32)) if columns else None,
            bin_size,
            torch.from_numpy(segment.astype(np.int64)),
            [f"{name}/{one}" for one in ids[mask]],
            names,
            name,
            **{_safe(key): np.asarray(entries)[mask] for key, entries in known.items()},
        )


def span(spikes: Ragged, rows: np.ndarray) -> tuple[float, float]:
    """Times of the first and the last spike of all these units, a unit at a time."""
    first, last, lost = np.inf, -np.inf, 0
    for row in rows:
        times = spikes[row]
        finite = times[np.isfinite(times)]
        lost += len(times) - len(finite)
        if len(finite):
            first, last = min(first, float(finite.min())), max(last, float(finite.max()))
    if lost:
        warn(f"{lost} spikes of '{spikes.values.file.filename}' have no time (NaN or infinity) and are left out.")
    if first > last:
        raise ValueError(f"Expected spikes in '{spikes.values.file.filename}' (its {len(rows)} units have none).")
    return first, last


def invalid(file: h5py.File) -> Blocks:
    """Stretches that the file marks as bad, whichever probe they were noted for."""
    return merged(intervals(file["intervals/invalid_times"])) if "intervals/invalid_times" in file else []


def apart(blocks: Blocks) -> Blocks:
    """Blocks without their overlaps; those that merely touch stay two."""
    cut: Blocks = []
    for start, stop in blocks:
        start = max(start, cut[-1][1]) if cut else start
        if start < stop:
            cut.append((start, stop))
    return cut


def electrode_rows(file: h5py.File) -> h5py.Group | None:
    """The table of electrodes."""
    return file.get("general/extracellular_ephys/electrodes")


def _electrodes(file: h5py.File, units: h5py.Group, kept: np.ndarray) -> dict[str, Any]:
    """Area and position of each unit, by its peak channel or else its first electrode."""
    table = electrode_rows(file)
    if table is None:
        return {}
    if "peak_channel_id" in units:
        row_of = {int(one): row for row, one in enumerate(column(table, "id"))}
        rows = np.array([row_of.get(int(one), -1) for one in column(units, "peak_channel_id")[kept]])
    elif "electrodes_index" in units:
        ragged = Ragged(units, "electrodes")
        rows = np.array([int(ragged[row][0]) if len(ragged[row]) else -1 for row in kept])
    else:
        return {}
    known: dict[str, Any] = {}
    if "location" in table:
        area = column(table, "location")
        known["area"] = np.array([area[row] if row >= 0 else "" for row in rows], dtype=np.str_)
    if all(axis in table for axis in "xyz"):
        position = np.stack([column(table, axis).astype(np.float64) for axis in "xyz"], axis=1)
        position = np.where(rows[:, None] >= 0, position[rows], np.nan)
        if np.isfinite(position).any():
            known["position"] = position
    return known


def _groups(file: h5py.File, kind: str) -> list[h5py.Group]:
    """Every group of a neurodata type, links followed once."""
    found: list[h5py.Group] = []

    def note(_: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and text(item.attrs.get("neurodata_type", "")) == kind:
            found.append(item)

    file.visititems(note)
    return found


def _series_named(file: h5py.File, wanted: str) -> h5py.Group:
    """The one time series of a name."""
    found: list[h5py.Group] = []

    def note(_: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and "data" in item and ("timestamps" in item or "starting_time" in item):
            found.append(item)

    file.visititems(note)
    fitting = [g for g in found if wanted.strip("/") == g.name.strip("/")]
    fitting = fitting or [g for g in found if g.name.endswith("/" + wanted.strip("/"))]
    if len(fitting) != 1:
        raise ValueError(
            f"Expected a behaviour among {', '.join(g.name for g in found) or 'none'} in '{file.filename}' "
            f"(got '{wanted}'{', which fits several' if fitting else ''})."
        )
    return fitting[0]


def _safe(key: str) -> str:
    """A column's name as a name of a field of neurons."""
    return key if key not in {"name", "activity", "segment", "constant", "behaviour", "bin_size"} else f"nwb_{key}"


def _listed(values: Sequence[str] | str) -> list[str]:
    return [values] if isinstance(values, str) else list(values)
