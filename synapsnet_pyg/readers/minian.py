"""Cells of Minian, in a folder of Zarr arrays or a NetCDF file."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.readers.hdf5_files import open_hdf5, require_stored
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5
from synapsnet_pyg.readers.segmentations import Segmentation, SegmentationReader

_NAMES = ("C", "S", "YrA", "c0", "b0")
"""Names of Minian's arrays of traces, the usual one first."""


class MinianReader(SegmentationReader):
    """Output folders of Minian (``C.zarr``, ``S.zarr``, ... or one Zarr folder), and its older ``minian.nc``.

    Cells are named by their ``unit_id``, which roiextractors drops. Frame times are those of Miniscope's
    ``timeStamps.csv`` (milliseconds) in the folder or the one above.
    """

    name = "minian"
    generic = frozenset({"minian", "minian_ds"})
    usual = _NAMES
    rate_place = "a timeStamps.csv beside it"

    def recognises(self, path: Path) -> bool:
        """Returns True for a folder or file with the traces C of units."""
        if path.is_dir():
            whole = [path / "C" / ".zarray", path / "unit_id", path / "frame"]
            return (path / "C.zarr" / "C").is_dir() or all(place.exists() for place in whole)
        return {"C", "unit_id", "frame"} <= set(keys_of_hdf5(path, ".nc"))

    def files(self, path: Path) -> list[Path]:
        """Returns the headers and indices of the traces, and the frame times."""
        if path.is_file():
            return [path, *_time_files(path.parent)]
        kept = [folder for name in (*_NAMES, "unit_id", "frame") for folder in (path / f"{name}.zarr", path / name)]
        return sorted(file for folder in kept for file in folder.rglob("*") if file.is_file()) + _time_files(path)

    def found(self, path: Path) -> Segmentation:
        """Finds the units of a folder."""
        arrays = {name: array for name in _NAMES if (array := _array(path, name)) is not None}
        units, frames = _index(path, "unit_id"), _index(path, "frame")
        shape = (len(units), len(frames))
        traces = {
            name: partial(_read, array, f"'{name}' of '{path}'")
            for name, array in arrays.items()
            if sorted(array.shape) == sorted(shape)
        }
        times, notes = _frame_times(path if path.is_dir() else path.parent, frames)
        return Segmentation(traces, shape, times=times, labels=units.tolist(), notes=notes)


def _array(path: Path, name: str, owner: str | None = None) -> Any:
    """Opens an array of a Zarr folder or a NetCDF file; None if there is none."""
    if path.is_file():
        return open_hdf5(path).get(name)  # the array keeps its file open
    zarr = optional_import("zarr", "lab")
    for place in (path / f"{owner or name}.zarr" / name, path / name):
        if place.is_dir():
            try:
                return zarr.open(str(place), mode="r")
            except Exception:  # zarr has many errors for a folder without its files
                raise ValueError(f"Expected an array of Zarr in '{place}' (it is damaged or incomplete).") from None
    return None


def _index(path: Path, name: str) -> np.ndarray:
    """Reads the units or frames of the traces C."""
    array = _array(path, name, owner="C")
    if array is None:
        raise ValueError(f"Expected '{name}' beside the traces C in '{path}' (there is none).")
    return np.atleast_1d(np.asarray(array[...]))


def _read(array: Any, label: str) -> np.ndarray:
    """Reads traces, units first."""
    require_memory(4 * array.size, label)
    if isinstance(array, h5py.Dataset):
        require_stored(array, label)
        names = [scale.name.rsplit("/", 1)[-1] for scale in array.dims[0].values()]
    else:
        names = dict(array.attrs).get("_ARRAY_DIMENSIONS") or getattr(array.metadata, "dimension_names", None) or []
    values = np.asarray(array[...])
    return values.T if names and names[0] == "frame" else values


def _time_files(folder: Path) -> list[Path]:
    """Returns Miniscope's file of frame times, in a folder or the one above."""
    return [path for place in (folder, folder.parent) if (path := place / "timeStamps.csv").is_file()][:1]


def _frame_times(folder: Path, frames: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Returns the time of each frame in seconds, and notes; None without a file of times."""
    found = _time_files(folder)
    if not found:
        step = np.diff(plain_array(frames).astype(np.float64))
        if len(step) and (step != step[0]).any():
            warn(f"the frames of '{folder}' have gaps, which count as no time without a timeStamps.csv.")
        return None, []
    with found[0].open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    number, clock = (
        next((i for i, name in enumerate(rows[0] if rows else []) if part in name.lower()), None)
        for part in ("frame", "time stamp")
    )
    if number is None or clock is None:
        raise ValueError(f"Expected columns 'Frame Number' and 'Time Stamp (ms)' in '{found[0]}' (got {rows[:1]}).")
    try:
        time = {int(float(row[number])): float(row[clock]) / 1000 for row in rows[1:] if len(row) > max(number, clock)}
    except ValueError:
        raise ValueError(f"Expected numbers in the columns of '{found[0]}' (got texts).") from None
    times = np.array([time.get(int(frame), np.nan) for frame in frames.tolist()])
    if not np.isfinite(times).any():
        raise ValueError(f"Expected the times of frames {frames[0]} to {frames[-1]} in '{found[0]}' (it has none).")
    return times, [f"frame times by {found[0].name}"]
