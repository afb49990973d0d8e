"""Sessions from NWB files of any lab."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.nwb_file import (
    Blocks,
    Ragged,
    apart,
    column,
    count_spikes,
    electrodes_of,
    groups,
    intervals,
    invalid,
    neuron_fields,
    open_nwb,
    peak_rows,
    series,
    span,
    text,
    time_series,
    times_of,
    values_of,
    without,
)
from synapsnet_pyg.datasets.recordings import RecordingDataset, listed, without_nan
from synapsnet_pyg.datasets.time_bins import Frames, TimeBins, frames, onto, warn


class _Timing(NamedTuple):
    """Bins of a session."""

    centres: np.ndarray
    """Middle of each bin in seconds [T]."""
    segment: np.ndarray
    """First bin and end of each segment [S, 2]."""
    bin_size: float
    """Duration of one bin in seconds."""


class _Rows(NamedTuple):
    """Neurons of a session as rows of a table of units or cells."""

    name: str
    """Name of the session."""
    table: h5py.Group | None
    """Table, or None if the file has none."""
    row: np.ndarray
    """Row of each neuron in the table [N]."""
    fields: dict[str, np.ndarray]
    """Name of a field -> N entries."""


class NWBRecording(RecordingDataset):
    """Sessions from an NWB file or a folder of NWB files: spikes of units, or traces of a two-photon series.

    Spikes are counted in bins; the frames of a two-photon trace are bins. The rows of a given table of intervals
    (trials, a stimulus) become segments. ``/intervals/invalid_times`` is always left out. Columns of the table of units
    or cells become neuron fields, as do area and position of units with electrodes.

    Args:
        path: ``.nwb`` file, or folder that is searched for ``.nwb`` files.
        activity: ``"units"``, or name of a ``RoiResponseSeries``. None: the only activity of the file.
        bin_size: Duration of one bin in seconds, for units.
        behaviour: Names or whole paths of time series that all neurons share; each of their columns is interpolated at
            the bins.
        intervals: Name of a table in ``/intervals``. None: the whole recording.
        where: Column -> value of kept rows in the table of units or cells, such as ``{"quality": "good"}``.
        sessions: Names of sessions, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``processed`` beside the file or in the folder.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged or has no such activity, behaviour or table; the message lists its contents.

    Example:
        >>> NWBRecording("sub-1.nwb", bin_size=1 / 30, behaviour=["running_speed"])[0]  # doctest: +SKIP
        Session('sub-1', 31 neurons x 54000 bins of 0.0333333 s, 1 behaviour, 1 segment, quality, area)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        activity: str | None = None,
        *,
        bin_size: float | None = None,
        behaviour: Sequence[str] = (),
        intervals: str | None = None,
        where: Mapping[str, Any] | None = None,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        self.activity, self.bin_size, self.behaviour = activity, bin_size, listed(behaviour)
        self.intervals, self.where = intervals, dict(where or {})
        path = Path(path).expanduser()
        if processed is None:
            processed = (path if path.is_dir() else path.parent) / "processed"
        super().__init__(path, sessions, processed=processed, jobs=jobs, transform=transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns every ``.nwb`` file by its name."""
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
        """Returns ``"units"`` or the path of a two-photon series."""
        series_of_cells = groups(file, lambda group: text(group.attrs.get("neurodata_type", "")) == "RoiResponseSeries")
        traces = [group.name for group in series_of_cells if "data" in group]
        units = ["units"] if "units/spike_times" in file else []
        if self.activity is None:
            if len(units + traces) == 1:
                return (units + traces)[0]
            raise ValueError(
                f"Expected one activity in '{file.filename}' (it has {', '.join(units + traces) or 'none'}); "
                "pass its name."
            )
        fitting = [key for key in units + traces if self.activity in (key, key.rsplit("/", 1)[-1], key.strip("/"))]
        if len(fitting) != 1:
            raise ValueError(
                f"Expected an activity among {', '.join(units + traces) or 'none'} in '{file.filename}' "
                f"(got '{self.activity}')."
            )
        return fitting[0]

    def _units(self, file: h5py.File, name: str) -> Session:
        """Reads a session of spike counts."""
        if self.bin_size is None:
            raise ValueError(f"Expected bin_size in seconds for the spikes of '{file.filename}' (got none); pass it.")
        table = file["units"]
        spikes = Ragged(table, "spike_times")
        kept = self._kept_rows(table, len(spikes))
        blocks = self._blocks(file)
        if blocks is None:
            blocks = without([span(spikes, kept)], invalid(file))
        bins = TimeBins(blocks, self.bin_size)
        counts = count_spikes(spikes, kept, bins)
        rows = _Rows(name, table, kept, neuron_fields(table, kept) | _electrodes(file, table, kept))
        return self._session(file, counts, _Timing(bins.centres, bins.segment, self.bin_size), rows)

    def _traces(self, file: h5py.File, path: str, name: str) -> Session:
        """Reads a session of two-photon traces."""
        values, table, rows = self._cells(file, path)
        clock = frames(times_of(file[path], len(values)), f"'{path}' of '{file.filename}'")
        frame, segment = self._frames_inside(file, clock)
        if not len(frame):
            raise ValueError(f"Expected frames of '{path}' in '{file.filename}' within '{self.intervals}' (got none).")
        kept = self._kept_rows(table, len(rows), rows)
        activity = torch.from_numpy(values[clock.order][frame][:, kept].T.astype(np.float32))
        fields = {} if table is None else neuron_fields(table, rows[kept])
        timing = _Timing(clock.times[frame], segment, clock.bin_size)
        return self._session(file, activity, timing, _Rows(name, table, rows[kept], fields))

    def _cells(self, file: h5py.File, path: str) -> tuple[np.ndarray, h5py.Group | None, np.ndarray]:
        """Returns traces [frame, cell], the table of the cells (or None), and the row of each cell in it."""
        values = values_of(file[path])
        rois = file[path].get("rois")
        table, rows = None, np.arange(values.shape[-1])
        if rois is not None:
            rows = rois[()].astype(np.int64)
            table = file[rois.attrs["table"]] if "table" in rois.attrs else None
        if values.ndim != 2:
            raise ValueError(f"Expected traces [frame, cell] in '{path}' of '{file.filename}' (got {values.shape}).")
        if values.shape[1] != len(rows) and values.shape[0] == len(rows):
            warn(f"'{path}' has axes [cell, frame] and was transposed to [frame, cell].")
            values = values.T
        times = times_of(file[path], len(values))
        if values.shape != (len(times), len(rows)):
            raise ValueError(
                f"Expected traces [{len(times)} frames, {len(rows)} cells] in '{path}' of '{file.filename}' "
                f"(got {list(values.shape)})."
            )
        return values, table, rows

    def _frames_inside(self, file: h5py.File, clock: Frames) -> tuple[np.ndarray, np.ndarray]:
        """Returns the frames within the chosen intervals [T], and their segments [S, 2]."""
        blocks = self._blocks(file)
        blocks = without([(-np.inf, np.inf)], invalid(file)) if blocks is None else blocks
        inside = [
            (max(first, a), min(last, b))
            for start, stop in blocks
            for a, b in [np.searchsorted(clock.times, [start, stop])]
            for first, last in clock.segment.tolist()
            if max(first, a) < min(last, b)
        ]
        length = np.array([b - a for a, b in inside], dtype=np.int64)
        frame = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(a, b) for a, b in inside)])
        return frame, np.stack([length.cumsum() - length, length.cumsum()], axis=1)

    def _kept_rows(self, table: h5py.Group | None, count: int, rows: np.ndarray | None = None) -> np.ndarray:
        """Returns the units or cells that fulfil the conditions of ``where``."""
        kept = np.ones(count, dtype=bool)
        for key, value in self.where.items():
            if table is None:
                raise ValueError(f"Expected a table of cells to look up '{key}' in (there is none).")
            entries = column(table, key) if rows is None else column(table, key)[rows]
            kept &= entries.astype(str) == str(value) if entries.dtype.kind in "US" else entries == value
        if not kept.any():
            conditions = ", ".join(f"{key} = {value}" for key, value in self.where.items()) or "any"
            raise ValueError(f"Expected rows with {conditions} among {count} units or cells (got none).")
        return np.flatnonzero(kept)

    def _blocks(self, file: h5py.File) -> Blocks | None:
        """Returns the blocks of the chosen intervals without invalid times; None: the whole recording."""
        if self.intervals is None:
            return None
        tables = [key for key in file.get("intervals", {}) if key != "invalid_times"]
        if self.intervals not in tables:
            raise ValueError(
                f"Expected intervals among {', '.join(tables) or 'none'} in '{file.filename}' (got '{self.intervals}')."
            )
        return without(apart(intervals(file["intervals"][self.intervals])), invalid(file))

    def _session(self, file: h5py.File, activity: torch.Tensor, timing: "_Timing", rows: "_Rows") -> Session:
        """Returns a session of activity [N, T], with the behaviours interpolated at its bins."""
        names, columns = [], []
        for wanted in self.behaviour:
            group = _series_named(file, wanted)
            times, values = series(group)
            values = values.reshape(len(values), -1)
            for k, values_k in enumerate(values.T):
                names.append(wanted if values.shape[1] == 1 else f"{wanted} {k}")
                columns.append(onto(timing.centres, times, values_k, f"'{group.name}' of '{file.filename}'"))
        mask = without_nan(activity.numpy(), "neurons")
        if not mask.any():
            raise ValueError(f"Expected a neuron without NaN in '{file.filename}' (all hold some).")
        ids = np.arange(len(rows.row)) if rows.table is None else column(rows.table, "id")[rows.row]
        return Session(
            activity[torch.from_numpy(mask)],
            torch.from_numpy(np.stack(columns, 1).astype(np.float32)) if columns else None,
            bin_size=timing.bin_size,
            segment=torch.from_numpy(timing.segment.astype(np.int64)),
            neuron_id=[f"{rows.name}/{neuron}" for neuron in ids[mask]],
            behaviour_name=names,
            name=rows.name,
            **{_safe(key): np.asarray(entries)[mask] for key, entries in rows.fields.items()},
        )


def _electrodes(file: h5py.File, units: h5py.Group, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Returns area and position of the peak channel of each unit, or else of its first electrode."""
    table = electrodes_of(file)
    if table is None:
        return {}
    if "peak_channel_id" in units:
        rows = peak_rows(units, table)[kept]
    elif "electrodes_index" in units:
        ragged = Ragged(units, "electrodes")
        rows = np.array([int(ragged[row][0]) if len(ragged[row]) else -1 for row in kept])
    else:
        return {}
    known: dict[str, np.ndarray] = {}
    if "location" in table:
        area = column(table, "location")
        known["area"] = np.array([area[row] if row >= 0 else "" for row in rows], dtype=np.str_)
    if all(axis in table for axis in "xyz"):
        position = np.stack([column(table, axis).astype(np.float64) for axis in "xyz"], axis=1)
        position = np.where(rows[:, None] >= 0, position[rows], np.nan)
        if np.isfinite(position).any():
            known["position"] = position
    return known


def _series_named(file: h5py.File, wanted: str) -> h5py.Group:
    """Returns the only time series of a name."""
    present = time_series(file)
    fitting = [group for group in present if wanted.strip("/") == group.name.strip("/")]
    fitting = fitting or [group for group in present if group.name.endswith("/" + wanted.strip("/"))]
    if len(fitting) != 1:
        raise ValueError(
            f"Expected a behaviour among {', '.join(group.name for group in present) or 'none'} in '{file.filename}' "
            f"(got '{wanted}'{', which fits several' if fitting else ''})."
        )
    return fitting[0]


def _safe(key: str) -> str:
    """Returns the name of a column as the name of a neuron field, with a prefix if a session has such a field."""
    return key if key not in {"name", "activity", "segment", "constant", "behaviour", "bin_size"} else f"nwb_{key}"
