import networkx as nx
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.communities import communities
from synapsnet_pyg.analysis.neurons import neuron_table


def test_strengths_and_degrees_by_hand():
    connectivity = torch.tensor([[9.0, 0.0, 0.0], [2.0, 9.0, 0.0], [-1.0, 0.5, 9.0]])
    session = make_session(N=3, area=["V1", "", "LM"], position=torch.ones(3, 2))
    table = neuron_table(session, connectivity, edge=connectivity.abs() >= 1)
    assert table["neuron_id"].tolist() == session.neuron_id
    assert table["area"].tolist() == ["V1", "", "LM"]
    assert {"position_x", "position_y"} < set(table)
    assert table["in_strength"].tolist() == [0, 2, 1.5]
    assert table["out_strength"].tolist() == [3, 0.5, 0]
    assert table["in_positive"].tolist() == [0, 2, 0.5]
    assert table["in_negative"].tolist() == [0, 0, -1]
    assert table["out_positive"].tolist() == [2, 0.5, 0]
    assert table["out_negative"].tolist() == [-1, 0, 0]
    assert table["in_degree"].tolist() == [0, 1, 1]
    assert table["out_degree"].tolist() == [2, 0, 0]


def test_who_drives_a_driver_is_a_hub():
    chain = torch.zeros(5, 5)
    chain[1, 0] = chain[2, 1] = chain[3, 2] = chain[3, 1] = -1
    table = neuron_table(make_session(N=5), chain)
    assert table["hub_rank"].tolist() == [1, 2, 3, 4, 4]  # neurons that drive nobody share the last rank
    assert table["hub_score"].sum() == pytest.approx(1)


def test_hub_score_is_pagerank_against_the_edges():
    connectivity = torch.randn(7, 7)
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((i, j, abs(connectivity[i, j].item())) for i in range(7) for j in range(7) if i != j)
    expected = nx.pagerank(graph)
    score = neuron_table(make_session(N=7), connectivity)["hub_score"]
    assert score.tolist() == pytest.approx([expected[i] for i in range(7)])


def test_permuting_neurons_permutes_the_table():
    connectivity, order = torch.randn(6, 6) ** 3, [3, 1, 5, 0, 2, 4]
    ids = list("abcdef")
    table = neuron_table(make_session(N=6, neuron_id=ids), connectivity).set_index("neuron_id")
    other = neuron_table(make_session(N=6, neuron_id=[ids[i] for i in order]), connectivity[order][:, order]).set_index(
        "neuron_id"
    )
    for column in ("in_strength", "out_negative", "in_degree", "hub_rank"):
        assert other.loc[ids, column].tolist() == pytest.approx(table[column].tolist())


def test_communities_are_the_same_as_alone():
    session, connectivity = make_session(N=6), torch.randn(6, 6)
    expected = communities(session, connectivity, seed=5).member
    assert neuron_table(session, connectivity, seed=5)["community"].tolist() == expected.tolist()


def test_nobody_drives_anybody():
    table = neuron_table(make_session(N=3), torch.zeros(3, 3))
    assert table["hub_rank"].tolist() == [1, 1, 1]
    assert table[["in_strength", "out_degree"]].to_numpy().sum() == 0
