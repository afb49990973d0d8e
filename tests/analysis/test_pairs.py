import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.pairs import STATISTICS, pairs_of, statistic_of
from synapsnet_pyg.results.graphs import strongest


def test_the_diagonal_never_counts():
    session, connectivity = make_session(N=3), torch.full((3, 3), 2.0)
    pairs = pairs_of(session, connectivity, torch.ones(3, 3, dtype=torch.bool))
    for matrix in (pairs.weight, pairs.edge, pairs.exists):
        assert not matrix.diagonal().any()
        assert np.count_nonzero(matrix) == 6
    assert connectivity[0, 0] == 2  # the caller's matrix is untouched


def test_statistics_by_hand():
    connectivity = torch.tensor([[9.0, 3.0, 0.0], [-1.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    pairs = pairs_of(make_session(N=3), connectivity)
    values = {name: np.divide(*(matrix.sum() for matrix in statistic_of(pairs, name))) for name in STATISTICS}
    assert values == {"mean_weight": 2 / 6, "mean_absolute_weight": 4 / 6, "density": 2 / 6, "balance": 3 / 4}


def test_edges_can_be_given():
    connectivity = torch.tensor([[0.0, 3.0, 0.5], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    session = make_session(N=3)
    assert pairs_of(session, connectivity).edge.sum() == 3
    assert pairs_of(session, connectivity, strongest(connectivity, threshold=1) != 0).edge.sum() == 2
    few = pairs_of(session, connectivity).among(np.array([True, False, True]))
    assert few.weight.tolist() == [[0, 0.5], [0, 0]]


def test_refuses_what_does_not_fit():
    session, connectivity = make_session(N=3), torch.ones(3, 3)
    with pytest.raises(ValueError, match=r"shape \[3, 3\]"):
        pairs_of(session, connectivity[:2])
    with pytest.raises(ValueError, match="finite"):
        pairs_of(session, connectivity / 0)
    for edge in (connectivity, connectivity[0] > 0):
        with pytest.raises(ValueError, match="edges as booleans"):
            pairs_of(session, connectivity, edge)
    with pytest.raises(ValueError, match="mean_weight, mean_absolute_weight"):
        statistic_of(pairs_of(session, connectivity), "median")
