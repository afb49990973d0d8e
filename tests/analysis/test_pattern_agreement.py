import numpy as np
import pytest
import torch

from synapsnet_pyg.analysis.pattern_agreement import pattern_agreement


def test_equals_numpy_over_the_pairs_that_count():
    first, second = torch.randn(2, 9, 9)
    known = torch.rand(9, 9) > 0.2
    counted = known & ~torch.eye(9, dtype=torch.bool)
    result = pattern_agreement(first, second, known=known)
    assert result.correlation == pytest.approx(np.corrcoef(first[counted], second[counted])[0, 1])
    assert result.low < result.correlation < result.high


def test_the_interval_holds_the_truth_where_pairs_share_their_neurons():
    inside = 0
    for seed in range(100):
        random = torch.Generator().manual_seed(seed)
        row, other = (torch.randn(25, 25, generator=random) for _ in range(2))
        of_senders = 0.7 * torch.randn(25, generator=random)
        result = pattern_agreement(row + of_senders, other + of_senders, resamples=200)
        inside += result.low < 0.49 / 1.49 < result.high
    assert inside >= 88


def test_a_constant_matrix_agrees_with_nothing():
    result = pattern_agreement(torch.ones(5, 5), torch.randn(5, 5))
    assert np.isnan(result).all()


def test_refuses_other_shapes():
    with pytest.raises(ValueError, match="two matrices"):
        pattern_agreement(torch.ones(5, 5), torch.ones(4, 4))
