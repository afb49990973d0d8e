import torch
from helpers import make_session

from synapsnet_pyg.results.strongest_part import StrongestPart


def test_the_neurons_with_the_strongest_edges_are_chosen_with_their_fields_and_truth():
    session = make_session(N=7, T=40, K=2, edge_index=torch.tensor([[5, 1, 2], [3, 5, 0]]))
    weights = torch.zeros(7, 7)
    weights[5, 1], weights[3, 5], weights[2, 0], weights[4, 4] = -3.0, 2.0, 0.1, 9.0
    part = StrongestPart.of(session, weights.to_sparse_coo(), most=3)
    assert part.neurons.tolist() == [1, 3, 5]  # a neuron's weight on itself is no edge
    assert part.session.neuron_id == [session.neuron_id[i] for i in (1, 3, 5)]
    torch.testing.assert_close(part.session.activity, session.activity[[1, 3, 5]])
    expected = weights[[1, 3, 5]][:, [1, 3, 5]]
    torch.testing.assert_close(part.matrix(weights.to_sparse_coo()), expected)
    truth = session.true_connectivity[[1, 3, 5]][:, [1, 3, 5]]
    torch.testing.assert_close(part.session.true_connectivity, truth)
    assert "7 neurons" in part.sentence
