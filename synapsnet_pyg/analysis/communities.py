"""Communities: groups of neurons with stronger weights within than between groups."""

from typing import NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
from torch import Tensor

from synapsnet_pyg.analysis.pairs import divided, pairs_of
from synapsnet_pyg.data.session import Session


class Communities(NamedTuple):
    """Communities of a connectivity, the largest first."""

    table: "pd.DataFrame"
    """Table with a row for each community."""
    member: np.ndarray
    """Community of each neuron: [N]."""
    modularity: float
    """Modularity, at most 1. It is 0 if communities contain no more weight than chance, NaN if all weights are zero."""


def communities(session: Session, connectivity: Tensor, seed: int = 0) -> Communities:
    r"""Computes communities of absolute weights with Louvain's method.

    The method maximises the modularity of the directed graph,

    .. math::
        Q = \frac{1}{m} \sum_{ij} \left( |w_{ij}| - \frac{s_i^{in} s_j^{out}}{m} \right) [c_i = c_j]

    with :math:`s` the strengths of receiver and sender and :math:`m` the total weight. Noise has communities too:
    compare Q with that of a shuffled connectivity.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i. A dense one is a graph of all pairs;
            :func:`~synapsnet_pyg.results.graphs.strongest` keeps its strongest edges.
        seed: Seed of the order in which the method visits neurons.

    Returns:
        Table of ``community``, ``neurons`` (their number) and ``within`` (share of the absolute weight of its
        neurons that goes to neurons of the community); the community of each neuron; and the modularity.

    Raises:
        ValueError: The matrix does not fit the session.

    References:
        Blondel et al. (2008), Fast unfolding of communities in large networks.
        Leicht and Newman (2008), Community structure in directed networks.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(5, 9), bin_size=0.1)
        >>> connectivity = torch.zeros(5, 5)
        >>> connectivity[1, 0], connectivity[2, 1], connectivity[0, 2], connectivity[4, 3] = 1.0, -1.0, 1.0, 1.0
        >>> result = communities(session, connectivity)
        >>> result.member.tolist(), round(result.modularity, 3)
        ([0, 0, 0, 1, 1], 0.375)
        >>> result.table
           community  neurons  within
        0          0        3     1.0
        1          1        2     1.0
    """
    strength = np.abs(pairs_of(session, connectivity).weight)
    graph = nx.from_numpy_array(strength.T, create_using=nx.DiGraph)
    parts = sorted(nx.community.louvain_communities(graph, seed=seed), key=lambda part: (-len(part), min(part)))
    modularity = nx.community.modularity(graph, parts) if strength.any() else float("nan")
    member = np.empty(len(strength), dtype=int)
    for community, part in enumerate(parts):
        member[list(part)] = community
    label = np.eye(len(parts))[member]
    sent = label.T @ strength @ label
    table = pd.DataFrame(
        {
            "community": np.arange(len(parts)),
            "neurons": np.bincount(member),
            "within": divided(sent.diagonal(), sent.sum(0)),
        }
    )
    return Communities(table, member, modularity)
