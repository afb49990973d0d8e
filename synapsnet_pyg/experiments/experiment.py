"""What an experiment is: methods tried on systems whose wiring is known, beside the published numbers."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.benchmarks.jobs import require_same
from synapsnet_pyg.benchmarks.tables import write_table
from synapsnet_pyg.files import atomic_path, file_name, make_folder
from synapsnet_pyg.plots.canvas import Figure

OURS, PUBLISHED = "ours", "published"
CORRELATION, LEAST_SQUARES, NETFORMER, SYNAPSNET = "lag-1 correlation", "least squares", "NetFormer", "SynapsNet"


class Outcome(NamedTuple):
    """What a method found of a system."""

    scores: list[dict[str, float]]
    """Of each seed: name of the score -> value."""
    arrays: Mapping[str, np.ndarray] = MappingProxyType({})
    """Of the first seed, for the figure."""


class Trial(NamedTuple):
    """A method on a system, from all its seeds."""

    case: str
    """Which system."""
    method: str
    run: Callable[[], Outcome]


class Experiment(NamedTuple):
    """A table and a figure of the paper, and what makes them."""

    name: str
    title: str
    scores: Mapping[str, str]
    """Name of a score -> what it is, for the foot of the table."""
    published: Mapping[tuple[str, str], Mapping[str, str]]
    """(case, method) -> name of a score -> text."""
    trials: list[Trial]
    draw: Callable[[Mapping[tuple[str, str], Mapping[str, np.ndarray]]], Figure]
    """A figure of the arrays of all trials, by case and method."""
    settings: dict[str, Any]
    """What decides the numbers: a folder holds those of one choice."""


def run_experiment(experiment: Experiment, out: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Runs the trials that were not run yet, and writes tables, figure and one JSON file.

    Args:
        experiment: What is run.
        out: Folder, made if need be.
        tell: Is told of each trial as it is done.

    Returns:
        What the JSON file holds: header, rows and notes of the table, and all scores.

    Raises:
        ValueError: The folder holds results of other settings.
    """
    trials = make_folder(make_folder(out) / "trials" / experiment.name)
    require_same(trials / "settings.json", {"experiment": experiment.name, **experiment.settings})
    outcomes = {}
    for trial in experiment.trials:
        folder = trials / file_name(f"{trial.case}-{trial.method}")
        if not (folder / "arrays.npz").is_file():
            started = time.monotonic()
            _keep(trial.run(), make_folder(folder))
            tell(f"{trial.case}, {trial.method}: {time.monotonic() - started:.0f} s")
        outcomes[trial.case, trial.method] = _read(folder)
    header, rows = _table(experiment, outcomes)
    notes = [f"{name}: {what}" for name, what in experiment.scores.items()]
    stem = out / experiment.name
    write_table(stem, experiment.title, header, rows, notes)
    told = {
        "title": experiment.title,
        "header": header,
        "rows": rows,
        "notes": notes,
        "settings": experiment.settings,
        "scores": [
            {"case": case, "method": method, "seeds": outcome.scores}
            for (case, method), outcome in outcomes.items()
        ],
    }  # fmt: skip
    with atomic_path(stem.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n")
    figure = experiment.draw({key: outcome.arrays for key, outcome in outcomes.items()})
    with atomic_path(stem.with_suffix(".png")) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    return told


def _table(experiment: Experiment, outcomes: Mapping[tuple[str, str], Outcome]) -> tuple[list[str], list[list[str]]]:
    """A row a method and system, ours first, and below it what was published of it."""
    names = list(experiment.scores)
    rows = []
    for (case, method), outcome in outcomes.items():
        ours = [_mean_and_deviation(outcome.scores, name) for name in names]
        rows.append([case, method, OURS, str(len(outcome.scores)), *ours])
        if (case, method) in experiment.published:
            printed = experiment.published[case, method]
            rows.append([case, method, PUBLISHED, "", *(printed.get(name, "-") for name in names)])
    return ["system", "method", "by", "seeds", *names], rows


def _mean_and_deviation(scores: Sequence[Mapping[str, float]], name: str) -> str:
    values = [score[name] for score in scores if name in score]
    if not values:
        return "-"
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} +- {np.std(values, ddof=1):.3f}"


def _keep(outcome: Outcome, folder: Path) -> None:
    with atomic_path(folder / "scores.json") as temporary:
        # What is not defined, such as the change of what does not change, is no score.
        defined = [{name: value for name, value in score.items() if np.isfinite(value)} for score in outcome.scores]
        temporary.write_text(json.dumps(defined) + "\n")
    with atomic_path(folder / "arrays.npz") as temporary:  # last: where it is, the scores are
        np.savez_compressed(temporary, **outcome.arrays)  # type: ignore[arg-type]


def _read(folder: Path) -> Outcome:
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        return Outcome(json.loads((folder / "scores.json").read_text()), {key: arrays[key] for key in arrays.files})
