"""HDF5 files of torch_brain (temporaldata): spikes with unit indices, regular and irregular time series, intervals."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, OnFrames, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.hdf5_files import open_hdf5, require_stored
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows

_SPLITS = ("train_domain", "valid_domain", "test_domain", "domain")
"""Names of intervals that say how the recording is divided, not what happened."""


class TorchBrainReader(Reader):
    """Reader of files that ``temporaldata.Data.save`` writes, as torch_brain and brainsets do."""

    name = "torch-brain"

    def recognises(self, path: Path) -> bool:
        """Returns True for an HDF5 file whose root is an object ``Data``."""
        if not keys_of_hdf5(path, ".h5", ".hdf5"):
            return False
        with open_hdf5(path, parts=True) as file:
            return _kind(file) == "Data"

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads spikes, or the traces that ``selection.activity`` names."""
        file = open_hdf5(path)  # stays open: spikes are read in pieces
        series = dict(_members(file, "IrregularTimeSeries", "RegularTimeSeries"))
        intervals = {key: group for key, group in _members(file, "Interval") if key.split("/")[-1] not in _SPLITS}
        key = selection.activity or _usual_activity(series)
        if key is None:
            raise ValueError(
                f"Expected spikes (timestamps with unit_index) in '{path}' (its time series are "
                f"{', '.join(series) or 'none'}); name traces by --activity."
            )
        group, column = _found(series, key, path)
        units = file.get("units")
        columns = {} if units is None else _columns(units)
        notes = [f"activity {key}"]
        activity: Spikes | Traces
        if column is None and "unit_index" in group:
            count = max((len(values) for values in columns.values()), default=0)
            count = count or int(group["unit_index"][()].max(initial=-1)) + 1
            times = _array(group, "timestamps", path)
            activity = Spikes.from_neurons(times, group["unit_index"], count, 1.0, f"{key} of '{path}'")
            _check_units(group["unit_index"], count, path)
        else:
            activity = _traces(group, column, key, path)
            count = len(activity.values)
        fitting = {label: values for label, values in columns.items() if len(values) == count}
        labels = fitting.pop("id", None)
        return Recording(
            name,
            activity,
            NeuronTable(count, labels=labels, columns=fitting),
            behaviours=_behaviours(series, intervals, selection, path),
            observed=_domain(file) if isinstance(activity, Spikes) else _whole_frames(_domain(group), activity),
            intervals=None if selection.intervals is None else _blocks(intervals, selection.intervals, path),
            excluded=selection.excluded(lambda key: _blocks(intervals, key, path)),
            notes=notes,
        )

    def describe(self, path: Path) -> Rows:
        """Describes time series, units and intervals."""
        with open_hdf5(path) as file:
            rows: Rows = [("file", f"torch_brain, {path.stat().st_size / 1e6:.1f} MB")]
            units = file.get("units")
            if units is not None:
                columns = _columns(units)
                rows.append(("units", f"{max(map(len, columns.values()), default=0)} with {', '.join(columns)}"))
            for key, group in _members(file, "IrregularTimeSeries", "RegularTimeSeries"):
                rate = group.attrs.get("sampling_rate")
                shapes = ", ".join(f"{name} {list(data.shape)}" for name, data in _data_sets(group).items())
                rows.append((key, shapes + (f" at {float(rate):g} Hz" if rate is not None else "")))
            for key, group in _members(file, "Interval"):
                rows.append(("intervals", f"{key}: {len(group.get('start', ()))}"))
        return [*rows, *next_rows(path, "--bin-size 0.0333")]


def _kind(group: h5py.Group) -> str:
    """Returns the class of an object."""
    kind = group.attrs.get("object", "")
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _members(group: h5py.Group, *kinds: str, path: str = "") -> Iterator[tuple[str, h5py.Group]]:
    """Yields all objects of some classes with their paths, also within nested ``Data``."""
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            if _kind(item) in kinds:
                yield f"{path}{name}", item
            elif _kind(item) == "Data":
                yield from _members(item, *kinds, path=f"{path}{name}/")


