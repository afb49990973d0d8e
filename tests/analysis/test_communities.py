import math

import networkx as nx
import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.communities import communities


def test_finds_planted_communities():
    planted = torch.tensor([0] * 6 + [1] * 9 + [2] * 7)
    connectivity = torch.randn(22, 22) * torch.where(planted[:, None] == planted, 1.0, 0.1)
    found = communities(make_session(N=22), connectivity)
    assert found.table["neurons"].tolist() == [9, 7, 6]  # the largest first
    assert found.member.tolist() == [2] * 6 + [0] * 9 + [1] * 7
    assert (found.table["within"] > 0.7).all()


def test_modularity_and_share_within_are_as_defined():
    connectivity = torch.randn(9, 9)
    found = communities(make_session(N=9), connectivity, seed=4)
    w = connectivity.abs().fill_diagonal_(0).double().numpy()
    same = found.member[:, None] == found.member
    expected = ((w - np.outer(w.sum(1), w.sum(0)) / w.sum()) * same).sum() / w.sum()
    assert found.modularity == pytest.approx(expected)
    for community, _, within in found.table.itertuples(index=False):
        inside = found.member == community
        assert within == pytest.approx(w[np.ix_(inside, inside)].sum() / w[:, inside].sum())


def test_is_louvain_of_the_graph_from_sender_to_receiver():
    connectivity = torch.randn(8, 8) ** 3
    graph = nx.DiGraph()
    graph.add_nodes_from(range(8))
    graph.add_weighted_edges_from((j, i, abs(connectivity[i, j].item())) for j in range(8) for i in range(8) if i != j)
    parts = nx.community.louvain_communities(graph, seed=0)
    member = communities(make_session(N=8), connectivity, seed=0).member
    assert {frozenset(part) for part in parts} == {frozenset(np.flatnonzero(member == c)) for c in set(member)}


def test_neurons_without_any_weight_are_alone():
    found = communities(make_session(N=4), torch.eye(4))
    assert found.member.tolist() == [0, 1, 2, 3]
    assert math.isnan(found.modularity)
    assert found.table["within"].isna().all()
