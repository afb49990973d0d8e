import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_horizons, forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.intervals import forecast_intervals
from synapsnet_pyg.runs.online import Online
from synapsnet_pyg.runs.run import Run


def fitted(kind: str, recording: Session) -> Run:
    session = recording.standardise()
    model, split = build_model(kind, [session]), session.split()
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return Run.of(model, [session])


def recorded(T: int = 300, **fields) -> Session:
    """A recording in its own units, neurons of very different scale."""
    session = make_session(N=4, T=T, **fields)
    session.activity = 7 + torch.tensor([0.1, 1, 5, 30])[:, None] * session.activity.cumsum(1).sin()
    session.behaviour = 3 + 2 * session.behaviour
    return session


@pytest.mark.parametrize(("kind", "horizon"), [("synapsnet", 1), ("synapsnet", 3), ("ar5", 2), ("gru", 1), ("copy", 4)])
def test_equals_the_batch_forecast_and_its_intervals(kind, horizon):
    recording = recorded()
    run = fitted(kind, recording)
    (session,) = run.sessions.values()
    split, mean, scale = session.split(), session.activity_mean, session.activity_scale
    online = Online(run, horizon=horizon)
    part = recording.slice(session.num_bins - split.test.num_bins, session.num_bins)
    given = [online.step(part.activity[:, t], part.behaviour[t]) for t in range(part.num_bins)]
    W = run.model.window
    assert given[: W - 1] == [None] * (W - 1)
    batch = forecast_horizons(run.model, split.test, horizon)
    ours = torch.stack([given[b - 1].forecast for b in batch.bins.tolist()], 1)
    assert ((ours - mean[:, None, None]) / scale[:, None, None] - batch.forecast).abs().max() < 1e-6
    if horizon == 1:
        one = forecast_session(run.model, split.test)
        assert torch.allclose(batch.forecast[..., 0], one.forecast, atol=1e-6)
    expected = forecast_intervals(run.model, split, horizon).intervals.quantile
    ends = torch.stack([given[b - 1].quantile for b in batch.bins.tolist()], 1)
    # A residual that lies on an end of an interval to the last digit may count as inside once and outside once.
    close = ((ends - expected).abs() <= 1e-3 * scale[:, None, None, None]).double()
    assert close.mean() > 0.99


def test_counts_come_as_counts():
    random = torch.Generator().manual_seed(2)
    recording = Session(torch.poisson(torch.full((6, 400), 0.3), random), bin_size=0.1, name="counts")
    online = Online(fitted("var1", recording), horizon=2)
    given = online.step(np.array([0, 1, 0, 2, 0, 0]))
    assert torch.equal(given.quantile, given.quantile.round())
    assert given.share.shape == given.quantile.shape == (6, 2, 6)
    assert (given.lower(0.95) <= given.lower(0.5)).all()
    assert (given.upper(0.5) <= given.upper(0.95)).all()


def test_a_segment_begins_anew_after_reset():
    run = fitted("ar5", recorded())
    online = Online(run)
    part = run.sessions["demo"].split().test
    for t in range(7):
        online.step(part.activity[:, t], part.behaviour[t])
    online.reset()
    given = [online.step(part.activity[:, t], part.behaviour[t]) for t in range(5)]
    assert given[:4] == [None] * 4
    online.reset()
    again = [online.step(part.activity[:, t], part.behaviour[t]) for t in range(5)]
    assert torch.equal(given[4].forecast, again[4].forecast)


def test_behaviour_that_was_not_recorded_is_the_mean():
    online = Online(fitted("synapsnet", recorded()))
    part = recorded()
    mean = online._behaviour_mean
    given = []
    for behaviour in (mean, None, torch.full_like(mean, torch.nan)):
        online.reset()
        given.append([online.step(part.activity[:, t], behaviour) for t in range(5)][-1])
    assert torch.equal(given[0].forecast, given[1].forecast)
    assert torch.equal(given[0].forecast, given[2].forecast)


def test_wrong_input():
    run = fitted("copy", recorded())
    online = Online(run)
    with pytest.raises(ValueError, match="4 neurons"):
        online.step(torch.zeros(3))
    with pytest.raises(ValueError, match="NaN"):
        online.step(torch.tensor([1, 2, torch.nan, 4]))
    with pytest.raises(ValueError, match="2 behaviours"):
        online.step(torch.zeros(4), torch.zeros(3))
    with pytest.raises(ValueError, match="among demo"):
        Online(run, "tuesday")
    other = recorded(T=200, name="other").standardise()
    two = Run.of(build_model("copy", [*run.sessions.values(), other]), [*run.sessions.values(), other])
    with pytest.raises(ValueError, match="one session"):
        Online(two)
    with pytest.raises(ValueError, match="directly"):
        Online(run, horizon=2, method="direct")
