"""Jobs: pieces of work with folders of their own, done once, one after the other or many at once."""

import json
import os
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synapsnet_pyg.files import Json, atomic_path, first_difference, make_folder, optional_import

Cluster = Literal["local", "slurm"]
SETTINGS = "settings.json"


class JobsFailed(Exception):  # noqa: N818 (it is what happened)
    """Jobs that failed; the message says how many, and why the first of them."""


class Result(Protocol):
    """Result of a job."""

    def to_json(self) -> Json:
        """Returns the result by names, ready for JSON."""
        ...


ResultT = TypeVar("ResultT", bound=Result)


class Job(Protocol[ResultT]):
    """One piece of work with its own folder, done once.

    The engine keeps ``settings.json``, ``result.json`` and, where the job failed, ``error.txt`` in the folder.
    """

    @property
    def folder(self) -> Path:
        """Folder of the job alone."""
        ...

    def settings(self) -> Json:
        """Returns everything that decides the numbers, ready for JSON; compared before a result is used again."""
        ...

    def run(self) -> ResultT:
        """Does the work. It may raise; what it leaves half done in the folder, it can go on from."""
        ...

    def read(self, values: Mapping[str, Any]) -> ResultT | None:
        """Returns the result of ``result.json``; None if it does not serve this job and must be worked out anew."""
        ...

    def describe(self, result: ResultT) -> str:
        """Returns the result in a few words, for the line that is printed when the job has ended."""
        ...


class Workers(NamedTuple):
    """How many jobs run at once, and where."""

    jobs: int = 1
    """Number of jobs at once; 1 on this machine: in this process."""
    cluster: Cluster = "local"
    """Where the processes run."""
    hours: float = 24.0
    """Hours after which a process is killed."""


def run_jobs(
    jobs: Sequence[Job[ResultT]],
    out: Path,
    workers: Workers = Workers(),  # noqa: B008
    *,
    together: Callable[[Any], Any] | None = None,
) -> None:
    """Does all jobs that are not done yet, with a bar over them and a line for each on standard error.

    A job that fails stops no other. Jobs of other settings in the same folders are refused before any work.

    Args:
        jobs: Jobs to do.
        out: Folder above those of the jobs; ``jobs`` in it keeps the output of processes.
        workers: How many at once, and where.
        together: Function of a job; jobs with the same value are done in one process, one after the other.

    Raises:
        ValueError: A folder holds a result of other settings, or fewer than one job at once is asked for.
        ImportError: Several at once are asked for and submitit is not installed.
    """
    if workers.jobs < 1:
        raise ValueError(f"Expected at least 1 job at once (got {workers.jobs}).")
    for job in jobs:
        require_same(job)
    groups: dict[Any, list[Job[ResultT]]] = {}
    for job in jobs:
        if read_result(job) is None:
            groups.setdefault(job.folder if together is None else together(job), []).append(job)
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
        task = bar.add_task("jobs", total=sum(map(len, groups.values())))

        def ended(job: Job[ResultT]) -> None:
            bar.advance(task)
            console.print(_line(job, out), highlight=False, soft_wrap=True)

        if workers.jobs == 1 and workers.cluster == "local":
            for group in groups.values():
                for job in group:
                    do(job)
                    ended(job)
        else:
            _submit(list(groups.values()), out / "jobs", workers, ended)


def require_same(job: Job[Any]) -> None:
    """Raises an error if the job's folder holds results of other settings or recordings.

    Raises:
        ValueError: It does, or it holds results of version 0.1.0.
    """
    if not (job.folder / SETTINGS).is_file() and (job.folder / "scores.json").is_file():
        raise ValueError(f"'{job.folder}' holds results of version 0.1.0; give the same command with another --out.")
    require_same_settings(job.folder, job.settings())


def require_same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises an error if a folder holds results of other settings.

    Raises:
        ValueError: ``settings.json`` in the folder differs.
    """
    if (folder / SETTINGS).is_file():
        then = json.loads((folder / SETTINGS).read_text())
        if difference := first_difference(json.loads(json.dumps(settings)), then):
            raise ValueError(f"'{folder}' holds results of other settings: {difference}; choose another --out.")


def keep_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Keeps the settings of everything in a folder, which is made if need be."""
    _write_json(make_folder(folder) / SETTINGS, settings)


def read_result(job: Job[ResultT]) -> ResultT | None:
    """Returns the result of a finished job; None if it is not finished."""
    path = job.folder / "result.json"
    return job.read(json.loads(path.read_text())) if path.is_file() else None


def read_error(job: Job[Any]) -> str:
    """Returns why a job that is not finished failed, in one line."""
    path = job.folder / "error.txt"
    return path.read_text().splitlines()[0] if path.is_file() else "killed"


def results_of(jobs: Iterable[Job[ResultT]]) -> list[tuple[Any, ResultT]]:
    """Returns every finished job with its result."""
    return [(job, result) for job in jobs if (result := read_result(job)) is not None]


def errors_of(jobs: Iterable[Job[Any]]) -> dict[str, str]:
    """Returns folder -> reason of every job that failed."""
    return {str(job.folder): read_error(job) for job in jobs if read_result(job) is None}


def do(job: Job[Any]) -> None:
    """Does one job and leaves its result, or why it failed, in its folder."""
    keep_settings(job.folder, job.settings())
    (job.folder / "error.txt").unlink(missing_ok=True)
    try:
        _write_json(job.folder / "result.json", job.run().to_json())
    except Exception as problem:  # whatever it is, the other jobs go on
        message = " ".join(str(problem).split()) or type(problem).__name__
        (job.folder / "error.txt").write_text(f"{message}\n\n{traceback.format_exc()}")


def do_all(jobs: Sequence[Job[Any]]) -> None:
    """Does jobs one after the other on one thread, in a process beside others."""
    import torch

    torch.set_num_threads(1)
    for job in jobs:
        do(job)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n")


def _line(job: Job[ResultT], out: Path) -> str:
    result = read_result(job)
    text = f"FAILED: {read_error(job)}" if result is None else job.describe(result)
    return f"{job.folder.relative_to(out)}: {text}"


def _submit(
    groups: Sequence[Sequence[Job[ResultT]]], logs: Path, workers: Workers, ended: Callable[[Job[ResultT]], None]
) -> None:
    submitit = optional_import("submitit", "train")
    # Threads of processes that share cores wait for each other: one each is fastest by far.
    os.environ["OMP_NUM_THREADS"] = "1"
    executor = submitit.AutoExecutor(folder=make_folder(logs), cluster=workers.cluster)
    executor.update_parameters(timeout_min=int(workers.hours * 60), cpus_per_task=1, name="synapsnet")
    waiting = list(reversed(groups))
    running: list[tuple[Sequence[Job[ResultT]], Any]] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers.jobs:
                group = waiting.pop()
                running.append((group, executor.submit(do_all, group)))
            time.sleep(0.2 if workers.cluster == "local" else 10)
            for group, process in [one for one in running if one[1].done()]:
                running.remove((group, process))
                for job in group:
                    ended(job)
    finally:
        for _, process in running:
            process.cancel()
