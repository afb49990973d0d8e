import csv
import json

import numpy as np
import pytest
from helpers import make_session
from scipy.stats import ttest_rel

from synapsnet_pyg.benchmarks import forecasting, variants
from synapsnet_pyg.benchmarks.forecast_results import Row, summarise
from synapsnet_pyg.benchmarks.forecasting import CrossValidation, compare_forecasts, plan
from synapsnet_pyg.benchmarks.variants import Variant
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import paired_p
from synapsnet_pyg.models.registry import ANCHORS
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import Score


def row(label, fit, session, seed, correlation, mse=1.0):
    scores = Score(np.nan if correlation is None else correlation, mse, [0.5, 0.4, 0.3], None)
    return Row(label, fit, session, seed, scores=scores, seconds=2.0)


@pytest.fixture
def paths(tmp_path):
    paths = []
    for number, name in enumerate(("one", "two", "three")):
        session = make_session(N=4 + number, T=200, name=name)
        for t in range(1, session.num_bins):  # something to forecast
            session.activity[:, t] += 0.7 * session.activity[:, t - 1].roll(1)
        session.save(tmp_path / f"{name}.h5")
        paths.append(str(tmp_path / f"{name}.h5"))
    return paths


CHANGES = {"epochs": 2, "patience": 5}
SMALL = Preset("fast", CHANGES)
TWO = [Variant("ours", "synapsnet", {"hidden_size": 6}), Variant("gru", "gru", {"hidden_size": 6})]


def test_summary_averages_seeds_first_and_tests_against_the_next_best():
    a, b = {"x": [0.30, 0.34], "y": [0.50, 0.52], "z": [0.2, 0.2]}, {"x": [0.28], "y": [0.45], "z": [0.19]}
    rows = [row("a", "single", s, seed, value) for s, values in a.items() for seed, value in enumerate(values)]
    rows += [row("b", "single", s, 0, values[0]) for s, values in b.items()]
    rows += [row("a", "multi", s, 0, 0.6) for s in a]
    first, second, together = summarise(rows)
    means = np.array([0.32, 0.51, 0.2])
    assert (first.label, second.label, together.fit) == ("a", "b", "multi")
    assert first.correlation == pytest.approx(means.mean())
    assert first.correlation_sem == pytest.approx(means.std(ddof=1) / 3**0.5)
    assert first.correlation_p == pytest.approx(ttest_rel(means, [0.28, 0.45, 0.19]).pvalue)
    assert second.correlation_p is together.correlation_p is None
    assert (first.sessions, first.seeds) == (3, 2)


def test_scores_that_are_not_defined_do_not_count():
    rows = [row("a", "single", "x", 0, 0.3), row("a", "single", "x", 1, None), row("b", "single", "x", 0, None)]
    first, second = summarise(rows)
    assert first.correlation == 0.3
    assert first.correlation_sem is None
    assert second.correlation is None
    assert paired_p({"x": 1.0}, {"x": 2.0}) is None
    assert paired_p({"x": 1.0, "y": 2.0}, {"x": 0.5, "y": 1.5}) is None  # no spread


def test_every_model_is_scored_on_the_same_bins(paths, tmp_path):
    sessions = {path: Session.load(path) for path in paths}
    longer = Variant("long", "synapsnet", {"window": 8})
    jobs = plan(sessions, tmp_path, [*TWO, longer], seeds=[0, 1], preset=SMALL)
    assert {job.first for job in jobs} == {8}
    kinds = [(job.variant.label, job.fit, job.recipe.seed) for job in jobs]
    assert kinds.count(("ours", "single", 1)) == 3
    assert kinds.count(("ours", "multi", 0)) == 1
    assert kinds.count(("gru", "multi", 0)) == 0  # one model for each session
    assert [label for label, fit, _ in kinds if fit == "anchor"] == list(ANCHORS)
    assert len({job.folder for job in jobs}) == len(jobs)


