import torch
from helpers import error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.mlp import NeuronMLP

FIRST, SECOND, NOISE = 1.6, -0.8, 0.5
"""Coefficients of an autoregression of order 2, and the deviation of its noise."""


def autoregression(T: int = 1500) -> Session:
    random = torch.Generator().manual_seed(0)
    noise = NOISE * torch.randn(3, T, generator=random)
    activity = torch.zeros(3, T)
    for t in range(2, T):
        activity[:, t] = FIRST * activity[:, t - 1] + SECOND * activity[:, t - 2] + noise[:, t]
    return Session(activity, bin_size=0.1, name="ar2")


def response(model: Forecaster, session: Session) -> torch.Tensor:
    """Mean derivative of the bins ahead by the bins of the context [H, C]."""
    window = windows_of(session, model.window)[0].gather(torch.arange(200))
    activity = window.activity.clone().requires_grad_()
    future = model(window._replace(activity=activity)).future
    rows = [torch.autograd.grad(future[..., h].sum(), activity, retain_graph=True)[0] for h in range(model.horizon)]
    return torch.stack([row.mean((0, 1)) for row in rows])


def test_learns_an_autoregression():
    """Both bins ahead: the second follows from the first in closed form, in its coefficients and its noise."""
    session = autoregression()
    torch.manual_seed(0)
    model = train(NeuronMLP([session], window=3, horizon=2, hidden_size=64), [session], 200)
    expected = torch.tensor([[0.0, SECOND, FIRST], [0.0, FIRST * SECOND, FIRST**2 + SECOND]])
    torch.testing.assert_close(response(model, session), expected, atol=0.15, rtol=0)
    error, _ = error_and_copy(model, session)
    assert error < 1.1 * NOISE**2 * (1 + 1 + FIRST**2) / 2


def test_is_the_network_on_each_neuron_alone():
    session = make_session()
    model = NeuronMLP([session], window=4, horizon=3, hidden_size=11, num_layers=2)
    window = windows_of(session, 4, 2, horizon=3)[0].gather(torch.arange(6))
    future, layers = model(window).future, model.network
    assert future.shape == (6, 5, 2, 3)
    hidden = layers[2](layers[0](window.activity[1, 3, 1:5]).relu()).relu()
    torch.testing.assert_close(future[1, 3, 1], layers[4](hidden))
    assert [layer.out_features for layer in layers[::2]] == [11, 11, 3]
