import torch

from synapsnet_pyg.experiments.methods import least_squares


def test_least_squares_finds_a_plane_again():
    inputs = torch.randn(50, 3).double()
    weights, intercept = torch.randn(2, 3).double(), torch.tensor([0.5, -2.0]).double()
    found = least_squares(inputs, inputs @ weights.t() + intercept)
    torch.testing.assert_close(found[0], weights)
    torch.testing.assert_close(found[1], intercept)
    through_zero, nothing = least_squares(inputs, inputs @ weights.t(), intercept=False)
    torch.testing.assert_close(through_zero, weights)
    assert nothing.abs().max() == 0
