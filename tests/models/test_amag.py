import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.amag import AMAG


@pytest.mark.parametrize("adaptor", [False, True])
def test_messages_equal_their_definition(adaptor):
    """Brute force over pairs of neurons."""
    session = make_session()
    model = AMAG([session], hidden_size=6, adaptor=adaptor).eval()
    hidden = torch.randn(2, 5, 3, 6)
    additive, multiplicative = torch.randn(5, 5), torch.randn(5, 5)
    ours = model.interact(hidden, additive, multiplicative)
    scale = model.scale_edges(hidden) if adaptor else torch.ones(2, 3, 5, 5)
    beta = model.mixture.beta
    for b in range(2):
        for t in range(3):
            for i in range(5):
                h = hidden[b, :, t]
                added = sum(scale[b, t, i, j] * additive[i, j] * h[j] for j in range(5))
                product = sum(multiplicative[i, j] * (h[i] * h[j]) for j in range(5))
                expected = (
                    beta[0] * h[i]
                    + beta[1] * model.additive_layers(added)
                    + beta[2] * model.multiplicative_layers(product)
                )
                torch.testing.assert_close(ours[b, i, t], expected)


def test_adaptor_looks_at_both_ends():
    session = make_session()
    scale_edges = AMAG([session], hidden_size=6, adaptor=True).scale_edges
    hidden = torch.randn(2, 5, 3, 6)
    before = scale_edges(hidden)
    assert before.shape == (2, 3, 5, 5)
    assert bool(((before > 0) & (before < 1)).all())
    hidden[:, 4] += 1
    changed = (scale_edges(hidden) - before).abs().amax((0, 1)) > 0
    assert changed[4].all()
    assert changed[:, 4].all()
    assert not changed[:4, :4].any()


def test_starts_from_correlations_without_the_diagonal():
    session = make_session().standardise()
    model = AMAG([session], hidden_size=6)
    model.initialise({"demo": session}, {"demo": session})
    expected = torch.corrcoef(session.activity).fill_diagonal_(0)
    torch.testing.assert_close(model.additive[0].detach(), expected)
    torch.testing.assert_close(model.multiplicative[0].detach(), expected)


def test_orientation_on_a_two_neuron_chain():
    """Neuron 0 drives neuron 1: only the weight [1, 0] is there, and only that effect."""
    session = make_session(N=2)
    model = AMAG([session], hidden_size=6).eval()
    with torch.no_grad():
        for weight in (model.additive[0], model.multiplicative[0]):
            weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    connectivity = model.connectivity(session)
    assert abs(connectivity[1, 0]) > 1e-6
    assert connectivity[0, 1] == 0
    window = windows_of(session, 5)[0].gather(torch.tensor([3]))
    for sender, receiver, reached in ((0, 1, True), (1, 0, False)):
        activity = window.activity.clone()
        activity[:, sender] += 1
        change = model(window._replace(activity=activity)).activity - model(window).activity
        assert bool(change[0, receiver].abs() > 1e-6) is reached
