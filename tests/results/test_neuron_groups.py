import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.results.neuron_groups import fields_with_groups, groups_of


def test_fields_of_texts_that_differ_group_the_neurons():
    fields = {"cell_type": ["E", "", "I"], "layer": ["L4", "L4", "L4"], "depth": torch.arange(3.0)}
    session = Session(torch.zeros(3, 9), bin_size=0.1, **fields)
    assert fields_with_groups(session) == ["cell_type"]
    assert groups_of(session, "cell_type") == ["E", "unknown", "I"]
