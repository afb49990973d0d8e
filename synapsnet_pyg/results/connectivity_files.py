"""Connectivity files: one small class for each format."""

import csv
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity
from synapsnet_pyg.files import atomic_path, file_name, shorten
from synapsnet_pyg.results.graphs import (
    _OF_GEXF,
    _check_edge_fields,
    _edge_columns,
    _from_edges,
    _imported,
    _places,
    connectivity_from_networkx,
    to_networkx,
    to_pandas,
    to_scipy_sparse,
)

if TYPE_CHECKING:
    pass


_ENDINGS = {
    "npz": ".npz",
    "csv": "-edges.csv",
    "parquet": "-edges.parquet",
    "graphml": ".graphml",
    "gexf": ".gexf",
    "sparse": "-sparse.npz",
}


FORMATS = tuple(_ENDINGS)


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
        check_connectivity(session.num_neurons, connectivity)
    except (ParseError, BadZipFile, EOFError, KeyError, TypeError, csv.Error, nx.NetworkXError) as error:
        raise ValueError(f"'{path}' holds no connectivity, is cut short or damaged ({error!r}).") from None
    except ValueError as error:
        raise ValueError(f"'{path}': {error}") from None
    return connectivity


def _write_csv(columns: dict[str, list[Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write_matrices(session: Session, connectivity: Tensor, edge_fields: Mapping[str, Tensor], path: Path) -> None:
    check_connectivity(session.num_neurons, connectivity)
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
            raise ValueError(f"Expected columns source, target and weight (got {shorten(columns) or 'none'}).")
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
