"""Latency of forecasts bin by bin, with intervals: median and 99th percentile of a step on one core.

    python benchmarks/latency.py --neurons 200 1000

Models start from least squares on a simulated recording and are not trained further, which does not change the
duration of a step. The garbage collector is off during the steps, as it should be in a closed loop.
"""

import argparse
import gc
import time

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs.online import Online
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.tables import Table


def recording(neurons: int, bins: int, counts: bool) -> Session:
    """Returns a recording of independent neurons with two behaviours."""
    random = torch.Generator().manual_seed(0)
    activity = torch.randn(neurons, bins, generator=random)
    if counts:
        activity = torch.poisson((0.4 * activity - 1).exp(), generator=random)
    return Session(activity, torch.randn(bins, 2, generator=random), bin_size=0.02, name="latency")


def durations(kind: str, session: Session, horizon: int, steps: int) -> np.ndarray:
    """Returns the durations of the steps in milliseconds, by the clock and on the core [2, steps]."""
    raw, behaviour = session.activity, session.behaviour
    standardised = session.standardise()
    model, split = build_model(kind, [standardised]), standardised.split()
    if kind != "synapsnet":  # its start takes minutes at 1,000 neurons
        model.initialise({session.name: split.train}, {session.name: split.validation})
    online = Online(Run.of(model, [standardised]), horizon=horizon)
    times = []
    gc.disable()
    for step in range(steps + 20):
        t = step % session.num_bins
        clock, core = time.perf_counter(), time.thread_time()
        online.step(raw[:, t], behaviour[t])
        times.append((time.perf_counter() - clock, time.thread_time() - core))
    gc.enable()
    return 1000 * np.array(times[20:]).T  # the first ones warm up


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, nargs="+", default=[200, 1000], help="numbers of neurons N")
    parser.add_argument("--models", nargs="+", default=["synapsnet", "var1"], help="models")
    parser.add_argument("--horizons", type=int, nargs="+", default=[1, 5], help="numbers of bins ahead H")
    parser.add_argument("--bins", type=int, default=600, help="bins of the recording")
    parser.add_argument("--steps", type=int, default=1000, help="number of steps that are timed")
    given = parser.parse_args()
    rows = []
    for neurons in given.neurons:
        for counts in (False, True):
            session = recording(neurons, given.bins, counts)
            for kind in given.models:
                for horizon in given.horizons:
                    times = durations(kind, session, horizon, given.steps)
                    activity = "counts" if counts else "real-valued"
                    rows.append([kind, str(neurons), activity, str(horizon),
                                 *(f"{np.percentile(each, p):.2f}" for each in times for p in (50, 99))])  # fmt: skip
    Table(
        "Duration of Online.step in milliseconds, one core",
        ["model", "neurons", "activity", "horizon", "p50", "p99", "p50 (core)", "p99 (core)"],
        rows,
        [
            f"Window of the model's default, {given.steps} steps; forecast and intervals of 50, 80 and 95 %.",
            "core: time on the core, without the time in which other programs had it.",
        ],
    ).print()


if __name__ == "__main__":
    with threads(1):
        main()
