import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.regression.candidate_edges import candidate_edges
from synapsnet_pyg.regression.principal_axes import principal_axes


def test_equals_correlations_of_residuals_by_least_squares():
    """Brute force: for each pair, both series are freed of latents and behaviour, the receiver of its own past too."""
    session = make_session(N=9, T=300, segment=torch.tensor([[0, 110], [110, 300]])).standardise()
    edges = candidate_edges(session, 3, latents=2, lags=4)
    assert edges.shape == (2, 27)
    bins = np.r_[4:110, 114:300]
    activity, behaviour = session.activity.double().numpy(), session.behaviour.double().numpy()
    common = np.c_[
        np.ones(len(bins)), activity[:, bins - 1].T @ principal_axes(session, 2).T.numpy(), behaviour[bins - 1]
    ]

    def rest(series, inputs):
        return series - inputs @ np.linalg.lstsq(inputs, series, rcond=None)[0]

    for i in range(9):
        own = activity[i][np.stack([bins - lag for lag in range(1, 5)], 1)]
        left = rest(activity[i, bins], np.c_[common, own])
        scores = [abs(np.corrcoef(left, rest(activity[j, bins - 1], common))[0, 1]) if j != i else -1 for j in range(9)]
        assert edges[0, edges[1] == i].tolist() == sorted(np.argsort(scores)[-3:].tolist())


def test_blocks_and_threads_do_not_change_the_candidates():
    session = make_session(N=600, T=120).standardise()  # two blocks
    edges = candidate_edges(session, 7)
    with threads(2):
        assert torch.equal(candidate_edges(session, 7), edges)
    assert edges.shape == (2, 600 * 7)
    assert (edges[0] != edges[1]).all()
    assert (edges[1].diff() >= 0).all()


def test_true_senders_are_among_the_candidates():
    torch.manual_seed(1)
    session, weights = make_session(N=60, T=3000), torch.zeros(60, 60)
    for i in range(60):
        weights[i, torch.randperm(60)[:4]] = 0.4
    weights.fill_diagonal_(0)
    for t in range(1, 3000):
        session.activity[:, t] = weights @ session.activity[:, t - 1].tanh() + torch.randn(60)
    edges = candidate_edges(session.standardise(), 12)
    found = torch.zeros(60, 60)
    found[edges[1], edges[0]] = 1
    assert (found * weights).sum() / weights.sum() > 0.98


def test_a_short_recording_is_refused_in_one_line():
    with pytest.raises(ValueError, match="segment of more than 5 bins in session 'demo'"):
        candidate_edges(make_session(N=9, T=5), 3)
