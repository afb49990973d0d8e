"""Jobs: resumable pieces of work, each with its own folder, run one by one or in parallel."""

import json
import os
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synapsnet_pyg.files import (
    Json,
    atomic_path,
    file_name,
    first_difference,
    is_full,
    make_folder,
    optional_import,
    plain,
    sweep,
)
from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.files.json_files import read_json, write_json
from synapsnet_pyg.processes.children import Child, end_all

Cluster = Literal["local", "slurm"]
SETTINGS = "settings.json"


class JobsFailed(Exception):  # noqa: N818
    """Error of a benchmark whose jobs failed; the message has their number or the first reason."""


class Result(Protocol):
    """Result of a job."""

    def to_json(self) -> Json:
        """Returns name -> value of the result, ready for JSON."""
        ...


ResultT = TypeVar("ResultT", bound=Result)


class Job(Protocol[ResultT]):
    """One piece of work with its own folder.

    :func:`run_jobs` keeps ``settings.json`` and ``result.json`` in the folder, or ``error.txt`` if the job failed. A
    job with a result is not run again.
    """

    @property
    def folder(self) -> Path:
        """Folder of the job, shared with no other job."""
        ...

    def settings(self) -> Json:
        """Returns all settings that affect the result, ready for JSON.

        A stored result is used only if it has the same settings.
        """
        ...

    def run(self) -> ResultT:
        """Does the work and returns the result.

        An error marks the job as failed. The next run may continue from files that this one left in the folder.
        """
        ...

    def read(self, values: Mapping[str, Any]) -> ResultT | None:
        """Reads the values of ``result.json``; None if they do not fit this job, which is then run again."""
        ...

    def describe(self, result: ResultT) -> str:
        """Returns the result in a few words, for the line that is printed when the job ends."""
        ...


class Workers(NamedTuple):
    """Number and place of the processes that run jobs."""

    jobs: int = 1
    """Number of jobs at once; with 1 on this machine they run in this process."""
    cluster: Cluster = "local"
    """Place of the processes: ``local`` (this machine) or ``slurm``."""
    hours: float = 24.0
    """Number of hours after which a process is killed."""


CHILD_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
"""Variables of processes on this machine. One thread each is fastest: threads of processes that share cores wait for
each other. Several processes would not fit into the memory of one GPU."""


def run_jobs(
    jobs: Sequence[Job[ResultT]],
    out: Path,
    workers: Workers = Workers(),  # noqa: B008
    *,
    together: Callable[[Any], Any] | None = None,
) -> None:
    """Runs all jobs without a result, with a progress bar and a line for each job on standard error.

    A failed job does not stop the others. Settings are compared with those in the folders before the first job runs.

    Args:
        jobs: Jobs to run.
        out: Folder that contains the folders of the jobs; its folder ``jobs`` keeps the output of processes.
        workers: Number and place of the processes.
        together: Function from a job to a key; jobs with equal keys run in one process, one after the other. None:
            each job has its own process.

    Raises:
        ValueError: A folder holds a result of other settings, or the number of jobs at once is below 1.
        ImportError: A package is not installed that several processes need.
        OSError: The disk is full.
    """
    if workers.jobs < 1:
        raise ValueError(f"Expected at least 1 job at once (got {workers.jobs}).")
    for job in jobs:
        sweep(job.folder)
        require_same(job)
    groups: dict[Any, list[Job[ResultT]]] = {}
    for job in jobs:
        if read_result(job) is None:
            groups.setdefault(job.folder if together is None else together(job), []).append(job)
    console = Console(stderr=True, markup=False, emoji=False)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("jobs", total=sum(map(len, groups.values())))

        def report_end(job: Job[ResultT]) -> None:
            """Advances the bar and prints the line of a job."""
            bar.advance(task)
            console.print(plain(_line(job, out)), highlight=False, soft_wrap=True)

        if workers.jobs == 1 and workers.cluster == "local":
            for group in groups.values():
                for job in group:
                    run_job(job)
                    report_end(job)
        elif workers.cluster == "local":
            _run_here(list(groups.values()), out, workers, report_end)
        else:
            _submit(list(groups.values()), out / "jobs", workers, report_end)


def require_same(job: Job[Any]) -> None:
    """Raises an error if the job's folder holds results of other settings or recordings.

    Raises:
        ValueError: The folder holds results of other settings, of other recordings or of version 0.1.0.
    """
    if not _holds_text(job.folder / SETTINGS) and (job.folder / "scores.json").is_file():
        raise ValueError(f"'{job.folder}' holds results of version 0.1.0; give the same command with another --out.")
    require_same_settings(job.folder, job.settings())


def require_same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises an error if a folder holds results of other settings.

    Raises:
        ValueError: ``settings.json`` in the folder differs.
    """
    if _holds_text(folder / SETTINGS):
        stored, _ = read_json(folder / SETTINGS)
        if difference := first_difference(json.loads(json.dumps(settings)), stored):
            raise ValueError(f"'{folder}' holds results of other settings: {difference}; choose another --out.")


def keep_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Writes the settings of a folder's results to ``settings.json``; creates the folder if needed."""
    write_json(make_folder(folder) / SETTINGS, settings)


