"""Duration and peak memory of binning the spikes of a large file.

    python benchmarks/bin_spikes.py                       # 700 units, 30 minutes, 20 million spikes, 1/30 s
    python benchmarks/bin_spikes.py --spikes 380000000    # a file of 3 GB

The script writes a file in the format of Allen Visual Coding Neuropixels. Then a new process reads it as
``AllenNeuropixels`` does on first use.
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


def write(path: Path, units: int, minutes: float, spikes: int) -> None:
    """Writes units of different rates, one electrode each, and one block of the stimulus 'spontaneous'."""
    random = np.random.default_rng(0)
    rate = random.lognormal(0, 1, units)
    count = np.maximum(np.round(spikes * rate / rate.sum()), 1).astype(np.int64)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        table = file.create_group("units")
        times = table.create_dataset("spike_times", (int(count.sum()),), "f8")
        end = np.cumsum(count)
        for unit, (b, n) in enumerate(zip(end, count, strict=True)):
            times[b - n : b] = np.sort(random.uniform(1, 60 * minutes + 1, n))
            if unit % 100 == 99:
                file.flush()
        table["spike_times_index"] = end
        table["id"] = np.arange(units) + 951_000_000
        table["peak_channel_id"] = np.arange(units)
        table.create_dataset("quality", data=["good"] * units, dtype=text)
        table["isi_violations"], table["amplitude_cutoff"] = np.zeros(units), np.zeros(units)
        table["presence_ratio"] = np.ones(units)
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"] = np.arange(units)
        electrodes["valid_data"] = np.ones(units, bool)
        electrodes.create_dataset("location", data=["VISp"] * units, dtype=text)
        running = file.create_group("processing/running/running_speed")
        running["timestamps"] = np.arange(0, 60 * minutes + 2, 1 / 60)
        running["data"] = np.zeros(len(running["timestamps"]))
        block = file.create_group("intervals/spontaneous_presentations")
        block["start_time"], block["stop_time"] = [1.0], [60 * minutes + 1]


def read(root: Path) -> None:
    """Reads the session, and prints duration and memory."""
    from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels

    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    begun = time.perf_counter()
    dataset = AllenNeuropixels(root, stimulus="spontaneous")
    seconds = time.perf_counter() - begun
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    session = dataset[0]
    print(f"{session}: {int(session.activity.double().sum())} spikes counted")
    print(
        f"{seconds:.1f} s from HDF5 to a session file; peak memory {whole:.0f} MB, of which {imported:.0f} MB imports"
    )


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=700, help="number of units")
    parser.add_argument("--minutes", type=float, default=30, help="duration of the recording")
    parser.add_argument("--spikes", type=int, default=20_000_000, help="number of spikes of all units")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session_1.nwb"
        write(path, given.units, given.minutes, given.spikes)
        print(f"{given.units} units, {given.minutes:g} min, {given.spikes} spikes: {path.stat().st_size / 1e9:.2f} GB")
        subprocess.run([sys.executable, __file__, "--read", folder], check=True)


if __name__ == "__main__":
    main()
