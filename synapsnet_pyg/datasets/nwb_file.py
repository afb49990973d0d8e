"""Tables, columns and time series of NWB files, read with h5py only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from synapsnet_pyg.datasets.time_bins import TimeBins, warn

Blocks = list[tuple[float, float]]
"""Blocks of time in seconds, (start, stop), in order and apart."""


@contextmanager
def open_nwb(path: Path) -> Iterator[h5py.File]:
    """Opens a file for reading; any damage raises a ValueError with a message of one line.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not HDF5, cut short or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected an NWB file (there is no file '{path}').")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, LookupError, RuntimeError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        # Errors of h5py and numpy for a damaged file, or for another kind of object in a known place.
        raise ValueError(
            f"'{path}' is not an NWB file, cut short or damaged ({' '.join(str(error).split())})."
        ) from None


def text(value: Any) -> str:
    """Returns a value as text, from any of HDF5's forms of texts."""
    value = value[()] if isinstance(value, h5py.Dataset) else value
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()


def column(table: h5py.Group, name: str) -> np.ndarray:
    """Reads a column of a table [rows], texts as str.

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
    """Column of a table with a different number of values in each row. Values are read row by row.

    The values of row r lie between the ends of row r - 1 and row r.

    Args:
        table: Table that holds ``name`` and ``name_index``.
        name: Name of the column.

    Raises:
        ValueError: A column is missing, or the ends do not fit the values.
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
    """Reads ``start_time`` and ``stop_time`` of a table, sorted; rows without a duration above zero are left out."""
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
    """Returns the parts of blocks that lie outside bad blocks."""
    for begin, end in bad:
        blocks = [
            piece
            for start, stop in blocks
            for piece in ((start, min(stop, begin)), (max(start, end), stop))
            if piece[0] < piece[1]
        ]
    return blocks


def series(group: h5py.Group) -> tuple[np.ndarray, np.ndarray]:
    """Reads the times [T] in seconds and the values [T, ...] of a time series, in its physical unit.

    Raises:
        ValueError: The series has neither timestamps nor a rate.
    """
    values = values_of(group)
    return times_of(group, len(values)), values


def values_of(group: h5py.Group) -> np.ndarray:
    """Reads the values of a time series in its physical unit."""
    data = group["data"]
    values: np.ndarray = data[()] * float(data.attrs.get("conversion", 1.0)) + float(data.attrs.get("offset", 0.0))
    return values


def times_of(group: h5py.Group, length: int) -> np.ndarray:
    """Returns the times of a series' samples in seconds, from its timestamps or its rate."""
    if "timestamps" in group:
        times: np.ndarray = group["timestamps"][()].astype(np.float64)
        return times
    if "starting_time" in group and float(group["starting_time"].attrs.get("rate", 0)) > 0:
        start = group["starting_time"]
        return float(start[()]) + np.arange(length) / float(start.attrs["rate"])
    raise ValueError(f"Expected timestamps or a rate in '{group.name}' of '{group.file.filename}' (there is neither).")


def neuron_fields(table: h5py.Group, kept: np.ndarray) -> dict[str, np.ndarray]:
    """Reads all columns of numbers and texts of a table, for the kept rows."""
    known: dict[str, np.ndarray] = {}
    rows = len(column(table, "id"))
    ragged = {name.removesuffix("_index") for name in table if name.endswith("_index")}
    for name, item in table.items():
        plain = isinstance(item, h5py.Dataset) and item.ndim == 1 and len(item) == rows and name != "id"
        if plain and name not in ragged and not name.endswith("_index"):
            is_text = h5py.check_string_dtype(item.dtype) is not None
            if is_text or item.dtype.kind in "iufb":
                known[name] = column(table, name)[kept]
    return known


def span(spikes: Ragged, rows: np.ndarray) -> tuple[float, float]:
    """Returns the times of the first and the last spike of some units; one unit is read at a time."""
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
    """Returns the blocks that a file marks as invalid for any probe."""
    return merged(intervals(file["intervals/invalid_times"])) if "intervals/invalid_times" in file else []


def apart(blocks: Blocks) -> Blocks:
    """Returns blocks without their overlaps; blocks that only touch are not joined."""
    separate: Blocks = []
    for start, stop in blocks:
        start = max(start, separate[-1][1]) if separate else start
        if start < stop:
            separate.append((start, stop))
    return separate


def electrodes_of(file: h5py.File) -> h5py.Group | None:
    """Returns the table of electrodes, or None."""
    return file.get("general/extracellular_ephys/electrodes")


def peak_rows(units: h5py.Group, electrodes: h5py.Group) -> np.ndarray:
    """Returns the row of each unit's peak channel in the table of electrodes [units]; -1 for a missing channel."""
    row_of = {int(channel): row for row, channel in enumerate(column(electrodes, "id"))}
    return np.array([row_of.get(int(channel), -1) for channel in column(units, "peak_channel_id")], dtype=int)


def count_spikes(spikes: Ragged, rows: np.ndarray, bins: TimeBins) -> torch.Tensor:
    """Counts the spikes of some units in bins [rows, T]; one unit is read at a time, since files can be large."""
    counts = torch.empty(len(rows), len(bins))
    for i, row in enumerate(rows.tolist()):
        counts[i] = torch.from_numpy(bins.count(spikes[row]))
    return counts


def groups(file: h5py.File, wanted: Callable[[h5py.Group], bool]) -> list[h5py.Group]:
    """Returns every group that fulfils a condition, once even if several links lead to it."""
    fulfilling: list[h5py.Group] = []

    def collect(_: str, item: Any) -> None:
        """Keeps a group that fulfils the condition."""
        if isinstance(item, h5py.Group) and wanted(item):
            fulfilling.append(item)

    file.visititems(collect)
    return fulfilling


def time_series(file: h5py.File) -> list[h5py.Group]:
    """Returns every time series that holds data itself."""
    return groups(file, lambda group: "data" in group and ("timestamps" in group or "starting_time" in group))
