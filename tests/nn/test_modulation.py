import torch

from synapsnet_pyg.nn.modulation import Modulation


def test_gains_are_linear_in_behaviour_from_one():
    behaviour = torch.randn(2, 7, 3)
    modulation = Modulation(5, 3)
    assert all(torch.equal(gain, torch.ones(2, 5, 7)) for gain in modulation(behaviour))
    torch.nn.init.normal_(modulation.receiver)
    torch.nn.init.normal_(modulation.sender)
    receiving, sending = modulation(behaviour)
    torch.testing.assert_close(receiving[1, 4, 6], 1 + modulation.receiver[4] @ behaviour[1, 6])
    torch.testing.assert_close(sending[0, 2, 3], 1 + modulation.sender[2] @ behaviour[0, 3])
