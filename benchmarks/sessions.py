"""Time of an epoch and memory of each process, of one fit of many sessions by one and by several processes.

    python benchmarks/sessions.py --sessions 8 --neurons 300
    python benchmarks/sessions.py --sessions 46 --neurons 690

Sessions are simulated populations (``synapsnet_pyg.simulations.large_population``). Every fit runs in processes of its
own, in turns over all rounds, and the fastest epoch counts, its validation included: seconds, and processor time of
the process that needs most, which does not count waiting and is what free cores would take. The peak memory is that of
the process that needs most, and without what it has before the fit, when everything is imported. Recordings and
parameters with Adam's moments are what grows with the number of sessions; the activations of a step do not.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

import synapsnet_pyg.runs.training  # noqa: F401 (Run.fit imports it late, and the peak of a fit shall not count it)
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs.hardware import Hardware
from synapsnet_pyg.runs.recipe import PRESETS, Preset
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.tables import Table
from synapsnet_pyg.simulations.large_population import simulate_large_population


def peak() -> float:
    """Returns the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


class ProcessorTime(Callback):
    """Measures the processor time of each epoch, with its validation."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the time."""
        self.times.append(time.process_time())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the time of the last epoch's end."""
        self.times.append(time.process_time())

    @property
    def fastest(self) -> float:
        """Smallest processor time of an epoch, in seconds."""
        return min(end - start for start, end in pairwise(self.times))


def measure(paths: list[str], out: Path, hardware: Hardware, recipe: Preset) -> None:
    """Fits sessions as one of several processes, which keep their peak memory in a file each."""
    before, clock = peak(), ProcessorTime()
    with threads(1):
        Run.fit(paths, out, recipe=recipe, hardware=hardware, progress=False, callbacks=[clock])
    (out / f"peak-{os.getpid()}.json").write_text(
        json.dumps({"processor": clock.fastest, "peak": peak(), "fit": peak() - before})
    )


def fastest(out: Path) -> float:
    """Returns the seconds of the fastest epoch of a fit."""
    with (out / "history.csv").open(newline="") as file:
        return min(float(row["seconds"]) for row in csv.DictReader(file) if row["epoch"] != "0")


def main() -> None:
    """Runs the fits and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[4], help="numbers of sessions S")
    parser.add_argument("--neurons", type=int, default=300, help="number of neurons N of each session")
    parser.add_argument("--bins", type=int, default=2000, help="number of bins T of each session")
    parser.add_argument("--senders", type=int, default=30, help="senders of each neuron in the simulation")
    parser.add_argument("--preset", default="fast", choices=PRESETS, help="recipe of the fit")
    parser.add_argument("--epochs", type=int, default=2, help="number of epochs of a fit")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--rounds", type=int, default=1, help="number of fits of each kind, in turns")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        folder, out = map(Path, given.measure)
        paths = [str(folder / f"{s}.h5") for s in range(given.sessions[0])]
        measure(paths, out, Hardware("cpu", devices=given.processes[0]), Preset(given.preset, {"epochs": given.epochs}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for s in range(max(given.sessions)):
            session = simulate_large_population(
                given.bins, s, neurons=given.neurons, senders=given.senders, name=f"session-{s}"
            )
            session.save(folder / f"{s}.h5")
        kinds = [(sessions, processes) for sessions in given.sessions for processes in given.processes]
        seconds = {kind: float("inf") for kind in kinds}
        processor = {kind: float("inf") for kind in kinds}
        peaks = {kind: {"peak": 0.0, "fit": 0.0} for kind in kinds}
        for r in range(given.rounds):
            for sessions, processes in kinds:
                out = folder / f"run-{sessions}-{processes}-{r}"
                command = [sys.executable, __file__, "--preset", given.preset, "--epochs", str(given.epochs)]
                command += ["--sessions", str(sessions), "--processes", str(processes)]
                subprocess.run([*command, "--measure", str(folder), str(out)], check=True)
                kind = sessions, processes
                seconds[kind] = min(seconds[kind], fastest(out))
                measured = [json.loads(path.read_text()) for path in out.glob("peak-*.json")]
                processor[kind] = min(processor[kind], max(m["processor"] for m in measured))
                peaks[kind] = {key: max(peaks[kind][key], *(m[key] for m in measured)) for key in peaks[kind]}
        rows = []
        for sessions, processes in kinds:
            kind, first = (sessions, processes), (sessions, given.processes[0])
            memory = [f"{peaks[kind]['peak']:.0f}", f"{peaks[kind]['fit']:.0f}"]
            times = [f"{t[kind]:.2f}{f' ({t[first] / t[kind]:.2f}x)' if kind != first else ''}"
                     for t in (seconds, processor)]  # fmt: skip
            rows.append([str(sessions), str(processes), *times, *memory])
        recording = 4e-6 * given.neurons * given.bins
        notes = [f"{given.neurons} neurons, {given.bins} bins: each recording has {recording:.1f} MB."]
        header = ["sessions", "processes", "epoch, s", "processor, s", "peak, MB", "of the fit, MB"]
        Table("One fit of many sessions", header, rows, notes).print()


if __name__ == "__main__":
    main()
