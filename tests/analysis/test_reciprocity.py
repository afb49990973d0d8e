import networkx as nx
import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.reciprocity import _mutual, _OtherSenders, reciprocity
from synapsnet_pyg.results.graphs import strongest, to_networkx


def test_by_hand():
    connectivity = torch.tensor([[9.0, 3.0, 0.0], [-1.0, 9.0, 0.0], [4.0, 0.0, 9.0]])
    table = reciprocity(make_session(N=3), connectivity, permutations=5)
    assert table["of"].tolist() == ["edges", "weights"]
    assert table["reciprocity"].tolist() == [2 / 3, 2 / 8]


def test_of_edges_is_networkxs():
    session, connectivity = make_session(N=12), torch.randn(12, 12)
    kept = strongest(connectivity, top_k=40)
    expected = nx.overall_reciprocity(to_networkx(session, kept))
    assert reciprocity(session, connectivity, edge=kept != 0, permutations=2)["reciprocity"][0] == pytest.approx(
        expected
    )
    assert reciprocity(session, kept, permutations=2)["reciprocity"][0] == pytest.approx(expected)


def test_shuffles_keep_what_each_neuron_receives():
    matrix = torch.randn(7, 7).fill_diagonal_(0).numpy()
    shuffled = _OtherSenders(matrix)(np.random.default_rng(0))
    assert not shuffled.diagonal().any()
    assert not np.array_equal(shuffled, matrix)
    assert np.array_equal(np.sort(shuffled, axis=1), np.sort(matrix, axis=1))


def test_shuffles_have_mean_and_deviation_of_orders_of_their_own():
    random = np.random.default_rng(0)
    matrix = np.exp(random.standard_normal((9, 9)) + random.standard_normal((9, 1)))
    np.fill_diagonal(matrix, 0)
    others = ~np.eye(9, dtype=bool)

    def each_alone() -> np.ndarray:
        shuffled = np.zeros_like(matrix)
        shuffled[others] = random.permuted(matrix[others].reshape(9, 8), axis=1).flatten()
        return shuffled

    expected = np.array([_mutual(each_alone()) for _ in range(8000)])
    shuffle = _OtherSenders(matrix)
    found = np.array([_mutual(shuffle(random)) for _ in range(8000)])
    assert found.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / 4000**0.5)
    assert found.std() == pytest.approx(expected.std(), rel=0.05)
    assert np.quantile(found, [0.05, 0.95]) == pytest.approx(np.quantile(expected, [0.05, 0.95]), rel=0.02)


def test_finds_mutual_driving():
    one_way = torch.randn(20, 20) * (torch.rand(20, 20) < 0.1)
    table = reciprocity(make_session(N=20), one_way + one_way.t(), permutations=99)
    assert table["reciprocity"].tolist() == pytest.approx([1, 1])
    assert (table["z"] > 4).all()
    assert table["p"].tolist() == [0.01, 0.01]
    assert reciprocity(make_session(N=20), one_way.tril(), permutations=9)["reciprocity"].tolist() == [0, 0]


def test_p_is_uniform_without_structure():
    p = []
    for seed in range(150):
        connectivity = torch.randn(9, 9, generator=torch.Generator().manual_seed(seed))
        p.append(reciprocity(make_session(N=9), connectivity, permutations=99, seed=seed)["p"][1])
    assert np.quantile(p, [0.1, 0.25, 0.5, 0.75]) == pytest.approx([0.1, 0.25, 0.5, 0.75], abs=0.1)


def test_complete_and_empty_graphs_tell_nothing():
    complete = reciprocity(make_session(N=4), torch.ones(4, 4), permutations=5)
    assert complete["reciprocity"].tolist() == [1, 1]
    assert complete["p"].tolist() == [1, 1]
    assert complete["z"].isna().all()
    empty = reciprocity(make_session(N=4), torch.eye(4), permutations=5)
    assert empty[["reciprocity", "p"]].isna().all(axis=None)
    alone = reciprocity(make_session(N=1), torch.ones(1, 1), permutations=5)
    assert alone[["reciprocity", "p"]].isna().all(axis=None)
