"""NWB files of labs, written with pynwb, and with h5py where pynwb refuses what labs have."""

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
from pynwb import NWBHDF5IO, NWBFile, validate
from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel, RoiResponseSeries


def new_file():
    return NWBFile(
        session_description="a lab's own", identifier="lab-1", session_start_time=datetime(2024, 5, 1, tzinfo=UTC)
    )


def write(file, path):
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    with NWBHDF5IO(path, "r") as io:
        assert validate(io=io) == []
    return path


def add_imaging(file, name="plane", location="VISp"):
    """Returns a module and an imaging plane."""
    device = file.devices["scope"] if "scope" in file.devices else file.create_device(name="scope")
    channel = OpticalChannel(name="green", description="green", emission_lambda=510.0)
    return file.create_imaging_plane(
        name=name, optical_channel=channel, description="V1", device=device, excitation_lambda=920.0,
        indicator="GCaMP6s", location=location, imaging_rate=5.0,
    )  # fmt: skip


def with_planes(path, kinds, clocks, counts=(3, 2)):
    """Series of two planes for each kind of trace, each with its own table of cells."""
    file = new_file()
    ophys = file.create_processing_module(name="ophys", description="imaging")
    masks = ImageSegmentation(name="ImageSegmentation")
    ophys.add(masks)
    tables = []
    for p, count in enumerate(counts):
        table = masks.create_plane_segmentation(
            name=f"cells{p}", description="cells", imaging_plane=add_imaging(file, f"plane{p}", ["VISp", "VISl"][p])
        )
        for cell in range(count):
            table.add_roi(id=cell, pixel_mask=[(cell, cell, 1.0)])
        tables.append(table)
    for kind, base in kinds.items():
        holder = DfOverF(name=kind)
        ophys.add(holder)
        for p, table in enumerate(tables):
            region = table.create_roi_table_region(description="all", region=list(range(len(table))))
            data = base + 100 * p + np.arange(len(clocks[p]) * len(table), dtype=float).reshape(-1, len(table)) % 13
            holder.add_roi_response_series(
                RoiResponseSeries(name=f"plane{p}", data=data, unit="n.a.", rois=region, timestamps=clocks[p])
            )
    return write(file, path)


@contextmanager
def bare(path, version="2.7.0"):
    """An NWB file as other writers leave it, with few attributes."""
    with h5py.File(path, "w") as file:
        file.attrs.update(nwb_version=version, neurodata_type="NWBFile", namespace="core")
        yield file


def put_units(file, trains, where="units", **columns):
    group = file.create_group(where)
    group["spike_times"] = np.concatenate(trains)
    group["spike_times_index"] = np.cumsum([len(train) for train in trains])
    group["id"] = columns.pop("id", np.arange(len(trains)))
    for key, values in columns.items():
        group[key] = values
    return group


def put_series(file, path, data, times=None, rate=None, kind="TimeSeries", **attributes):
    group = file.create_group(path)
    group.attrs["neurodata_type"] = kind
    group["data"] = data
    group["data"].attrs.update({"conversion": 1.0, "unit": "a.u."} | attributes)
    if times is not None:
        group["timestamps"] = times
    if rate is not None:
        group["starting_time"] = 0.0
        group["starting_time"].attrs.update(rate=float(rate), unit="seconds")
    return group


def put_intervals(file, path, start, stop, **columns):
    group = file.create_group(path)
    group["id"] = np.arange(len(start))
    group["start_time"], group["stop_time"] = start, stop
    for key, values in columns.items():
        group[key] = values
    return group


def trains(count=4, stop=20.0, each=60, seed=0):
    random = np.random.default_rng(seed)
    return [np.sort(random.uniform(0, stop, each + 3 * u)) for u in range(count)]


def texts(values):
    return np.array(values, dtype=h5py.string_dtype())


def loop(times, start, bins, size):
    """Counts as a reader would define them, one bin after the other."""
    return [int(((times >= start + size * k) & (times < start + size * (k + 1))).sum()) for k in range(bins)]


def folder_of(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
