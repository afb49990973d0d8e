"""Connectivity out and back: graphs, tables, files. Only here is [receiver, sender] turned into sender -> receiver."""

import csv
import os
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from synapsnet_pyg.atomic import atomic_path
from synapsnet_pyg.nn.current_conv import edges_of
from synapsnet_pyg.session import Session, few

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

_ENDINGS = {
    "npz": ".npz",
    "csv": "-edges.csv",
    "parquet": "-edges.parquet",
    "graphml": ".graphml",
    "gexf": ".gexf",
    "sparse": "-sparse.npz",
}
FORMATS = tuple(_ENDINGS)

# Names that a file or graph uses itself.
_NOT_OF_EDGES = {"source", "target", "weight", "connectivity", "neuron_id", "index", "file"}
_OF_GEXF = {"id", "label", "type", "key", "pid", "parents", "start", "end", "slices", "spells", "viz"}


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
    columns = node_columns(session)
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
    check_fits(session, connectivity)
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
    edge_fields: Mapping[str, Tensor] | None = None,
) -> Path:
    """Writes a connectivity to one file in ``folder``, wholly or not at all.

    Args:
        session: Whose neurons they are; its name becomes the file's.
        connectivity: :math:`(N, N)`.
        folder: An existing folder.
        format: ``npz``: the whole matrix ``connectivity`` [receiver, sender], ``neuron_id`` and the edge fields;
            ``csv``, ``parquet``: the table of :func:`to_pandas`; ``graphml``, ``gexf``: the graph of
            :func:`to_networkx`; ``sparse``: the matrix of :func:`to_scipy_sparse`, without edge fields.
        threshold: Leave out edges of smaller absolute weight; ``npz`` keeps every weight.
        top_k: Keep only this many strongest edges; likewise.
        edge_fields: What else is known of each pair, :math:`(N, N)` each.

    Raises:
        ValueError: The format is unknown, a matrix does not fit the session, or a package that writes the format is
            not installed.
    """
    if format not in FORMATS:
        raise ValueError(f"Expected a format among {', '.join(FORMATS)} (got '{format}').")
    path = folder / (file_name(session.name) + _ENDINGS[format])
    with atomic_path(path) as temporary:
        if format == "npz":
            _write_matrices(session, connectivity, edge_fields or {}, temporary)
        elif format == "sparse":
            matrix = to_scipy_sparse(session, connectivity, threshold, top_k)
            _imported("scipy.sparse").save_npz(temporary, matrix)
        elif format == "csv":
            _write_csv(_edge_columns(session, connectivity, threshold, top_k, edge_fields), temporary)
        elif format == "parquet":
            _imported("pyarrow")
            to_pandas(session, connectivity, threshold, top_k, edge_fields).to_parquet(temporary, index=False)
        elif format == "graphml":
            nx.write_graphml(_for_xml(to_networkx(session, connectivity, threshold, top_k, edge_fields)), temporary)
        else:
            graph = to_networkx(session, connectivity, threshold, top_k, edge_fields)
            nx.write_gexf(_for_xml(graph, taken=_OF_GEXF), temporary)
    return path


def read_connectivity(path: str | os.PathLike[str], session: Session) -> Tensor:
    """Reads what :func:`save_connectivity` wrote. Nothing is unpickled.

    Neurons are told apart by their ids, in whatever order they stand; ``sparse`` files alone have none and must be in
    the session's order.

    Args:
        path: A file whose name ends as its format does.
        session: Whose neurons they are.

    Returns:
        :math:`(N, N)` in the precision of the session's activity, ``[i, j]`` the effect of j on i; zero where the file
        has no edge.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is of another kind or damaged, has neurons that the session has not, or a package that
            reads it is not installed.
    """
    path = Path(path)
    if path.suffix not in _READERS:
        raise ValueError(f"Expected a file that ends in {', '.join(_READERS)} (got '{path.name}').")
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of a connectivity (there is no file '{path}').")
    try:
        connectivity = _READERS[path.suffix](path, session)
        check_fits(session, connectivity)
    except (ParseError, BadZipFile, EOFError, KeyError, TypeError, csv.Error, nx.NetworkXError) as error:
        raise ValueError(f"'{path}' holds no connectivity, is cut short or damaged ({error!r}).") from None
    except ValueError as error:
        raise ValueError(f"'{path}': {error}") from None
    return connectivity


