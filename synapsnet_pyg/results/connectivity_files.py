"""Connectivity files: a class for each format, listed in :data:`FORMATS`."""

import csv
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import ParseError

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity
from synapsnet_pyg.files import atomic_path, file_name, optional_import, shorten
from synapsnet_pyg.files.archives import read_npz
from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.files.texts import cells, text_of_cell
from synapsnet_pyg.nn.current_conv import edges_of, values_at
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.results.graphml import write_graphml, xml_text
from synapsnet_pyg.results.graphs import (
    RESERVED_BY_GEXF,
    check_edge_fields,
    connectivity_from_edges,
    connectivity_from_matrix,
    connectivity_from_networkx,
    edge_columns,
    edges_with_fields,
    to_networkx,
    to_pandas,
    to_scipy,
)
from synapsnet_pyg.results.matlab import read_matlab, write_matlab

ORIENTATION = ("receiver", "sender")
"""Meaning of rows and columns of every matrix, written into files as ``orientation``."""

EdgeFields = Mapping[str, Tensor]
"""Name -> further values of each pair of neurons [N, N]."""


class ConnectivityFormat(ABC):
    """Base class of all formats of a connectivity file."""

    extension: ClassVar[str]
    """End of the file's name, after the name of the session."""
    every_weight: ClassVar[bool] = False
    """Whether a file holds every weight, self-connections included; otherwise it holds the edges alone."""

    @property
    def suffix(self) -> str:
        """End of the extension, from its dot on."""
        return self.extension[self.extension.rindex(".") :]

    @abstractmethod
    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes a connectivity [N, N] and its edge fields to a file."""

    @abstractmethod
    def read(self, path: Path, session: Session) -> Tensor:
        """Reads a connectivity [N, N] in the order of the session's neurons."""


class NumPyMatrix(ConnectivityFormat):
    """NumPy arrays: matrix ``connectivity``, its ``orientation`` (receiver, sender), ``neuron_id`` and the edge fields.

    Of a sparse matrix they are the lists ``sender``, ``receiver`` (rows of ``neuron_id``, from 0) and ``weight`` of its
    entries, and the edge fields of these.
    """

    extension = ".npz"
    every_weight = True

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes every weight, self-connections included."""
        check_connectivity(session.num_neurons, connectivity)
        check_edge_fields(session, edge_fields)
        ids = np.array(session.neuron_id, dtype=np.str_)
        if connectivity.is_sparse:
            edge_index, weight = edges_of(connectivity.detach().cpu())
            fields = {name: values_at(matrix.cpu(), edge_index).numpy() for name, matrix in edge_fields.items()}
            sender, receiver = edge_index.numpy()
            lists = {"sender": sender, "receiver": receiver, "weight": weight.numpy(), "neuron_id": ids, **fields}
            lists["orientation"] = np.array(ORIENTATION)
            np.savez_compressed(path, **lists)
            return
        arrays = {name: matrix.detach().cpu().numpy() for name, matrix in edge_fields.items()}
        arrays["connectivity"] = connectivity.detach().cpu().numpy()
        arrays["neuron_id"], arrays["orientation"] = ids, np.array(ORIENTATION)
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the matrix, also from a file of :class:`SciPyMatrix`, which has the same suffix."""
        file = read_npz(path, ("connectivity", "neuron_id", "sender", "receiver", "weight"), "connectivity")
        if not file:
            return SciPyMatrix().read(path, session)
        if "sender" in file:
            ids, weight = file["neuron_id"], file["weight"].tolist()
            ends = (ids[_rows(file, end, len(ids), path)].tolist() for end in ("sender", "receiver"))
            return connectivity_from_edges(session, zip(*ends, weight, strict=True))
        return connectivity_from_matrix(session, _numbers(file, "connectivity", path), file["neuron_id"].tolist())


class MATLAB(ConnectivityFormat):
    """File of MATLAB, with neuron ids as cells; see :func:`~synapsnet_pyg.results.matlab.write_matlab`."""

    extension = ".mat"
    every_weight = True

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes every weight, self-connections included."""
        write_matlab(path, session, connectivity, edge_fields)

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the matrix, or its list of edges."""
        return read_matlab(path, session)


class CSVTable(ConnectivityFormat):
    """Table of edges of :func:`~synapsnet_pyg.results.graphs.to_pandas` as CSV. It needs no pandas."""

    extension = "-edges.csv"

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes a row an edge, the strongest first."""
        edges = edges_with_fields(session, connectivity, edge_fields).strongest_first()
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            for number, part in enumerate(
                edges.split(2**14)
            ):  # a million rows as Python's numbers take half a gigabyte
                columns = edge_columns(session, part)
                if number == 0:
                    writer.writerow(cells(columns))
                writer.writerows(map(cells, zip(*columns.values(), strict=True)))

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the columns ``source``, ``target`` and ``weight``."""
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            columns = list(table.fieldnames or [])
            if not {"source", "target", "weight"} <= set(columns):
                raise ValueError(f"Expected columns source, target and weight (got {shorten(columns) or 'none'}).")
            return connectivity_from_edges(
                session, ((text_of_cell(row["source"]), text_of_cell(row["target"]), row["weight"]) for row in table)
            )