def read_result(job: Job[ResultT]) -> ResultT | None:
    """Reads the result of a job; None if it has none yet, an empty one, or one of unknown settings.

    Raises:
        DamagedFileError: The file of the result is damaged.
    """
    path = job.folder / "result.json"
    if not _holds_text(path) or not _holds_text(job.folder / SETTINGS):
        return None
    values, _ = read_json(path)
    try:
        return job.read(values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:150]
        raise DamagedFileError(
            f"'{path}' does not hold the result of its job ({reason}); remove it, and the job is run again."
        ) from None


def read_error(job: Job[Any]) -> str:
    """Reads the reason of a failure in one line; ``killed`` if the process could not write it."""
    path = job.folder / "error.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return lines[0] if lines else "killed"


def _holds_text(path: Path) -> bool:
    """Returns whether there is a file with anything in it: a power cut or a full disk may leave an empty one."""
    return path.is_file() and path.stat().st_size > 0


def read_number(path: Path) -> float | None:
    """Reads a number that a job keeps in a file of its own; None if there is none, as in an empty file."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None


def results_of(jobs: Iterable[Job[ResultT]]) -> list[tuple[Any, ResultT]]:
    """Returns every job that has a result, with that result."""
    return [(job, result) for job in jobs if (result := read_result(job)) is not None]


def errors_of(jobs: Iterable[Job[Any]]) -> dict[str, str]:
    """Returns folder -> reason of the failure of every job without a result."""
    return {str(job.folder): read_error(job) for job in jobs if read_result(job) is None}


def run_job(job: Job[Any]) -> None:
    """Runs one job and writes its result, or the reason of its failure, to its folder."""
    keep_settings(job.folder, job.settings())
    (job.folder / "error.txt").unlink(missing_ok=True)
    try:
        write_json(job.folder / "result.json", job.run().to_json())
    except Exception as error:  # any error: the other jobs continue
        message = " ".join(str(error).split()) or type(error).__name__
        with atomic_path(job.folder / "error.txt") as temporary:
            temporary.write_text(f"{message}\n\n{traceback.format_exc()}")
        if is_full(error):  # for the other jobs, too: no table of a part of them
            raise


def run_in_process(jobs: Sequence[Job[Any]]) -> None:
    """Runs jobs one after the other on one thread, in one of several processes."""
    from synapsnet_pyg.nn.threads import threads

    with threads(1):
        for job in jobs:
            try:
                run_job(job)
            except OSError as error:
                if not is_full(error):  # the reason of the failure stands in the job's folder
                    raise


def _line(job: Job[ResultT], out: Path) -> str:
    """Returns folder and result of a job, or the reason of its failure, in one line."""
    result = read_result(job)
    text = f"FAILED: {read_error(job)}" if result is None else job.describe(result)
    return f"{job.folder.relative_to(out)}: {text}"


def _run_here(
    groups: Sequence[Sequence[Job[ResultT]]], out: Path, workers: Workers, report_end: Callable[[Job[ResultT]], None]
) -> None:
    """Runs groups of jobs in processes of this machine, which end with this one; calls a function when a job ends."""
    logs = make_folder(out / "jobs")
    waiting = list(reversed(groups))
    running: list[tuple[Sequence[Job[ResultT]], Child, float]] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers.jobs:
                group = waiting.pop()
                log = logs / f"{file_name('-'.join(group[0].folder.relative_to(out).parts))}.log"
                child = Child(run_in_process, [group], log=log, environment=CHILD_ENVIRONMENT)
                running.append((group, child, time.monotonic() + 3600 * workers.hours))
            time.sleep(0.1)
            for entry in [entry for entry in running if entry[1].is_done() or time.monotonic() > entry[2]]:
                running.remove(entry)
                group, child, _ = entry
                child.kill_after(0)
                if error := child.error():
                    raise error
                for job in group:
                    report_end(job)
    finally:
        end_all([child for _, child, _ in running])


def _submit(
    groups: Sequence[Sequence[Job[ResultT]]], logs: Path, workers: Workers, report_end: Callable[[Job[ResultT]], None]
) -> None:
    """Runs groups of jobs as jobs of Slurm, at most ``workers.jobs`` at once; calls a function when a job ends."""
    submitit = optional_import("submitit", "train")
    os.environ["OMP_NUM_THREADS"] = "1"
    executor = submitit.AutoExecutor(folder=make_folder(logs), cluster=workers.cluster)
    executor.update_parameters(timeout_min=int(workers.hours * 60), cpus_per_task=1, name="synapsnet")
    waiting = list(reversed(groups))
    running: list[tuple[Sequence[Job[ResultT]], Any]] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers.jobs:
                group = waiting.pop()
                running.append((group, executor.submit(run_in_process, group)))
            time.sleep(10)
            for group, process in [entry for entry in running if entry[1].done()]:
                running.remove((group, process))
                for job in group:
                    report_end(job)
    finally:
        for _, process in running:
            process.cancel()
