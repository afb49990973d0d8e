from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.results.connectivity import (
    EDGE_COLUMNS,
    connectivity_results,
    save_connectivity_results,
)
from synapsnet_pyg.results.connectivity_files import read_connectivity
from synapsnet_pyg.runs.run import Run

N = 10


class Linear(Forecaster):
    """Forecasts W a(t) with the true weights and an error of its seed."""

    def __init__(self, sessions, seed=0):
        super().__init__(sessions, window=3)
        random = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(true_weights() + 0.1 * torch.randn(N, N, generator=random))

    def forward(self, window):
        P = window.target.shape[-1]
        return Forecast(self.weight @ window.activity[..., -P:])

    def connectivity(self, session):
        return self.weight.detach().clone()


def true_weights() -> torch.Tensor:
    weights = torch.zeros(N, N)
    for i in range(N - 1):
        weights[i + 1, i] = 0.4 if i % 2 else -0.4
    return weights


@pytest.fixture(scope="module")
def session() -> Session:
    random = torch.Generator().manual_seed(0)
    activity = torch.zeros(N, 3000)
    for t in range(1, 3000):
        activity[:, t] = true_weights() @ activity[:, t - 1] + torch.randn(N, generator=random)
    return Session(activity, bin_size=0.1, name="demo").standardise()


@pytest.fixture(scope="module")
def runs(session) -> list[Run]:
    return [Run.of(Linear([session], seed), [session]) for seed in (1, 2, 3)]


def test_without_a_test_the_weight_is_the_learned_one(runs):
    result = connectivity_results(runs[:1])["demo"]
    assert torch.equal(result.connectivity, runs[0].model.weight.detach())
    assert (result.edge_fields, result.message) == ({}, "")
    with pytest.raises(ValueError, match="significance=True"):
        result.significant(0.05)


def test_the_weight_is_the_learned_one_with_a_test_too(runs, session):
    """One number is called weight; the test is of the recording, whichever run comes first."""
    mean = torch.stack([run.model.weight.detach() for run in runs]).mean(0)
    expected = edge_significance(session.split().train, learned=mean).edge_fields()
    for order in (runs, runs[::-1]):
        result = connectivity_results(order, significance=True)["demo"]
        torch.testing.assert_close(result.connectivity, mean)
        for name, matrix in expected.items():
            torch.testing.assert_close(result.edge_fields[name], matrix, equal_nan=True)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_table_that_was_not_asked_for_holds_the_significant_and_the_strongest_edges(
    runs, tmp_path, monkeypatch, sparse
):
    monkeypatch.setattr("synapsnet_pyg.results.connectivity.MOST_ROWS", 12)
    result = connectivity_results(runs[:1], significance=True)["demo"]
    if sparse:
        fields = {name: matrix.to_sparse() for name, matrix in result.edge_fields.items()}
        result = replace(result, connectivity=result.connectivity.to_sparse(), edge_fields=fields)
    called = result.significant(0.05).to_dense() != 0
    assert 0 < int(called.sum()) < 12
    lines = save_connectivity_results(runs[0], {"demo": result}, tmp_path)
    assert any(line.endswith(f"the strongest of {N * (N - 1)} (--format csv writes all)") for line in lines)
    weight = read_connectivity(tmp_path / "demo-edges.csv", runs[0].sessions["demo"])
    assert int((weight != 0).sum()) == 12
    assert bool((weight != 0)[called].all())
    left = result.connectivity.to_dense().clone().fill_diagonal_(0)[weight == 0]
    assert left.abs().max() <= weight[(weight != 0) & ~called].abs().min()
    save_connectivity_results(runs[0], {"demo": result}, tmp_path, formats=["csv"])
    assert len(pd.read_csv(tmp_path / "demo-edges.csv")) == N * (N - 1)