def _data_sets(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Returns the arrays of an object, without those of its own book-keeping."""
    return {
        name: item
        for name, item in group.items()
        if isinstance(item, h5py.Dataset)
        and not name.startswith(("_", "timestamp_indices"))
        and not name.endswith("_mask")
    }


def _array(group: h5py.Group, name: str, path: Path) -> h5py.Dataset:
    """Returns an array of an object."""
    if not isinstance(group.get(name), h5py.Dataset):
        raise ValueError(f"Expected '{name}' in '{group.name}' of '{path}' (it has {', '.join(group) or 'nothing'}).")
    return group[name]


def _columns(units: h5py.Group) -> dict[str, np.ndarray]:
    """Returns the fields of the units."""
    return {name: plain_array(data[()]) for name, data in _data_sets(units).items() if data.ndim}


def _usual_activity(series: dict[str, h5py.Group]) -> str | None:
    """Returns the path of the spikes; None if there are none."""
    found = [key for key, group in series.items() if "unit_index" in group]
    return "spikes" if "spikes" in found else found[0] if found else None


def _found(groups: dict[str, h5py.Group], key: str, path: Path) -> tuple[h5py.Group, str | None]:
    """Returns an object, and the name of one of its arrays if the key names one (``cursor/vel``)."""
    key = key.strip("/").replace(".", "/")
    if key in groups:
        return groups[key], None
    outer, _, name = key.rpartition("/")
    if outer in groups and name in groups[outer]:
        return groups[outer], name
    known = [f"{own}/{name}" for own, group in groups.items() for name in _data_sets(group) if name != "timestamps"]
    raise ValueError(f"Expected one of {shorten([*groups, *known], 20)} in '{path}' (got '{key}').")


def _times(group: h5py.Group, length: int) -> np.ndarray:
    """Returns the times of a series in seconds; a regular one counts from the start of its domain."""
    if "timestamps" in group:
        return np.asarray(group["timestamps"][()], dtype=np.float64)
    start = float(group["domain/start"][0]) if "domain/start" in group else 0.0
    if "sampling_rate" not in group.attrs:
        raise ValueError(f"Expected timestamps or a sampling rate of '{group.name}' in '{group.file.filename}'.")
    return start + np.arange(length) / float(group.attrs["sampling_rate"])


def _traces(group: h5py.Group, column: str | None, key: str, path: Path) -> Traces:
    """Returns the traces [T, N] of a series as [N, T]."""
    arrays = [name for name, data in _data_sets(group).items() if data.ndim == 2 and data.dtype.kind in "iuf"]
    column = column or (arrays[0] if len(arrays) == 1 else None)
    if column is None:
        raise ValueError(f"Expected one array of traces in '{key}' of '{path}' (got {', '.join(arrays) or 'none'}).")
    require_stored(group[column], f"{key} of '{path}'")
    values = np.asarray(group[column][()])
    values = values.reshape(len(values), -1)
    return Traces(values.T, _times(group, len(values)), rate=1.0, label=f"{key} of '{path}'")


def _check_units(index: h5py.Dataset, count: int, path: Path) -> None:
    """Raises an error if a spike is of a unit that is not in the table."""
    for start in range(0, len(index), 1 << 20):
        last = int(index[start : start + (1 << 20)].max())
        if last >= count:
            raise ValueError(f"Expected unit indices below the {count} units in '{path}' (got {last}).")


def _domain(group: h5py.Group) -> Blocks | None:
    """Returns the blocks of time in which an object is defined."""
    domain = group.get("domain")
    if domain is None or not {"start", "end"} <= set(domain):
        return None
    start, end = domain["start"][()], domain["end"][()]
    return blocks_of(start, end, "the domain") if np.isfinite(start).all() and np.isfinite(end).all() else None


def _whole_frames(blocks: Blocks | None, traces: Traces) -> Blocks | None:
    """Returns the blocks with the last frame of each, at whose time a domain of irregular series ends."""
    step = float(np.median(np.diff(traces.times))) if traces.times is not None and len(traces.times) > 1 else 0.0
    return None if blocks is None else [(start, stop + step / 2) for start, stop in blocks]


def _blocks(intervals: dict[str, h5py.Group], key: str, path: Path) -> Blocks:
    """Returns intervals as blocks."""
    group, _ = _found(intervals, key, path)
    start, end = (_array(group, name, path)[()] for name in ("start", "end"))
    return blocks_of(start, end, f"'{key}' of '{path}'")


def _behaviours(
    series: dict[str, h5py.Group], intervals: dict[str, h5py.Group], selection: Selection, path: Path
) -> list[Behaviour | OnFrames]:
    """Returns the behaviours and events that the user names."""
    found: list[Behaviour | OnFrames] = []
    for key in selection.behaviour:
        group, column = _found(series, key, path)
        names = [column] if column else [n for n, data in _data_sets(group).items() if n != "timestamps"]
        for name in names:
            values, label = plain_array(group[name][()]), key if column else f"{key}/{name}"
            times = _times(group, len(values))
            found.append(Series(label, values, times, selection.period(label), f"'{label}' of '{path}'"))
    for key in selection.events:
        if key.strip("/").replace(".", "/") in intervals:
            found.append(Intervals(key, _blocks(intervals, key, path)))
        else:
            found.append(Events(key, _times(_found(series, key, path)[0], 0)))
    return found
