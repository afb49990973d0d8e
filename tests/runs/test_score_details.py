import json

import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.evaluation import Evaluation, evaluate
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.score_tables import detail_sentences, print_scores, session_table


def evaluated(activity: torch.Tensor, kind: str = "var1", segment: torch.Tensor | None = None) -> Evaluation:
    session = Session(activity, bin_size=0.1, name="a", segment=segment).standardise()
    model, split = build_model(kind, [session]), session.split()
    model.initialise({"a": split.train}, {"a": split.validation})
    return evaluate(Run.of(model, [session]))


def slow(N: int, T: int) -> torch.Tensor:
    noise = torch.randn(T, N, generator=torch.Generator().manual_seed(0))
    rows = [noise[0]]
    for row in noise[1:]:
        rows.append(0.8 * rows[-1] + 0.6 * row)
    return torch.stack(rows, dim=1)


def test_the_fitted_model_is_compared_with_the_best_baseline():
    scores = evaluated(slow(6, 3000), "copy")
    details, models = scores.details["a"], scores.sessions["a"]
    others = {name: score.correlation for name, score in models.items() if name != "copy"}
    best = max(others, key=others.__getitem__)
    assert details.baseline == best
    assert details.comparison.correlation.value == pytest.approx(models["copy"].correlation - others[best])
    interval = details.intervals["copy"].correlation
    assert interval.low < models["copy"].correlation < interval.high
    assert details.neurons["correlation"].mean() == pytest.approx(models["copy"].correlation, abs=1e-6)
    assert details.forecasts_something
    assert 0.5 < details.ceiling.share < 1.05
    assert f"copy minus {best}" in detail_sentences("copy", details)[0]
    values = json.loads(json.dumps(scores.to_json()))["details"]["a"]
    assert values["comparison"]["baseline"] == best
    assert values["ceiling"]["share"] == pytest.approx(details.ceiling.share)


def test_no_model_is_best_where_nothing_is_forecast(capsys):
    scores = evaluated(torch.randn(5, 900, generator=torch.Generator().manual_seed(1)), "copy")
    assert not scores.details["a"].forecasts_something
    print_scores(scores)
    printed = capsys.readouterr().out
    assert "Nothing is forecast here" in printed
    assert "Best by" not in printed
    table = session_table("a", scores.sessions["a"], scores.neurons["a"])  # without intervals
    assert "Best by" in table.notes[-1]


def test_trials_bring_their_mean_as_a_baseline():
    course = torch.stack([torch.sin(torch.arange(12) * (k + 1) / 3.0) for k in range(3)]).repeat(1, 40)
    activity = course + torch.randn(3, 480, generator=torch.Generator().manual_seed(2))
    starts = torch.arange(0, 480, 12)
    scores = evaluated(activity, segment=torch.stack([starts, starts + 12], 1))
    assert scores.details["a"].baseline == "psth"
    assert scores.sessions["a"]["psth"].correlation > 0.3
    assert "psth" not in evaluated(activity).sessions["a"]
