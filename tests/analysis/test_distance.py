import math

import numpy as np
import pytest
import torch
from helpers import make_session
from scipy.stats import spearmanr

from synapsnet_pyg.analysis.distance import weight_by_distance
from synapsnet_pyg.data.session import Session


def test_by_hand():
    session = make_session(N=3, position=torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 9.0]]))  # 5, 9 and 5.83 apart
    connectivity = torch.tensor([[9.0, -2.0, 0.0], [0.0, 9.0, 0.0], [0.5, 1.0, 9.0]])
    profile = weight_by_distance(session, connectivity, bins=3, permutations=9)
    table = profile.table
    assert table["nearest"].tolist() == table["farthest"].tolist() == pytest.approx([5, 34**0.5, 9])
    assert table["pairs"].tolist() == [2, 2, 2]
    assert table["mean_weight"].tolist() == [-1, 0.5, 0.25]
    assert table["mean_absolute_weight"].tolist() == [1, 0.5, 0.25]
    assert table["density"].tolist() == [0.5, 0.5, 0.5]
    assert table["balance"].tolist() == [0, 1, 1]
    assert profile.unplaced == 0


def test_loops_over_pairs_give_the_same():
    N, position = 8, torch.rand(8, 3)
    connectivity = torch.randn(N, N)
    profile = weight_by_distance(make_session(N=N, position=position), connectivity, bins=4, permutations=6, seed=2)
    pairs = [(i, j) for i in range(N) for j in range(N) if i != j]

    def distances(order):
        where = position.double()[order]
        return [float((where[i] - where[j]).norm()) for i, j in pairs]

    weights = [abs(connectivity[i, j].item()) for i, j in pairs]
    assert profile.spearman == pytest.approx(spearmanr(weights, distances(range(N))).statistic)
    random, own = np.random.default_rng(2), distances(range(N))
    orders = [random.permutation(N) for _ in range(6)]
    for found in profile.table.itertuples():

        def mean(values, near=found.nearest, far=found.farthest):
            inside = [
                weight for weight, distance in zip(values, own, strict=True) if near - 1e-9 <= distance <= far + 1e-9
            ]
            return sum(inside) / len(inside), len(inside)

        assert (found.mean_absolute_weight, found.pairs) == pytest.approx(mean(weights))
        null = np.array([mean([abs(connectivity[o[i], o[j]].item()) for i, j in pairs])[0] for o in orders])
        assert found.null_mean == pytest.approx(null.mean())
        assert found.null_deviation == pytest.approx(null.std())


def test_finds_that_near_neurons_drive_more():
    position = torch.rand(40, 2)
    connectivity = torch.randn(40, 40) * torch.exp(-torch.cdist(position, position) / 0.3)
    profile = weight_by_distance(make_session(N=40, position=position), connectivity, bins=5, permutations=199)
    assert profile.spearman < -0.4
    assert profile.p == 1 / 200
    first, last = profile.table.iloc[0], profile.table.iloc[-1]
    assert first["z"] > 4 > -4 > last["z"]
    assert max(first["q"], last["q"]) < 0.02


def test_p_is_uniform_without_structure():
    p = []
    for seed in range(150):
        random = torch.Generator().manual_seed(seed)
        session = make_session(N=12, position=torch.rand(12, 2, generator=random))
        # Some neurons send more than others, which is no effect of distance.
        connectivity = torch.randn(12, 12, generator=random) * torch.rand(12, generator=random) ** 3
        p.append(weight_by_distance(session, connectivity, bins=2, permutations=99, seed=seed).p)
    assert np.quantile(p, [0.1, 0.25, 0.5, 0.75]) == pytest.approx([0.1, 0.25, 0.5, 0.75], abs=0.1)


def test_neurons_without_a_position_are_left_out():
    position = torch.tensor([[0.0, 0.0], [1.0, 0.0], [torch.nan, 0.0], [4.0, 0.0]])
    connectivity = torch.ones(4, 4)
    connectivity[2] = connectivity[:, 2] = 7
    profile = weight_by_distance(make_session(N=4, position=position), connectivity, bins=1, permutations=3)
    assert (profile.unplaced, profile.table["pairs"].tolist(), profile.table["mean_weight"].tolist()) == (1, [6], [1])
    assert math.isnan(profile.spearman)  # weights that are all alike have no ranks
    assert math.isnan(profile.p)


def test_refuses_sessions_without_positions():
    connectivity = torch.ones(3, 3)
    for fields in ({}, {"position": torch.arange(3.0)}, {"position": ["a", "b", "c"]}):
        with pytest.raises(ValueError, match=r"position \[N, 2 or 3\]"):
            weight_by_distance(make_session(N=3, **fields), connectivity)
    with pytest.raises(ValueError, match=r"at least 2 neurons \(got 1\)"):
        weight_by_distance(
            make_session(N=3, position=torch.tensor([[0.0, 1.0], [torch.nan] * 2, [torch.inf] * 2])), connectivity
        )


def test_the_unit_is_that_of_the_positions():
    session = Session(torch.zeros(4, 9), bin_size=0.1, position=torch.randn(4, 3), position_unit="mm")
    assert weight_by_distance(session, torch.randn(4, 4), permutations=100).unit == "mm"