def test_comparison_writes_everything_and_repeats_nothing(paths, tmp_path):
    out = tmp_path / "out"
    result = compare_forecasts(paths, out, TWO, seeds=2, preset=SMALL)
    assert result.failed == {}
    assert {entry.label for entry in result.summary} == {"ours", "gru", *ANCHORS}
    assert result.protocol["seeds"] == [0, 1]
    assert set(result.sessions) == {"one", "two", "three"}
    names = {f"forecasting{end}" for end in (".md", ".csv", ".tex", ".png", ".json")}
    names |= {f"forecasting-sessions{end}" for end in (".md", ".csv", ".tex")}
    assert names <= {path.name for path in out.iterdir()}
    assert json.loads((out / "forecasting.json").read_text())["scores"] == result.to_json()["scores"]
    with (out / "forecasting-sessions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(result.rows) == 3 * (2 + 2 + 2) + 3 * len(ANCHORS)
    assert (out / "forecasting.tex").read_text().count(r"\\") == 1 + len(result.summary)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.ckpt")}
    again = compare_forecasts(paths, out, TWO, seeds=2, preset=SMALL)
    assert again.rows == result.rows
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.ckpt")} == before
    with pytest.raises(ValueError, match=r"other settings: epochs 2 \(got 3\)"):
        compare_forecasts(paths, out, TWO, seeds=2, preset=Preset("fast", CHANGES | {"epochs": 3}))
    with pytest.raises(ValueError, match="other settings: targets 16"):
        compare_forecasts(paths, out, TWO, seeds=2, preset=Preset("paper", CHANGES))
    # Another first bin: scored anew, not fitted anew.
    longer = compare_forecasts(paths, out, [*TWO, Variant("long", "var5", {"lags": 7})], seeds=2, preset=SMALL)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert longer.protocol["first scored bin of a segment"] == 7


def test_a_job_that_fails_is_told_and_stops_no_other(paths, tmp_path, monkeypatch):
    fit = Run.fit

    def failing(paths, folder, kind, **options):
        if kind == "gru":
            raise RuntimeError("no memory\nleft")
        return fit(paths, folder, kind, **options)

    with monkeypatch.context() as patch:
        patch.setattr(forecasting.Run, "fit", failing)
        result = compare_forecasts(paths[:1], tmp_path / "out", TWO, preset=SMALL)
    assert list(result.failed.values()) == ["no memory left"]
    assert "FAILED: runs/gru/one/seed-0: no memory left" in (tmp_path / "out" / "forecasting.md").read_text()
    assert "ours" in {entry.label for entry in result.summary}
    again = compare_forecasts(paths[:1], tmp_path / "out", TWO, preset=SMALL)
    assert again.failed == {}


def test_an_interrupted_job_goes_on(paths, tmp_path, monkeypatch):
    from synapsnet_pyg.runs import training

    step, steps = training._Training.training_step, 0

    def interrupting(self, window):
        nonlocal steps
        steps += 1
        if steps == 10:
            raise KeyboardInterrupt
        return step(self, window)

    small = Preset("fast", {"epochs": 5})
    with monkeypatch.context() as patch:
        patch.setattr(training._Training, "training_step", interrupting)
        with pytest.raises(KeyboardInterrupt):
            compare_forecasts(paths[:1], tmp_path / "parts", TWO[:1], preset=small)
    resumed = compare_forecasts(paths[:1], tmp_path / "parts", TWO[:1], preset=small)
    whole = compare_forecasts(paths[:1], tmp_path / "whole", TWO[:1], preset=small)
    assert [row.scores for row in resumed.rows] == [row.scores for row in whole.rows]


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("window", variants.sweep(["synapsnet", "neuprint"], "window", [1, 3])),
        ("embedding", variants.sweep(["synapsnet"], "embedding", [2, 4])),
        ("ablations", variants.ablations()),
        ("dynamics", variants.dynamics()),
    ],
)
def test_sweeps_ablations_and_dynamics(paths, tmp_path, kind, chosen):
    result = compare_forecasts(paths[:1], tmp_path, chosen, kind=kind, preset=Preset("fast", {"epochs": 1}))
    assert result.failed == {}
    assert {variant.label for variant in chosen} <= {entry.label for entry in result.summary}
    assert (tmp_path / f"{kind}.png").stat().st_size > 1000


