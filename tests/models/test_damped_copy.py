import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.damped_copy import DampedCopy
from synapsnet_pyg.models.forecasting import forecast_horizons


def solved(session, horizon):
    model = DampedCopy([session], horizon=horizon)
    model.initialise({session.name: session}, {session.name: session})
    return model


def first_order(rho, N=4, T=4000):
    """A process in which a damped copy is the optimal forecast."""
    random = torch.Generator().manual_seed(0)
    activity = torch.randn(N, T, generator=random)
    for t in range(1, T):
        activity[:, t] = rho * activity[:, t - 1] + (1 - rho * rho) ** 0.5 * activity[:, t]
    return Session(activity, bin_size=0.1)


@pytest.mark.parametrize("horizon", [1, 5])
def test_recovers_the_decay_of_a_first_order_process(horizon):
    session = first_order(0.8)
    model = solved(session, horizon)
    assert float(model.damping_0) == pytest.approx(0.8, abs=0.03)
    ahead = forecast_horizons(model, session, horizon)
    error = (ahead.forecast - ahead.truth).square().mean((0, 1))
    expected = 1 - 0.8 ** (2 * torch.arange(1, horizon + 1))
    torch.testing.assert_close(error, expected, atol=0.06, rtol=0)


def test_damping_is_the_best_on_validation():
    session = make_session(N=3, T=90)
    model = solved(session, 3)
    ahead = forecast_horizons(model, session, 3)

    def error(damping):
        model.damping_0 = torch.tensor(damping)
        return float((forecast_horizons(model, session, 3).forecast - ahead.truth).square().mean())

    chosen = float(model.damping_0)
    least = error(chosen)
    assert all(least <= error(other) + 1e-7 for other in (0.001, chosen + 0.01, max(chosen - 0.01, 0.001), 0.5, 1.0))


def test_what_never_decays_is_copied():
    session = Session(torch.ones(2, 30) * torch.tensor([[1.0], [-2.0]]), bin_size=0.1)
    model = solved(session, 4)
    assert float(model.damping_0) == 1
    assert torch.equal(forecast_horizons(model, session, 4).forecast, forecast_horizons(model, session, 4).truth)
