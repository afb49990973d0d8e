import torch

from synapsnet_pyg.nn.gather import gather, sharing


def test_one_process_has_its_own_value_alone():
    value = {"bins": 3, "sums": torch.ones(2)}
    assert gather(value)[0] is value
    with sharing(False):
        assert gather(value)[0] is value
