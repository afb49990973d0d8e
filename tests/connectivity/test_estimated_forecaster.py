"""Estimators in the form of a forecaster; the contract of all models is tested in tests/models."""

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.connectivity.estimated_forecaster import EstimatedForecaster
from synapsnet_pyg.connectivity.registry import ESTIMATORS, estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.linear import VectorAutoregression

FORECASTING = ["ridge_var", "soft_ridge", "lasso_var", "sparse_low_rank_var", "poisson_glm"]
every_forecast = pytest.mark.parametrize("name", FORECASTING)


def counts(name, N, T):
    random = torch.Generator().manual_seed(N)
    activity = torch.poisson(torch.full((N, T), 1.5), generator=random)
    return Session(activity, torch.randn(T, 2, generator=random), bin_size=0.1, name=name).standardise()


def fitted(name, options=None):
    sessions = [counts("monday", 9, 300), counts("tuesday", 10, 260)]
    model = EstimatedForecaster(sessions, name, options)
    split = {session.name: session.split() for session in sessions}
    assert model.initialise({s: p.train for s, p in split.items()}, {s: p.validation for s, p in split.items()})
    return model, split


def test_all_that_forecast_are_here():
    assert [name for name in ESTIMATORS if estimator(name).forecasts] == FORECASTING


@every_forecast
def test_forecasts_as_the_estimator_does(name):
    model, split = fitted(name)
    assert not list(model.parameters())
    for session, parts in split.items():
        alone = estimator(name).fit(parts.train, parts.validation)
        ours, theirs = forecast_session(model, parts.test, targets=4), alone.predict(parts.test)
        assert torch.equal(ours.bins, theirs.bins)
        torch.testing.assert_close(ours.forecast, theirs.forecast, atol=1e-5, rtol=1e-5)
        assert torch.equal(model.connectivity(parts.train), alone.connectivity_)
        index = model.index_of(session)
        assert float(model.get_buffer(f"penalty_{index}")) == pytest.approx(alone.penalty_)


@every_forecast
def test_all_is_in_the_buffers(name):
    model, split = fitted(name)
    again = EstimatedForecaster(model.sessions.values(), name)
    again.load_state_dict(model.state_dict())
    for parts in split.values():
        window = windows_of(parts.test, model.window, 3)[0].gather(torch.arange(4))
        assert torch.equal(again(window).activity, model(window).activity)
        assert torch.equal(again.connectivity(parts.train), model.connectivity(parts.train))


@pytest.mark.parametrize("name", ["ridge_var", "soft_ridge", "lasso_var", "poisson_glm"])
def test_the_connectivity_is_the_mean_effect_on_the_forecast(name):
    model, split = fitted(name)
    train = split["monday"].train
    jacobian = mean_jacobian(model, train, model.window, max_windows=10_000)
    torch.testing.assert_close(model.connectivity(train), jacobian, atol=1e-4, rtol=1e-3)


def test_ridge_is_the_vector_autoregression():
    model, split = fitted("ridge_var", {"lags": 2})
    anchor = VectorAutoregression(model.sessions.values(), lags=2)
    anchor.initialise({s: p.train for s, p in split.items()}, {s: p.validation for s, p in split.items()})
    for parts in split.values():
        ours, theirs = forecast_session(model, parts.test), forecast_session(anchor, parts.test)
        assert torch.equal(ours.forecast, theirs.forecast)


def test_refuses_what_cannot_forecast():
    session = make_session()
    with pytest.raises(ValueError, match=r"can forecast \(got 'lag1'"):
        EstimatedForecaster([session], "lag1")
    with pytest.raises(ValueError, match="among lag0"):
        EstimatedForecaster([session], "granger")
    with pytest.raises(ValueError, match="parameters of 'lasso_var' among penalties"):
        EstimatedForecaster([session], "lasso_var", {"ridges": [1.0]})
    model = EstimatedForecaster([session], "poisson_glm")
    train, validation, _ = session.standardise().split()
    with pytest.raises(ValueError, match="Expected counts, whole numbers from 0, in session 'demo'"):
        model.initialise({"demo": train}, {"demo": validation})
