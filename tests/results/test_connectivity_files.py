import sys
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_session, read_csv
from scipy.io import loadmat
from scipy.sparse import csc_array, load_npz, save_npz

from synapsnet_pyg.cli.runs import connectivity as connectivity_command
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.results.connectivity_files import FORMATS, read_connectivity, save_connectivity
from synapsnet_pyg.results.graphs import to_networkx

TABLES = ("csv", "parquet")
GRAPHS = ("graphml", "gexf")


def read_graph(path):
    return (nx.read_graphml if path.suffix == ".graphml" else nx.read_gexf)(path)


def read_table(path):
    return pd.DataFrame(read_csv(path)) if path.suffix == ".csv" else pd.read_parquet(path)


def without_diagonal(matrix):
    return matrix.clone().fill_diagonal_(0)


@pytest.mark.parametrize("format", FORMATS)
def test_a_chain_runs_from_source_to_target_in_every_file(chain, tmp_path, format):
    path = save_connectivity(*chain, tmp_path, format=format)
    if format in TABLES:
        assert read_table(path)[["source", "target"]].values.tolist() == [["a", "b"]]
    elif format in GRAPHS:
        assert 'source="a" target="b"' in path.read_text()
        assert list(read_graph(path).edges) == [("a", "b")]
    else:
        matrix = (
            load_npz(path).toarray()
            if format == "sparse"
            else (loadmat(path) if format == "mat" else np.load(path, allow_pickle=False))["connectivity"]
        )
        assert matrix.tolist() == [[0, 0], [0.5, 0]]
    assert path.name == {
        "npz": "chain.npz",
        "csv": "chain-edges.csv",
        "parquet": "chain-edges.parquet",
        "graphml": "chain.graphml",
        "gexf": "chain.gexf",
        "sparse": "chain-sparse.npz",
        "mat": "chain.mat",
    }.get(format)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_every_file_gives_all_weights_back(tmp_path, format):
    session, connectivity = make_session(N=7), torch.randn(7, 7) * (torch.rand(7, 7) < 0.6)
    connectivity[3] = connectivity[:, 3] = 0  # a neuron without edges is none the less there
    back = read_connectivity(save_connectivity(session, connectivity, tmp_path, format=format), session)
    assert back.dtype == session.activity.dtype
    assert torch.equal(back, connectivity if FORMATS[format].every_weight else without_diagonal(connectivity))


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "sparse"])
def test_neurons_are_told_apart_by_their_ids(session, connectivity, tmp_path, format):
    path = save_connectivity(session, connectivity, tmp_path, format=format)
    order = [2, 0, 3, 1]
    other = make_session(N=4, neuron_id=[session.neuron_id[i] for i in order])
    expected = read_connectivity(path, session)[order][:, order]
    assert torch.equal(read_connectivity(path, other), expected)
    with pytest.raises(ValueError, match=r"neurons of session 'demo' \(got demo/"):
        read_connectivity(path, make_session(N=4, neuron_id=["a", "b", "c", "d"]))


def test_tables_and_graphs_know_the_neurons_and_the_edges(session, connectivity, edge_fields, tmp_path):
    for format in FORMATS:
        save_connectivity(session, connectivity, tmp_path, format=format, edge_fields=edge_fields)
    p = edge_fields["p_value"]
    for format in TABLES:
        table = read_table(tmp_path / f"demo-edges.{format}")
        assert table["source"].tolist() == ["demo/1", "demo/0", "demo/3"]
        assert table["target"].tolist() == ["demo/2", "demo/1", "demo/0"]
        assert table["weight"].astype(float).tolist() == pytest.approx([-2.0, 0.5, 0.1])
        assert table["p_value"].astype(float).tolist() == [p[2, 1].item(), p[1, 0].item(), p[0, 3].item()]
        assert (table["sign_agreement"].astype(str) == "True").all()
        first = table.iloc[0]
        assert (first["source_area"], first["target_area"], float(first["target_position_x"])) == ("V1", "LM", 6.0)
    expected = to_networkx(session, connectivity, edge_fields=edge_fields)
    for format in GRAPHS:
        graph = read_graph(tmp_path / f"demo.{format}")
        for neuron, fields in expected.nodes(data=True):
            assert graph.nodes[neuron].items() >= fields.items()
        for sender, receiver, fields in expected.edges(data=True):
            assert graph.edges[sender, receiver].items() >= fields.items()
    with np.load(tmp_path / "demo.npz", allow_pickle=False) as file:
        assert np.array_equal(file["p_value"], p.numpy())
        assert file["sign_agreement"].dtype == bool
        assert file["neuron_id"].tolist() == session.neuron_id
        assert file["orientation"].tolist() == ["receiver", "sender"]


