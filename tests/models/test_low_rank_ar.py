import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.low_rank_ar import LowRankAR
from synapsnet_pyg.models.registry import build_model


def published(N=30, T=500):
    """The system of the paper: a diagonal, a low-rank part and a known input (here of one behaviour)."""
    random = torch.Generator().manual_seed(3)
    own = 0.3 + 0.3 * torch.rand(N, generator=random)
    receivers, senders = torch.randn(N, 2, generator=random), torch.randn(2, N, generator=random)
    weights = 0.35 * receivers @ senders / N
    effect = torch.randn(N, generator=random)
    light = (torch.rand(T, 1, generator=random) < 0.2).float()
    light = (light - light.mean()) / light.std()
    activity = torch.randn(N, T, generator=random)
    for t in range(1, T):
        activity[:, t] += own * activity[:, t - 1] + weights @ activity[:, t - 1] + effect * light[t - 1, 0]
    return Session(activity, light, bin_size=0.1, name="light"), own, weights, effect


def solved(name, session, **arguments):
    split = session.split(0.6, 0.2, 0.2)
    model = build_model(name, [session], arguments)
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return model, split.test


def test_recovers_diagonal_low_rank_part_and_input():
    session, own, weights, effect = published()
    model, _ = solved("low_rank_ar", session, lags=1)
    truth = own.diag() + weights
    found = model.connectivity(session)
    full = solved("var1", session)[0].connectivity(session)
    assert (found - truth).norm() < 0.7 * (full - truth).norm()
    assert torch.linalg.matrix_rank(model.low_rank_0[0], atol=1e-3) < 15
    assert torch.corrcoef(torch.stack([model.inputs_0[0, :, 0], effect]))[0, 1] > 0.98


def test_few_bins_are_forecast_better_than_with_full_weights():
    session = published(T=300)[0].standardise()
    error = {}
    for name, arguments in (("low_rank_ar", {"lags": 1}), ("var1", {}), ("ar5", {})):
        forecast = forecast_session(*solved(name, session, **arguments), first=5)
        error[name] = float((forecast.forecast - forecast.truth).square().mean())
    assert error["low_rank_ar"] < min(error["var1"], error["ar5"])


def test_forecast_by_hand():
    session = make_session(N=4, T=90)
    model, test = solved("low_rank_ar", session, lags=3)
    forecast, a, b = forecast_session(model, test, 2), test.activity, test.behaviour
    for m, t in enumerate(forecast.bins.tolist()):
        expected = sum(
            model.own_0[lag] * a[:, t - 1 - lag]
            + model.low_rank_0[lag] @ model.components_0.t() @ a[:, t - 1 - lag]
            + model.inputs_0[lag] @ b[t - 1 - lag]
            for lag in range(3)
        )
        torch.testing.assert_close(forecast.forecast[:, m], expected)
    torch.testing.assert_close(model.connectivity(session), mean_jacobian(model, session, 3))


def test_refuses_segments_that_are_too_short():
    session = make_session(T=12, segment=torch.tensor([[0, 4], [4, 8], [8, 12]]))
    with pytest.raises(ValueError, match="more than 4 bins"):
        LowRankAR([session]).initialise({"demo": session}, {"demo": session})