def test_every_part_of_table_2_and_3_is_there():
    assert [variant.label for variant in variants.dynamics()] == [
        f"synapsnet, {kind}" for kind in ("gru", "rnn", "lstm", "transformer, 1 layer", "transformer, 2 layer")
    ]
    left_out = {next(iter(variant.arguments)) for variant in variants.ablations()[1:]}
    assert left_out == {
        "use_embedding",
        "use_activity",
        "use_connectivity",
        "use_behaviour",
        "linear_path",
        "components",
        "state_size",
    }


def test_refuses_before_anything_is_run(paths, tmp_path):
    with pytest.raises(ValueError, match="a model among"):
        compare_forecasts(paths, tmp_path / "out", [Variant("x", "grue")])
    with pytest.raises(ValueError, match="hiden"):
        compare_forecasts(paths, tmp_path / "out", [Variant("x", "gru", {"hiden": 3})])
    with pytest.raises(ValueError, match="more than 100 bins"):
        compare_forecasts(paths, tmp_path / "out", [Variant("x", "synapsnet", {"window": 100})])
    assert not (tmp_path / "out").exists()
    assert forecasting is not None


def test_folds_are_jobs_of_their_own_and_scores_are_means_over_them(paths, tmp_path):
    out = tmp_path / "out"
    result = compare_forecasts(paths[:2], out, [Variant("var1", "var1")], cross_validation=CrossValidation(3))
    assert not result.failed
    assert result.protocol["folds"] == ["1/3 gap 5", "2/3 gap 5", "3/3 gap 5"]
    assert len(result.rows) == 3 * 2 * len(ANCHORS)
    own = [row for row in result.rows if row.label == "var1"]
    means = [np.mean([row.scores.mse for row in own if row.session == name]) for name in ("one", "two")]
    (entry,) = [entry for entry in result.summary if entry.label == "var1"]
    assert entry.mse == pytest.approx(np.mean(means))
    assert len({row.scores.mse for row in own}) == len(own), "each fold has other bins"
    assert "fold" in result.session_table().header
    assert "mean over 3 folds" in result.short_table().title
    folds = [Run.load(folder).sessions["one"] for folder in sorted(out.glob("runs/var1/all*/fold-*"))]
    assert [t for session in folds for t in session.part_bins("test").tolist()] == list(range(200))


def test_a_protocol_sets_the_window_of_models_that_have_one(paths, tmp_path):
    sessions = {path: Session.load(path) for path in paths[:1]}
    given = [Variant("gru", "gru"), Variant("own", "gru", {"window": 6}), Variant("ridge_var", "ridge_var")]
    jobs = plan(sessions, tmp_path, given, preset=Preset("paper", {"protocol": "zapbench"}), horizon=2)
    windows = {job.variant.label: job.variant.arguments.get("window") for job in jobs}
    assert (windows["gru"], windows["own"], windows["ridge_var"]) == (4, 6, None)
    assert {job.recipe.protocol for job in jobs} == {"zapbench"}


@pytest.mark.parametrize(
    ("changes", "folds", "message"),
    [
        ({"protocol": "poco"}, None, r"more than 48 bins in the validation part of session 'one'"),
        ({}, CrossValidation(40), r"200 bins for 40 folds"),
        ({}, CrossValidation(3, trials=True), r"has 1 for 3 folds"),
        ({}, CrossValidation(2), "at least 3 folds"),
    ],
)
def test_tells_what_does_not_fit_before_any_job(paths, tmp_path, changes, folds, message):
    with pytest.raises(ValueError, match=message):
        compare_forecasts(
            paths[:1], tmp_path / "out", [Variant("gru", "gru")], preset=Preset("fast", changes), cross_validation=folds
        )
    assert not (tmp_path / "out").exists()
