import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_horizons, forecast_session
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.registry import build_model

linear_and_nlinear = pytest.mark.parametrize("name", ["linear", "nlinear"])


def solved(name, *sessions, **arguments):
    model = build_model(name, sessions, arguments)
    parts = {session.name: session for session in sessions}
    model.initialise(parts, parts)
    return model


def second_order(N=3, T=3000, name="demo", coefficients=(1.5, -0.8)):
    """Noisy oscillations, all neurons by the same law."""
    random = torch.Generator().manual_seed(len(name))
    activity = torch.randn(N, T, generator=random)
    for t in range(2, T):
        activity[:, t] += coefficients[0] * activity[:, t - 1] + coefficients[1] * activity[:, t - 2]
    return Session(activity, bin_size=0.1, name=name)


@pytest.mark.parametrize(("name", "law"), [("linear", (1.5, -0.8)), ("nlinear", (1.5, -0.5))])
def test_forecasts_a_process_as_its_law_does(name, law):
    """The optimal forecast of x(t+1) = a x(t) + b x(t-1) + noise, one bin and two bins ahead; a + b = 1 for NLinear."""
    model = solved(name, second_order(coefficients=law), window=4, horizon=2)
    effect = model.weights_0.clone()
    if name == "nlinear":  # of the bins themselves
        effect[:, -1] = 1 - effect[:, :-1].sum(1)
    a, b = law
    expected = torch.tensor([[0, 0, b, a], [0, 0, a * b, a * a + b]])
    torch.testing.assert_close(effect, expected, atol=0.06, rtol=0)


@linear_and_nlinear
def test_forecast_is_the_sum_over_past_bins(name):
    session = make_session(N=4, T=60)
    model = solved(name, session, window=3, horizon=2)
    ahead, a = forecast_horizons(model, session, 2, 5), session.activity
    for m, t in enumerate(ahead.bins.tolist()):
        newest = a[:, t - 1 : t] if name == "nlinear" else torch.zeros(4, 1)
        expected = newest + (a[:, t - 3 : t] - newest) @ model.weights_0.t()
        torch.testing.assert_close(ahead.forecast[:, m], expected)
    torch.testing.assert_close(model.connectivity(session), mean_jacobian(model, session, 3))


def test_nlinear_follows_a_shift_of_level_and_linear_does_not():
    session, shifted = second_order(T=300), second_order(T=300)
    shifted.activity = session.activity + 10
    difference = {
        name: forecast_session(model, shifted).forecast - forecast_session(model, session).forecast
        for name, model in {name: solved(name, session) for name in ("linear", "nlinear")}.items()
    }
    torch.testing.assert_close(difference["nlinear"], torch.full_like(difference["nlinear"], 10), atol=1e-4, rtol=0)
    assert (difference["linear"] - 10).abs().min() > 1


def test_one_map_for_all_sessions_lies_between_those_of_each():
    one, two = second_order(name="a"), second_order(name="bb", coefficients=(0.5, 0.0))
    apart, together = solved("linear", one, two), solved("linear", one, two, shared_sessions=True)
    assert torch.equal(together.weights_0, together.weights_1)
    assert not torch.equal(apart.weights_0, apart.weights_1)
    alone = solved("linear", two, shared_sessions=True)
    torch.testing.assert_close(alone.weights_0, apart.weights_1)
    joined = Session(
        torch.cat([one.activity, two.activity], 1), bin_size=0.1, segment=torch.tensor([[0, 3000], [3000, 6000]])
    )
    torch.testing.assert_close(together.weights_0, solved("linear", joined).weights_0, atol=1e-4, rtol=0)
