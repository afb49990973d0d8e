import pytest
import torch

from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding


def test_one_neuron_has_one_row_wherever_it_was_recorded():
    embedding = NeuronEmbedding(["a", "b", "c", "b", "d"], embedding_dim=3)
    assert embedding.weight.shape == (4, 3)
    monday, tuesday = embedding.rows(["a", "b"]), embedding.rows(["b", "d"])
    assert torch.equal(embedding(monday)[1], embedding(tuesday)[0])
    with pytest.raises(KeyError):
        embedding.rows(["e"])


def test_ids_travel_with_the_weights():
    one = NeuronEmbedding(["a", "b"], 3)
    same, other = NeuronEmbedding(["a", "b"], 3), NeuronEmbedding(["b", "a"], 3)
    same.load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="same neurons"):
        other.load_state_dict(one.state_dict())