def file_name(session: str) -> str:
    """The name of a session as a file's name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in session)


def check_fits(session: Session, connectivity: Tensor) -> None:
    """Refuses a connectivity that cannot be this session's.

    Raises:
        ValueError: It is not :math:`(N, N)`, or not finite.
    """
    N = session.num_neurons
    if connectivity.shape != (N, N):
        raise ValueError(f"Expected a connectivity of shape [{N}, {N}] (got {list(connectivity.shape)}).")
    if not bool(connectivity.isfinite().all()):
        raise ValueError("Expected finite weights (got NaN or infinity); set them to zero or fit anew.")


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
    check_fits(session, connectivity)
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
    known = node_columns(session)
    return {
        "source": [session.neuron_id[j] for j in sender],
        "target": [session.neuron_id[i] for i in receiver],
        **{name: values.tolist() for name, values in edges.fields.items()},
        **{f"source_{key}": [values[j] for j in sender] for key, values in known.items()},
        **{f"target_{key}": [values[i] for i in receiver] for key, values in known.items()},
    }


def _write_csv(columns: dict[str, list[Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write_matrices(session: Session, connectivity: Tensor, edge_fields: Mapping[str, Tensor], path: Path) -> None:
    check_fits(session, connectivity)
    _check_edge_fields(session, edge_fields)
    arrays: dict[str, Any] = {name: matrix.detach().cpu().numpy() for name, matrix in edge_fields.items()}
    arrays["connectivity"] = connectivity.detach().cpu().numpy()
    np.savez_compressed(path, neuron_id=np.array(session.neuron_id, dtype=np.str_), **arrays)


def _for_xml(graph: "nx.DiGraph[str]", taken: Iterable[str] = ()) -> "nx.DiGraph[str]":
    """The graph without what the format cannot hold: characters outside XML, and names that mean something there."""
    names = {key: f"neuron_{key}" for key in taken}
    written: nx.DiGraph[str] = nx.DiGraph(name=_xml_text(graph.name))
    for neuron, fields in graph.nodes(data=True):
        texts = {names.get(key, key): _xml_text(v) if isinstance(v, str) else v for key, v in fields.items()}
        written.add_nodes_from([(_xml_text(neuron), texts)])
    written.add_edges_from((_xml_text(j), _xml_text(i), fields) for j, i, fields in graph.edges(data=True))
    return written


def _xml_text(text: str) -> str:
    r"""The text with the characters that XML forbids spelt out, such as ``\x00``."""
    return re.sub(
        "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
        lambda match: match[0].encode("unicode_escape").decode(),
        text,
    )


def _read_npz(path: Path, session: Session) -> Tensor:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        if "connectivity" not in file:
            return _read_sparse(path, session)
        matrix, ids = file["connectivity"], file["neuron_id"].tolist()
    if matrix.shape != (len(ids), len(ids)):
        raise ValueError(f"Expected a connectivity of {len(ids)} neurons (got {list(matrix.shape)}).")
    place = torch.tensor(_places(session, ids))
    connectivity = session.activity.new_zeros(session.num_neurons, session.num_neurons)
    connectivity[place[:, None], place] = torch.from_numpy(matrix).to(connectivity)
    return connectivity


def _read_sparse(path: Path, session: Session) -> Tensor:
    return torch.from_numpy(_imported("scipy.sparse").load_npz(path).toarray()).to(session.activity)


def _read_csv(path: Path, session: Session) -> Tensor:
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        columns = list(table.fieldnames or [])
        if not {"source", "target", "weight"} <= set(columns):
            raise ValueError(f"Expected columns source, target and weight (got {few(columns) or 'none'}).")
        return _from_edges(session, ((row["source"], row["target"], row["weight"]) for row in table))


def _read_parquet(path: Path, session: Session) -> Tensor:
    _imported("pyarrow")
    table = _imported("pandas").read_parquet(path)
    return _from_edges(session, zip(table["source"], table["target"], table["weight"], strict=True))


def _read_graphml(path: Path, session: Session) -> Tensor:
    return connectivity_from_networkx(session, _with_ids(session, nx.read_graphml(path)))


def _read_gexf(path: Path, session: Session) -> Tensor:
    return connectivity_from_networkx(session, _with_ids(session, nx.read_gexf(path)))


_READERS = {
    ".npz": _read_npz,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".graphml": _read_graphml,
    ".gexf": _read_gexf,
}


def _with_ids(session: Session, graph: "nx.DiGraph[str]") -> "nx.DiGraph[str]":
    """The graph under the ids that :func:`_for_xml` had to spell out."""
    return nx.relabel_nodes(graph, {_xml_text(neuron): neuron for neuron in session.neuron_id})


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
        raise ValueError(f"Expected neurons of session '{session.name}' (got {few(unknown)}); take its own session.")
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
