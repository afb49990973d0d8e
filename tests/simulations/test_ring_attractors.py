import numpy as np
import pytest
import torch

from synapsnet_pyg.connectivity.lagged_correlation import correlate
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.regression.least_squares import moments
from synapsnet_pyg.simulations.registry import simulation
from synapsnet_pyg.simulations.ring_attractors import (
    RING_THRESHOLD,
    ring_weights,
    simulate_ring,
    simulate_spiking_ring,
    synaptic_activation,
)


def test_weights_are_local_and_the_same_all_round():
    weights = ring_weights(100)
    assert np.array_equal(weights, weights.T)
    assert np.array_equal(np.roll(weights, 3, (0, 1)), weights)
    assert weights[5, 5] == pytest.approx(-0.0005)
    assert weights[5, 98] == pytest.approx(np.exp(-49 / (2 * 6.98**2)) - 1.0005 * np.exp(-0.5))
    assert weights.max() < 0


def test_anchors_of_the_ring_of_rates():
    session = simulate_ring()
    truth, train = session.true_connectivity, session.split().train
    assert connectivity_score(moments(train).solution(0.0)[0], truth, diagonal=True).pearson == pytest.approx(
        0.90, abs=0.01
    )
    assert connectivity_score(correlate(train, 1), truth, diagonal=True).pearson == pytest.approx(0.90, abs=0.01)
    # In the same bin those correlate who inhibit each other most.
    still = correlate(train, 0).fill_diagonal_(0)
    assert connectivity_score(still, truth, diagonal=True).pearson == pytest.approx(-0.40, abs=0.03)


def test_rates_follow_the_equation_and_are_kicked_now_and_then():
    session = simulate_ring(bins=500, seed=1, neurons=23, coupling=5.0)
    x = session.activity.t().double()
    assert not x[0].any()
    kick = x[1:].atanh() - x[:-1] @ session.true_connectivity.double().t() - 1
    assert (kick.abs() > 1e-3).double().mean().item() == pytest.approx(0.159, abs=0.015)


def row_rescaled_scores(estimate, truth):
    """Spearman, Pearson and relative error off the diagonal, each row scaled to fit the truth best; signs may flip."""
    apart = ~torch.eye(len(truth), dtype=torch.bool)
    e, t = estimate * apart, truth.double() * apart
    e = e * ((e * t).sum(1) / e.square().sum(1))[:, None]
    score = connectivity_score(e, t)
    return [score.spearman, score.pearson, float((e - t).norm() / t.norm())]


@pytest.mark.parametrize(
    ("coupling", "spikes", "scores"),
    [
        (0.0025, 50690, [0.12, 0.16, 0.98]),
        pytest.param(0.0075, 52493, [0.33, 0.39, 0.88], marks=pytest.mark.slow),
        (0.015, 49380, [0.44, 0.52, 0.82]),
        pytest.param(0.025, None, [0.33, 0.31, 0.93], marks=pytest.mark.slow),
    ],
)
def test_anchors_of_the_ring_of_spikes(coupling, spikes, scores):
    session = simulate_spiking_ring(bins=80_001, coupling=coupling)
    if spikes is not None:
        assert int(session.activity[:, :80_000].sum()) == spikes
    before = synaptic_activation(session.activity, session.activation_before)[:, :-1]
    after = session.activity[:, 1:].double()
    before, after = before - before.mean(1, keepdim=True), after - after.mean(1, keepdim=True)
    estimate = torch.linalg.solve(before @ before.t(), before @ after.t()).t()
    assert row_rescaled_scores(estimate, session.true_connectivity) == pytest.approx(scores, abs=0.006)


def test_spikes_are_those_of_the_equation():
    N, T, r, threshold = 7, 60, 0.01, 0.0009
    random, s, weights, spikes = np.random.default_rng(3), [0.0] * N, ring_weights(N), np.zeros((N, T))
    for t in range(T):
        size, gate = random.standard_normal(N), random.standard_normal(N)
        for i in range(N):
            kick = size[i] if gate[i] > 1.5 else 0.0
            spikes[i, t] = r * sum(weights[i, j] * s[j] for j in range(N)) + 0.001 * (1 + 0.3 * kick) > threshold
        s = [s[i] + spikes[i, t] - s[i] * 0.0001 / 0.01 for i in range(N)]
    session = simulate_spiking_ring(bins=T, seed=3, neurons=N, coupling=r, threshold=threshold, skip=0)
    assert 0 < spikes.mean() < 1
    assert np.array_equal(session.activity.numpy(), spikes)
    assert synaptic_activation(session.activity)[:, -1].tolist() == pytest.approx(s, rel=1e-12)
    torch.testing.assert_close(session.true_connectivity, torch.from_numpy(r * weights).float())


def test_activation_goes_on_from_the_skipped_steps():
    whole, part = (simulate_spiking_ring(bins=bins, skip=skip) for bins, skip in ((700, 0), (300, 400)))
    assert torch.equal(part.activity, whole.activity[:, 400:])
    expected = synaptic_activation(whole.activity)
    assert torch.equal(part.activation_before, expected[:, 399])
    assert torch.equal(synaptic_activation(part.activity, part.activation_before), expected[:, 400:])
    assert not whole.activation_before.any()


def test_is_found_by_name_and_says_what_is_wrong():
    assert len(RING_THRESHOLD) == 10
    assert simulation("ring", {"bins": 9, "neurons": 5})(1, 1).name == "ring-2"
    assert simulation("spiking-ring", {"bins": 9, "skip": 0})(0, 4, name="mine").name == "mine"
    with pytest.raises(ValueError, match="pass a threshold"):
        simulate_spiking_ring(bins=5, coupling=0.3)
    with pytest.raises(ValueError, match="skip >= 0"):
        simulate_spiking_ring(bins=5, skip=-1)
    with pytest.raises(ValueError, match="neurons >= 1"):
        simulate_ring(neurons=0)
