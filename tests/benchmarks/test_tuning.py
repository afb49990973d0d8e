import csv
import json

import pytest
import yaml
from commands import refused, run
from helpers import make_session

from synapsnet_pyg.benchmarks.search_spaces import Range
from synapsnet_pyg.benchmarks.tuning import Search, tune
from synapsnet_pyg.benchmarks.variants import Variant, named, with_tuned
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run

ONE_EPOCH = Preset("fast", {"epochs": 1, "seed": 3})
SPACE = {"learning_rate": Range(1e-4, 1e-1, log=True), "hidden_size": (4, 8), "window": (3, 7)}


@pytest.fixture
def path(tmp_path):
    session = make_session(N=4, T=300, name="one")
    for t in range(1, session.num_bins):  # something to forecast
        session.activity[:, t] += 0.8 * session.activity[:, t - 1]
    session.save(tmp_path / "one.h5")
    return str(tmp_path / "one.h5")


def trials_of(out):
    """Number of a trial -> its row of the table, without the duration."""
    with (out / "tune.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {row["trial"]: {key: value for key, value in row.items() if key != "seconds"} for row in rows}


def test_the_test_part_does_not_matter(path, tmp_path):
    session = Session.load(path)
    session.activity[:, -20:] += 5  # the last 30 bins are the test part
    session.save(tmp_path / "other.h5")
    scores = [
        Search.of([name], "mlp", SPACE, preset=ONE_EPOCH).score({"hidden_size": 4}, tmp_path / f"run-{number}")
        for number, name in enumerate((path, str(tmp_path / "other.h5")))
    ]
    assert scores[0] == scores[1]


def test_a_search_that_is_continued_equals_one_without_a_break(path, tmp_path):
    search = Search.of([path], "mlp", SPACE, preset=ONE_EPOCH)
    table = tune(search, tmp_path / "whole", trials=3)
    for trials in (2, 3):
        tune(search, tmp_path / "parts", trials=trials)
    assert trials_of(tmp_path / "parts") == trials_of(tmp_path / "whole")
    assert {row[0] for row in table.rows} == {"0 (defaults)", "1", "2"}
    scores = [float(row[1]) for row in table.rows]
    assert scores == sorted(scores, reverse=True)
    assert not list(tmp_path.glob("*/.trial*"))  # the fits are not kept
    with pytest.raises(ValueError, match="other settings"):
        tune(Search.of([path], "mlp", SPACE), tmp_path / "parts")


def test_a_trial_that_fails_does_not_stop_the_search(path, tmp_path):
    search = Search.of([path], "mlp", {"learning_rate": [1e30]}, preset=ONE_EPOCH, horizon=2)
    table = tune(search, tmp_path, trials=3)
    assert [row[0] for row in table.rows] == ["0 (defaults)", "1", "2"]
    assert all("no longer finite" in row[1] for row in table.rows[1:])
    values = json.loads((tmp_path / "tune.json").read_text())
    assert (values["trials"], values["arguments"], values["recipe"]) == (3, {}, {})
    assert table.header[1] == "squared error over 2 bins"


def test_fit_and_benchmark_take_the_best(path, tmp_path, capsys):
    out, space = tmp_path / "tuned", tmp_path / "space.yaml"
    space.write_text("learning_rate: [1.0e-3, 3.0e-2]\nhidden_size: [4, 8]\n")
    words = ("--model", "mlp", "--epochs", 1, "--trials", 3, "--space", space, "--horizon", 2, "--context", 6)
    status, told, _ = run(capsys, "tune", path, "--out", out, *words)
    assert status == 0
    assert "best.yaml" in told
    best = yaml.safe_load((out / "best.yaml").read_text())
    assert best["model_args"]["horizon"] == 2
    assert run(capsys, "fit", path, "--config", out / "best.yaml", "--out", tmp_path / "run")[0] == 0
    fitted = Run.load(tmp_path / "run")
    assert (fitted.model.window, fitted.model.horizon, fitted.recipe.epochs) == (6, 2, 1)
    values = json.loads((out / "tune.json").read_text())
    gru, mlp = with_tuned(named(["gru"]), [out], protocol="paper", context=6, horizon=2)
    assert gru == Variant("gru", "gru")
    assert (mlp.arguments, mlp.recipe, mlp.tuned) == (values["arguments"], values["recipe"], "3")
    assert [variant.tuned for variant in named(["mlp", "copy", "var5", "lasso_var"])] == [
        "0", "0", "on validation", "on validation",
    ]  # fmt: skip
    error = refused(capsys, "benchmark", "forecasting", path, "--tuned", out, "--out", tmp_path / "compared")
    assert "context 6, horizon 2" in error
    assert "without --sweep" in refused(
        capsys, "benchmark", "forecasting", path, "--tuned", out, "--out", tmp_path / "compared", "--ablations"
    )


def test_what_cannot_be_tuned_is_refused(path, tmp_path):
    with pytest.raises(ValueError, match="closed form"):
        Search.of([path], "var1")
    with pytest.raises(ValueError, match="Expected arguments of model 'mlp'"):
        Search.of([path], "mlp", {"colour": ["red"]})
    with pytest.raises(FileNotFoundError, match=r"tune\.json"):
        with_tuned([], [tmp_path], protocol="paper", context=None, horizon=1)


def test_windows_are_searched_up_to_half_a_segment(path):
    assert Search.of([path], "mlp").space["window"] == [3, 5, 10]  # parts of 240, 30 and 30 bins
    assert Search.of([path], "mlp").first == 10
    assert Search.of([path], "mlp", horizon=26).space.get("window") is None
    fixed = Search.of([path], "mlp", context=12)
    assert "window" not in fixed.space
    assert fixed.variant({"hidden_size": 4}).arguments == {"window": 12, "hidden_size": 4}
