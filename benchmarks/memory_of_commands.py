"""Peak memory of every command that reads a recording, with the bound that it keeps.

    python benchmarks/memory_of_commands.py
    python benchmarks/memory_of_commands.py --only evaluate report --folder measured

A simulated session is fitted for one epoch, and every command of the table runs on the session or on the run, each in a
process of its own. The bound is 0.5 GB, of which imports take more than half, and five times the recording. Nothing
that needs memory is imported here, since a process begins with the peak of the one that starts it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "simulate": "simulate sim.h5 --neurons {neurons} --recorded {neurons} --bins {bins}",
    "inspect": "inspect sim.h5",
    "convert": "convert sim.npy converted.h5 --axes neuron,bin --bin-size 0.05",
    "fit": "fit sim.h5 --out {run} --preset fast --epochs 1",
    "evaluate": "evaluate run",
    "evaluate --horizon": "evaluate run --horizon 4",
    "connectivity": "connectivity run --out connectivity",
    "connectivity --significance": "connectivity run --out significance --significance",
    "figures": "figures run --out figures",
    "report": "report run --out report",
    "dynamics": "dynamics run --out dynamics",
    "perturb": "perturb run --out perturb --stimulate sim/0",
    "signs": "signs run --out signs",
    "compare": "compare run --halves --out compare",
}
"""Name -> arguments of the command."""

BASE, TIMES = 0.5, 5
"""The bound: GB, and how often the recording."""


def peak_of(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Runs a program; returns its peak memory in GB and its seconds.

    Args:
        arguments: Program and its arguments.
        folder: Folder in which it runs.

    Raises:
        RuntimeError: The program failed.
    """
    begun = time.perf_counter()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(arguments, cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"'{' '.join(arguments)}' failed: {(folder / 'output.txt').read_text()}")
    return usage.ru_maxrss * 1024 / 1e9, time.perf_counter() - begun


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=1000, help="number of neurons N")
    parser.add_argument("--bins", type=int, default=20_000, help="number of bins T")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="commands to measure")
    parser.add_argument("--folder", type=Path, help="folder to work in, whose session and run are taken if it has them")
    given = parser.parse_args()
    recording = given.neurons * given.bins * 4 / 1e9
    bound = BASE + TIMES * recording
    print(f"recording {recording:.3f} GB ({given.neurons} neurons x {given.bins} bins), bound {bound:.2f} GB\n")
    print("| command | peak (GB) | of the bound | seconds |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in COMMANDS.items():
            made = {"simulate": folder / "sim.h5", "fit": folder / "run"}.get(name)
            if name not in given.only and (made is None or made.exists()):
                continue
            run = "run" if not (folder / "run").exists() else "run-again"
            words = text.format(neurons=given.neurons, bins=given.bins, run=run).split()
            peak, seconds = peak_of([sys.executable, "-m", "synapsnet_pyg.cli", *words], folder)
            shutil.rmtree(folder / "run-again", ignore_errors=True)
            print(f"| {name} | {peak:.2f} | {peak / bound:.0%} | {seconds:.0f} |", flush=True)
            if name == "simulate":
                code = "import numpy; from synapsnet_pyg import Session; "
                code += "numpy.save('sim.npy', Session.load('sim.h5').activity.numpy())"
                subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


if __name__ == "__main__":
    main()
