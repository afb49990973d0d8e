"""Duration of a training step with one thread and with several, alone and beside other busy processes.

    python benchmarks/threads.py

Processes hold the same model and make steps in turns: one thread, threads of our own
(``synapsnet_pyg.nn.threads``), and threads of OpenMP that sleep or spin while they wait. The table has the median
duration with one thread, and how many times faster than it the others are. Beside 3 means beside three processes that
are always busy.
"""

import argparse
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from synapsnet_pyg.files import make_folder
from synapsnet_pyg.runs.tables import Table

WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "own threads": {},
    "OpenMP, sleeping": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
    "OpenMP, spinning": {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "300000"},
}
"""Name -> environment of the process."""


def make_steps(pipe: Connection, way: str, given: argparse.Namespace) -> None:
    """Makes a training step with as many targets as each message says, and answers with its duration in seconds."""
    import torch

    from synapsnet_pyg.data.session import Session
    from synapsnet_pyg.data.windows import windows_of
    from synapsnet_pyg.models.synapsnet import SynapsNet
    from synapsnet_pyg.nn.threads import threads

    session = Session(torch.randn(given.neurons, 4000), torch.randn(4000, 2), bin_size=1 / 30)
    model = SynapsNet([session], given.window)
    optimiser = torch.optim.Adam(model.parameters(), fused=True)
    with ExitStack() as stack:
        if not way.startswith("OpenMP"):
            stack.enter_context(threads())
        while targets := pipe.recv():
            windows = windows_of(session, given.window, targets)[0]
            start = time.perf_counter()
            window = windows.gather(torch.randperm(len(windows))[: given.batch])
            optimiser.zero_grad()
            model.loss(model(window), window).backward()
            optimiser.step()
            pipe.send(time.perf_counter() - start)


def be_busy() -> None:
    """Counts for ever."""
    while True:
        pass


@contextmanager
def process(
    target: Callable[..., None], *arguments: object, setting: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Runs a function in a process with an environment of its own, inside a ``with`` statement."""
    started = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    before = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        os.environ.pop(name, None)
    os.environ.update(setting or {})
    started.start()
    os.environ.update(before)
    try:
        yield
    finally:
        started.terminate()
        started.join()


def main() -> None:
    """Runs the benchmark and writes its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=600, help="number of neurons N")
    parser.add_argument("--batch", type=int, default=32, help="number of windows B in a step")
    parser.add_argument("--window", type=int, default=5, help="number of past bins W")
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 16], help="numbers of targets P in a window")
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 1, 3, 6], help="numbers of busy processes")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS)[1:], default=list(WAYS)[1:], help="what is compared")
    parser.add_argument("--rounds", type=int, default=7, help="number of turns")
    parser.add_argument("--out", type=Path, default=Path("threads"), help="folder of the table")
    given = parser.parse_args()

    rows = []
    with ExitStack() as processes:
        pipes = {}
        for way in ["one thread", *given.ways]:
            pipes[way], end = multiprocessing.Pipe()
            processes.enter_context(process(make_steps, end, way, given, setting=WAYS[way]))
        for targets, load in itertools.product(given.targets, given.loads):
            with ExitStack() as others:
                for _ in range(load):
                    others.enter_context(process(be_busy))
                seconds: dict[str, list[float]] = {way: [] for way in pipes}
                for turn in range(given.rounds + 1):
                    for way, pipe in pipes.items():
                        pipe.send(targets)
                        if turn:  # the first is a warm-up
                            seconds[way].append(pipe.recv())
                        else:
                            pipe.recv()
            one, *several = (statistics.median(values) for values in seconds.values())
            rows.append([str(targets), str(load), f"{one * 1e3:.0f}", *(f"{one / value:.2f}" for value in several)])
            print(*rows[-1], flush=True)
    size = f"{given.neurons} neurons, {given.batch} windows of {given.window} bins"
    table = Table(
        f"Training step of {size}, {os.cpu_count()} cores",
        ["targets", "beside", "one thread, ms", *(f"{way}, times" for way in list(pipes)[1:])],
        rows,
        ["beside: number of other processes that are always busy; times: how many times faster than one thread."],
    )
    table.print()
    table.write(make_folder(given.out) / "threads")


if __name__ == "__main__":
    main()
