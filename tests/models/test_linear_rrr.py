import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_horizons
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.linear_rrr import LinearRRR, principal_components
from synapsnet_pyg.models.registry import build_model


def driven(N=20, T=1200):
    """Neurons that a rotating latent state of two dimensions drives, each under noise of its own."""
    random = torch.Generator().manual_seed(0)
    state, states = torch.tensor([1.0, 0.0]), []
    turn = torch.tensor([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]], dtype=torch.float32)
    for _ in range(T):
        state = 0.97 * turn @ state + 0.25 * torch.randn(2, generator=random)
        states.append(state)
    weights = torch.randn(N, 2, generator=random)
    activity = weights @ torch.stack(states, 1) + torch.randn(N, T, generator=random)
    return Session(activity, bin_size=0.1, name="driven").standardise()


def solved(name, session, **arguments):
    split = session.split(0.6, 0.2, 0.2)
    model = build_model(name, [session], arguments)
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return model, split.test


def error(model, part, horizon):
    ahead = forecast_horizons(model, part, horizon)
    return float((ahead.forecast - ahead.truth).square().mean())


def test_a_common_drive_is_forecast_from_the_population():
    session = driven()
    (model, test), (own, _) = (solved(name, session, window=6, horizon=4) for name in ("linear_rrr", "linear"))
    assert torch.equal(model.weights_0, own.weights_0)
    assert error(model, test, 4) < 0.93 * error(own, test, 4)


def test_independent_neurons_are_left_to_the_linear_map():
    session = make_session(N=12, T=300).standardise()
    (model, test), (own, _) = (solved(name, session, window=6, horizon=2) for name in ("linear_rrr", "linear"))
    assert error(model, test, 2) <= 1.02 * error(own, test, 2)


def test_forecast_by_hand():
    session = driven(N=5, T=200)
    model, test = solved("linear_rrr", session, window=4, horizon=2)
    assert model.lags == [1, 3]
    ahead, a = forecast_horizons(model, test, 2, 3), test.activity
    for m, t in enumerate(ahead.bins.tolist()):
        expected = a[:, t - 4 : t] @ model.weights_0.t()
        for j, lag in enumerate(model.lags):
            expected = expected + model.correction_0[:, :, j] @ (model.components_0.t() @ a[:, t - lag])
        torch.testing.assert_close(ahead.forecast[:, m], expected)
    torch.testing.assert_close(model.connectivity(session), mean_jacobian(model, session, 4), atol=1e-5, rtol=1e-4)


def test_correction_is_the_best_on_validation():
    """No other shrinkage of the chosen correction, nor none, has a smaller error there."""
    session = driven(N=8, T=300)
    split = session.split(0.6, 0.2, 0.2)
    model = LinearRRR([session], window=6, horizon=3)
    model.initialise({"driven": split.train}, {"driven": split.validation})
    chosen, correction = error(model, split.validation, 3), model.correction_0.clone()
    assert correction.abs().max() > 0
    for factor in (0.0, 0.5, 0.75):
        model.correction_0 = factor * correction
        assert chosen <= error(model, split.validation, 3) + 1e-6


def test_principal_components_of_all_segments():
    session = make_session(N=6, T=50, segment=torch.tensor([[0, 20], [25, 50]]))
    a = torch.cat([session.activity[:, :20], session.activity[:, 25:]], 1)
    expected = torch.linalg.svd(a).U[:, :3]
    ours = principal_components(session, 3)
    torch.testing.assert_close((ours * expected).sum(0).abs(), torch.ones(3), atol=1e-4, rtol=0)


def test_refuses_segments_that_are_too_short():
    session = make_session(T=20)
    with pytest.raises(ValueError, match="at least 21 bins"):
        LinearRRR([session], window=16, horizon=5).initialise({"demo": session}, {"demo": session})
