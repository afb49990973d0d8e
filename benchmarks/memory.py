"""Peak memory of a fit, against what it cannot do without.

    python examples/memory.py

Cannot do without: the recording, and the parameters with their gradients, Adam's two moments and one batch's
activations. The first is counted; the rest is measured as what a fit adds to the memory of a process that has imported
everything, on a short recording of as many neurons.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.runs.fitting import fit_files


def peak() -> float:
    """The most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def write(path: Path, neurons: int, bins: int) -> None:
    activity = torch.zeros(neurons, bins)
    for row in activity:
        row.random_(0, 5)
    Session(activity, bin_size=1 / 30).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=300)
    parser.add_argument("--bins", type=int, default=300_000)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        before = peak()
        fit_files(
            [given.measure], given.measure.with_suffix(""), preset=given.preset, training={"epochs": 1}, progress=False
        )
        print(peak() - before)
        return
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for bins in (2000, given.bins):
            path = Path(folder) / f"{bins}.h5"
            subprocess.run(
                [
                    sys.executable,
                    "-c",
                    f"import memory, pathlib; memory.write(pathlib.Path(r'{path}'), {given.neurons}, {bins})",
                ],
                check=True,
                cwd=Path(__file__).parent,
            )
            told = subprocess.run(
                [sys.executable, __file__, "--preset", given.preset, "--measure", path],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            peaks.append(float(told.stdout))
    small, large = peaks
    recording = given.neurons * given.bins * 4 / 1e6
    print(f"recording {recording:.0f} MB, parameters with their optimiser and a batch {small:.0f} MB")
    print(f"peak of the fit {large:.0f} MB = {large / (recording + small):.2f} x what it cannot do without")


if __name__ == "__main__":
    main()
