import numpy as np
import torch
from helpers import make_session

from synapsnet_pyg.plots.pooling import pooled
from synapsnet_pyg.report.neuron_order import group_neurons


def test_neurons_are_grouped_by_what_is_known_of_them():
    connectivity = torch.zeros(7, 7)
    connectivity[:3, :3], connectivity[3:6, 3:6] = 1.0, -1.0
    connectivity = connectivity[[0, 3, 1, 4, 2, 5, 6]][:, [0, 3, 1, 4, 2, 5, 6]]
    by_community = group_neurons(make_session(N=7), connectivity)
    assert by_community.by == "community"
    assert by_community.order.tolist() == [0, 2, 4, 1, 3, 5, 6]
    assert by_community.ordered_groups == ["C1"] * 3 + ["C2"] * 3 + ["none"]
    types = ["x", "y", "x", "y", "y", "y", "x"]
    assert group_neurons(make_session(N=7, area=["V1"] * 7, cell_type=types), connectivity).by == "cell_type"


def test_nothing_groups_neurons_without_edges():
    session = make_session(7, 30)
    alone = group_neurons(session, torch.zeros(7, 7))
    assert alone.by == ""
    assert alone.ordered_groups is None
    assert alone.order.tolist() == list(range(7))


def test_a_large_matrix_shows_the_strongest_of_each_square():
    random = np.random.default_rng(0)
    matrix, order = random.standard_normal((11, 11)), random.permutation(11)
    cells = pooled(matrix, order, most=4)
    ordered = matrix[np.ix_(order, order)]
    assert cells.receiver.shape == (4, 4)
    for a in range(4):
        for b in range(4):
            square = ordered[3 * a : 3 * a + 3, 3 * b : 3 * b + 3]
            assert abs(matrix[cells.receiver[a, b], cells.sender[a, b]]) == np.abs(square).max()
    assert cells.first.tolist() == order[::3].tolist()
