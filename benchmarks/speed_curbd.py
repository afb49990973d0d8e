"""Duration of a training run of CURBD, compared with its equations in plain numpy and with the memory's bandwidth.

    OMP_NUM_THREADS=1 python benchmarks/speed_curbd.py

The plain implementation multiplies J and P with the state in every bin and updates both. A check at the start shows
that the results are the same. The two run in turns, and medians of processor time are compared, so that other programs
matter little.

Each bin must read J and P at least once, which are 2 N^2 numbers. The plain implementation moves them several times.
The durations of one read and of one copy are measured in the same turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from synapsnet_pyg.connectivity.curbd import CURBD
from synapsnet_pyg.connectivity.curbd_network import normalise


def run_plainly(activity: np.ndarray, start: np.ndarray, noise: np.ndarray, time_constant: float) -> np.ndarray:
    """Trains once, with one step in each bin, and returns J."""
    J, P, h = start, np.eye(len(start)), activity[:, 0]
    for t in range(activity.shape[1]):
        r = np.tanh(h)
        h = h + (-h + J @ r + noise[:, t]) / time_constant
        e, g = r - activity[:, t], P @ r
        c = 1 / (1 + r @ g)
        P = P - c * np.outer(g, g)
        J = J - c * np.outer(e, g)
    return J


def timed(action: Callable[[], object], repeats: int = 1) -> float:
    """Returns the processor time of an action in seconds, mean over repeats."""
    started = time.process_time()
    for _ in range(repeats):
        action()
    return (time.process_time() - started) / repeats


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=200, help="number of neurons N")
    parser.add_argument("--bins", type=int, default=2000, help="number of bins T")
    parser.add_argument("--rounds", type=int, default=9, help="number of turns")
    given = parser.parse_args()
    N, T = given.neurons, given.bins
    random = np.random.default_rng(0)
    phase, speed = random.uniform(0, 2 * np.pi, (N, 1)), random.uniform(0.02, 0.1, (N, 1))
    activity = np.sin(phase + speed * np.arange(T))
    start, noise = random.standard_normal((N, N)) / np.sqrt(N), 0.01 * random.standard_normal((N, T))

    def plain(bins: int = T) -> np.ndarray:
        return run_plainly(normalise(activity)[:, :bins], start, noise[:, :bins], 5.0)

    def ours(bins: int = T) -> np.ndarray:
        curbd = CURBD(steps_per_bin=1, time_constant=5.0, training_runs=1, free_runs=0)
        return curbd.train_network(activity[:, :bins], start=start, noise=noise[:, :bins]).connectivity

    # The equations amplify rounding errors bin by bin, so only the first bins are compared.
    worst = np.abs(plain(200) - ours(200)).max() / np.abs(plain(200)).max()
    print(f"same J after 200 bins to {worst:.1e} of its largest")

    matrices, state, product = np.ones((2 * N, N)), np.ones(N), np.empty(2 * N)
    copied = np.empty_like(matrices)
    contenders: dict[str, Callable[[], float]] = {
        "plain": lambda: timed(plain),
        "ours": lambda: timed(ours),
        "reading J and P once a bin": lambda: T * timed(lambda: np.dot(matrices, state, out=product), 300),
        "copying J and P once a bin": lambda: T * timed(lambda: np.copyto(copied, matrices), 300),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(given.rounds + 1):
        for name, measure in contenders.items():
            seconds = measure()
            if turn:  # the first is a warm-up
                times[name].append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"N = {N}, T = {T}, one training run, median of {given.rounds}")
    for name, seconds in median.items():
        print(f"{name:27s} {seconds * 1e3:7.1f} ms, {median['plain'] / seconds:5.1f} x plain")
    size, (_, _, read, copy) = matrices.nbytes, median.values()
    print(
        f"J and P are {size / 2**20:.2f} MiB: read at {T * size / read / 1e9:.0f} GB/s, copied at "
        f"{2 * T * size / copy / 1e9:.0f} GB/s (read and written); ours takes {median['ours'] / read:.1f} x the bound"
    )


if __name__ == "__main__":
    main()
