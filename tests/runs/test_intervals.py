import math

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.baselines import Copy, Mean
from synapsnet_pyg.models.forecasting import forecast_horizons
from synapsnet_pyg.runs.intervals import (
    calibrate,
    coverage,
    forecast_intervals,
    is_counts,
    new_tracker,
    score_intervals,
)


def counts(N: int = 11, T: int = 400) -> Session:
    """Neurons that are silent in most bins."""
    random = torch.Generator().manual_seed(1)
    rates = torch.linspace(0.03, 0.4, N)[:, None].expand(N, T)
    return Session(torch.poisson(rates, random), bin_size=0.1, name="counts")


def test_ends_are_in_the_units_of_the_recording():
    session = make_session(N=5, T=400)
    session.activity = 50 + 3 * session.activity
    recorded = session.activity.clone()
    session = session.standardise()
    given = forecast_intervals(Mean([session]), session.split(), horizon=3)
    bins = given.forecast.bins
    truth = recorded[:, 360:].unfold(1, 3, 1)[:, bins]
    assert torch.allclose(given.forecast.truth, truth.double(), atol=1e-4)
    assert given.intervals.lower(0.8).shape == truth.shape
    width = given.intervals.upper(0.95) - given.intervals.lower(0.95)
    assert float(width.mean()) == pytest.approx(2 * 1.96 * 3, rel=0.15)


def test_coverage_counts_the_truths_inside():
    session = make_session(N=5, T=400).standardise()
    given = forecast_intervals(Copy([session]), session.split(), horizon=2)
    truth, intervals = given.forecast.truth, given.intervals
    inside = [(truth > intervals.lower(p)) & (truth <= intervals.upper(p)) for p in intervals.levels]
    assert torch.equal(coverage(intervals, truth), torch.stack(inside).float().mean((1, 2)))


def test_counts_have_whole_ends_with_shares():
    session = counts().standardise()
    assert is_counts(session)
    assert not is_counts(make_session().standardise())
    given = forecast_intervals(Mean([session]), session.split(), horizon=2)
    intervals = given.intervals
    assert torch.equal(intervals.quantile, intervals.quantile.round())
    assert coverage(intervals, given.forecast.truth)[:, 0].numpy() == pytest.approx([0.5, 0.8, 0.95], abs=0.02)
    closed = (given.forecast.truth >= intervals.lower(0.5)) & (given.forecast.truth <= intervals.upper(0.5))
    assert closed.float().mean() > 0.75  # whole numbers without shares hold far more than half


def test_segments_give_what_each_forecast_alone_gives():
    """The walk over a part equals one step at a time, with resets at the borders."""
    session = make_session(N=3, T=90, segment=torch.tensor([[0, 30], [30, 60], [60, 75], [75, 90]])).standardise()
    split, H = session.split(0.4, 0.3, 0.3), 2
    given = forecast_intervals(Copy([session]), split, H)
    tracker = new_tracker(split.train, H)
    calibrate(Copy([session]), split.validation, tracker)
    scale, mean = (x.double().numpy() for x in (session.activity_scale, session.activity_mean))
    forecast = forecast_horizons(Copy([session]), split.test, H)
    row = {int(b): m for m, b in enumerate(forecast.bins)}
    for begin, end in split.test.segment.tolist():
        tracker.reset()
        for t in range(begin, end):
            if t in row:
                ends = tracker.intervals(forecast.forecast[:, row[t]].double().numpy().T * scale + mean).values
                assert np.allclose(ends, given.intervals.quantile[:, row[t]].permute(1, 0, 2).numpy(), atol=1e-5)
            tracker.observe(split.test.activity[:, t].double().numpy() * scale + mean)


def test_score():
    session = make_session(N=5, T=600).standardise()
    session.constant[1] = True  # not scored
    given = forecast_intervals(Mean([session]), session.split(), horizon=2)
    score = score_intervals(session, given)
    kept = [0, 2, 3, 4]
    inside = given.intervals.covered(given.forecast.truth)[:, kept].mean((1, 2))
    assert [score.coverage[level] for level in ("0.5", "0.8", "0.95")] == [pytest.approx(c) for c in inside.tolist()]
    truth, quantile = given.forecast.truth[kept, :, 0], given.intervals.quantile[kept, :, 0]
    loss = 0.0
    for q, probability in enumerate((0.025, 0.1, 0.25, 0.75, 0.9, 0.975)):
        error = truth - quantile[..., q]
        loss += 2 * float(torch.where(error > 0, probability * error, (probability - 1) * error).sum()) / 6
    assert score.quantile_loss[0] == pytest.approx(loss / float(truth.abs().sum()), rel=1e-4)
    assert score.sentence().startswith("Coverage of 50, 80 and 95 % intervals: 0.")
    assert set(score.to_json()) == {"coverage", "width", "neuron_error", "quantile_loss"}


def test_a_session_as_recorded_is_refused():
    with pytest.raises(ValueError, match="standardised"):
        new_tracker(make_session())


@pytest.mark.parametrize("counts", [False, True])
def test_neurons_are_scored_a_few_at_a_time(monkeypatch, counts):
    session = make_session(N=5, T=300)
    if counts:
        session.activity = session.activity.abs().mul(3).round()
    session = session.standardise()
    given = forecast_intervals(Mean([session]), session.split(), horizon=2)
    assert (given.intervals.share is not None) == counts
    whole = score_intervals(session, given)
    monkeypatch.setattr("synapsnet_pyg.runs.intervals._AT_ONCE", 2)
    parts = score_intervals(session, given)
    for key in ("coverage", "width", "neuron_error"):
        for level, values in getattr(whole, key).items():
            assert getattr(parts, key)[level] == pytest.approx(values, rel=1e-6)
    assert parts.quantile_loss == pytest.approx(whole.quantile_loss, rel=1e-6)
    session.constant[:] = True
    assert all(math.isnan(value) for value in score_intervals(session, given).quantile_loss)
