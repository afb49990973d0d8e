import math

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts, evaluate
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.score_tables import print_scores
from synapsnet_pyg.runs.scores import score, score_forecast
from synapsnet_pyg.simulations.population import simulate_population


def test_constant_neurons_are_left_out_and_counted(tmp_path):
    activity = torch.randn(6, 200)
    activity[1] = 3.0  # constant throughout
    activity[4, :160] = 0.0  # silent in training, busy in the test part
    activity[5, 180:] = 1.0  # constant in the test part
    Session(activity, bin_size=1, name="a").save(tmp_path / "a.h5")
    run = Run.fit([tmp_path / "a.h5"], tmp_path / "run", "copy")
    scores = evaluate(run)
    assert scores.neurons["a"] == NeuronCounts(recorded=6, scored=3, constant_in_training=2, constant_in_test=1)
    session, split = run.sessions["a"], run.split()["a"]
    forecast = forecast_session(run.model, split.test, first=5)
    counted = [float(torch.corrcoef(torch.stack([forecast.truth[i], forecast.forecast[i]]))[0, 1]) for i in (0, 2, 3)]
    assert scores.sessions["a"]["copy"].correlation == pytest.approx(sum(counted) / 3, abs=1e-6)
    assert score_forecast(session, forecast).correlation == pytest.approx(sum(counted) / 3, abs=1e-6)


def test_intervals_of_the_fitted_model_are_scored(tmp_path, capsys):
    make_session(T=400).save(tmp_path / "a.h5")
    scores = evaluate(Run.fit([tmp_path / "a.h5"], tmp_path / "run", "ar5"))
    assert 0.6 < scores.intervals["demo"].coverage["0.8"][0] < 0.95
    assert scores.to_json()["intervals"]["demo"]["coverage"].keys() == {"0.5", "0.8", "0.95"}
    print_scores(scores)
    assert "Coverage of 50, 80 and 95 % intervals: 0." in capsys.readouterr().out


def test_all_models_are_scored_on_the_same_bins():
    session = make_session(T=200).standardise()
    split = session.split()
    for name in ("copy", "mean"):
        model = build_model(name, [session])
        bins = forecast_session(model, split.test, first=7).bins
        assert bins.tolist() == list(range(7, 20))
    assert score(build_model("mean", [session]), session, split).connectivity is None


def test_a_model_without_connectivity_is_scored_all_the_same():
    session = simulate_population(300, neurons=20, recorded=6).standardise()
    result = score(SynapsNet([session], use_connectivity=False), session, session.split())
    assert math.isfinite(result.correlation)
    assert math.isnan(result.connectivity["pearson"])
    assert result.connectivity["auroc"] == 0.5


def test_short_trials_leave_out_the_anchors_that_need_more(tmp_path):
    starts = torch.arange(0, 200, 4)
    Session(torch.randn(3, 200), bin_size=1, name="a", segment=torch.stack([starts, starts + 4], 1)).save(
        tmp_path / "a.h5"
    )
    run = Run.fit([tmp_path / "a.h5"], tmp_path / "run", "var1")
    scores = evaluate(run)
    assert scores.left_out == ["ar5", "linear", "linear_rrr", "var5"]
    assert list(scores.sessions["a"]) == ["var1", "mean", "copy", "damped_copy", "psth"]


def test_table_over_sessions_of_which_one_knows_its_wiring(tmp_path, capsys):
    simulate_population(300, neurons=20, recorded=6, name="simulated").save(tmp_path / "s.h5")
    make_session(T=150, name="real").save(tmp_path / "r.h5")
    Run.fit([tmp_path / "s.h5", tmp_path / "r.h5"], tmp_path / "run", "var1")
    print_scores(evaluate(Run.load(tmp_path / "run")))
    told = capsys.readouterr().out
    assert "real: test part" in told
    assert "over 2 sessions" in told


def test_sessions_scored_one_by_one_have_the_scores_of_all(tmp_path):
    make_session(N=3, T=150, name="one").save(tmp_path / "one.h5")
    make_session(N=4, T=250, name="other").save(tmp_path / "other.h5")
    run = Run.fit([tmp_path / "one.h5", tmp_path / "other.h5"], tmp_path / "run", "var1")
    whole, parts = evaluate(run), [evaluate(run, names=[name]) for name in ("one", "other")]
    assert [list(part.sessions) for part in parts] == [["one"], ["other"]]
    assert Evaluation.joined(parts).to_json() == whole.to_json()
    ahead = evaluate_horizons(run, 2, names=["other"])
    assert ahead.sessions["other"] == evaluate_horizons(run, 2).sessions["other"]
    assert list(ahead.whole) == list(ahead.bin_size) == ["other"]


def test_a_run_moved_with_its_recordings_is_found(tmp_path):
    (tmp_path / "here").mkdir()
    make_session(T=150).save(tmp_path / "here" / "a.h5")
    Run.fit([tmp_path / "here" / "a.h5"], tmp_path / "here" / "run", "copy")
    (tmp_path / "here").rename(tmp_path / "there")
    assert list(Run.load(tmp_path / "there" / "run").sessions) == ["demo"]
