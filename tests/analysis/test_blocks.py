import math

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.blocks import connectivity_blocks

AREAS = ["V1", "LM", "V1", "", "AL", "LM", "V1", "LM", "AL"]


def row(table, sender, receiver):
    (found,) = table[(table["sender"] == sender) & (table["receiver"] == receiver)].itertuples()
    return found


def test_by_hand():
    connectivity = torch.zeros(4, 4)
    connectivity[2, 0], connectivity[2, 1], connectivity[0, 1], connectivity[0, 0] = 3.0, -1.0, 0.5, 9.0
    session = make_session(N=4, area=["V1", "V1", "LM", ""])
    table, unlabelled = connectivity_blocks(session, connectivity, "area", permutations=5)
    assert unlabelled == 1
    assert table[["sender", "receiver"]].values.tolist() == [["LM", "LM"], ["LM", "V1"], ["V1", "LM"], ["V1", "V1"]]
    assert table["pairs"].tolist() == [0, 2, 2, 2]
    assert table["mean_weight"].tolist()[1:] == [0, 1, 0.25]
    assert table["mean_absolute_weight"].tolist()[1:] == [0, 2, 0.25]
    assert table["density"].tolist()[1:] == [0, 1, 0.5]
    assert table["balance"].tolist()[2:] == [0.75, 1]
    assert table["balance"][:2].isna().all()  # no weight: neither excites nor inhibits
    assert table.iloc[0, 3:].isna().all()  # one neuron makes no pair


@pytest.mark.parametrize("statistic", ["mean_weight", "mean_absolute_weight", "density", "balance"])
def test_loops_over_pairs_give_the_same(statistic):
    session, connectivity = make_session(N=9, area=AREAS), torch.randn(9, 9) * (torch.rand(9, 9) < 0.7)
    edge = connectivity.abs() > 0.5
    table, unlabelled = connectivity_blocks(
        session, connectivity, "area", edge=edge, statistic=statistic, permutations=7, seed=3
    )
    assert (len(table), unlabelled) == (9, 1)

    def slowly(areas, sender, receiver):
        pairs = [
            (connectivity[i, j].item(), edge[i, j].item())
            for i in range(9)
            for j in range(9)
            if i != j and areas[i] == receiver and areas[j] == sender
        ]
        absolute = sum(abs(w) for w, _ in pairs)
        return {
            "pairs": len(pairs),
            "mean_weight": sum(w for w, _ in pairs) / len(pairs),
            "mean_absolute_weight": absolute / len(pairs),
            "density": sum(e for _, e in pairs) / len(pairs),
            "balance": sum(max(w, 0) for w, _ in pairs) / absolute if absolute else math.nan,
        }

    labelled, random = [i for i in range(9) if AREAS[i]], np.random.default_rng(3)
    shuffles = []
    for _ in range(7):
        areas = list(AREAS)
        for i, k in zip(labelled, random.permutation(len(labelled)), strict=True):
            areas[i] = AREAS[labelled[k]]
        shuffles.append(areas)
    for found in table.itertuples():
        expected = slowly(AREAS, found.sender, found.receiver)
        for name, value in expected.items():
            assert getattr(found, name) == pytest.approx(value, nan_ok=True), name
        null = np.array([slowly(areas, found.sender, found.receiver)[statistic] for areas in shuffles])
        null = null[~np.isnan(null)]
        far = np.abs(null - null.mean()) >= abs(expected[statistic] - null.mean()) - 1e-9
        assert found.null_mean == pytest.approx(null.mean())
        assert found.null_deviation == pytest.approx(null.std())
        assert found.p_labels == (1 + far.sum()) / (1 + len(null))


def test_finds_a_planted_block_and_no_other():
    area = ["V1"] * 12 + ["LM"] * 13 + ["AL"] * 14
    connectivity = torch.randn(39, 39)
    connectivity[12:25, :12] += 1  # V1 drives LM
    table = connectivity_blocks(make_session(N=39, area=area), connectivity, "area").table
    planted = row(table, "V1", "LM")
    assert planted.mean_weight == pytest.approx(1, abs=0.2)
    assert planted.z > 4
    assert planted.q_labels < 0.02
    assert row(table, "LM", "V1").q_labels > 0.1
    assert table.loc[table["q_labels"] < 0.02, "sender"].tolist() == ["V1"]


def test_p_is_uniform_without_structure():
    p = []
    for seed in range(60):
        random = torch.Generator().manual_seed(seed)
        session = make_session(N=15, area=["V1"] * 6 + ["LM"] * 9)
        table = connectivity_blocks(
            session, torch.randn(15, 15, generator=random), "area", permutations=99, seed=seed
        ).table
        p += table["p_labels"].tolist()
    assert np.quantile(p, [0.1, 0.25, 0.5, 0.75]) == pytest.approx([0.1, 0.25, 0.5, 0.75], abs=0.08)


