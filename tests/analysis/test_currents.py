import math

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis import currents
from synapsnet_pyg.analysis.currents import current_cross_correlation, shuffle_senders
from synapsnet_pyg.connectivity.lagged_correlation import LaggedCorrelation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit
from synapsnet_pyg.simulations.population import simulate_population


@pytest.mark.parametrize("block", [4096, 7])
def test_agrees_with_numpy_segment_by_segment(monkeypatch, block):
    monkeypatch.setattr(currents, "_BLOCK", block)
    segments = [[2, 25], [25, 27], [31, 60]]  # the second is shorter than the delay
    session = make_session(N=4, T=60, segment=torch.tensor(segments))
    connectivity = torch.randn(4, 4)
    curve = current_cross_correlation(session, connectivity, max_delay=3)
    a, weights = session.activity.numpy(), connectivity.numpy().copy()
    np.fill_diagonal(weights, 0)
    for i in range(4):
        for d, delay in enumerate(range(-3, 4)):
            pairs = [
                (weights[i] @ a[:, t], a[i, t + delay])
                for begin, end in segments
                for t in range(begin, end)
                if begin <= t + delay < end
            ]
            assert float(curve.correlation[i, d]) == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1], abs=1e-6)
    expected = curve.correlation.numpy()
    assert curve.mean.numpy() == pytest.approx(expected.mean(0))
    assert curve.sem.numpy() == pytest.approx(expected.std(0, ddof=1) / 2)
    assert curve.seconds.tolist() == pytest.approx([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3])


def test_current_of_a_chain_leads_by_one_bin():
    a = torch.randn(2, 500)
    a[1, 1:] = 0.8 * a[0, :-1] + 0.2 * a[1, 1:]
    curve = current_cross_correlation(Session(a, bin_size=0.1), torch.tensor([[0.0, 0.0], [0.8, 0.0]]), max_delay=2)
    assert curve.peak_delay == 1
    assert float(curve.correlation[1, 3]) == pytest.approx(0.97, abs=0.01)
    # Turned round, the current of neuron 0 comes after what it tells of.
    assert current_cross_correlation(Session(a, bin_size=0.1), torch.tensor([[0.0, 0.8], [0, 0]]), 2).peak_delay == -1


def test_constant_neurons_and_neurons_without_input_are_left_out():
    session = make_session(N=5)
    session.activity[1] = 0.3  # constant, and so is its current to neuron 4
    connectivity = torch.randn(5, 5)
    connectivity[3], connectivity[4] = 0, torch.tensor([0.0, 2.0, 0.0, 0.0, 1.0])
    curve = current_cross_correlation(session, connectivity, max_delay=2)
    assert curve.correlation.isnan().all(1).tolist() == [False, True, False, True, True]
    assert curve.mean.tolist() == curve.correlation[[0, 2]].mean(0).tolist()
    alone = torch.zeros(5, 5)
    alone[0, 2] = 1
    assert all(math.isnan(error) for error in current_cross_correlation(session, alone).sem)


def test_refuses_what_has_no_correlation():
    session = make_session(N=5, T=12)
    with pytest.raises(ValueError, match=r"vary \(got none of 5"):
        current_cross_correlation(session, torch.eye(5), 2)
    with pytest.raises(ValueError, match=r"shape \[5, 5\]"):
        current_cross_correlation(session, torch.zeros(4, 4))
    for delay in (-1, 11):
        with pytest.raises(ValueError, match="smaller max_delay"):
            current_cross_correlation(session, torch.ones(5, 5), delay)
    with pytest.raises(ValueError, match=r"shape \[N, N\]"):
        shuffle_senders(torch.zeros(3, 2))


def test_shuffling_keeps_each_receivers_weights():
    connectivity = torch.randn(7, 7)
    other = shuffle_senders(connectivity, seed=1)
    assert torch.equal(other.sort(1).values, connectivity.sort(1).values)
    assert torch.equal(other.diagonal(), connectivity.diagonal())
    assert torch.equal(other, shuffle_senders(connectivity, seed=1))
    assert not torch.equal(other, shuffle_senders(connectivity, seed=2))
    assert torch.equal(shuffle_senders(torch.ones(1, 1)), torch.ones(1, 1))
    # Every sender is as likely as any other.
    firsts = torch.stack([shuffle_senders(torch.arange(16.0).view(4, 4), seed)[0, 1] for seed in range(600)])
    assert firsts.unique(return_counts=True)[1].tolist() == pytest.approx([200] * 3, abs=40)


@pytest.mark.slow
def test_synapsnet_leads_where_correlation_within_the_bin_does_not(tmp_path):
    """Figure 4b of SynapsNet, on spikes whose wiring is known."""
    session = simulate_population(bins=6000, neurons=40, recorded=40).standardise()
    train, _, test = session.split()
    model = SynapsNet([session])
    fit(model, [session], tmp_path, Recipe(epochs=2), progress=False)
    learned, true = model.connectivity(train), session.true_connectivity
    curves = {
        name: current_cross_correlation(test, matrix, max_delay=4)
        for name, matrix in {
            "true": true,
            "learned": learned,
            "shuffled": shuffle_senders(learned),
            "same bin": LaggedCorrelation(lag=0).fit(train).connectivity_,
        }.items()
    }
    assert {name: curve.peak_delay for name, curve in curves.items() if name != "shuffled"} == {
        "true": 1,
        "learned": 1,
        "same bin": 0,
    }
    assert curves["learned"].mean[5] > curves["shuffled"].mean[5] + 5 * curves["shuffled"].sem[5]
