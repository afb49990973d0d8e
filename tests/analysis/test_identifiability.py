import pytest
import torch

from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.data.session import Session


def test_identifiability_tells_twins():
    random = torch.Generator().manual_seed(0)
    activity = torch.randn(3, 2000, generator=random)
    activity[2] = activity[1] + 0.1 * activity[2]
    told = identifiability(Session(activity, bin_size=0.1))
    assert told.largest_correlation > 0.99
    assert told.variance_inflation[0] == pytest.approx(1, abs=0.05)
    assert told.variance_inflation[1] > 50
    assert "2 of 3 neurons" in told.message
