import math

import torch
from helpers import error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.tide import TiDE


def test_continues_mixed_oscillations():
    torch.manual_seed(0)
    waves = torch.stack([torch.sin(2 * math.pi * torch.arange(600) / period) for period in (7.3, 11.9, 23.0)])
    activity = torch.randn(5, 3) @ waves + 0.1 * torch.randn(5, 600)
    split = Session(activity, bin_size=0.1, name="waves").standardise().split(0.7, 0.15, 0.15)
    model = TiDE([split.train], window=12, horizon=4, hidden_size=32, decoder_size=4, temporal_size=16)
    error, copy = error_and_copy(train(model, [split.train], 200), split.test)
    assert error < 0.1 * copy


def test_behaviour_of_the_past_explains_what_activity_does_not():
    """Activity follows a product of two behaviours: the noise is left with the covariates, everything without."""
    random = torch.Generator().manual_seed(0)
    behaviour, noise = torch.randn(900, 2, generator=random), 0.3 * torch.randn(3, 900, generator=random)
    driven = torch.cat([torch.zeros(1), behaviour[:-1].prod(-1)])
    session = Session(driven + noise, behaviour, bin_size=0.1, name="driven")
    split = session.split(0.7, 0.15, 0.15)
    errors = []
    for use in (True, False):
        torch.manual_seed(0)
        model = TiDE([split.train], window=3, hidden_size=32, covariate_size=8, use_behaviour=use)
        errors.append(error_and_copy(train(model, [split.train], 120), split.test)[0])
    assert errors[0] < 0.3
    assert errors[1] > 0.6


def test_is_the_network_written_out():
    session = make_session()
    model = TiDE([session], window=4, horizon=3, hidden_size=9, decoder_size=2, temporal_size=7, covariate_size=6)
    window = windows_of(session, 4, 2, horizon=3)[0].gather(torch.arange(6))
    for p in range(2):
        past = window.activity[2, 3, p : p + 4]
        covariates = torch.cat([model.covariates(window.behaviour[2, p + c]) for c in range(4)])
        decoded = model.decoder(model.encoder(torch.cat([past, covariates])))
        ahead = torch.cat([model.temporal_decoder(decoded[2 * h : 2 * h + 2]) for h in range(3)])
        torch.testing.assert_close(model(window).future[2, 3, p], ahead + model.residual(past))
    perceptron, x = model.decoder, torch.randn(9)
    expected = perceptron.output(perceptron.hidden(x).relu()) + perceptron.linear(x)
    torch.testing.assert_close(perceptron(x), expected)


def test_hears_no_other_neuron_and_needs_no_behaviour():
    session = make_session(K=0)
    model = TiDE([session], window=4, horizon=3, hidden_size=9)
    window = windows_of(session, 4)[0].gather(torch.arange(6))
    changed = window.activity.clone()
    changed[:, 2] += 1
    effect = model(window._replace(activity=changed)).future - model(window).future
    assert ((effect != 0).flatten(2).any(-1) == (torch.arange(5) == 2)).all()
