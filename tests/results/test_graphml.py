import tracemalloc
from xml.etree import ElementTree

import networkx as nx
import pytest
import torch

from synapsnet_pyg import Session
from synapsnet_pyg.results.graphml import write_graphml, xml_text
from synapsnet_pyg.results.graphs import to_networkx

ODD = ["a\x01", r"a\x01", r"a\\x01", "a\nb", r"a\nb", "a\\\x01", r"\\", "\\", "<&\"'>", "", "\t", "e\u0301", "\uffff"]


def test_ids_that_xml_cannot_hold_stay_apart():
    assert len({xml_text(text) for text in ODD}) == len(ODD)
    for text in ODD:
        assert ElementTree.fromstring(f"<a>{xml_text(text).replace('&', '').replace('<', '')}</a>") is not None


def test_the_file_holds_the_graph_of_networkx(tmp_path):
    N = 4
    session = Session(
        torch.zeros(N, 9), bin_size=0.1, name="a & b", neuron_id=["a", "b<", 'c"', "d"], area=["V1", "&", "", "LM"],
        position=torch.arange(3.0 * N).view(N, 3), depth=torch.arange(N), tagged=torch.tensor([True, False] * 2),
    )  # fmt: skip
    connectivity = torch.randn(N, N) * (torch.rand(N, N) < 0.6)
    fields = {"p_value": torch.rand(N, N), "lag": torch.ones(N, N, dtype=torch.long)}
    write_graphml(tmp_path / "x.graphml", session, connectivity, fields)
    graph, known = nx.read_graphml(tmp_path / "x.graphml"), to_networkx(session, connectivity, edge_fields=fields)
    assert graph.graph["name"] == "a & b"
    assert set(graph.edges) == set(known.edges)
    for j, i, values in known.edges(data=True):
        assert graph.edges[j, i] == values
    for neuron, values in known.nodes(data=True):
        assert {key: value or "" for key, value in graph.nodes[neuron].items()} == {
            k: v or "" for k, v in values.items()
        }
    assert {type(value) for value in graph.nodes["a"].values()} == {str, float, int, bool}


def test_a_graph_without_edges_is_a_graph(tmp_path):
    session = Session(torch.zeros(2, 9), bin_size=0.1)
    write_graphml(tmp_path / "x.graphml", session, torch.zeros(2, 2), {})
    graph = nx.read_graphml(tmp_path / "x.graphml")
    assert (len(graph), len(graph.edges), graph.is_directed()) == (2, 0, True)


@pytest.mark.parametrize("N", [250])
def test_writing_takes_little_memory(tmp_path, N):
    session = Session(torch.zeros(N, 9), bin_size=0.1)
    connectivity = torch.randn(N, N)
    tracemalloc.start()
    write_graphml(tmp_path / "x.graphml", session, connectivity, {"p_value": torch.rand(N, N)})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * N * N
