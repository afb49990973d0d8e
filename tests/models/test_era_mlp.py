import numpy as np
import torch
from helpers import error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.era_mlp import ERAMLP

SIZES = {"context_size": 6, "embedding_dim": 8, "state_size": 16, "hidden_size": 32, "num_blocks": 2}


def test_features_of_a_context():
    session = make_session()
    for C in (1, 4, 5):  # with the median of an even and an odd number of bins
        model = ERAMLP([session], window=C, **SIZES)
        past = torch.randn(2, 3, 5, C)
        features = model.features(past, 0)
        x, u = past[1, 2, 3].numpy(), features[1, 2, 3]
        np.testing.assert_allclose(u[:6].detach(), model.context(past[1, 2, 3]).relu().detach(), rtol=1e-5)
        summary = [x.mean(), x.std(), x.min(), x.max(), x[-1], x[0], np.median(x), np.ptp(x), *np.diff(x)]
        np.testing.assert_allclose(u[6 : 13 + C].detach(), summary, rtol=1e-4, atol=1e-5)
        state = sum(model.state[0](past[1, 2, :, c]).relu() for c in range(C)) / C
        torch.testing.assert_close(u[13 + C : 29 + C], state)
        torch.testing.assert_close(u[29 + C :], model.embedding(0)[3])


def test_needs_its_state_and_its_embedding():
    """Neurons copy the first one or its reverse: without either of the two nothing can be told of them."""
    random = torch.Generator().manual_seed(0)
    activity = 0.3 * torch.randn(6, 900, generator=random)
    activity[0] = torch.randn(900, generator=random)
    activity[1:, 1:] += torch.tensor([1.0, -1, 1, -1, 1])[:, None] * activity[0, :-1]
    split = Session(activity, bin_size=0.1, name="copies").split(0.8, 0.1, 0.1)
    torch.manual_seed(0)
    model = train(ERAMLP([split.train], window=2, **SIZES), [split.train], 200)
    window = windows_of(split.test, 2)[0].gather(torch.arange(80))
    error = (model(window).activity - window.target).square().mean((0, 2))
    assert error[0] > 0.7
    assert error[1:].max() < 0.35


def test_loss_is_the_absolute_error_of_all_bins_ahead():
    session = make_session()
    model = ERAMLP([session], window=3, horizon=2, **SIZES)
    window = windows_of(session, 3, 4, horizon=2)[0].gather(torch.arange(5))
    forecast = model(window)
    torch.testing.assert_close(model.loss(forecast, window), (forecast.future - window.ahead).abs().mean())


def test_positive_forecasts_are_not_negative_in_units_of_the_data():
    random = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.tensor([0.1, 1.0, 5.0])[:, None].expand(3, 400), generator=random)
    session = Session(counts, bin_size=0.1, name="counts").standardise()
    model = ERAMLP([session], window=3, positive=True, **SIZES)
    model.initialise({"counts": session}, {"counts": session})
    train(model, [session], 60)
    window = windows_of(session, 3)[0].gather(torch.arange(300))
    forecast = model(window).activity * session.activity_scale[:, None] + session.activity_mean[:, None]
    assert forecast.min() >= -1e-6
    error, copy = error_and_copy(model, session)
    assert error < copy


def test_one_neuron_in_one_window_can_be_trained():
    session = make_session(N=1, K=0)
    model = ERAMLP([session], **SIZES)
    window = windows_of(session, 5)[0].gather(torch.arange(1))
    model.loss(model(window), window).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def test_a_context_that_does_not_vary_has_a_derivative():
    session = make_session()
    model = ERAMLP([session], window=4, **SIZES).eval()
    past = torch.ones(1, 1, 5, 4, requires_grad=True)
    model.features(past, 0).sum().backward()
    assert past.grad.isfinite().all()
