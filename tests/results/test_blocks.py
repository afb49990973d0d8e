import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.plots.canvas import Figure
from synapsnet_pyg.results.blocks import draw_blocks, group_results, save_group_results
from synapsnet_pyg.runs.run import Run


def driven(name, seed, N=12, T=3000):
    """Neurons of area a drive those of area b."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.zeros(N, N)
    weight[6:, :6] = 0.15
    activity = torch.zeros(N, T)
    for t in range(1, T):
        activity[:, t] = weight @ activity[:, t - 1] + torch.randn(N, generator=random)
    session = make_session(N=N, T=T, name=name, area=["$a$"] * 6 + ["b"] * 6, depth=torch.arange(N).float())
    session.activity = activity
    return session.standardise()


def fitted(*sessions):
    model = build_model("var1", sessions)
    parts = [{session.name: session.split()[k] for session in sessions} for k in (0, 1)]
    model.initialise(*parts)
    return Run.of(model, sessions)


@pytest.fixture(scope="module")
def runs():
    return [fitted(driven("m1-a", 0), driven("m1-b", 1)), fitted(driven("m2-a", 2))]


@pytest.fixture(scope="module")
def results(runs):
    return group_results(runs, "area", animal="m1,m2")


def test_a_driving_area_is_found_in_each_session_and_over_all(results):
    assert list(results.sessions) == ["m1-a", "m1-b", "m2-a"]
    for blocks in results.sessions.values():
        table = blocks.table.set_index(["sender", "receiver"])
        assert table.loc[("$a$", "b"), "q_zero"] < 1e-4
        assert table.loc[("$a$", "b"), "low"] > 0.1
        assert table.loc[("b", "$a$"), "q_zero"] > 0.05
    row = results.over_sessions.set_index(["sender", "receiver"]).loc[("$a$", "b")]
    assert (row["sessions"], row["animals"]) == (3, 2)
    assert row["mean_weight"] == pytest.approx(0.15, abs=0.03)


def test_files_and_lines(results, tmp_path):
    lines = list(save_group_results(results, tmp_path / "out"))
    stems = ["blocks-area", *(f"{name}-blocks-area" for name in results.sessions)]
    expected = {f"{stem}{ending}" for stem in stems for ending in (".csv", ".png", ".svg", ".pdf")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert sum(line.startswith("written to") for line in lines) == len(expected)
    assert lines[-1].startswith("over 2 animals: ")
    assert any("0 neurons without area were left out" in line for line in lines)
    table = pd.read_csv(tmp_path / "out" / "blocks-area.csv")
    assert {"p_zero", "q_zero", "p_labels", "q_labels", "low", "high"} <= set(table.columns)


def test_a_single_session_has_no_table_over_sessions(runs, tmp_path):
    results = group_results(runs[1:], "depth", bins=2)
    assert results.over_sessions is None
    list(save_group_results(results, tmp_path))
    assert len(list(tmp_path.iterdir())) == 4


def test_of_many_blocks_the_surest_have_intervals():
    rows = [
        {"sender": f"s{h:02d}", "receiver": f"s{g:02d}", "mean_weight": 0.1, "low": 0.0, "high": 0.2,
         "p_zero": (g + 1) / 100, "q_zero": 0.5, "q_labels": 0.01 if g == h else 0.5}
        for h in range(12) for g in range(12)
    ]  # fmt: skip
    figure = draw_blocks(pd.DataFrame(rows), "title")
    assert isinstance(figure, Figure)
    matrix, forest = figure.axes[:2]
    assert len(forest.get_yticklabels()) == 30
    assert len(matrix.lines) == 12  # rings
    assert not matrix.texts  # stars


def test_what_does_not_fit_is_refused_before_anything_is_tested(runs):
    with pytest.raises(ValueError, match="there are: area"):
        group_results(runs, "layer")
    with pytest.raises(ValueError, match="'m1-a' twice"):
        group_results([runs[0], runs[0]], "area")
    with pytest.raises(ValueError, match="beginnings of all session names"):
        group_results(runs, "area", animal="m1")


@pytest.mark.slow
def test_no_block_differs_from_zero_where_neurons_share_an_input_and_nothing_else():
    found = 0
    for seed in range(4):
        random = np.random.default_rng(seed)
        shared, noise = np.zeros((4000, 3)), random.standard_normal((4000, 3))
        for t in range(1, 4000):
            shared[t] = 0.7 * shared[t - 1] + 0.7 * noise[t]
        rate = np.exp(np.minimum(np.log(0.3) + 0.5 * shared @ random.standard_normal((3, 40)), 1.5))
        area = [f"area {k % 5}" for k in range(40)]
        session = make_session(N=40, T=4000, name="shared", area=area)
        session.activity = torch.from_numpy(random.poisson(rate.T)).float()
        table = group_results([fitted(session.standardise())], "area").sessions["shared"].table
        found += int((table["q_zero"] < 0.05).sum())
    assert found <= 1