class ParquetTable(ConnectivityFormat):
    """Table of edges of :func:`~synapsnet_pyg.results.graphs.to_pandas` as Parquet."""

    extension = "-edges.parquet"

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes a row an edge, the strongest first."""
        optional_import("pyarrow", "analysis")
        to_pandas(session, connectivity, edge_fields=edge_fields).to_parquet(path, index=False)

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the columns ``source``, ``target`` and ``weight``."""
        optional_import("pyarrow", "analysis")
        table = optional_import("pandas", "analysis").read_parquet(path)
        return connectivity_from_edges(session, zip(table["source"], table["target"], table["weight"], strict=True))


class GraphML(ConnectivityFormat):
    """Graph of :func:`~synapsnet_pyg.results.graphs.to_networkx` as GraphML."""

    extension = ".graphml"

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes neurons and edges with their fields."""
        write_graphml(path, session, connectivity, edge_fields)

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the weights of the edges."""
        return connectivity_from_networkx(session, _with_ids(session, nx.read_graphml(path)))


class GEXF(ConnectivityFormat):
    """Graph of :func:`~synapsnet_pyg.results.graphs.to_networkx` as GEXF, the format of Gephi."""

    extension = ".gexf"

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes the graph; a field whose name GEXF reserves becomes ``neuron_<name>``."""
        graph = to_networkx(session, connectivity, edge_fields=edge_fields)
        nx.write_gexf(_for_gexf(graph), path)

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the weights of the edges."""
        return connectivity_from_networkx(session, _with_ids(session, nx.read_gexf(path)))


class SciPyMatrix(ConnectivityFormat):
    """Sparse matrix of :func:`~synapsnet_pyg.results.graphs.to_scipy`; neuron ids and edge fields are not saved."""

    extension = "-sparse.npz"

    def write(self, path: Path, session: Session, connectivity: Tensor, edge_fields: EdgeFields) -> None:
        """Writes the weights alone."""
        optional_import("scipy.sparse", "analysis").save_npz(path, to_scipy(session, connectivity))

    def read(self, path: Path, session: Session) -> Tensor:
        """Reads the matrix, whose rows must be in the session's order."""
        # SciPy trusts the indices of a file, and writes outside of its memory where they are wrong.
        file = read_npz(path, ("format", "shape", "indptr", "indices", "data"), "connectivity")
        N, kind = session.num_neurons, file["format"].astype("U").item()
        if kind not in ("csr", "csc") or file["shape"].tolist() != [N, N]:
            raise ValueError(
                f"Expected a matrix of {N} rows and columns by rows or columns (got {kind} {file['shape'].tolist()})."
            )
        starts, data = _rows(file, "indptr", len(file["data"]) + 1, path), _numbers(file, "data", path)
        minor = _rows(file, "indices", N, path)
        if starts.shape != (N + 1,) or starts[0] != 0 or starts[-1] != len(data) or (np.diff(starts) < 0).any():
            raise ValueError(f"Expected 'indptr' of {N + 1} numbers from 0 to {len(data)} that never fall.")
        major = np.repeat(np.arange(N), np.diff(starts))
        indices = torch.from_numpy(np.stack([major, minor] if kind == "csr" else [minor, major])).long()
        weights = torch.from_numpy(data).to(session.activity)
        matrix = torch.sparse_coo_tensor(indices, weights, (N, N), check_invariants=True).coalesce()
        return matrix.to_dense() if N <= MOST_DENSE else matrix


def _rows(file: Mapping[str, np.ndarray], name: str, end: int, path: Path) -> np.ndarray:
    """Returns a list of whole numbers from 0 to ``end`` (exclusive) of an npz file."""
    rows = file[name]
    if (
        rows.ndim != 1
        or rows.dtype.kind not in "iu"
        or (rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < end)
    ):
        raise DamagedFileError(f"Expected whole numbers from 0 to {end - 1} in '{name}' of '{path}' (got others).")
    return rows.astype(np.int64)


