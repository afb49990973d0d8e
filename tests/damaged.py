"""Small files of labs, ways to damage them, and a process that reads them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import scipy.io
import scipy.sparse
from labs import write_phy
from matlab73 import Cell, Structs, write_v73
from nwb_files import bare, put_intervals, put_series, put_units, texts, trains

READER = """
import json, os, resource, signal, sys, time, traceback, warnings
warnings.simplefilter("ignore")
from synapsnet_pyg.datasets.inspection import inspect_path
from synapsnet_pyg.datasets.lab_recordings import recordings_at, read_found
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.array_keys import ArrayKeys
from synapsnet_pyg.data.session_checks import WrongTypeError
import synapsnet_pyg.readers.arrays, pandas, scipy.io, scipy.sparse, pyarrow.parquet
limit = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + (3 << 30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

def keys_of(path):
    if path.suffix in (".mat", ".npz", ".h5", ".npy", ".csv", ".parquet") and "own" not in path.name:
        own = {"anndata": "X", "sparse": "activity", "table": "n0"}
        return ArrayKeys(own.get(path.name.partition(".")[0], "spikes"), ["neuron", "bin"])

def tried(function):
    try:
        function()
        return "read", ""
    except (ValueError, OSError, ImportError, WrongTypeError) as error:
        return "refused", str(error)
    except BaseException as error:
        return "uncaught", "".join(traceback.format_exception(error)[-3:])

def read(path):
    from pathlib import Path
    for name, found in recordings_at(path).items():
        bin_size = None if "traces" in path.name else 0.5
        read_found(found, name, Selection(bin_size=bin_size), keys=keys_of(path))

from pathlib import Path
for line in sys.stdin:
    path = Path(json.loads(line))
    signal.setitimer(signal.ITIMER_PROF, 10)
    start = time.process_time()
    for kind, function in (("inspect", lambda: inspect_path(path)), ("read", lambda: read(path))):
        outcome, words = tried(function)
        print(json.dumps([kind, outcome, words, time.process_time() - start]), flush=True)
"""
"""Reads each path of the standard input; a loop of ten seconds of the processor ends the process."""


def write_originals(folder: Path) -> list[Path]:
    """A sound file of each format, in a folder of its own."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    counts = random.poisson(1.0, (5, 60)).astype(np.float64)
    sparse = scipy.sparse.csc_matrix(counts)
    with bare(folder / "units.nwb") as file:
        put_units(file, trains(), quality=texts(["good", "mua", "good", "good"]))
        put_series(file, "acquisition/speed", np.arange(200.0), times=np.arange(200) / 10)
        put_intervals(file, "intervals/trials", [0.0, 10.0], [8.0, 18.0], kind=texts(["a", "b"]))
    with bare(folder / "traces.nwb") as file:
        put_series(file, "processing/ophys/DfOverF/plane", counts.T, rate=5.0, kind="RoiResponseSeries")
    with h5py.File(folder / "arrays.h5", "w") as file:
        file.create_dataset("spikes", data=counts, chunks=(2, 20), compression="gzip", shuffle=True)
        file["speed"], file["area"] = np.arange(60.0), texts(["V1"] * 5)
    with h5py.File(folder / "anndata.h5", "w") as file:
        group = file.create_group("X")
        group.attrs["shape"], group["data"] = (60, 5), sparse.data
        group["indices"], group["indptr"] = sparse.indices, sparse.indptr
    with h5py.File(folder / "own_caiman.hdf5", "w") as file:
        group = file.create_group("estimates")
        group["A"], group["C"], group["S"] = random.random((20, 5)), counts, counts
        group["idx_components"], group["YrA"] = np.arange(4), counts
        file["params/data/fr"] = 10.0
    with h5py.File(folder / "own_klusta.kwik", "w") as file:
        file.create_group("recordings/0").attrs["sample_rate"] = 100.0
        group = file.create_group("channel_groups/0/spikes")
        group["time_samples"], group["clusters/main"] = np.arange(0, 2000, 5), np.arange(400) % 3
    with h5py.File(folder / "own_brain.h5", "w") as file:
        file.attrs["object"] = "Data"
        spikes = file.create_group("spikes")
        spikes.attrs["object"] = "IrregularTimeSeries"
        spikes["timestamps"], spikes["unit_index"] = np.arange(0, 20, 0.05), np.arange(400) % 3
        file.create_group("units").attrs["object"] = "ArrayDict"
        file["units/id"] = texts(["a", "b", "c"])
    cells = np.array([np.arange(3.0), "AVAL", np.eye(2)], dtype=object)
    struct = {"fps": 5.0, "name": "fly", "inner": {"a": np.eye(3), "c": cells}}
    variables = {"spikes": counts, "sparse": sparse, "cells": cells, "data": struct, "names": np.array(["a", "bc"])}
    scipy.io.savemat(folder / "plain.mat", variables)
    scipy.io.savemat(folder / "packed.mat", variables, do_compression=True)
    scipy.io.savemat(folder / "four.mat", {"spikes": counts, "sparse": sparse}, format="4")
    train = [np.sort(random.uniform(0, 20, 30)) for _ in range(4)]
    write_v73(
        folder / "new.mat",
        {
            "spikes": counts,
            "m": sparse,
            "c": Cell([np.eye(2), "AVAL", ""]),
            "s": Structs([{"times": t} for t in train]),
        },
    )
    np.save(folder / "array.npy", counts)
    np.savez(folder / "plain.npz", spikes=counts, speed=np.arange(60.0), names=np.array(["a"] * 5))
    np.savez_compressed(folder / "packed.npz", spikes=counts, speed=np.arange(60.0))
    scipy.sparse.save_npz(folder / "sparse.npz", scipy.sparse.csr_matrix(counts))
    header = ",".join(["time", *(f"n{i}" for i in range(5))])
    np.savetxt(folder / "table.csv", np.c_[np.arange(60.0), counts.T], delimiter=",", header=header, comments="")
    import pandas

    pandas.DataFrame({"spikes": counts[0], "area": ["V1"] * 60}).to_parquet(folder / "table.parquet")
    return sorted(folder.iterdir())


def write_folders(folder: Path) -> list[Path]:
    """A sound folder of formats of folders."""
    write_phy(folder / "sorted")
    plane = folder / "suite2p" / "plane0"
    plane.mkdir(parents=True)
    np.save(plane / "F.npy", np.random.default_rng(0).random((4, 50)).astype(np.float32))
    np.save(plane / "iscell.npy", np.ones((4, 2)))
    np.save(plane / "ops.npy", np.array({"fs": 10.0}, dtype=object), allow_pickle=True)
    return [folder / "sorted", folder / "suite2p"]


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Some bytes changed, a block of zeros or of noise, a length made enormous, or an end that is missing."""
    data, kind = bytearray(content), random.integers(6)
    place = int(random.integers(len(data)))
    if kind <= 1:
        for _ in range(int(random.integers(1, 9))):
            data[int(random.integers(len(data)))] = int(random.integers(256))
    elif kind == 2:
        data[place : place + 64] = bytes(len(data[place : place + 64]))
    elif kind == 3:
        size = len(data[place : place + int(random.integers(8, 600))])
        data[place : place + size] = bytes(size) if random.random() < 0.5 else random.bytes(size)
    elif kind == 4:
        place -= place % 4
        data[place : place + 4] = [0xFF, 0xFF, 0xFF, [0x7F, 0xFF, 0x0F, 0x00][int(random.integers(4))]][
            : len(data) - place
        ]
    else:
        del data[place:]
    return bytes(data)


class Reading:
    """Process that reads files, started anew where one ends it."""

    def __init__(self) -> None:
        self.process = None

    def outcomes(self, path: Path) -> list[list]:
        """Kind of reading, outcome, words, and seconds of the processor; the signal where it ended the process."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", READER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        self.process.stdin.write(json.dumps(str(path)) + "\n")
        self.process.stdin.flush()
        found = []
        for _ in range(2):
            line = self.process.stdout.readline()
            if not line:
                code, self.process = self.process.wait(), None
                return [*found, ["read", "ended", signal.Signals(-code).name if code < 0 else str(code), 0.0]]
            found.append(json.loads(line))
        return found

    def close(self) -> None:
        if self.process is not None:
            self.process.communicate()


def faults_of(path: Path, reading: Reading) -> list[str]:
    """What is wrong about how a damaged file was met."""
    faults = []
    for kind, outcome, words, seconds in reading.outcomes(path):
        if outcome in ("uncaught", "ended"):
            faults.append(f"{kind} {outcome}: {words}")
        elif outcome == "refused" and (path.name not in words or not words.isprintable()):
            faults.append(f"{kind} does not name the file in one line: {words!r}")
        elif seconds > 5:
            faults.append(f"{kind} took {seconds:.1f} s")
    return faults
