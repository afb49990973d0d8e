"""Connectivity of the sessions of a run, with statistics of its edges, and its files."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from synapsnet_pyg.analysis.ensemble import ensemble
from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, file_name, make_folder, release_memory
from synapsnet_pyg.files.texts import cells
from synapsnet_pyg.nn.current_conv import edges_of, sparse_like, sparse_matrix, values_at
from synapsnet_pyg.progress import steps
from synapsnet_pyg.results.connectivity_files import format_of, save_connectivity
from synapsnet_pyg.results.graphs import strongest
from synapsnet_pyg.runs.run import Run

SIGNIFICANT = 0.05
"""False discovery rate of the edges that are significant, where none is given."""

MOST_ROWS = 100_000
"""Largest number of edges in a table that was not asked for: 20 MB, which every spreadsheet opens."""

EDGE_COLUMNS = (
    "source",
    "target",
    "weight",
    "tested",
    "posterior_mean",
    "effect",
    "error",
    "p_value",
    "q_value",
    "edge_probability",
    "sign_stability",
    "lag",
    "same_bin",
    "same_bin_q",
    "seed_deviation",
    "sign_agreement",
)
"""Columns of tables of edges, in this order.

``weight`` is the learned weight, with a test and without. The test
(:class:`~synapsnet_pyg.analysis.significance.EdgeSignificance`) adds the columns from ``tested`` to ``same_bin_q``;
pairs that were not tested have empty cells there. Several runs add the last two columns
(:class:`~synapsnet_pyg.analysis.ensemble.Ensemble`)."""


@dataclass(frozen=True)
class ConnectivityResult:
    """Connectivity of one session with statistics of its edges.

    Attributes:
        connectivity: Learned weights [N, N], ``[i, j]`` the effect of j on i, mean over runs.
        edge_fields: Name of a column of :data:`EDGE_COLUMNS` -> its values [N, N].
        message: Sentences on the number of significant edges and the limits of the recording; empty without a test.
    """

    connectivity: Tensor
    edge_fields: dict[str, Tensor] = field(default_factory=dict)
    message: str = ""

    @property
    def is_tested(self) -> bool:
        """True if every edge was tested."""
        return "q_value" in self.edge_fields

    def significant(self, rate: float) -> Tensor:
        """Returns the weights [N, N] of the significant edges; all other weights are zero.

        Args:
            rate: False discovery rate, the expected share of false ones among these edges.

        Raises:
            ValueError: The edges were not tested.
        """
        if not self.is_tested:
            raise ValueError("Expected tested edges (got no 'q_value'); pass significance=True.")
        if not self.connectivity.is_sparse:
            return torch.where(self.edge_fields["q_value"] <= rate, self.connectivity, 0.0)
        weights = self.connectivity.coalesce()
        q = values_at(self.edge_fields["q_value"], weights.indices().flip(0))
        return sparse_like(weights, torch.where(q <= rate, weights.values(), 0.0))


def connectivity_results(
    runs: Sequence[Run], *, significance: bool = False, rate: float = 0.05
) -> dict[str, ConnectivityResult]:
    """Computes the connectivity of every session, over one or several runs.

    The weight of an edge is its mean over runs. The test
    (:func:`~synapsnet_pyg.analysis.significance.edge_significance`) is of the recording, the same for every run; the
    posterior mean is the mean of its own and the learned weight.

    Args:
        runs: One run, or several runs of the same sessions with different seeds.
        significance: Whether to test every edge.
        rate: False discovery rate of the edges that the message counts.

    Returns:
        Session name -> result.

    Raises:
        ValueError: The runs have different sessions, or a session is too short for the test.
    """
    check_sessions(runs)
    sessions = steps("connectivity", runs[0].split().items())
    return {name: _result(runs, split.train, rate if significance else None) for name, split in sessions}


def save_connectivity_results(
    run: Run,
    results: Mapping[str, ConnectivityResult],
    folder: Path,
    *,
    formats: Sequence[str] | None = None,
    threshold: float = 0.0,
    top_k: int | None = None,
    rate: float | None = None,
) -> list[str]:
    """Writes the connectivity of every session in every format.

    Matrices (``npz``) hold every weight. Tables and graphs hold the edges that pass ``threshold``, ``top_k`` and
    ``rate``. Without ``formats`` a table has at most :data:`MOST_ROWS` edges: the significant ones and the strongest
    others. A graph takes a kilobyte for each edge: without ``formats`` it is written of tested edges alone,
    and holds the significant ones. Beside a table of tested edges there is one of the pairs that are coupled within
    the bin, ``<session>-same-bin.csv``.

    Args:
        run: Run of the sessions.
        results: Session name -> result.
        folder: Folder of the files, created if needed.
        formats: Names of formats in :data:`~synapsnet_pyg.results.connectivity_files.FORMATS`. None: matrix (``npz``),
            table (``csv``) and, of tested edges, graph (``graphml``).
        threshold: Smallest absolute weight of an edge.
        top_k: Largest number of edges; None: all.
        rate: Largest false discovery rate of an edge; None: edges are kept without regard to significance.

    Returns:
        A line for each file, and the message of each session.

    Raises:
        ValueError: A format is unknown, ``threshold`` or ``top_k`` is out of range, or the edges were not tested
            although ``rate`` is given.
    """
    lines, called_at = [], SIGNIFICANT if rate is None else rate
    for name, result in results.items():
        kept = strongest(result.connectivity if rate is None else result.significant(rate), threshold, top_k)
        matrices = dict.fromkeys(("npz", "csv") if formats is None else formats, kept)
        if formats is None:
            called = result.significant(called_at) if result.is_tested else torch.zeros_like(kept)
            matrices["csv"] = _most(kept, called, MOST_ROWS if top_k is None else top_k)
            if result.is_tested:
                matrices["graphml"] = strongest(called, threshold, top_k)
        for format, edges in matrices.items():
            every_weight = format_of(format).every_weight
            matrix = result.connectivity if every_weight else edges
            path = save_connectivity(
                run.sessions[name], matrix, make_folder(folder), format=format, edge_fields=result.edge_fields
            )
            count = "all weights" if every_weight else f"{len(edges_of(edges)[1])} edges"
            if format == "csv" and edges is not kept:
                number = len(edges_of(kept)[1])
                count += f", the significant and the strongest of {number} (--format csv writes all)"
            lines.append(f"written to {path}: {count}")
        if result.is_tested and "csv" in matrices:
            path = folder / f"{file_name(name)}-same-bin.csv"
            pairs = _write_same_bin(path, run.sessions[name], result, called_at)
            lines.append(f"written to {path}: {pairs} pairs coupled within the bin")
        if result.message:
            lines.append(f"{name}: {result.message}")
    return lines


def _most(kept: Tensor, called: Tensor, most: int) -> Tensor:
    """Returns weights with at most some edges: those that are called, then the strongest; itself if it has fewer."""
    edge_index, weight = edges_of(kept)
    if len(weight) <= most:
        return kept
    first = weight.abs().masked_fill(values_at(called, edge_index).nan_to_num(0.0) != 0, torch.inf)
    chosen = first.topk(most).indices.sort().values
    sender, receiver = edge_index[:, chosen]
    if kept.is_sparse:
        return sparse_matrix(edge_index[:, chosen], weight[chosen], len(kept))
    return torch.zeros_like(kept).index_put((receiver, sender), weight[chosen])


def _write_same_bin(path: Path, session: Session, result: ConnectivityResult, rate: float) -> int:
    """Writes a row for each pair coupled within the bin, the clearest first, and returns their number."""
    fields = {column: result.edge_fields[column] for column in ("same_bin", "same_bin_q")}
    q = fields["same_bin_q"]
    some = sparse_like(q, q.coalesce().values() <= rate) if q.is_sparse else q <= rate
    pairs = edges_of(some)[0]
    pairs = pairs[:, pairs[0] < pairs[1]]  # each once
    values = {column: values_at(matrix, pairs) for column, matrix in fields.items()}
    order = values["same_bin"].abs().argsort(descending=True, stable=True)
    ids = ([session.neuron_id[i] for i in end[order].tolist()] for end in pairs)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["neuron", "other", *fields])
        writer.writerows(map(cells, zip(*ids, *(each[order].tolist() for each in values.values()), strict=True)))
    return len(order)


def check_sessions(runs: Sequence[Run]) -> None:
    """Raises an error if the runs have different sessions."""
    first, *others = runs
    fingerprints = {name: session.fingerprint for name, session in first.sessions.items()}
    for other in others:
        if {name: session.fingerprint for name, session in other.sessions.items()} != fingerprints:
            raise ValueError(
                f"Expected runs of the same sessions ('{other.folder}' has {', '.join(other.sessions)}, "
                f"'{first.folder}' {', '.join(first.sessions)})."
            )


def _result(runs: Sequence[Run], train: Session, rate: float | None) -> ConnectivityResult:
    """Computes the result of one session from its training part; without a rate edges are not tested."""
    matrices = [run.model.connectivity(train).detach() for run in runs]
    connectivity, agreement = matrices[0], {}
    if len(runs) > 1:
        connectivity, deviation, signs = ensemble(matrices)
        agreement = {"seed_deviation": deviation, "sign_agreement": signs}
    if rate is None:
        return ConnectivityResult(connectivity, agreement)
    release_memory()
    edges = edge_significance(train, learned=connectivity)
    message = f"{edges.message(rate)} {identifiability(train, edges).message}"
    return ConnectivityResult(connectivity, edges.edge_fields() | agreement, message)
