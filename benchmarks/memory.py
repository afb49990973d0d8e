"""Peak memory of a fit, compared with the least that it needs.

    python benchmarks/memory.py

A fit needs at least the recording, and the parameters with their gradients, Adam's two moments and the activations of
one batch. The size of the recording is known. The rest is measured: the memory that a fit of a short recording with as
many neurons adds to a process that has imported everything.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import synapsnet_pyg.runs.training  # noqa: F401 (Run.fit imports it late, and the peak of a fit shall not count it)
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.runs.recipe import PRESETS, Preset
from synapsnet_pyg.runs.run import Run


def peak() -> float:
    """Returns the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def write(path: Path, neurons: int, bins: int) -> None:
    """Writes a session of random counts."""
    activity = torch.zeros(neurons, bins)
    for row in activity:
        row.random_(0, 5)
    Session(activity, bin_size=1 / 30).save(path)


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=300, help="number of neurons N")
    parser.add_argument("--bins", type=int, default=300_000, help="number of bins T")
    parser.add_argument("--preset", default="fast", choices=PRESETS, help="recipe of the fit")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        before = peak()
        recipe = Preset(given.preset, {"epochs": 1})
        Run.fit([given.measure], given.measure.with_suffix(""), recipe=recipe, progress=False)
        print(peak() - before)
        return
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for bins in (2000, given.bins):
            path = Path(folder) / f"{bins}.h5"
            # Processes of their own, because a process never forgets its peak.
            code = f"import memory, pathlib; memory.write(pathlib.Path(r'{path}'), {given.neurons}, {bins})"
            subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
            command = [sys.executable, __file__, "--preset", given.preset, "--measure", path]
            measured = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            peaks.append(float(measured.stdout))
    small, large = peaks
    recording = given.neurons * given.bins * 4 / 1e6
    print(f"recording {recording:.0f} MB, parameters with their optimiser and a batch {small:.0f} MB")
    print(f"peak of the fit {large:.0f} MB = {large / (recording + small):.2f} x the least that it needs")


if __name__ == "__main__":
    main()
