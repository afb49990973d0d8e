"""Connectivity out: networkx, GraphML, tables. Only here is [receiver, sender] turned into sender -> receiver."""

import csv
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from synapsnet_pyg.atomic import atomic_path
from synapsnet_pyg.nn.current_conv import edges_of
from synapsnet_pyg.session import Session

FORMATS = ("npz", "csv", "graphml", "gexf")


def strongest(connectivity: Tensor, threshold: float = 0.0, top_k: int | None = None) -> Tensor:
    """Keeps the edges that matter and sets the rest to zero, the diagonal included.

    Args:
        connectivity: :math:`(N, N)`.
        threshold: Edges of smaller absolute weight go.
        top_k: Of those left, keep this many of the largest absolute weight; None: all.

    Raises:
        ValueError: ``threshold`` is negative or ``top_k`` below 1.
    """
    if threshold < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"Expected threshold >= 0 and top_k >= 1 (got {threshold} and {top_k}).")
    kept = connectivity.detach().cpu().clone().fill_diagonal_(0)
    kept[kept.abs() < threshold] = 0
    if top_k is not None and top_k < int(kept.count_nonzero()):
        flat = kept.flatten()
        chosen = flat.abs().topk(top_k).indices
        kept = torch.zeros_like(flat).index_copy(0, chosen, flat[chosen]).view_as(kept)
    return kept


def to_networkx(
    session: Session, connectivity: Tensor, threshold: float = 0.0, top_k: int | None = None
) -> "nx.DiGraph[str]":
    """The connectivity as a directed graph: an edge j -> i wherever j has an effect on i.

    Nodes are neuron ids and carry what is known of each neuron (position as ``position_x``, ``position_y``,
    ``position_z``); edges carry ``weight``. Self-connections are left out.

    Args:
        session: Whose neurons they are.
        connectivity: :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        threshold: Leave out edges of smaller absolute weight.
        top_k: Keep only this many strongest edges.

    Raises:
        ValueError: The matrix does not fit the session.

    Example:
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, neuron_id=["a", "b", "c"], area=["V1", "V1", "LM"])
        >>> graph = to_networkx(session, torch.tensor([[0, 0, 0], [0.5, 0, 0], [0, -2.0, 0]]), top_k=1)
        >>> list(graph.edges(data=True)), graph.nodes["c"]
        ([('b', 'c', {'weight': -2.0})], {'area': 'LM'})
    """
    _check_fits(session, connectivity)
    graph: nx.DiGraph[str] = nx.DiGraph(name=session.name)
    columns = node_columns(session)
    for i, neuron in enumerate(session.neuron_id):
        graph.add_node(neuron, **{key: values[i] for key, values in columns.items()})
    (sender, receiver), weight = edges_of(strongest(connectivity, threshold, top_k))
    ids = session.neuron_id
    graph.add_weighted_edges_from(
        (ids[j], ids[i], w) for j, i, w in zip(sender.tolist(), receiver.tolist(), weight.tolist(), strict=True)
    )
    return graph


def to_data(session: Session, connectivity: Tensor, threshold: float = 0.0, top_k: int | None = None) -> Data:
    """The connectivity as a PyG graph: edge_index ([0] sends, [1] receives), edge_weight, num_nodes and neuron_id."""
    _check_fits(session, connectivity)
    edge_index, edge_weight = edges_of(strongest(connectivity, threshold, top_k))
    return Data(
        edge_index=edge_index, edge_weight=edge_weight, num_nodes=session.num_neurons, neuron_id=session.neuron_id
    )


def node_columns(session: Session) -> dict[str, list[Any]]:
    """What is known of each neuron as columns of numbers or texts; wide fields (over three columns) are left out."""
    columns: dict[str, list[Any]] = {}
    for key, value in session.neuron_fields.items():
        if not isinstance(value, Tensor):
            columns[key] = value
        elif value.dim() == 1:
            columns[key] = value.tolist()
        elif value.dim() == 2 and value.shape[1] <= 3:
            columns |= {
                f"{key}_{axis}": value[:, a].tolist() for a, axis in zip(range(value.shape[1]), "xyz", strict=False)
            }
    return columns


def save_connectivity(
    session: Session,
    connectivity: Tensor,
    folder: Path,
    format: str,
    threshold: float = 0.0,
    top_k: int | None = None,
) -> Path:
    """Writes a connectivity to one file in ``folder``, wholly or not at all.

    Args:
        session: Whose neurons they are; its name becomes the file's.
        connectivity: :math:`(N, N)`.
        folder: An existing folder.
        format: ``npz``: the whole matrix ``connectivity`` [receiver, sender] and ``neuron_id``; ``csv``: a row an edge
            (source, target, weight, and each one's fields), strongest first; ``graphml``, ``gexf``: the graph.
        threshold: Leave edges of smaller absolute weight out of table and graph.
        top_k: Keep only this many strongest edges in table and graph.

    Raises:
        ValueError: The format is unknown or the matrix does not fit the session.
    """
    if format not in FORMATS:
        raise ValueError(f"Expected a format among {', '.join(FORMATS)} (got '{format}').")
    _check_fits(session, connectivity)
    name = file_name(session.name)
    path = folder / (f"{name}-edges.csv" if format == "csv" else f"{name}.{format}")
    with atomic_path(path) as temporary:
        if format == "npz":
            np.savez_compressed(
                temporary,
                connectivity=connectivity.detach().cpu().numpy(),
                neuron_id=np.array(session.neuron_id, dtype=np.str_),
            )
        elif format == "csv":
            _write_edges(session, strongest(connectivity, threshold, top_k), temporary)
        else:
            graph = to_networkx(session, connectivity, threshold, top_k)
            (nx.write_graphml if format == "graphml" else nx.write_gexf)(graph, temporary)
    return path


def file_name(session: str) -> str:
    """The name of a session as a file's name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in session)


def _write_edges(session: Session, connectivity: Tensor, path: Path) -> None:
    columns, ids = node_columns(session), session.neuron_id
    (sender, receiver), weight = edges_of(connectivity)
    order = weight.abs().argsort(descending=True, stable=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["source", "target", "weight", *(f"source_{key}" for key in columns), *(f"target_{key}" for key in columns)]
        )
        for j, i, w in zip(sender[order].tolist(), receiver[order].tolist(), weight[order].tolist(), strict=True):
            writer.writerow([ids[j], ids[i], w, *(v[j] for v in columns.values()), *(v[i] for v in columns.values())])


def _check_fits(session: Session, connectivity: Tensor) -> None:
    N = session.num_neurons
    if connectivity.shape != (N, N):
        raise ValueError(f"Expected a connectivity of shape [{N}, {N}] (got {list(connectivity.shape)}).")
