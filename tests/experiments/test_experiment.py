import json
from functools import partial
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from synapsnet_pyg.benchmarks.jobs import JobsFailed
from synapsnet_pyg.experiments import rings, stdp, toy_systems
from synapsnet_pyg.experiments.experiment import (
    LEAST_SQUARES,
    NETFORMER,
    SYNAPSNET,
    Experiment,
    print_experiment,
    run_experiment,
)
from synapsnet_pyg.experiments.registry import EXPERIMENTS, experiment
from synapsnet_pyg.experiments.trials import Outcome, Trial
from synapsnet_pyg.plots.canvas import Figure

CASES = ("r = 0.5", "r = 0.75")


def logged(log: Path, value: float) -> Outcome:
    with log.open("a") as file:
        file.write("run\n")
    return Outcome([{"r": value, "gone": np.nan}, {"r": value + 0.2, "gone": np.nan}], {"matrix": np.eye(2)})


def broken() -> Outcome:
    raise ValueError("Expected a\ngood trial (got this).")


def small(log: Path, value: float = 0.3, settings: dict | None = None, trials: list[Trial] | None = None) -> Experiment:
    return Experiment(
        name="small",
        title="A small one",
        scores={"r": "a score"},
        published={(CASES[0], NETFORMER): {"r": "0.9"}},
        trials=trials or [Trial(case, NETFORMER, partial(logged, log, value)) for case in CASES],
        draw=lambda arrays: Figure(),
        settings=settings or {"seeds": 2},
    )


ROWS = [
    ["r = 0.5", "NetFormer", "ours", "2", "0.400 +- 0.141"],
    ["r = 0.5", "NetFormer", "published", "", "0.9"],
    ["r = 0.75", "NetFormer", "ours", "2", "0.400 +- 0.141"],
]


def test_a_trial_is_run_once_and_stands_above_what_was_published(tmp_path):
    log = tmp_path / "log"
    result = run_experiment(small(log), tmp_path / "out")
    again = run_experiment(small(log), tmp_path / "out")
    assert log.read_text().splitlines() == ["run", "run"]
    assert result.to_json() == again.to_json() == json.loads((tmp_path / "out" / "small.json").read_text())
    assert result.table.rows == ROWS
    assert result.to_json()["rows"] == ROWS
    written = {path.suffix for path in (tmp_path / "out").glob("small.*")}
    assert written == {".md", ".csv", ".tex", ".json", ".png"}
    with pytest.raises(ValueError, match="other settings"):
        run_experiment(small(log, settings={"seeds": 3}), tmp_path / "out")


def test_a_score_that_is_not_defined_is_left_out(tmp_path):
    result = run_experiment(small(tmp_path / "log"), tmp_path / "out")
    assert [list(seed) for seed in result.scores[CASES[0], NETFORMER]] == [["r"], ["r"]]


def test_a_trial_that_fails_stops_no_other_and_is_tried_again(tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    good = Trial(CASES[1], NETFORMER, partial(logged, log, 0.3))
    result = run_experiment(small(log, trials=[Trial(CASES[0], NETFORMER, broken), good]), out)
    assert list(result.failed.values()) == ["Expected a good trial (got this)."]
    assert result.table.rows == ROWS[2:]
    assert any(note.startswith("FAILED: ") and "good trial" in note for note in result.table.notes)
    assert (out / "small.md").is_file()
    assert not (out / "small.png").exists()
    mended = run_experiment(small(log), out)
    assert log.read_text().splitlines() == ["run", "run"]
    assert not mended.failed
    assert mended.table.rows == ROWS
    assert (out / "small.png").is_file()


def test_an_experiment_of_failures_alone_ends_with_the_first_reason(tmp_path):
    failing = [Trial(case, NETFORMER, broken) for case in CASES]
    with pytest.raises(JobsFailed, match="the first: Expected a good trial"):
        run_experiment(small(tmp_path / "log", trials=failing), tmp_path / "out")


def test_jobs_can_be_sent_to_other_processes(tmp_path):
    for name in EXPERIMENTS:
        for job in experiment(name, quick=True).jobs(tmp_path):
            sent = cloudpickle.loads(cloudpickle.dumps(job))
            assert (sent.folder, sent.settings()) == (job.folder, job.settings())


def test_a_table_is_printed_for_each_system(tmp_path, capsys):
    print_experiment(run_experiment(small(tmp_path / "log"), tmp_path / "out"))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "A small one",
        "r = 0.5",
        "method n r",
        "NetFormer 2 0.400 +- 0.141",
        "published 0.9",
        "r = 0.75",
        "method n r",
        "NetFormer 2 0.400 +- 0.141",
        "r: a score",
    ]


@pytest.mark.parametrize("name", [pytest.param("toy-systems", marks=pytest.mark.slow), "stdp", "ring"])
def test_an_experiment_runs_through(name, tmp_path):
    made = {
        "toy-systems": lambda: toy_systems.toy_systems(2, epochs=1),
        "stdp": lambda: stdp.stdp(2, epochs=1, bins=1500),
        "ring": lambda: rings.ring(1, epochs=1, bins=600),
    }[name]()
    result = run_experiment(made, tmp_path)
    methods = {row[1] for row in result.table.rows}
    assert {NETFORMER, LEAST_SQUARES, SYNAPSNET} <= methods
    assert (tmp_path / f"{name}.png").stat().st_size > 5000