def test_groups_can_be_numbers_or_quantiles_of_them():
    position = torch.tensor([[0.0, 50.0], [0.0, 10.0], [0.0, 30.0], [0.0, 20.0], [0.0, torch.nan], [0.0, 40.0]])
    session = make_session(N=6, layer=[5, 4, 5, 23, 4, 5], position=position)
    connectivity = torch.ones(6, 6)
    layers = connectivity_blocks(session, connectivity, "layer", permutations=3).table
    assert layers["sender"].unique().tolist() == [4, 5, 23]
    assert layers["pairs"].tolist() == [2, 6, 2, 6, 6, 3, 2, 3, 0]
    assert layers["p_labels"].dropna().tolist() == [1] * 8  # all weights are one
    depths, unlabelled = connectivity_blocks(session, connectivity, "position_y", bins=2, permutations=3)
    assert depths["sender"].unique().tolist() == ["10 to 30", "40 to 50"]
    assert depths["pairs"].tolist() == [6, 6, 6, 2]
    assert unlabelled == 1


def test_refuses_what_cannot_be_grouped():
    session = make_session(N=4, area=["V1", "", "LM", ""], none=[""] * 4)
    connectivity = torch.ones(4, 4)
    for field, bins, message in (
        ("layer", None, r"'layer', there are: area, none"),
        ("none", None, "of at least one neuron"),
        ("area", 2, "field of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            connectivity_blocks(session, connectivity, field, bins=bins)
    with pytest.raises(ValueError, match=r"Expected a statistic .*'median'"):
        connectivity_blocks(session, connectivity, "area", statistic="median")


def many_areas(groups=11, size=10):
    return [f"area {g:02d}" for g in range(groups) for _ in range(size)]


def test_one_of_121_blocks_can_be_found():
    connectivity = torch.randn(110, 110, generator=torch.Generator().manual_seed(0))
    connectivity[:10, 10:20] += 1.0  # area 01 drives area 00
    table = connectivity_blocks(make_session(N=110, area=many_areas()), connectivity, "area").table
    planted = row(table, "area 01", "area 00")
    assert len(table) == 121
    assert planted.q_labels < 0.01
    assert planted.q_zero < 0.01
    assert planted.low < 1 < planted.high
    assert (table["q_labels"] < 0.05).sum() == 1


def test_no_block_is_found_where_labels_are_shuffled():
    found, p = 0, []
    for seed in range(25):
        random = torch.Generator().manual_seed(seed)
        connectivity = torch.randn(60, 60, generator=random) + 0.3 * torch.randn(1, 60, generator=random)
        area = [f"area {int(g)}" for g in torch.randint(0, 6, (60,), generator=random)]
        table = connectivity_blocks(make_session(N=60, area=area), connectivity, "area", permutations=600).table
        found += int((table[["q_zero", "q_labels"]] < 0.05).any(axis=None))
        p += table["p_labels"].tolist()
    assert found <= 4
    assert np.quantile(p, [0.1, 0.25, 0.5, 0.75]) == pytest.approx([0.1, 0.25, 0.5, 0.75], abs=0.06)


def test_a_p_value_is_not_below_that_of_all_assignments():
    connectivity = torch.zeros(20, 20)
    connectivity[0, 1:] = 50 + torch.rand(19)  # the only neuron of its area receives everything
    session = make_session(N=20, area=["V1"] + ["LM"] * 19)
    table = connectivity_blocks(session, connectivity, "area", permutations=600).table
    assert row(table, "LM", "V1").p_labels >= 1 / 20
    assert row(table, "V1", "V1").pairs == 0
    assert math.isnan(row(table, "V1", "V1").p_zero)


def test_a_block_of_all_blocks_differs_from_zero_and_not_from_other_labels():
    connectivity = 0.5 + torch.randn(30, 30, generator=torch.Generator().manual_seed(2))
    session = make_session(N=30, area=["V1", "LM", ""] * 10)
    table, unlabelled = connectivity_blocks(session, connectivity, "area", error=torch.ones(30, 30))
    assert unlabelled == 10
    assert (table["q_zero"] < 0.05).all()
    assert (table["q_labels"] > 0.01).all()


def test_errors_of_other_neurons_are_refused():
    with pytest.raises(ValueError, match=r"shape \[4, 4\]"):
        connectivity_blocks(
            make_session(N=4, area=list("aabb")), torch.ones(4, 4), "area", error=torch.ones(3, 3), permutations=3
        )
