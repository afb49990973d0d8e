import numpy as np

from synapsnet_pyg.plots.pooling import colour_limit, pooled


def test_a_cell_shows_the_strongest_of_its_pairs():
    matrix, order = np.random.default_rng(0).normal(size=(7, 7)), np.random.default_rng(1).permutation(7)
    cells = pooled(matrix, order, most=3)  # three neurons a cell
    drawn = matrix[cells.receiver, cells.sender]
    ordered = matrix[np.ix_(order, order)]
    for row in range(3):
        for column in range(3):
            square = ordered[3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            assert abs(drawn[row, column]) == np.abs(square).max()


def test_a_few_extreme_pairs_do_not_change_the_colours():
    values = np.random.default_rng(0).normal(size=5000)
    extreme = values.copy()
    extreme[:10] = 1e6
    assert colour_limit(extreme) < 2 * colour_limit(values)
    assert colour_limit(np.zeros(3)) == 1
    assert colour_limit(np.array([])) == 1
    assert colour_limit(np.array([0.0] * 999 + [2.0])) == 2
