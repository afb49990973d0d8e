import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf

from synapsnet_pyg.regression.shrinkage import shrink, soft_threshold


@pytest.mark.parametrize("bins", [7, 400])
def test_shrinkage_is_ledoit_and_wolfs(bins):
    centred = torch.randn(5, bins).double()
    centred[1] += 2 * centred[0]
    centred -= centred.mean(1, keepdim=True)
    ours = shrink(centred @ centred.t() / bins, float(centred.square().sum(0).square().mean()), bins)
    assert ours.numpy() == pytest.approx(ledoit_wolf(centred.numpy().T)[0], abs=1e-10)


def test_a_multiple_of_the_identity_stays():
    assert np.array_equal(shrink(3 * torch.eye(4), 100.0, 10), 3 * np.eye(4))


def test_a_share_of_the_pairs_comes_to_zero():
    coefficients = torch.randn(5, 7)
    for pairs in (0, 7, 20):
        shrunk = soft_threshold(coefficients, pairs / 20)
        assert int((shrunk == 0).sum()) == pairs
        assert torch.equal(shrunk[:, 5:], coefficients[:, 5:])
        assert torch.equal(shrunk.diagonal(), coefficients.diagonal())
        assert bool((shrunk * coefficients >= 0).all())
