"""Neurons in space and the strongest edges between them."""

from typing import NamedTuple

import networkx as nx
import numpy as np
from torch import Tensor

from synapsnet_pyg.analysis.pairs import pairs_of
from synapsnet_pyg.data.session import Session

SENDERS = 2
"""Strongest senders of each neuron, which are drawn."""
MOST = 400
"""Edges that are drawn at most: more would hide each other."""


class Graph(NamedTuple):
    """What is drawn of a connectivity in space."""

    position: np.ndarray
    """NaN where it is not known: [N, 3]."""
    placed: bool
    """Whether positions were recorded; otherwise neurons that drive each other lie near each other."""
    edge_index: np.ndarray
    """Sender and receiver: [2, E]."""
    edge_weight: np.ndarray
    """[E]."""

    @property
    def flat(self) -> np.ndarray:
        """The two axes of recorded positions that tell most, or two of the layout's: [N, 2]."""
        return self.position[:, self.widest]

    @property
    def widest(self) -> list[int]:
        """Which two axes positions are spread along most."""
        return sorted(np.argsort(-np.nanvar(self.position, axis=0), kind="stable")[:2].tolist())


def graph_of(session: Session, connectivity: Tensor) -> Graph:
    """The strongest edges that each neuron receives, between neurons at their positions, or at those of a layout.

    Args:
        session: Whose neurons they are; with ``position`` :math:`(N, 2)` or :math:`(N, 3)`, if it is known.
        connectivity: :math:`(N, N)`, ``[i, j]`` the effect of j on i.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, position=torch.eye(3)[:, :2])
        >>> graph = graph_of(session, torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, -2.0, 0.0]]))
        >>> graph.placed, graph.edge_index.tolist(), graph.edge_weight.tolist()
        (True, [[0, 1], [1, 2]], [0.5, -2.0])
    """
    weight = pairs_of(session, connectivity).weight
    N = len(weight)
    sender = np.argsort(-np.abs(weight), axis=1, kind="stable")[:, :SENDERS].ravel()
    receiver = np.repeat(np.arange(N), min(SENDERS, N))
    edge_weight = weight[receiver, sender]
    drawn = edge_weight != 0
    edge_index, edge_weight = np.stack([sender, receiver])[:, drawn], edge_weight[drawn]
    position = _recorded(session)
    placed = position is not None
    if position is None:
        position = _layout(N, edge_index, edge_weight)
    shown = np.sort(np.argsort(-np.abs(edge_weight), kind="stable")[:MOST])
    return Graph(position, placed, edge_index[:, shown], edge_weight[shown])


def _recorded(session: Session) -> np.ndarray | None:
    """Positions with a third coordinate, 0 where there are two; None unless two neurons have one."""
    position = session.neuron_fields.get("position")
    if not isinstance(position, Tensor) or position.dim() != 2 or position.shape[1] not in (2, 3):
        return None
    values = position.double().cpu().numpy()
    values = np.pad(values, ((0, 0), (0, 3 - values.shape[1])))
    values[~np.isfinite(values).all(1)] = np.nan
    return values if np.isfinite(values[:, 0]).sum() >= 2 else None


def _layout(neurons: int, edge_index: np.ndarray, edge_weight: np.ndarray) -> np.ndarray:
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(neurons))
    graph.add_weighted_edges_from(zip(*edge_index.tolist(), np.abs(edge_weight).tolist(), strict=True))
    places = nx.spring_layout(graph, dim=3, seed=0)
    return np.array([places[i] for i in range(neurons)])
