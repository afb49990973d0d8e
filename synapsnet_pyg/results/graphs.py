"""Connectivity out and back: graphs, tables, files. Only here is [receiver, sender] turned into sender -> receiver."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import Data

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity
from synapsnet_pyg.files import shorten
from synapsnet_pyg.nn.current_conv import edges_of

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array


# Names that a file or graph uses itself.
_OF_GEXF = {"id", "label", "type", "key", "pid", "parents", "start", "end", "slices", "spells", "viz"}
_NOT_OF_EDGES = {"source", "target", "weight", "connectivity", "neuron_id", "index", "file"}


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
    session: Session,
    connectivity: Tensor,
    threshold: float = 0.0,
    top_k: int | None = None,
    edge_fields: Mapping[str, Tensor] | None = None,
) -> "nx.DiGraph[str]":
    """The connectivity as a directed graph: an edge j -> i wherever j has an effect on i.

    Nodes are neuron ids and carry what is known of each neuron (position as ``position_x``, ``position_y``,
    ``position_z``); edges carry ``weight`` and the edge fields. Self-connections are left out.

    Args:
        session: Whose neurons they are.
        connectivity: :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        threshold: Leave out edges of smaller absolute weight.
        top_k: Keep only this many strongest edges.
        edge_fields: What else is known of each pair, such as ``p_value``, :math:`(N, N)` each, ``[i, j]`` as above.

    Raises:
        ValueError: A matrix does not fit the session.

    Example:
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, neuron_id=["a", "b", "c"], area=["V1", "V1", "LM"])
        >>> graph = to_networkx(session, torch.tensor([[0, 0, 0], [0.5, 0, 0], [0, -2.0, 0]]), top_k=1)
        >>> list(graph.edges(data=True)), graph.nodes["c"]
        ([('b', 'c', {'weight': -2.0})], {'area': 'LM'})
    """
    edges = _edges(session, connectivity, threshold, top_k, edge_fields)
    graph: nx.DiGraph[str] = nx.DiGraph(name=session.name)
    columns = session.neuron_columns
    for i, neuron in enumerate(session.neuron_id):
        graph.add_node(neuron, **{key: values[i] for key, values in columns.items()})
    graph.add_edges_from(
        (sender, receiver, dict(zip(edges.fields, values, strict=True)))
        for sender, receiver, *values in _rows(session, edges)
    )
    return graph


def connectivity_from_networkx(session: Session, graph: "nx.DiGraph[str]") -> Tensor:
    """The way back from :func:`to_networkx`.

    Args:
        session: Whose neurons they are; it says their order.
        graph: Nodes are neuron ids, edges run from sender to receiver and carry ``weight`` (1 where they do not).

    Returns:
        :math:`(N, N)`, ``[i, j]`` the effect of j on i; zero where no edge is, self-connections included.

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
    _places(session, graph.nodes)  # a node without edges must be known too
    return _from_edges(session, graph.edges(data="weight", default=1.0))


def to_data(
    session: Session,
    connectivity: Tensor,
    threshold: float = 0.0,
    top_k: int | None = None,
    edge_fields: Mapping[str, Tensor] | None = None,
) -> Data:
    """The connectivity as a PyG graph.

    Args:
        session: Whose neurons they are.
        connectivity: :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        threshold: Leave out edges of smaller absolute weight.
        top_k: Keep only this many strongest edges.
        edge_fields: What else is known of each pair, :math:`(N, N)` each.

    Returns:
        A graph with ``edge_index`` ([0] sends, [1] receives), ``edge_weight``, ``num_nodes``, ``neuron_id``, every
        field of the neurons under its name, and each edge field as ``edge_<name>`` :math:`(E)`.

    Raises:
        ValueError: A matrix does not fit the session.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, area=["V1", "LM"])
        >>> to_data(session, torch.tensor([[0, 0], [0.5, 0]]), edge_fields={"p_value": torch.full((2, 2), 0.01)})
        Data(edge_index=[2, 1], num_nodes=2, neuron_id=[2], area=[2], edge_weight=[1], edge_p_value=[1])
    """
    edges = _edges(session, connectivity, threshold, top_k, edge_fields)
    return Data(
        edge_index=edges.edge_index,
        num_nodes=session.num_neurons,
        neuron_id=session.neuron_id,
        **session.neuron_fields,
        **{f"edge_{name}": values for name, values in edges.fields.items()},
    )


def to_scipy_sparse(
    session: Session, connectivity: Tensor, threshold: float = 0.0, top_k: int | None = None
) -> "csr_array":
    """The connectivity as a SciPy sparse matrix, [receiver, sender], self-connections left out.

    Args:
        session: Whose neurons they are.
        connectivity: :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        threshold: Leave out edges of smaller absolute weight.
        top_k: Keep only this many strongest edges.

    Raises:
        ValueError: The matrix does not fit the session, or SciPy is not installed.

    Example:
        >>> sparse = to_scipy_sparse(Session(torch.zeros(2, 9), bin_size=0.1), torch.tensor([[0, 0], [0.5, 0]]))
        >>> (sparse @ [3.0, 0.0]).tolist()  # input current where the first neuron has activity 3
        [0.0, 1.5]
    """
    check_connectivity(session.num_neurons, connectivity)
    return _imported("scipy.sparse").csr_array(strongest(connectivity, threshold, top_k).numpy())


