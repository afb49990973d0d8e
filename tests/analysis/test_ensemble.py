import pytest
import torch

from synapsnet_pyg.analysis.ensemble import ensemble


def test_ensemble_by_hand():
    one, other = torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([[0.0, 3.0], [-1.0, 0.0]])
    together = ensemble([one, other])
    assert together.mean.tolist() == [[0, 2], [0.5, 0]]
    assert together.sign_agreement[0, 1] == 1
    assert together.sign_agreement[1, 0] == 0.5
    assert together.deviation[0, 1] == pytest.approx(2**0.5)
    with pytest.raises(ValueError, match="at least two"):
        ensemble([one])
