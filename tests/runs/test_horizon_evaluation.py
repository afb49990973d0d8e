import pytest
import torch
from helpers import Faded, make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.evaluation import evaluate
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons, longest_horizon
from synapsnet_pyg.runs.run import Run


def var_run(*sessions: Session) -> Run:
    standardised = [session.standardise() for session in sessions]
    model = build_model("var1", standardised)
    split = {session.name: session.split() for session in standardised}
    model.initialise({s: p.train for s, p in split.items()}, {s: p.validation for s, p in split.items()})
    return Run.of(model, standardised)


def test_one_bin_ahead_is_the_evaluation():
    run = var_run(make_session(T=200, name="a"), make_session(N=4, T=170, name="b"))
    one, ahead = evaluate(run), evaluate_horizons(run, 1)
    for name, models in one.sessions.items():
        assert list(ahead.sessions[name]) == list(models)
        for model, score in models.items():
            (only,) = ahead.sessions[name][model]
            assert (only.correlation, only.mse) == (score.correlation, score.mse)


def test_direct_and_rolled_rows_and_their_tables(capsys):
    session = make_session(T=200).standardise()
    run = Run.of(Faded([session], horizon=4), [session])
    ahead = evaluate_horizons(run, 4)
    label = run.kind
    assert list(ahead.sessions["demo"])[:3] == [label, f"{label} (rolled out)", "mean"]
    assert len(ahead.to_json()["sessions"]["demo"]["copy"]) == 4
    tables = ahead.tables("demo")
    assert [table.title for table in tables] == ["demo: correlation", "demo: 1 - MSE / MSE of a copy", "demo: MAE"]
    assert next(row for row in tables[1].rows if row[0] == "copy") == ["copy", *["0.000"] * 4]
    ahead.print()
    assert "Columns: bins ahead, of 0.1 s" in capsys.readouterr().out


def test_anchors_that_do_not_fit_are_left_out():
    starts = torch.arange(0, 240, 8)
    trials = make_session(T=240, segment=torch.stack([starts, starts + 8], 1))
    run = var_run(trials)
    assert evaluate_horizons(run, 3).left_out == []
    assert evaluate_horizons(run, 4).left_out == ["ar5", "linear", "linear_rrr", "var5"]
    assert longest_horizon(run) == 1
    assert longest_horizon(var_run(make_session(T=200))) == 7
    with pytest.raises(ValueError, match="shorter context or horizon"):
        evaluate_horizons(run, 8)


def test_the_beginning_of_a_long_test_part_can_be_enough():
    run = var_run(make_session(T=3000))
    whole, part = evaluate_horizons(run, 2), evaluate_horizons(run, 2, most_neuron_bins=1)
    short = var_run(make_session(T=3000))
    assert whole.sessions["demo"]["copy"] == evaluate_horizons(short, 2).sessions["demo"]["copy"]
    assert part.sessions["demo"]["copy"] != whole.sessions["demo"]["copy"]