@pytest.mark.parametrize("format", FORMATS)
def test_awkward_names_come_through(tmp_path, format):
    ids = ['comma, "quote"', "<&>;", "new\nline", "bell\x07", "müßig", " space "]
    fields = {name: list("abcdef") for name in ("id", "label", "start", "type", "weight", "viz", "parents")}
    session = make_session(
        N=6,
        name="a/b \x01",
        neuron_id=ids,
        text=["", "\x07 bell", "\ufffe", "]]>", "a\tb", "NaN"],
        depth=torch.arange(6),
        seen=torch.tensor([True, False] * 3),
        hidden=torch.full((6,), torch.nan),
        **fields,
    )
    connectivity = without_diagonal(torch.randn(6, 6))
    fields = {"z": torch.full((6, 6), torch.nan), "count": torch.arange(36).view(6, 6)}
    path = save_connectivity(session, connectivity, tmp_path, format=format, edge_fields=fields)
    assert torch.equal(read_connectivity(path, session), connectivity)
    if format in GRAPHS:
        node = read_graph(path).nodes["<&>;"]
        assert node["text"] == r"\x07 bell"
        assert (node["depth"], node["seen"], node["weight"], np.isnan(node["hidden"])) == (1, False, "b", True)
        assert node["neuron_id" if format == "gexf" else "id"] == "b"
    if format == "parquet":
        assert set(pd.read_parquet(path)["source_text"]) == set(session.text)


