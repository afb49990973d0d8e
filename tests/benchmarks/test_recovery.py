import json

import numpy as np
import pytest
import torch
from helpers import make_session, read_csv

from synapsnet_pyg.benchmarks.jobs import JobsFailed
from synapsnet_pyg.benchmarks.recovery import Populations, compare_recovery
from synapsnet_pyg.benchmarks.recovery_results import RecoveryRow, summarise_recovery
from synapsnet_pyg.benchmarks.variants import Variant, recovery_ablations
from synapsnet_pyg.metrics import ConnectivityScore
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.simulations.population import simulate_population

SMALL = {"bins": 1500, "neurons": 30, "recorded": 10}


def methods(*names: str) -> list[Variant]:
    return [Variant(name, name) for name in names]


def test_writes_everything_and_repeats_nothing(tmp_path):
    out = tmp_path / "compared"
    populations, options = Populations(parameters=SMALL), {"seeds": 2, "preset": Preset("fast", {"epochs": 1})}
    result = compare_recovery(out, methods("synapsnet", "posterior_mean", "ridge_var", "lag1"), populations, **options)
    written = {path.name for path in out.iterdir()}
    tables = {
        f"{kind}.{ending}"
        for kind in ("connectivity", "connectivity-seeds", "edges-called")
        for ending in ("md", "csv", "tex")
    }
    assert written == tables | {"connectivity.json", "connectivity-paper.png", "calibration.png", "populations", "runs"}
    by_method = {entry.method: entry for entry in result.summary}
    assert by_method.keys() == {
        "synapsnet",
        "synapsnet, posterior mean",
        "posterior_mean",
        "ridge_var",
        "lag1",
    }
    assert by_method["ridge_var"].scores["pearson"].mean > by_method["lag1"].scores["pearson"].mean
    assert by_method["synapsnet"].seeds == 2
    assert len(read_csv(out / "connectivity-seeds.csv")) == 10
    assert json.loads((out / "connectivity.json").read_text())["summary"] == result.to_json()["summary"]
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/result.json")}
    assert stamps
    more = compare_recovery(
        out, methods("synapsnet", "posterior_mean", "ridge_var", "lag1", "lag2"), populations, **options
    )
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert "lag2" in {entry.method for entry in more.summary}
    with pytest.raises(ValueError, match="other settings"):
        compare_recovery(out, methods("lag1"), Populations(parameters=SMALL | {"bins": 900}), seeds=1)
    with pytest.raises(ValueError, match="other settings"):
        compare_recovery(out, methods("curbd"), Populations(parameters=SMALL | {"bins": 900}), seeds=1)


def test_a_method_that_fails_is_told_and_stops_no_other(tmp_path):
    session = make_session(N=5, T=300, name="rates", edge_index=torch.tensor([[0], [1]]))
    session.save(tmp_path / "rates.h5")
    populations = Populations(sessions=[str(tmp_path / "rates.h5")])
    result = compare_recovery(tmp_path / "out", methods("poisson_glm", "lag1"), populations, seeds=1)
    (error,) = result.failed.values()
    assert "counts" in error
    assert [entry.method for entry in result.summary] == ["lag1"]
    with pytest.raises(JobsFailed, match="Every job failed"):
        compare_recovery(tmp_path / "none", methods("poisson_glm"), populations, seeds=1)


def test_bad_arguments_are_told_before_anything_is_written(tmp_path):
    out = tmp_path / "out"
    make_session().save(tmp_path / "unknown.h5")
    with pytest.raises(ValueError, match="Or an estimator"):
        compare_recovery(out, methods("granger"))
    with pytest.raises(ValueError, match="population among"):
        compare_recovery(out, methods("lag1"), Populations(["retina"]))
    with pytest.raises(ValueError, match="sessions with a true connectivity"):
        compare_recovery(out, methods("lag1"), Populations(sessions=[str(tmp_path / "unknown.h5")]))
    with pytest.raises(ValueError, match="hidden_drive"):
        compare_recovery(out, methods("lag1"), Populations(parameters={"hiden_drive": 0}))
    with pytest.raises(ValueError, match="at least one"):
        compare_recovery(out, methods("lag1"), seeds=0)
    assert not out.exists()


def test_summary_by_hand():
    def row(method, seed, pearson):
        scores = ConnectivityScore(pearson, *[0.5] * (len(ConnectivityScore._fields) - 1))
        return RecoveryRow("p", seed, seconds=2.0, fit=None, method=method, scores=scores)

    rows = [row("a", s, v) for s, v in enumerate((0.5, 0.7, 0.2))]
    rows += [row("b", s, v) for s, v in enumerate((0.6, 0.8, 0.1))]
    best, worst = summarise_recovery(rows)
    assert (best.method, best.scores["pearson"].mean) == ("b", pytest.approx(0.5))
    assert best.better_than_next == 2
    assert best.scores["pearson"].deviation == pytest.approx(np.std([0.6, 0.8, 0.1], ddof=1))
    assert worst.better_than_next is None
    assert worst.scores["fit"].mean is None


def test_ablations_are_models_that_can_be_made():
    from synapsnet_pyg.models.registry import build_model

    session = simulate_population(200, neurons=20, recorded=9)
    for variant in recovery_ablations():
        build_model(variant.kind, [session], variant.arguments)


@pytest.mark.slow
def test_synapsnet_recovers_better_than_soft_thresholded_ridge(tmp_path):
    """The simulated population of the paper's size: above 0.87, and above ridge with the threshold of validation."""
    preset = Preset("fast", {"epochs": 6})
    result = compare_recovery(
        tmp_path / "out", methods("synapsnet", "posterior_mean", "soft_ridge", "lag1"), seeds=2, preset=preset
    )
    by_method = {entry.method: entry.scores["pearson"].mean for entry in result.summary}
    assert by_method["synapsnet"] > 0.87
    assert by_method["synapsnet, posterior mean"] > 0.88
    assert by_method["synapsnet"] > by_method["soft_ridge"] + 0.04
    assert by_method["lag1"] == pytest.approx(0.31, abs=0.03)
