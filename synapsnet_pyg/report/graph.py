"""Neurons in space and the strongest edges between them."""

from typing import NamedTuple

import networkx as nx
import numpy as np
from torch import Tensor

from synapsnet_pyg.analysis.pairs import pairs_of
from synapsnet_pyg.data.session import Session

SENDERS = 2
"""Number of drawn edges to each neuron, those of its strongest senders."""
MOST = 400
"""Largest number of drawn edges; more would hide each other."""


class Graph(NamedTuple):
    """Positions of neurons and edges between them."""

    position: np.ndarray
    """Position of each neuron, NaN if it is not known, or if a layout has no edge of it [N, 3]."""
    placed: bool
    """Whether positions were recorded; otherwise a layout puts neurons with strong edges near each other."""
    edge_index: np.ndarray
    """Sender and receiver of each edge [2, E]."""
    edge_weight: np.ndarray
    """Weight of each edge [E]."""

    @property
    def flat(self) -> np.ndarray:
        """Positions along the two widest axes [N, 2]."""
        return self.position[:, self.widest]

    @property
    def widest(self) -> list[int]:
        """Indices of the two axes along which positions vary most."""
        return sorted(np.argsort(-np.nanvar(self.position, axis=0), kind="stable")[:2].tolist())


def strongest_graph(session: Session, connectivity: Tensor) -> Graph:
    """Returns the strongest edges to each neuron, with recorded positions of the neurons or those of a layout.

    Args:
        session: Session of the neurons, with ``position`` :math:`(N, 2)` or :math:`(N, 3)` if it is known.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, position=torch.eye(3)[:, :2])
        >>> graph = strongest_graph(session, torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, -2.0, 0.0]]))
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
    shown = np.sort(np.argsort(-np.abs(edge_weight), kind="stable")[:MOST])
    edge_index, edge_weight = edge_index[:, shown], edge_weight[shown]
    if position is None:
        position = _layout(N, edge_index, edge_weight)
    return Graph(position, placed, edge_index, edge_weight)


def _recorded(session: Session) -> np.ndarray | None:
    """Returns recorded positions [N, 3], with 0 for a missing third coordinate; None if fewer than two are known."""
    position = session.neuron_fields.get("position")
    if not isinstance(position, Tensor) or position.dim() != 2 or position.shape[1] not in (2, 3):
        return None
    values = position.double().cpu().numpy()
    values = np.pad(values, ((0, 0), (0, 3 - values.shape[1])))
    values[~np.isfinite(values).all(1)] = np.nan
    return values if np.isfinite(values[:, 0]).sum() >= 2 else None


def _layout(neurons: int, edge_index: np.ndarray, edge_weight: np.ndarray) -> np.ndarray:
    """Computes positions [N, 3] that put neurons with strong edges near each other; NaN for neurons without edges."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_weighted_edges_from(zip(*edge_index.tolist(), np.abs(edge_weight).tolist(), strict=True))
    places = nx.spring_layout(graph, dim=3, seed=0)
    position = np.full((neurons, 3), np.nan)
    for i, place in places.items():
        position[i] = place
    return position
