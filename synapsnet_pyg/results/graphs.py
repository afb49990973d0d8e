"""Connectivity as graphs and tables.

Matrices are [receiver, sender], edges run from sender to receiver; no other file converts between the two. Matrices of
large populations are sparse (``torch.sparse_coo``), and so are the fields of their edges.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity
from synapsnet_pyg.files import optional_import, shorten
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.nn.current_conv import edges_of, sparse_matrix, values_at
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

RESERVED_BY_GEXF = frozenset(
    {"id", "label", "type", "key", "pid", "parents", "start", "end", "slices", "spells", "viz"}
)
"""Names of node attributes that GEXF reserves."""

_RESERVED_BY_FILES = frozenset({
    "source", "target", "sender", "receiver", "weight", "connectivity", "neuron_id", "session", "orientation", "index",
    "file",
})  # fmt: skip


def strongest(connectivity: Tensor, threshold: float = 0.0, top_k: int | None = None) -> Tensor:
    """Keeps the edges of largest absolute weight; all other weights and the diagonal become zero.

    Args:
        connectivity: Weights :math:`(N, N)`.
        threshold: Smallest absolute weight of a kept edge, 0 or more.
        top_k: Largest number of kept edges, 1 or more; None: all.

    Returns:
        Weights :math:`(N, N)` on the CPU, detached.

    Raises:
        ValueError: ``threshold`` is negative or ``top_k`` below 1.

    Example:
        >>> strongest(torch.tensor([[9.0, 0.5], [-2.0, 9.0]]), top_k=1)
        tensor([[ 0.,  0.],
                [-2.,  0.]])
    """
    if threshold < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"Expected threshold >= 0 and top_k >= 1 (got {threshold} and {top_k}).")
    if connectivity.is_sparse:
        return _strongest_of(connectivity.detach().cpu().coalesce(), threshold, top_k)
    kept = connectivity.detach().cpu().clone().fill_diagonal_(0)
    kept[kept.abs() < threshold] = 0
    if top_k is not None and top_k < int(kept.count_nonzero()):
        flat = kept.flatten()
        chosen = flat.abs().topk(top_k).indices
        kept = torch.zeros_like(flat).index_copy(0, chosen, flat[chosen]).view_as(kept)
    return kept


def _strongest_of(connectivity: Tensor, threshold: float, top_k: int | None) -> Tensor:
    """Returns the kept edges of a sparse matrix."""
    indices, weights = connectivity.indices(), connectivity.values()
    size = torch.where(indices[0] == indices[1], 0.0, weights.abs())
    kept = ((size >= threshold) & (size > 0)).nonzero()[:, 0]
    if top_k is not None and top_k < len(kept):
        kept = kept[size[kept].topk(top_k).indices].sort().values
    return sparse_matrix(indices.flip(0)[:, kept], weights[kept], len(connectivity), ordered=True)


def to_networkx(
    session: Session, connectivity: Tensor, *, edge_fields: Mapping[str, Tensor] | None = None
) -> "nx.DiGraph[str]":
    """Converts a connectivity to a directed graph with an edge j -> i for each effect of j on i.

    Nodes are neuron ids and carry the session's fields of each neuron, the position as ``position_x``, ``position_y``
    and ``position_z``. Edges carry ``weight`` and the edge fields that are not NaN. Self-connections are left out.
    ``to_networkx(session, strongest(connectivity, top_k=500))`` makes a graph of the 500 strongest edges.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge_fields: Name -> further values of each pair :math:`(N, N)`, such as ``p_value``; ``[i, j]`` belongs to the
            edge from j to i.

    Raises:
        ValueError: A matrix does not fit the session.

    Example:
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, neuron_id=["a", "b", "c"], area=["V1", "V1", "LM"])
        >>> connectivity = torch.tensor([[0, 0, 0], [0.5, 0, 0], [0, -2.0, 0]])
        >>> graph = to_networkx(session, strongest(connectivity, top_k=1))
        >>> list(graph.edges(data=True)), graph.nodes["c"]
        ([('b', 'c', {'weight': -2.0})], {'area': 'LM'})
    """
    edges = edges_with_fields(session, connectivity, edge_fields)
    graph: nx.DiGraph[str] = nx.DiGraph(name=session.name)
    columns = session.neuron_columns
    for i, neuron in enumerate(session.neuron_id):
        graph.add_node(neuron, **{key: values[i] for key, values in columns.items()})
    ids = session.neuron_id
    rows = zip(*(values.tolist() for values in edges.fields.values()), strict=True)
    for (sender, receiver), values in zip(edges.edge_index.t().tolist(), rows, strict=True):
        known = {name: value for name, value in zip(edges.fields, values, strict=True) if value == value}
        graph.add_edge(ids[sender], ids[receiver], **known)
    return graph


def connectivity_from_networkx(session: Session, graph: "nx.DiGraph[str]") -> Tensor:
    """Converts a graph of :func:`to_networkx` back to a connectivity.

    Args:
        session: Session of the N neurons; its order is the order of rows and columns.
        graph: Directed graph whose nodes are neuron ids. Edges run from sender to receiver and carry ``weight``; an
            edge without counts 1, with a warning.

    Returns:
        Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i; zero where the graph has no edge.

    Raises:
        ValueError: The graph is undirected, has parallel edges, or a node that is no neuron of the session.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, neuron_id=["a", "b"])
        >>> connectivity_from_networkx(session, nx.DiGraph([("a", "b", {"weight": 0.5})])).tolist()
        [[0.0, 0.0], [0.5, 0.0]]
    """
    if not graph.is_directed() or graph.is_multigraph():
        raise ValueError(
            f"Expected a networkx.DiGraph (got {type(graph).__name__}); networkx.DiGraph(graph) makes one."
        )
    neuron_rows(session, graph.nodes)  # raises an error for unknown nodes, also those without edges
    edges = list(graph.edges(data="weight", default=None))
    if missing := [f"'{j}' to '{i}'" for j, i, weight in edges if weight is None]:
        warn(f"{len(missing)} of {len(edges)} edges have no weight and count 1 ({shorten(missing, 2)}).")
    return connectivity_from_edges(session, ((j, i, 1.0 if weight is None else weight) for j, i, weight in edges))


def connectivity_from_matrix(session: Session, matrix: np.ndarray, ids: Sequence[str]) -> Tensor:
    """Returns the connectivity of a matrix whose neurons are in another order, or not all of the session's.

    Args:
        session: Session of the N neurons.
        matrix: Weights of the M neurons of the ids :math:`(M, M)`, ``[i, j]`` the effect of j on i.
        ids: Ids of the rows and columns.

    Returns:
        Weights :math:`(N, N)`, zero for neurons that are not in the matrix.

    Raises:
        ValueError: The matrix has another size, or an id is that of no neuron of the session.
    """
    if matrix.shape != (len(ids), len(ids)):
        raise ValueError(f"Expected a connectivity of {len(ids)} neurons (got {list(matrix.shape)}).")
    row = torch.tensor(neuron_rows(session, ids))
    connectivity = session.activity.new_zeros(session.num_neurons, session.num_neurons)
    connectivity[row[:, None], row] = torch.from_numpy(matrix).to(connectivity)
    return connectivity


def to_data(session: Session, connectivity: Tensor, *, edge_fields: Mapping[str, Tensor] | None = None) -> Data:
    """Converts a connectivity to a PyG graph, without self-connections.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge_fields: Name -> further values of each pair :math:`(N, N)`.

    Returns:
        Graph with ``edge_index`` :math:`(2, E)` ([0] sends, [1] receives), ``edge_weight`` :math:`(E)`, ``num_nodes``,
        ``neuron_id``, every field of the neurons under its name, and each edge field as ``edge_<name>`` :math:`(E)`.

    Raises:
        ValueError: A matrix does not fit the session.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, area=["V1", "LM"])
        >>> to_data(session, torch.tensor([[0, 0], [0.5, 0]]), edge_fields={"p_value": torch.full((2, 2), 0.01)})
        Data(edge_index=[2, 1], num_nodes=2, neuron_id=[2], area=[2], edge_weight=[1], edge_p_value=[1])
    """
    edges = edges_with_fields(session, connectivity, edge_fields)
    return Data(
        edge_index=edges.edge_index,
        num_nodes=session.num_neurons,
        neuron_id=session.neuron_id,
        **session.neuron_fields,
        **{f"edge_{name}": values for name, values in edges.fields.items()},
    )


def to_scipy(session: Session, connectivity: Tensor) -> "csr_array":
    """Converts a connectivity to a SciPy sparse matrix [receiver, sender], without self-connections.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.

    Raises:
        ValueError: The matrix does not fit the session.
        ImportError: SciPy is not installed.

    Example:
        >>> sparse = to_scipy(Session(torch.zeros(2, 9), bin_size=0.1), torch.tensor([[0, 0], [0.5, 0]]))
        >>> (sparse @ [3.0, 0.0]).tolist()  # input current where the first neuron has activity 3
        [0.0, 1.5]
    """
    check_connectivity(session.num_neurons, connectivity)
    sparse, N = optional_import("scipy.sparse", "analysis"), session.num_neurons
    (sender, receiver), weight = edges_of(strongest(connectivity))
    return sparse.csr_array((weight.numpy(), (receiver.numpy(), sender.numpy())), shape=(N, N))


def to_pandas(
    session: Session, connectivity: Tensor, *, edge_fields: Mapping[str, Tensor] | None = None
) -> "pd.DataFrame":
    """Converts a connectivity to a table of edges, the strongest first, without self-connections.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge_fields: Name -> further values of each pair :math:`(N, N)`.

    Returns:
        Columns ``source`` and ``target`` (ids of sender and receiver), ``weight``, the edge fields, and the session's
        fields of each neuron as ``source_<field>`` and ``target_<field>``.

    Raises:
        ValueError: A matrix does not fit the session.
        ImportError: pandas is not installed.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, neuron_id=["a", "b"], area=["V1", "LM"])
        >>> to_pandas(session, torch.tensor([[0, -0.25], [0.5, 0]]))
          source target  weight source_area target_area
        0      a      b    0.50          V1          LM
        1      b      a   -0.25          LM          V1
    """
    edges = edges_with_fields(session, connectivity, edge_fields).strongest_first()
    return optional_import("pandas", "analysis").DataFrame(edge_columns(session, edges))


def edge_columns(session: Session, edges: "Edges") -> dict[str, list[object]]:
    """Returns name -> values of the columns of :func:`to_pandas` for some edges of a session."""
    values: dict[str, list[object]] = {name: column.tolist() for name, column in edges.fields.items()}
    return endpoint_columns(session, edges.edge_index, values)


def endpoint_columns(
    session: Session, edge_index: Tensor, values: Mapping[str, list[object]]
) -> dict[str, list[object]]:
    """Returns name -> values of a table of edges: ids of both neurons, values of the edges, fields of both neurons.

    Args:
        session: Session of the neurons.
        edge_index: Sender and receiver of each edge :math:`(2, E)`.
        values: Name -> E values of the edges.
    """
    sender, receiver = edge_index.tolist()
    fields, ids = session.neuron_columns, session.neuron_id
    return {
        "source": [ids[j] for j in sender],
        "target": [ids[i] for i in receiver],
        **values,
        **{f"source_{key}": [column[j] for j in sender] for key, column in fields.items()},
        **{f"target_{key}": [column[i] for i in receiver] for key, column in fields.items()},
    }


def connectivity_from_edges(session: Session, edges: Iterable[tuple[str, str, float | str]]) -> Tensor:
    """Returns the connectivity [N, N] of edges, each given as sender id, receiver id and weight.

    It is sparse for more than :data:`~synapsnet_pyg.nn.functional_connectivity.MOST_DENSE` neurons.

    Raises:
        ValueError: An edge has a neuron that is not in the session.
    """
    edges = list(edges)
    sender = neuron_rows(session, [j for j, _, _ in edges])
    receiver = neuron_rows(session, [i for _, i, _ in edges])
    N, weight = session.num_neurons, session.activity.new_tensor([float(weight) for _, _, weight in edges])
    if N > MOST_DENSE:
        return sparse_matrix(torch.tensor([sender, receiver]), weight, N)
    connectivity = session.activity.new_zeros(N, N)
    connectivity[receiver, sender] = weight
    return connectivity


def neuron_rows(session: Session, ids: Iterable[str]) -> list[int]:
    """Returns the rows of neurons in a session, by their ids.

    Raises:
        ValueError: The session has no neuron with one of these ids.
    """
    row = {neuron: i for i, neuron in enumerate(session.neuron_id)}
    ids = list(ids)
    unknown = sorted({str(neuron) for neuron in ids if neuron not in row})
    if unknown:
        raise ValueError(f"Expected neurons of session '{session.name}' (got {shorten(unknown)}); pass their session.")
    return [row[neuron] for neuron in ids]


def check_edge_fields(session: Session, edge_fields: Mapping[str, Tensor]) -> None:
    """Raises an error if an edge field does not fit the session or has a reserved name."""
    N = session.num_neurons
    for name, matrix in edge_fields.items():
        if name in _RESERVED_BY_FILES | RESERVED_BY_GEXF or name.startswith(("source_", "target_")):
            raise ValueError(
                f"Expected another name than '{name}' for a field of the edges (got a name that files reserve)."
            )
        if matrix.shape != (N, N):
            raise ValueError(f"Expected '{name}' of the edges as a matrix [{N}, {N}] (got {list(matrix.shape)}).")


@dataclass(frozen=True)
class Edges:
    """Edges of a connectivity with their fields.

    Attributes:
        edge_index: Sender and receiver of each edge, sorted by receiver: [2, E].
        fields: Name -> values of the edges [E]; ``weight`` comes first.
    """

    edge_index: Tensor
    fields: dict[str, Tensor]

    def strongest_first(self) -> "Edges":
        """Returns the edges in the order of their absolute weight."""
        order = self.fields["weight"].abs().argsort(descending=True, stable=True)
        return Edges(self.edge_index[:, order], {name: values[order] for name, values in self.fields.items()})

    def split(self, size: int) -> Iterator["Edges"]:
        """Yields the edges in their order, at most so many at a time; no edges are one empty part."""
        for part in torch.arange(self.edge_index.shape[1]).split(size):
            yield Edges(self.edge_index[:, part], {name: values[part] for name, values in self.fields.items()})


def edges_with_fields(session: Session, connectivity: Tensor, edge_fields: Mapping[str, Tensor] | None) -> Edges:
    """Returns the edges of a connectivity with their fields, after checking all matrices."""
    check_connectivity(session.num_neurons, connectivity)
    edge_fields = edge_fields or {}
    check_edge_fields(session, edge_fields)
    edge_index, edge_weight = edges_of(strongest(connectivity))
    others = {name: values_at(matrix.detach().cpu(), edge_index) for name, matrix in edge_fields.items()}
    return Edges(edge_index, {"weight": edge_weight, **others})
