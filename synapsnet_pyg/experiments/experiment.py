"""Experiments: methods on systems whose wiring is known, beside the published numbers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.benchmarks.jobs import JobsFailed, Workers, errors_of, results_of, run_jobs
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Scores, Trial, TrialJob, values_by_score
from synapsnet_pyg.files import atomic_path, label_name, make_folder, say
from synapsnet_pyg.plots.canvas import Figure
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.runs.tables import Table

OURS, PUBLISHED = "ours", "published"
CORRELATION, LEAST_SQUARES, NETFORMER, SYNAPSNET = "lag-1 correlation", "least squares", "NetFormer", "SynapsNet"

Key = tuple[str, str]
"""Name of the system and name of the method."""

Published = Mapping[Key, Mapping[str, str]]
"""(system, method) -> name of a score -> published text."""


@dataclass(frozen=True)
class Experiment:
    """A table and a figure of a paper, and the trials that make them.

    Args:
        name: Name of the experiment and of its files.
        title: Title of the table.
        scores: Name of a score -> its description at the foot of the table.
        published: Published numbers.
        trials: Methods on systems, in the order of the table.
        draw: Function that draws the figure from the arrays of all trials.
        settings: Settings that decide the numbers, ready for JSON.
    """

    name: str
    title: str
    scores: Mapping[str, str]
    published: Published
    trials: Sequence[Trial]
    draw: Callable[[Mapping[Key, Arrays]], Figure]
    settings: Mapping[str, object]

    def jobs(self, out: Path) -> list[TrialJob]:
        """Returns a job for each trial.

        Args:
            out: Folder of the results; each job has its own folder in ``trials`` there.
        """
        parameters = {"experiment": self.name, **self.settings}
        return [
            TrialJob(
                folder=out / "trials" / self.name / label_name(f"{trial.case}-{trial.method}"),
                case=trial.case,
                method=trial.method,
                parameters=parameters,
                find=trial.find,
            )
            for trial in self.trials
        ]


@dataclass(frozen=True)
class ExperimentResult:
    """Scores of an experiment.

    Args:
        title: Title of the table.
        table: Table with a row for each system and method, ours first, then the published one.
        scores: (system, method) -> scores of each seed, of all trials that are done.
        settings: Settings that decide the numbers.
        failed: Folder -> reason of each trial that failed.
    """

    title: str
    table: Table
    scores: Mapping[Key, Sequence[Scores]]
    settings: Mapping[str, object]
    failed: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Returns the table and all scores, ready for JSON."""
        return {
            "title": self.title,
            "header": list(self.table.header),
            "rows": [list(row) for row in self.table.rows],
            "notes": list(self.table.notes),
            "settings": dict(self.settings),
            "scores": [
                {"case": case, "method": method, "seeds": [dict(scores) for scores in seeds]}
                for (case, method), seeds in self.scores.items()
            ],
            "failed": dict(self.failed),
        }

    def system_tables(self) -> list[Table]:
        """Returns a table for each system, with the number of seeds as n; the last one has the notes."""
        header = ["method", "n", *self.table.header[4:]]
        rows: dict[str, list[list[str]]] = {}
        for system, method, by, *values in self.table.rows:
            rows.setdefault(system, []).append([method if by == OURS else f"  {by}", *values])
        last = list(rows)[-1:]
        return [
            Table(system, header, texts, self.table.notes if system in last else ()) for system, texts in rows.items()
        ]


def run_experiment(experiment: Experiment, out: Path, workers: Workers = Workers()) -> ExperimentResult:  # noqa: B008
    """Runs the trials that are not done yet, and writes tables, one JSON file and the figure.

    A trial that fails stops no other. The figure is drawn once all trials are done.

    Args:
        experiment: Experiment to run.
        out: Folder of the results, made if need be.
        workers: Number of trials at once, and where they run.

    Returns:
        Scores of all trials that are done, and reasons of those that failed.

    Raises:
        ValueError: The folder holds results of other settings.
        JobsFailed: Every trial failed.
        ImportError: A package is not installed that several processes need.
        BlockingIOError: Another process runs this experiment in the folder.
    """
    jobs = experiment.jobs(make_folder(out))
    with held(make_folder(out / "trials" / experiment.name)):
        run_jobs(jobs, out, workers)
    outcomes = {(job.case, job.method): outcome for job, outcome in results_of(jobs)}
    failed = errors_of(jobs)
    if not outcomes:
        raise JobsFailed(f"Every trial failed; the first: {next(iter(failed.values()))}")
    result = _result(experiment, outcomes, failed)
    stem = out / experiment.name
    result.table.write(stem)
    with atomic_path(stem.with_name(f"{stem.name}.json")) as temporary:
        temporary.write_text(json.dumps(result.to_json(), indent=1) + "\n")
    if not failed:
        figure = experiment.draw({key: outcome.arrays for key, outcome in outcomes.items()})
        save_figure(figure, stem, formats=["png"], dpi=120)
    return result


def print_experiment(result: ExperimentResult) -> None:
    """Prints a table for each system: our scores and, below each method, the published ones."""
    say(result.title)
    for table in result.system_tables():
        table.print()


def _result(experiment: Experiment, outcomes: Mapping[Key, Outcome], failed: Mapping[str, str]) -> ExperimentResult:
    notes = [f"{name}: {description}" for name, description in experiment.scores.items()]
    notes += [f"FAILED: {Path(folder).name}: {reason}" for folder, reason in failed.items()]
    header = ["system", "method", "by", "seeds", *experiment.scores]
    return ExperimentResult(
        title=experiment.title,
        table=Table(experiment.title, header, _rows(experiment, outcomes), notes),
        scores={key: outcome.scores for key, outcome in outcomes.items()},
        settings=experiment.settings,
        failed=failed,
    )


def _rows(experiment: Experiment, outcomes: Mapping[Key, Outcome]) -> list[list[str]]:
    """Returns a row for each system and method, and below it one with the published numbers, if there are any."""
    rows = []
    for (case, method), outcome in outcomes.items():
        values = values_by_score(outcome.scores)
        ours = [_mean_and_deviation(values.get(name, [])) for name in experiment.scores]
        rows.append([case, method, OURS, str(len(outcome.scores)), *ours])
        if (case, method) in experiment.published:
            published = experiment.published[case, method]
            rows.append([case, method, PUBLISHED, "", *(published.get(name, "-") for name in experiment.scores)])
    return rows


def _mean_and_deviation(values: Sequence[float]) -> str:
    """Returns the mean of values and, of two or more, their sample deviation as text."""
    if not values:
        return "-"
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} +- {np.std(values, ddof=1):.3f}"