def _numbers(file: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """Returns an array of numbers of an npz file."""
    if file[name].dtype.kind not in "fiub":
        raise DamagedFileError(f"Expected numbers in '{name}' of '{path}' (got {file[name].dtype}).")
    return file[name]


FORMATS: dict[str, ConnectivityFormat] = {
    "npz": NumPyMatrix(),
    "csv": CSVTable(),
    "parquet": ParquetTable(),
    "graphml": GraphML(),
    "gexf": GEXF(),
    "sparse": SciPyMatrix(),
    "mat": MATLAB(),
}
"""Name of a format -> its writer and reader. If two formats share a suffix, the first one reads both."""


def format_of(name: str) -> ConnectivityFormat:
    """Returns a format by name.

    Raises:
        ValueError: There is no such format.
    """
    if name not in FORMATS:
        raise ValueError(f"Expected a format among {', '.join(FORMATS)} (got '{name}').")
    return FORMATS[name]


def save_connectivity(
    session: Session,
    connectivity: Tensor,
    folder: str | os.PathLike[str],
    *,
    format: str,
    edge_fields: EdgeFields | None = None,
) -> Path:
    """Writes a connectivity to one file, completely or not at all.

    ``save_connectivity(session, strongest(connectivity, top_k=500), folder, format="csv")`` writes the 500 strongest
    edges.

    Args:
        session: Session of the N neurons; its name begins the name of the file.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        folder: Existing folder of the file.
        format: Name of a format in :data:`FORMATS`: ``npz`` (:class:`NumPyMatrix`), ``csv`` (:class:`CSVTable`),
            ``parquet`` (:class:`ParquetTable`), ``graphml`` (:class:`GraphML`), ``gexf`` (:class:`GEXF`), ``sparse``
            (:class:`SciPyMatrix`) or ``mat`` (:class:`MATLAB`). Only ``npz`` and ``mat`` keep self-connections.
        edge_fields: Name -> further values of each pair :math:`(N, N)`.

    Returns:
        Path of the file.

    Raises:
        ValueError: The format is unknown or a matrix does not fit the session.
        ImportError: A package that the format needs is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, name="demo")
        >>> with TemporaryDirectory() as folder:
        ...     path = save_connectivity(session, torch.tensor([[0, 0], [0.5, 0]]), folder, format="csv")
        ...     path.name, read_connectivity(path, session).tolist()
        ('demo-edges.csv', [[0.0, 0.0], [0.5, 0.0]])
    """
    writer = format_of(format)
    path = Path(folder) / (file_name(session.name) + writer.extension)
    with atomic_path(path) as temporary:
        writer.write(temporary, session, connectivity, edge_fields or {})
    return path


def read_connectivity(path: str | os.PathLike[str], session: Session) -> Tensor:
    """Reads a connectivity from a file of :func:`save_connectivity`. Nothing is unpickled.

    Neurons are recognised by their ids, in any order. Files of the format ``sparse`` have no ids: their rows must be in
    the session's order.

    Args:
        path: Path of the file; its suffix determines the format.
        session: Session of the N neurons.

    Returns:
        Weights :math:`(N, N)` in the precision of the session's activity, ``[i, j]`` the effect of j on i; zero where
        the file has no edge.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has another format, is damaged, or has neurons that are not in the session.
        ImportError: A package that the format needs is not installed.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path, Session], Tensor]] = {}
    for format in FORMATS.values():
        readers.setdefault(format.suffix, format.read)
    if path.suffix not in readers:
        raise ValueError(f"Expected a file that ends in {', '.join(readers)} (got '{path.name}').")
    if not path.is_file():
        raise FileNotFoundError(f"Expected a connectivity file (there is no file '{path}').")
    try:
        connectivity = readers[path.suffix](path, session)
        check_connectivity(session.num_neurons, connectivity)
    except (DamagedFileError, FileNotFoundError):
        raise
    except (ParseError, EOFError, LookupError, TypeError, AttributeError, RecursionError, csv.Error, nx.NetworkXError,
            OverflowError, RuntimeError) as error:  # fmt: skip
        reason = " ".join(repr(error).split())[:200]
        raise DamagedFileError(f"'{path}' holds no connectivity, is cut short or damaged ({reason}).") from None
    except (ValueError, OSError) as error:
        raise DamagedFileError(f"'{path}': {' '.join(str(error).split())}") from None
    return connectivity


def _for_gexf(graph: "nx.DiGraph[str]") -> "nx.DiGraph[str]":
    """Replaces characters that XML forbids, and names of node attributes that GEXF reserves."""
    names = {key: f"neuron_{key}" for key in RESERVED_BY_GEXF}
    result: nx.DiGraph[str] = nx.DiGraph(name=xml_text(graph.name))
    for neuron, fields in graph.nodes(data=True):
        texts = {names.get(key, key): xml_text(v) if isinstance(v, str) else v for key, v in fields.items()}
        result.add_nodes_from([(xml_text(neuron), texts)])
    result.add_edges_from((xml_text(j), xml_text(i), fields) for j, i, fields in graph.edges(data=True))
    return result


def _with_ids(session: Session, graph: "nx.DiGraph[str]") -> "nx.DiGraph[str]":
    """Restores ids of nodes with characters that :func:`~synapsnet_pyg.results.graphml.xml_text` escaped."""
    return nx.relabel_nodes(graph, {xml_text(neuron): neuron for neuron in session.neuron_id})
