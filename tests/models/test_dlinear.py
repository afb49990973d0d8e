import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.dlinear import DLinear, moving_average
from synapsnet_pyg.models.forecasting import forecast_horizons
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.registry import build_model


def test_moving_average_repeats_the_ends():
    past = torch.tensor([[3.0, 0.0, 6.0, 9.0]])
    torch.testing.assert_close(moving_average(past, 3), torch.tensor([[2.0, 3.0, 5.0, 8.0]]))
    assert torch.equal(moving_average(past, 1), past)


def test_starts_from_the_mean_of_the_window():
    """Weights 1 / C of trend and remainder are 1 / C of the bins."""
    session = make_session(N=3, T=50)
    model = DLinear([session], window=8, horizon=3)
    torch.nn.init.zeros_(model.trend.bias)
    ahead = forecast_horizons(model, session, 3)
    expected = session.activity.unfold(1, 8, 1).mean(-1)[:, ahead.bins - 8]
    for h in range(3):
        torch.testing.assert_close(ahead.forecast[..., h], expected)


def test_trained_it_reaches_the_error_of_the_closed_form():
    """Trend and remainder are linear in the same bins, so that the best DLinear is the best Linear."""
    session = make_session(N=4, T=150)
    session.activity = session.activity[:, 2:] + session.activity[:, 1:-1] - 0.7 * session.activity[:, :-2]
    session.behaviour, session.segment = session.behaviour[2:], torch.tensor([[0, 148]])
    closed = build_model("linear", [session], {"window": 6, "horizon": 2})
    closed.initialise({"demo": session}, {"demo": session})
    torch.manual_seed(0)
    model = DLinear([session], window=6, horizon=2)
    (windows,) = windows_of(session, 6, horizon=2)
    window = windows.gather(torch.arange(len(windows)))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        loss = model.loss(model(window), window)
        loss.backward()
        optimiser.step()
    assert loss.item() == pytest.approx(float(closed.loss(closed(window), window)), rel=0.01)


def test_effect_of_the_newest_bin():
    session = make_session(N=3, T=40)
    torch.manual_seed(1)
    model = DLinear([session], window=9)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    torch.testing.assert_close(model.connectivity(session), mean_jacobian(model, session, 9))


def test_refuses_a_window_without_a_trend():
    with pytest.raises(ValueError, match="at least 4 past bins"):
        DLinear([make_session()], window=3)