def to_pandas(
    session: Session,
    connectivity: Tensor,
    threshold: float = 0.0,
    top_k: int | None = None,
    edge_fields: Mapping[str, Tensor] | None = None,
) -> "pd.DataFrame":
    """The connectivity as a table of edges, strongest first.

    Args:
        session: Whose neurons they are.
        connectivity: :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        threshold: Leave out edges of smaller absolute weight.
        top_k: Keep only this many strongest edges.
        edge_fields: What else is known of each pair, :math:`(N, N)` each.

    Returns:
        Columns ``source`` and ``target`` (ids of sender and receiver), ``weight``, the edge fields, and what is known
        of each neuron as ``source_<field>`` and ``target_<field>``.

    Raises:
        ValueError: A matrix does not fit the session, or pandas is not installed.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, neuron_id=["a", "b"], area=["V1", "LM"])
        >>> to_pandas(session, torch.tensor([[0, -0.25], [0.5, 0]]))
          source target  weight source_area target_area
        0      a      b    0.50          V1          LM
        1      b      a   -0.25          LM          V1
    """
    return _imported("pandas").DataFrame(_edge_columns(session, connectivity, threshold, top_k, edge_fields))


class _Edges(NamedTuple):
    """The edges that go out."""

    edge_index: Tensor
    """[2, E], sorted by receiver."""
    fields: dict[str, Tensor]
    """Weight first, [E] each."""

    def strongest_first(self) -> "_Edges":
        order = self.fields["weight"].abs().argsort(descending=True, stable=True)
        return _Edges(self.edge_index[:, order], {name: values[order] for name, values in self.fields.items()})


def _edges(
    session: Session,
    connectivity: Tensor,
    threshold: float,
    top_k: int | None,
    edge_fields: Mapping[str, Tensor] | None,
) -> _Edges:
    check_connectivity(session.num_neurons, connectivity)
    edge_fields = edge_fields or {}
    _check_edge_fields(session, edge_fields)
    edge_index, edge_weight = edges_of(strongest(connectivity, threshold, top_k))
    sender, receiver = edge_index
    others = {name: matrix.detach().cpu()[receiver, sender] for name, matrix in edge_fields.items()}
    return _Edges(edge_index, {"weight": edge_weight, **others})


def _check_edge_fields(session: Session, edge_fields: Mapping[str, Tensor]) -> None:
    N = session.num_neurons
    for name, matrix in edge_fields.items():
        if name in _NOT_OF_EDGES | _OF_GEXF or name.startswith(("source_", "target_")):
            raise ValueError(f"Expected another name than '{name}' for a field of the edges; files use it themselves.")
        if matrix.shape != (N, N):
            raise ValueError(f"Expected '{name}' of the edges as a matrix [{N}, {N}] (got {list(matrix.shape)}).")


def _rows(session: Session, edges: _Edges) -> Iterable[tuple[Any, ...]]:
    """Sender, receiver and fields of each edge."""
    sender, receiver = ([session.neuron_id[i] for i in neurons] for neurons in edges.edge_index.tolist())
    return zip(sender, receiver, *(values.tolist() for values in edges.fields.values()), strict=True)


def _edge_columns(
    session: Session,
    connectivity: Tensor,
    threshold: float,
    top_k: int | None,
    edge_fields: Mapping[str, Tensor] | None,
) -> dict[str, list[Any]]:
    edges = _edges(session, connectivity, threshold, top_k, edge_fields).strongest_first()
    sender, receiver = edges.edge_index.tolist()
    known = session.neuron_columns
    return {
        "source": [session.neuron_id[j] for j in sender],
        "target": [session.neuron_id[i] for i in receiver],
        **{name: values.tolist() for name, values in edges.fields.items()},
        **{f"source_{key}": [values[j] for j in sender] for key, values in known.items()},
        **{f"target_{key}": [values[i] for i in receiver] for key, values in known.items()},
    }


def _from_edges(session: Session, edges: Iterable[tuple[str, str, float | str]]) -> Tensor:
    """The matrix of edges that are given as sender, receiver and weight."""
    edges = list(edges)
    sender = _places(session, [j for j, _, _ in edges])
    receiver = _places(session, [i for _, i, _ in edges])
    connectivity = session.activity.new_zeros(session.num_neurons, session.num_neurons)
    connectivity[receiver, sender] = connectivity.new_tensor([float(weight) for _, _, weight in edges])
    return connectivity


def _places(session: Session, ids: Iterable[str]) -> list[int]:
    """Where the session has the neurons of these ids."""
    place = {neuron: i for i, neuron in enumerate(session.neuron_id)}
    ids = list(ids)
    unknown = sorted({str(neuron) for neuron in ids if neuron not in place})
    if unknown:
        raise ValueError(
            f"Expected neurons of session '{session.name}' (got {shorten(unknown)}); take its own session."
        )
    return [place[neuron] for neuron in ids]


def _imported(package: str) -> Any:
    """A package that only some formats need."""
    try:
        return import_module(package)
    except ImportError as error:
        missing = package.partition(".")[0]
        raise ValueError(
            f"Expected {missing} to be installed for this format (got: {error}); pip install {missing}, "
            "or take npz, csv or graphml."
        ) from None
