import pytest
import torch
from helpers import make_session

from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.regression import edge_start as file
from synapsnet_pyg.regression.candidate_edges import candidate_edges
from synapsnet_pyg.regression.edge_start import edge_start
from synapsnet_pyg.regression.linear_start import linear_start
from synapsnet_pyg.simulations.population import simulate_population


def parts(session):
    return session.standardise().split()


def every_pair(N):
    receiver, sender = (~torch.eye(N, dtype=torch.bool)).nonzero(as_tuple=True)
    return torch.stack([sender, receiver])


def test_given_edges_have_the_weights_of_the_masked_regression():
    """The dense solver with a mask, by conjugate gradients, is another way to the same minimum."""
    N = 7
    train, validation, _ = parts(make_session(N=N, T=500, segment=torch.tensor([[0, 190], [190, 500]])))
    edges = every_pair(N)[:, torch.rand(N * (N - 1)) < 0.5]
    mask = torch.zeros(N, N, dtype=torch.bool)
    mask[edges[1], edges[0]] = True
    dense = linear_start(train, validation, 5, pairs=mask)
    start = edge_start(train, validation, 5, edges)
    torch.testing.assert_close(start.kernel, dense.kernel)
    torch.testing.assert_close(start.weight, dense.edges[edges[1], edges[0]].float(), rtol=0, atol=2e-4)
    assert start.receivers.shape == (N, 0)


def test_blocks_and_threads_do_not_change_a_weight(monkeypatch):
    train, validation, _ = parts(make_session(N=23, T=400))
    edges = every_pair(23)
    whole = edge_start(train, validation, 5, edges, latents=3)
    monkeypatch.setattr(file, "_BLOCK", 1)
    with threads(2):
        single = edge_start(train, validation, 5, edges, latents=3)
    for one, other in zip(whole, single, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_recovers_as_well_as_the_complete_graph(share):
    """Candidates with a common drive against all pairs; the drive of unseen task variables is strong."""
    session = simulate_population(8000, neurons=120, recorded=60)
    train, validation, _ = parts(session)
    scale = session.standardise().activity_scale
    truth, off = session.true_connectivity * scale / scale[:, None], ~torch.eye(60, dtype=torch.bool)
    dense = linear_start(train, validation, 5, pairs=off).edges
    edges = candidate_edges(train, int(60 * share))
    start = edge_start(train, validation, 5, edges, screened=True)
    found = torch.zeros(60, 60)
    found[edges[1], edges[0]] = start.weight
    scores = [
        float(torch.corrcoef(torch.stack([weights[off].double(), truth[off].double()]))[0, 1])
        for weights in (dense, found)
    ]
    assert scores[0] > 0.6
    assert scores[1] > scores[0] - 0.02


def test_silent_neurons_and_constant_behaviour_are_no_obstacle():
    session = make_session(N=10, T=300)
    session.activity[3] = 0.0
    session.behaviour[:, 1] = 2.0
    train, validation, _ = parts(session)
    start = edge_start(train, validation, 5, candidate_edges(train, 4), latents=2, screened=True)
    assert all(torch.isfinite(values).all() for values in start)
