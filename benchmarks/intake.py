"""Time and peak memory of reading large recordings, each by ``synapsnet convert`` in a process of its own.

    python benchmarks/intake.py                        # 20 million spikes of 700 neurons; NWB files of 3 GB
    python benchmarks/intake.py --spikes 2e6 --gigabytes 0.3

A folder of phy and pairs of arrays hold the spikes of one hour, to be counted in bins of 1/30 s. One NWB file holds
spikes with waveforms, another traces of a two-photon recording. ``inspect`` must not load them.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

HOUR = 3600.0
PIECE = 1_000_000


def write_phy(folder: Path, spikes: int, neurons: int) -> None:
    """Writes a folder of phy: samples at 30 kHz and the cluster of each spike, with features that nobody needs."""
    folder.mkdir()
    random = np.random.default_rng(0)
    samples = np.lib.format.open_memmap(folder / "spike_times.npy", "w+", np.int64, (spikes,))
    clusters = np.lib.format.open_memmap(folder / "spike_clusters.npy", "w+", np.int32, (spikes,))
    for start in range(0, spikes, PIECE):
        stop = min(start + PIECE, spikes)
        low, high = (HOUR * 30_000 * edge / spikes for edge in (start, stop))
        samples[start:stop] = np.sort(random.integers(int(low), int(high), stop - start))
        clusters[start:stop] = random.integers(0, neurons, stop - start)
    np.lib.format.open_memmap(folder / "pc_features.npy", "w+", np.float32, (spikes, 3, 8))  # a hole on disk
    (folder / "params.py").write_text("sample_rate = 30000.\n")


def write_units(path: Path, gigabytes: float, neurons: int = 700) -> None:
    """Writes an NWB file of units, most of it spike times."""
    each = int(gigabytes * 1e9 / 8 / neurons)
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs.update(nwb_version="2.7.0", neurodata_type="NWBFile", namespace="core")
        units = file.create_group("units")
        units.attrs.update(neurodata_type="Units", namespace="core", colnames=["spike_times"])
        times = units.create_dataset("spike_times", (each * neurons,), "f8")
        for i in range(neurons):
            times[i * each : (i + 1) * each] = np.sort(random.uniform(0, 3 * HOUR, each))
        units["spike_times_index"] = np.arange(1, neurons + 1) * each
        units["id"] = np.arange(neurons)


def write_traces(path: Path, gigabytes: float, neurons: int = 2000) -> None:
    """Writes an NWB file of two-photon traces."""
    frames = int(gigabytes * 1e9 / 4 / neurons)
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs.update(nwb_version="2.7.0", neurodata_type="NWBFile", namespace="core")
        series = file.create_group("processing/ophys/DfOverF/RoiResponseSeries")
        series.attrs.update(neurodata_type="RoiResponseSeries", namespace="core")
        data = series.create_dataset("data", (frames, neurons), "f4")
        data.attrs.update(conversion=1.0, unit="a.u.")
        for start in range(0, frames, 10_000):
            data[start : start + 10_000] = random.standard_normal((min(10_000, frames - start), neurons), np.float32)
        start_time = series.create_dataset("starting_time", data=0.0)
        start_time.attrs.update(rate=30.0, unit="seconds")


def measure(*words: object) -> str:
    """Runs a command of the program, and returns its time with and without imports, peak memory and first line."""
    code = (
        "import resource, sys, time; import synapsnet_pyg.datasets.inspection; "
        "from synapsnet_pyg.cli.main import main; "
        "start = time.perf_counter(); status = main(sys.argv[1:]); own = time.perf_counter() - start; "
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20; "
        "print('measured', own, peak, file=sys.stderr); sys.exit(status)"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    lines = done.stderr.splitlines()
    measured = next((line.split()[1:] for line in lines if line.startswith("measured")), ["nan", "nan"])
    own, peak = map(float, measured)
    last = done.stdout.splitlines()[0] if done.returncode == 0 else lines[0]
    return f"{seconds:7.1f} s, {own:6.1f} s of it after the imports  {peak:6.2f} GiB  {last}"


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spikes", type=float, default=20e6, help="number of spikes")
    parser.add_argument("--neurons", type=int, default=700, help="number of neurons")
    parser.add_argument("--gigabytes", type=float, default=3.0, help="size of the NWB files")
    parser.add_argument("--folder", type=Path, help="folder for the files; a temporary one if not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        write_phy(folder / "phy", int(given.spikes), given.neurons)
        print(f"{'inspect phy':28s}", measure("inspect", folder / "phy"), flush=True)
        print(f"{'phy':28s}", measure("convert", folder / "phy", folder / "a.h5", "--bin-size", "1/30"), flush=True)
        keys = "--reader arrays --spike-times spike_times --spike-neuron spike_clusters --sampling-rate 30000".split()
        words = measure("convert", folder / "phy", folder / "b.h5", "--bin-size", "1/30", *keys)
        print(f"{'arrays':28s}", words, flush=True)
        for kind, write in (("units", write_units), ("traces", write_traces)):
            path = folder / f"{kind}.nwb"
            write(path, given.gigabytes)
            print(f"{f'inspect NWB of {kind}':28s}", measure("inspect", path), flush=True)
            words = measure("convert", path, folder / f"{kind}.h5", *(["--bin-size", "0.1"] * (kind == "units")))
            print(f"{f'NWB of {kind}, {given.gigabytes:g} GB':28s}", words, flush=True)
            path.unlink()
    print(f"peak of this script itself {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
