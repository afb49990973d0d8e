import pytest
import torch

from synapsnet_pyg.regression.pairs import AllPairs, PairMatrix, Product, SomePairs

N = 7


@pytest.fixture
def some() -> SomePairs:
    return SomePairs(N, torch.tensor([[0, 3, 3, 6], [1, 5, 3, 0]]), others=12)


def matrix(some: SomePairs, values: torch.Tensor) -> torch.Tensor:
    """Returns values as a full matrix."""
    full = torch.zeros(N, N)
    full[some.edge_index[1], some.edge_index[0]] = values
    return full


def test_given_pairs_are_held_in_both_directions_once(some):
    given = some.weight == 1
    held = {tuple(pair) for pair in some.edge_index[:, given].t().tolist()}
    assert {(0, 1), (1, 0), (3, 5), (5, 3), (6, 0), (0, 6)} <= held
    assert len({tuple(pair) for pair in some.edge_index.t().tolist()}) == len(some.weight)
    assert (some.edge_index[0] != some.edge_index[1]).all()


def test_held_pairs_stand_for_all(some):
    assert float(some.weight.sum()) == pytest.approx(N * (N - 1))


def test_operations_on_some_pairs_are_those_of_matrices(some):
    values, left, right = torch.randn(len(some.weight)), torch.randn(N, 2), torch.randn(2, N)
    full = matrix(some, values)
    torch.testing.assert_close(some.times(values, left), full @ left)
    torch.testing.assert_close(matrix(some, some.transposed(values)), full.t())
    index = (some.edge_index[1], some.edge_index[0])
    torch.testing.assert_close(some.product(left, right), (left @ right)[index])
    torch.testing.assert_close(some.outer(left[:, 0], right[0]), torch.outer(left[:, 0], right[0])[index])
    one, other = some.once()
    torch.testing.assert_close(full.triu()[full.triu() != 0].sum(), values[one].sum())
    torch.testing.assert_close(matrix(some, values)[index][one], full.t()[index][other])
    series = torch.randn(N, 30)
    sums = torch.stack([some.of_rows(a[2:5] @ a.t(), torch.arange(2, 5)) for a in series.split(10, 1)])
    expected = torch.stack([a @ a.t() for a in series.split(10, 1)])[:, index[0], index[1]]
    torch.testing.assert_close(sums, expected[:, some.of_receivers(2, 5)])


def test_a_product_is_the_matrix_that_it_stands_for(some):
    left, right, middle = torch.randn(N, 4), torch.randn(N, 4), torch.randn(4, 4)
    middle = middle + middle.t()
    whole = left @ middle @ right.t()
    product = Product(torch.ones(N), left, middle, right, torch.ones(N), whole.diagonal())
    index = (some.edge_index[1], some.edge_index[0])
    held, factor, vectors = PairMatrix(some, whole[index], (product,)), torch.rand(N) + 1, torch.randn(N, 3)
    scaled = held.scaled(factor, 1 / factor)
    removed = torch.randn(len(some.weight))
    difference = scaled.plus(held, -0.5).without(removed)
    expected = factor[:, None] * whole / factor - 0.5 * whole
    expected = expected - matrix(some, removed) - expected.diagonal().diag()
    torch.testing.assert_close(difference.values, expected[index])
    for transposed in (False, True):
        of = expected.t() if transposed else expected
        torch.testing.assert_close(difference.times(vectors, transposed=transposed), of @ vectors, rtol=1e-4, atol=1e-4)


def test_all_pairs_are_flat_without_the_diagonal():
    values = torch.arange(9.0).view(3, 3)
    assert AllPairs(3).flat(values)[0].tolist() == [1, 2, 3, 5, 6, 7]


def test_a_pair_that_is_not_held_is_refused():
    with pytest.raises(ValueError, match="held"):
        SomePairs(N, torch.tensor([[0], [1]]), others=0).at(torch.tensor([[4], [2]]))
