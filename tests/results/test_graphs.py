import json

import networkx as nx
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.results.graphs import (
    connectivity_from_networkx,
    strongest,
    to_data,
    to_networkx,
    to_pandas,
    to_scipy,
)


def without_diagonal(matrix):
    return matrix.clone().fill_diagonal_(0)


def test_networkx_edges_run_from_sender_to_receiver(session, connectivity):
    graph = to_networkx(session, connectivity)
    assert graph.edges["demo/0", "demo/1"]["weight"] == 0.5
    assert graph.edges["demo/1", "demo/2"]["weight"] == -2
    assert set(graph.edges) == {("demo/0", "demo/1"), ("demo/1", "demo/2"), ("demo/3", "demo/0")}
    assert graph.nodes["demo/2"] == {"area": "LM", "position_x": 6.0, "position_y": 7.0, "position_z": 8.0}
    assert len(graph) == 4


def test_threshold_and_top_k(session, connectivity):
    assert len(to_networkx(session, strongest(connectivity, threshold=0.3)).edges) == 2
    assert list(to_networkx(session, strongest(connectivity, top_k=1)).edges) == [("demo/1", "demo/2")]
    assert to_pandas(session, strongest(connectivity, top_k=2))["weight"].tolist() == [-2.0, 0.5]
    assert to_scipy(session, strongest(connectivity, threshold=0.3)).nnz == 2
    assert strongest(torch.full((4, 4), 0.5), top_k=5).count_nonzero() == 5
    with pytest.raises(ValueError, match="top_k >= 1"):
        strongest(connectivity, top_k=0)


def test_a_chain_runs_from_source_to_target_in_memory(chain):
    assert list(to_networkx(*chain).edges) == [("a", "b")]
    assert to_data(*chain).edge_index.tolist() == [[0], [1]]
    assert to_pandas(*chain)[["source", "target"]].values.tolist() == [["a", "b"]]
    assert to_scipy(*chain).toarray().tolist() == [[0, 0], [0.5, 0]]
    graph = nx.DiGraph([("a", "b", {"weight": 0.5})])
    assert torch.equal(connectivity_from_networkx(chain[0], graph), chain[1])


def test_an_edge_without_a_weight_is_told():
    session = make_session(N=3, neuron_id=["a", "b", "c"])
    graph = nx.DiGraph([("a", "b", {"weight": 0.5}), ("b", "c")])
    with pytest.warns(DataWarning, match="1 of 2 edges have no weight and count 1 .'b' to 'c'"):
        assert connectivity_from_networkx(session, graph)[2, 1] == 1


def test_networkx_and_pyg_give_all_weights_back():
    session, connectivity = make_session(N=7), without_diagonal(torch.randn(7, 7))
    assert torch.equal(connectivity_from_networkx(session, to_networkx(session, connectivity)), connectivity)
    data = to_data(session, connectivity)
    back = make_session(N=7, edge_index=data.edge_index, edge_weight=data.edge_weight).true_connectivity
    assert torch.equal(back, connectivity)
    assert torch.equal(torch.from_numpy(to_scipy(session, connectivity).toarray()), connectivity)


def test_pyg_graph_knows_the_neurons_and_the_edges(session, connectivity, edge_fields):
    data = to_data(session, connectivity, edge_fields=edge_fields)
    assert data.validate()
    assert data.num_nodes == 4
    assert data.neuron_id == session.neuron_id
    assert data.area == session.area
    assert data.genes.shape == (4, 9)
    for (sender, receiver), weight, p in zip(data.edge_index.t(), data.edge_weight, data.edge_p_value, strict=True):
        assert weight == connectivity[receiver, sender]
        assert p == edge_fields["p_value"][receiver, sender]


def test_refuses_what_does_not_fit(session, connectivity):
    for call in (to_networkx, to_data, to_pandas, to_scipy):
        with pytest.raises(ValueError, match=r"shape \[4, 4\]"):
            call(session, connectivity[:3])
    with pytest.raises(ValueError, match="finite"):
        to_networkx(session, connectivity / 0)
    with pytest.raises(ValueError, match=r"'p_value' of the edges as a matrix \[4, 4\]"):
        to_networkx(session, connectivity, edge_fields={"p_value": connectivity[0]})
    for graph in (nx.Graph(), nx.MultiDiGraph()):
        with pytest.raises(ValueError, match=r"networkx\.DiGraph"):
            connectivity_from_networkx(session, graph)
    with pytest.raises(ValueError, match=r"\(got stranger\)"):
        connectivity_from_networkx(session, nx.DiGraph({"stranger": []}))


def test_graph_is_plain_data(session, connectivity, edge_fields):
    graph = to_networkx(session, connectivity, edge_fields=edge_fields)
    assert json.loads(json.dumps(nx.node_link_data(graph, edges="edges")))["directed"]
