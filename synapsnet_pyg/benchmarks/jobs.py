"""Independent pieces of work: here one after the other, or many at once on this machine or a Slurm cluster."""

import json
import os
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synapsnet_pyg.files import atomic_path, make_folder


def keep_error(folder: Path, problem: Exception) -> None:
    """Leaves why a piece of work failed in ``error.txt`` of its folder: one line, and where."""
    (make_folder(folder) / "error.txt").write_text(f"{' '.join(str(problem).split())}\n\n{traceback.format_exc()}")


def read_error(folder: Path) -> str:
    """Why a piece of work that is not finished failed, in one line."""
    path = folder / "error.txt"
    return path.read_text().splitlines()[0] if path.is_file() else "killed"


def require_same(path: Path, settings: dict[str, Any]) -> None:
    """Keeps the settings of a comparison, and tells if those of an older one differ.

    Raises:
        ValueError: They do.
    """
    if path.is_file():
        if json.loads(path.read_text()) != settings:
            raise ValueError(f"'{path.parent}' holds results of other settings ({path.name}); choose another --out.")
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(settings, indent=1) + "\n")


def run_all(
    work: Callable[..., None],
    pieces: Sequence[Any],
    jobs: int,
    cluster: Literal["local", "slurm"],
    folder: Path,
    tell: Callable[[Any], str],
    hours: float = 24.0,
) -> None:
    """Does all pieces, at most so many at once, with a bar over them and a line for each on standard error.

    Args:
        work: Called as ``work(piece)``, with ``threads=1`` too where several run at once. It must not raise and must
            leave its result on disk, since a process can be killed.
        pieces: What is to be done.
        jobs: How many at once; 1 on this machine: in this process.
        cluster: Where the processes run.
        folder: Where submitit keeps what they print.
        tell: One line on a piece that has ended.
        hours: After which a process is killed.

    Raises:
        ImportError: Several at once are asked for and submitit is not installed.
        ValueError: ``jobs`` is below 1.
    """
    if jobs < 1:
        raise ValueError(f"Expected at least 1 job at once (got {jobs}).")
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("jobs", total=len(pieces))

        def ended(piece: Any) -> None:
            bar.advance(task)
            console.print(tell(piece), highlight=False, soft_wrap=True)

        if jobs == 1 and cluster == "local":
            for piece in pieces:
                work(piece)
                ended(piece)
        else:
            _submit(work, pieces, jobs, cluster, folder, ended, hours)


def _submit(
    work: Callable[..., None],
    pieces: Sequence[Any],
    jobs: int,
    cluster: str,
    folder: Path,
    ended: Callable[[Any], None],
    hours: float,
) -> None:
    import submitit

    # Threads of processes that share cores wait for each other: one each is fastest by far.
    os.environ["OMP_NUM_THREADS"] = "1"
    executor = submitit.AutoExecutor(folder=make_folder(folder), cluster=cluster)
    executor.update_parameters(timeout_min=int(hours * 60), cpus_per_task=1, name="synapsnet")
    waiting = list(reversed(pieces))
    running: list[tuple[Any, Any]] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                piece = waiting.pop()
                running.append((piece, executor.submit(work, piece, threads=1)))
            time.sleep(0.2 if cluster == "local" else 10)
            for piece, job in [one for one in running if one[1].done()]:
                running.remove((piece, job))
                ended(piece)
    finally:
        for _, job in running:
            job.cancel()
