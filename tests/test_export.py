import networkx as nx
import numpy as np
import pytest
import torch
from helpers import make_session, read_csv

from synapsnet_pyg.export import FORMATS, save_connectivity, strongest, to_data, to_networkx


@pytest.fixture
def session():
    return make_session(
        N=4, area=["V1", "V1", "LM", "AL"], position=torch.arange(12.0).view(4, 3), genes=torch.zeros(4, 9)
    )


@pytest.fixture
def connectivity():
    matrix = torch.zeros(4, 4)
    matrix[1, 0], matrix[2, 1], matrix[0, 3], matrix[3, 3] = 0.5, -2.0, 0.1, 9.0  # [receiver, sender]
    return matrix


def test_networkx_edges_run_from_sender_to_receiver(session, connectivity):
    graph = to_networkx(session, connectivity)
    assert graph.edges["demo/0", "demo/1"]["weight"] == 0.5
    assert graph.edges["demo/1", "demo/2"]["weight"] == -2
    assert set(graph.edges) == {("demo/0", "demo/1"), ("demo/1", "demo/2"), ("demo/3", "demo/0")}
    assert graph.nodes["demo/2"] == {"area": "LM", "position_x": 6.0, "position_y": 7.0, "position_z": 8.0}
    assert len(graph) == 4


def test_threshold_and_top_k(session, connectivity):
    assert len(to_networkx(session, connectivity, threshold=0.3).edges) == 2
    assert list(to_networkx(session, connectivity, top_k=1).edges) == [("demo/1", "demo/2")]
    assert strongest(torch.full((4, 4), 0.5), top_k=5).count_nonzero() == 5
    with pytest.raises(ValueError, match="top_k >= 1"):
        strongest(connectivity, top_k=0)
    with pytest.raises(ValueError, match=r"shape \[4, 4\]"):
        to_networkx(session, connectivity[:3])


def test_pyg_graph(session, connectivity):
    data = to_data(session, connectivity)
    assert data.num_nodes == 4
    assert (3, 0) in [tuple(edge) for edge in data.edge_index.t().tolist()]
    assert data.validate()


@pytest.mark.parametrize("format", FORMATS)
def test_files_read_back(session, connectivity, tmp_path, format):
    path = save_connectivity(session, connectivity, tmp_path, format)
    if format == "npz":
        with np.load(path, allow_pickle=False) as file:
            assert np.array_equal(file["connectivity"], connectivity.numpy())
            assert file["neuron_id"].tolist() == session.neuron_id
    elif format == "csv":
        rows = read_csv(path)
        assert [(row["source"], row["target"]) for row in rows] == [
            ("demo/1", "demo/2"),
            ("demo/0", "demo/1"),
            ("demo/3", "demo/0"),
        ]
        assert rows[0]["weight"] == "-2.0"
        assert (rows[0]["source_area"], rows[0]["target_area"], rows[0]["target_position_x"]) == ("V1", "LM", "6.0")
    else:
        graph = (nx.read_graphml if format == "graphml" else nx.read_gexf)(path)
        expected = to_networkx(session, connectivity)
        assert set(graph.edges) == set(expected.edges)
        assert graph.edges["demo/1", "demo/2"]["weight"] == -2
        assert graph.nodes["demo/3"]["area"] == "AL"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_refuses_unknown_formats(session, connectivity, tmp_path):
    with pytest.raises(ValueError, match="npz, csv, graphml"):
        save_connectivity(session, connectivity, tmp_path, "xlsx")