def test_tables_have_one_vocabulary(runs, tmp_path):
    results = connectivity_results(runs, significance=True)
    lines = save_connectivity_results(runs[0], results, tmp_path, formats=["csv", "npz"], rate=0.05)
    table = pd.read_csv(tmp_path / "demo-edges.csv")
    assert tuple(table) == EDGE_COLUMNS
    assert (table["q_value"] <= 0.05).all()
    true = true_weights() != 0
    assert len(table) == pytest.approx(int(true.sum()), abs=2)
    with np.load(tmp_path / "demo.npz", allow_pickle=False) as file:
        assert set(file) == {"connectivity", "neuron_id", "orientation", *EDGE_COLUMNS[3:]}
        assert (file["connectivity"] != 0).sum() > len(table)
    with pytest.raises(ValueError, match="got 'xlsx'"):
        save_connectivity_results(runs[0], results, tmp_path, formats=["xlsx"])
    assert lines[0] == f"written to {tmp_path / 'demo-edges.csv'}: {len(table)} edges"
    assert lines[1] == f"written to {tmp_path / 'demo.npz'}: all weights"
    assert lines[2] == f"written to {tmp_path / 'demo-same-bin.csv'}: 0 pairs coupled within the bin"
    assert lines[3].startswith(f"demo: {len(table)} of 90 tested pairs are significant edges at a false discovery rate")
    assert "too few to measure on this recording how many of them are false" in lines[3]


def test_refuses_runs_of_other_sessions(runs, session):
    other = Session(session.activity.flip(1), bin_size=0.1, name="demo").standardise()
    with pytest.raises(ValueError, match="runs of the same sessions"):
        connectivity_results([runs[0], Run.of(Linear([other]), [other])])


def test_pairs_that_were_not_tested_are_empty_cells_and_no_edges(tmp_path):
    silent = Session(torch.randn(4, 600), bin_size=0.1, name="demo", neuron_id=list("abcd"))
    silent.activity[1] = 0
    run = Run.of(Linear([silent.standardise()]), [silent.standardise()])
    run.model.weight = torch.nn.Parameter(torch.ones(4, 4))
    results = connectivity_results([run], significance=True)
    assert not results["demo"].significant(1.0)[1].any()
    assert "6 pairs were not tested" in results["demo"].message
    save_connectivity_results(run, results, tmp_path, formats=["csv", "npz", "graphml"])
    table = pd.read_csv(tmp_path / "demo-edges.csv")
    with_silent = (table["source"] == "b") | (table["target"] == "b")
    assert torch.equal(torch.tensor((~with_silent).to_numpy()), torch.tensor(table["tested"].to_numpy()))
    assert table.loc[with_silent, ["effect", "p_value", "posterior_mean", "lag"]].isna().all(axis=None)
    assert table.loc[~with_silent].notna().all(axis=None)
    matrix = np.load(tmp_path / "demo.npz")
    assert np.isnan(matrix["p_value"][1]).all()
    assert not matrix["tested"][:, 1].any()
    graph = nx.read_graphml(tmp_path / "demo.graphml")
    assert graph.edges["a", "b"] == {"weight": 1.0, "tested": False}
    assert graph.edges["a", "c"]["p_value"] == pytest.approx(matrix["p_value"][2, 0])


@pytest.mark.parametrize("sparse", [False, True])
def test_pairs_coupled_within_the_bin_are_listed_once(tmp_path, sparse):
    common = torch.randn(900)
    activity = torch.randn(3, 900)
    activity[0] += 2 * common
    activity[2] += 2 * common
    session = Session(activity, bin_size=0.1, name="demo", neuron_id=["a", "=b", "c"]).standardise()
    run = Run.of(Linear([session]), [session])
    weight = torch.ones(3, 3).fill_diagonal_(0)
    run.model.weight = torch.nn.Parameter(weight.to_sparse() if sparse else weight, requires_grad=False)
    results = connectivity_results([run], significance=True)
    lines = save_connectivity_results(run, results, tmp_path, formats=["csv"])
    assert f"written to {tmp_path / 'demo-same-bin.csv'}: 1 pairs coupled within the bin" in lines
    table = pd.read_csv(tmp_path / "demo-same-bin.csv")
    assert table[["neuron", "other"]].to_numpy().tolist() == [["a", "c"]]
    assert 0.6 < table["same_bin"][0] < 0.95  # 4 / 5 with equal variances
    assert table["same_bin_q"][0] < 0.001