def test_refuses_files_that_hold_no_connectivity(session, connectivity, tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_connectivity(tmp_path / "none.csv", session)
    with pytest.raises(ValueError, match=r"ends in \.npz, \.csv"):
        read_connectivity(tmp_path / "run.ckpt", session)
    for format in FORMATS:
        path = save_connectivity(session, connectivity, tmp_path, format=format)
        content = path.read_bytes()
        for damaged in (b"", content[: len(content) // 2] if format != "csv" else b"a,b\n1,2\n", b"\xff\x00"):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=path.name):
                read_connectivity(path, session)
    np.savez(tmp_path / "pickled.npz", connectivity=np.array([{}], dtype=object), neuron_id=np.array(["a"]))
    with pytest.raises(ValueError, match="array of object"):
        read_connectivity(tmp_path / "pickled.npz", session)
    (tmp_path / "short.csv").write_text("source,target,weight\ndemo/0,demo/1\n")
    with pytest.raises(ValueError, match="cut short"):
        read_connectivity(tmp_path / "short.csv", session)
    small = make_session(N=3)
    path = save_connectivity(small, torch.ones(3, 3), tmp_path, format="sparse")
    with pytest.raises(ValueError, match=r"of 4 rows and columns by rows or columns \(got csr \[3, 3\]\)"):
        read_connectivity(path, session)


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_says_what_to_install_for_parquet(session, connectivity, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        save_connectivity(session, connectivity, tmp_path, format="parquet")
    assert list(tmp_path.iterdir()) == []
    save_connectivity(session, connectivity, tmp_path, format="csv")


def test_refuses_to_write_what_does_not_fit(session, connectivity, tmp_path):
    with pytest.raises(ValueError, match="npz, csv, parquet, graphml"):
        save_connectivity(session, connectivity, tmp_path, format="xlsx")
    for name in ("weight", "connectivity", "orientation", "source_area", "id"):
        for format in ("npz", "csv"):
            with pytest.raises(ValueError, match=f"another name than '{name}'"):
                save_connectivity(session, connectivity, tmp_path, format=format, edge_fields={name: connectivity})
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_the_command_names_every_format():
    text = connectivity_command.__doc__.partition("format:")[2].partition("threshold:")[0]
    assert [name for name in FORMATS if name not in text] == []


def test_every_format_has_a_file_name_of_its_own():
    extensions = [format.extension for format in FORMATS.values()]
    assert len(set(extensions)) == len(extensions)
    assert FORMATS["npz"].suffix == FORMATS["sparse"].suffix == ".npz"


def rewritten(path, **changes):
    """Writes an npz file of other arrays; None leaves one out."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": np.array([0, 99, 0])}, "whole numbers from 0 to 2 in 'indices'"),
        ({"indices": np.array([0, -1, 0])}, "whole numbers from 0 to 2 in 'indices'"),
        ({"indices": np.array([0.0, 1, 0])}, "whole numbers"),
        ({"indptr": np.array([0, 2, 1, 3])}, "'indptr' of 4 numbers from 0 to 3 that never fall"),
        ({"indptr": np.array([0, 1, 3])}, "'indptr' of 4"),
        ({"indptr": np.array([0, 1, 2, 2])}, "'indptr' of 4"),
        ({"shape": np.array([10**6, 3])}, r"3 rows and columns by rows or columns \(got csr"),
        ({"format": np.array("bsr")}, "got bsr"),
        ({"data": np.array([1.0, np.nan, 1.0])}, "finite weights"),
        ({"data": np.array(["a", "b", "c"])}, "numbers in 'data'"),
        ({"indptr": None}, "cut short or damaged"),
    ],
)
def test_a_sparse_matrix_is_checked_before_its_indices_are_used(tmp_path, changes, message):
    session = make_session(N=3)
    path = save_connectivity(session, torch.eye(3).roll(1, 0), tmp_path, format="sparse")
    assert torch.equal(read_connectivity(path, session), torch.eye(3).roll(1, 0))
    with pytest.raises(ValueError, match=message) as told:
        read_connectivity(rewritten(path, **changes), session)
    assert path.name in str(told.value)


def test_a_matrix_by_columns_is_read(tmp_path):
    session, weights = make_session(N=3), torch.tensor([[0, 0.5, 0], [0, 0, 0], [2.0, 0, 0]])
    save_npz(tmp_path / "a.npz", csc_array(weights.numpy()))
    assert torch.equal(read_connectivity(tmp_path / "a.npz", session), weights)


@pytest.mark.parametrize("format", GRAPHS)
def test_an_edge_without_a_weight_is_told(chain, tmp_path, format):
    session = chain[0]
    graph = nx.DiGraph([("a", "b")])
    path = tmp_path / f"a.{format}"
    (nx.write_graphml if format == "graphml" else nx.write_gexf)(graph, path)
    with pytest.warns(DataWarning, match=r"1 of 1 edges have no weight and count 1 \('a' to 'b'\)"):
        assert read_connectivity(path, session).sum() == 1


def test_igraph_reads_directions_and_weights(session, connectivity, tmp_path):
    """The library of the packages igraph for R and Python."""
    igraph = pytest.importorskip("igraph")
    path = save_connectivity(session, connectivity, tmp_path, format="graphml")
    graph = igraph.Graph.Read_GraphML(str(path))
    assert graph.is_directed()
    assert graph.vs["id"] == session.neuron_id
    assert graph.vs["area"] == session.area
    edges = {(graph.vs[edge.source]["id"], graph.vs[edge.target]["id"]): edge["weight"] for edge in graph.es}
    assert edges == pytest.approx({("demo/0", "demo/1"): 0.5, ("demo/1", "demo/2"): -2.0, ("demo/3", "demo/0"): 0.1})
    assert np.array(graph.get_adjacency(attribute="weight").data)[0, 1] == pytest.approx(
        0.5
    )  # igraph: [sender, receiver]


def test_gexf_keeps_the_rules_of_its_schema(session, connectivity, edge_fields, tmp_path):
    """Gephi drops what is not declared, and refuses ids that come twice."""
    path = save_connectivity(session, connectivity, tmp_path, format="gexf", edge_fields=edge_fields)
    root = ElementTree.parse(path).getroot()
    tag = root.tag.rpartition("}")[0] + "}"
    assert tag.startswith("{http://www.gexf.net/1.") or tag.startswith("{http://gexf.net/1.")
    assert root.get("version", "").startswith("1.")
    (graph,) = root.findall(f"{tag}graph")
    assert graph.get("defaultedgetype") == "directed"
    nodes, edges = graph.findall(f"{tag}nodes/{tag}node"), graph.findall(f"{tag}edges/{tag}edge")
    for elements in (nodes, edges):
        ids = [element.get("id") for element in elements]
        assert None not in ids
        assert len(set(ids)) == len(ids)
    known = {node.get("id") for node in nodes}
    assert all(node.get("label") for node in nodes)
    assert all({edge.get("source"), edge.get("target")} <= known for edge in edges)
    assert all(float(edge.get("weight")) for edge in edges)
    for owner, elements in (("node", nodes), ("edge", edges)):
        declared = {
            attribute.get("id"): attribute.get("type")
            for attributes in graph.findall(f"{tag}attributes")
            if attributes.get("class") == owner
            for attribute in attributes
        }
        assert set(declared.values()) <= {"integer", "long", "double", "float", "boolean", "string"}
        used = {value.get("for") for element in elements for value in element.iter(f"{tag}attvalue")}
        assert used <= declared.keys()
