import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.large_population import simulate_large_population


def test_counts_follow_the_weights():
    """With many bins least squares on what drives a neuron finds its senders' weights, up to the shape of tanh."""
    session = simulate_large_population(20_000, neurons=30, senders=3, types=4, hidden_drive=0.0)
    activity = session.activity.double().numpy()
    inputs = np.c_[activity[:, :-1].T, session.behaviour[:-1].numpy(), np.ones(session.num_bins - 1)]
    found = np.linalg.lstsq(inputs, activity[:, 1:].T, rcond=None)[0][:30].T
    np.fill_diagonal(found, 0)
    truth = session.true_connectivity.numpy()
    each = [np.corrcoef(found[i], truth[i])[0, 1] for i in range(30) if activity[i].mean() > 0.1 and truth[i].any()]
    assert len(each) > 15
    assert np.median(each) > 0.9


def test_every_neuron_has_few_senders_and_each_sender_one_sign():
    session = simulate_large_population(3, neurons=400, senders=7, types=5)
    sender, receiver = session.edge_index
    assert (sender != receiver).all()
    assert torch.bincount(receiver, minlength=400).max() <= 7
    assert len(torch.unique(receiver * 400 + sender)) == len(sender)
    for neuron in range(400):
        signs = session.edge_weight[sender == neuron].sign().unique()
        assert len(signs) <= 1


def test_the_same_seed_gives_the_same_population():
    one, other, third = (simulate_large_population(5, seed, neurons=20, senders=3) for seed in (1, 1, 2))
    assert torch.equal(one.activity, other.activity)
    assert not torch.equal(one.activity, third.activity)


@pytest.mark.parametrize("wrong", [{"senders": 20}, {"types": 0}, {"hidden_drive": -1.0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected bins, neurons, senders, types >= 1"):
        simulate_large_population(5, neurons=20, **wrong)
