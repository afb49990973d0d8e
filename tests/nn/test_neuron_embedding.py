import pytest
import torch

from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding


def test_one_neuron_has_one_row_wherever_it_was_recorded():
    embedding = NeuronEmbedding([["a", "b", "c"], ["b", "d"]], embedding_dim=3)
    assert embedding.weight.shape == (4, 3)
    assert torch.equal(embedding(0)[1], embedding(1)[0])


def test_known_neurons_keep_their_vectors_in_another_table():
    one, other = NeuronEmbedding([["a", "b"]], 3), NeuronEmbedding([["c", "b"]], 3)
    before = other(0)[0].clone()
    other.adopt(one)
    assert torch.equal(other(0)[1], one(0)[1])
    assert torch.equal(other(0)[0], before)


def test_ids_travel_with_the_weights():
    one = NeuronEmbedding([["a", "b"]], 3)
    same, other = NeuronEmbedding([["a"], ["b"]], 3), NeuronEmbedding([["b", "a"]], 3)
    same.load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="same neurons"):
        other.load_state_dict(one.state_dict())
