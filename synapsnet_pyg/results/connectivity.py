"""Connectivity of a run's sessions with statistics of its edges, and its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from synapsnet_pyg.analysis.ensemble import ensemble
from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.analysis.significance import EdgeSignificance, edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import make_folder
from synapsnet_pyg.results.connectivity_files import format_of, save_connectivity
from synapsnet_pyg.results.graphs import strongest
from synapsnet_pyg.runs.run import Run

EDGE_COLUMNS = (
    "source",
    "target",
    "weight",
    "learned",
    "effect",
    "error",
    "p_value",
    "q_value",
    "edge_probability",
    "sign_stability",
    "seed_deviation",
    "sign_agreement",
)
"""Columns of every table of edges, in this order; a table has those that were computed.

``weight`` is the learned weight, or after a test the posterior mean of the effect. The columns from ``learned`` to
``sign_stability`` exist after a test (:class:`~synapsnet_pyg.analysis.significance.EdgeSignificance`), the last two
with several runs (:class:`~synapsnet_pyg.analysis.ensemble.Ensemble`)."""


@dataclass(frozen=True)
class ConnectivityResult:
    """Connectivity of one session with statistics of its edges.

    Attributes:
        connectivity: Weights [N, N], ``[i, j]`` the effect of j on i; after a test the posterior means.
        edge_fields: Name of a column of :data:`EDGE_COLUMNS` -> its values [N, N].
        message: Number of significant edges and limits of the recording, in plain sentences; empty without a test.
    """

    connectivity: Tensor
    edge_fields: dict[str, Tensor] = field(default_factory=dict)
    message: str = ""

    def significant(self, rate: float) -> Tensor:
        """Returns the weights [N, N] of the edges at a false discovery rate, all others zero.

        Args:
            rate: Share of these edges that may be false.

        Raises:
            ValueError: The edges were not tested.
        """
        if "q_value" not in self.edge_fields:
            raise ValueError("Expected edges that were tested (got no 'q_value'); pass significance=True.")
        return torch.where(self.edge_fields["q_value"] <= rate, self.connectivity, 0.0)


def connectivity_results(
    runs: Sequence[Run], *, significance: bool = False, shifts: int = 100
) -> dict[str, ConnectivityResult]:
    """Computes the connectivity of every session of one run, or of an ensemble of runs.

    The weight is the mean over runs. With a test it is the posterior mean of the effect: of the forecaster that
    forecasts the mean of all runs, whose connectivity is the mean of theirs
    (:func:`~synapsnet_pyg.analysis.significance.edge_significance`). The mean weight then becomes the field
    ``learned``.

    Args:
        runs: One run, or several runs of the same sessions from other seeds.
        significance: Whether to test every edge.
        shifts: Number of circular shifts of the test.

    Returns:
        Session name -> result.

    Raises:
        ValueError: The runs are not of the same sessions, or a session is too short for the test.
    """
    _check_sessions(runs)
    return {name: _result(runs, split.train, significance, shifts) for name, split in runs[0].split().items()}


def save_connectivity_results(
    run: Run,
    results: Mapping[str, ConnectivityResult],
    folder: Path,
    *,
    formats: Sequence[str],
    threshold: float = 0.0,
    top_k: int | None = None,
    rate: float | None = None,
) -> list[str]:
    """Writes the connectivity of every session in every format.

    Matrices (``npz``) hold every weight. Tables and graphs hold the edges that ``threshold``, ``top_k`` and ``rate``
    keep.

    Args:
        run: Run of the sessions.
        results: Session name -> result.
        folder: Folder of the files, made if it is not there.
        formats: Names of formats in :data:`~synapsnet_pyg.results.connectivity_files.FORMATS`.
        threshold: Smallest absolute weight of an edge.
        top_k: Largest number of edges; None: all.
        rate: False discovery rate of the edges; None: significant or not.

    Returns:
        A line for each file, and the message of each session.

    Raises:
        ValueError: A format is unknown, ``threshold`` or ``top_k`` is out of range, or ``rate`` is given and the edges
            were not tested.
    """
    kept = {
        name: strongest(result.connectivity if rate is None else result.significant(rate), threshold, top_k)
        for name, result in results.items()
    }
    lines = []
    for name, result in results.items():
        for format in formats:
            whole = format_of(format).every_weight
            matrix = result.connectivity if whole else kept[name]
            path = save_connectivity(
                run.sessions[name], matrix, make_folder(folder), format=format, edge_fields=result.edge_fields
            )
            edges = "all weights" if whole else f"{int(kept[name].count_nonzero())} edges"
            lines.append(f"written to {path}: {edges}")
        if result.message:
            lines.append(f"{name}: {result.message}")
    return lines


def edge_fields_of(learned: Tensor, edges: EdgeSignificance) -> dict[str, Tensor]:
    """Returns the fields of tested edges by their column, without NaN: pairs without a test have p and q of 1, else 0.

    Args:
        learned: Learned weights :math:`(N, N)`.
        edges: Result of the test of these edges.
    """
    certain = {"p_value": 1.0, "q_value": 1.0}
    fields = {name: matrix.nan_to_num(certain.get(name, 0.0)) for name, matrix in edges.edge_fields().items()}
    return {"learned": learned, **fields}


def _check_sessions(runs: Sequence[Run]) -> None:
    """Raises an error if the runs are not of the same sessions."""
    first, *others = runs
    fingerprints = {name: session.fingerprint for name, session in first.sessions.items()}
    for other in others:
        if {name: session.fingerprint for name, session in other.sessions.items()} != fingerprints:
            raise ValueError(
                f"Expected runs of the same sessions ('{other.folder}' has {', '.join(other.sessions)}, "
                f"'{first.folder}' {', '.join(first.sessions)})."
            )


def _result(runs: Sequence[Run], train: Session, significance: bool, shifts: int) -> ConnectivityResult:
    """Returns the result of one session from its training part."""
    matrices = [run.model.connectivity(train).detach() for run in runs]
    connectivity, agreement = matrices[0], {}
    if len(runs) > 1:
        connectivity, deviation, signs = ensemble(matrices)
        agreement = {"seed_deviation": deviation, "sign_agreement": signs}
    if not significance:
        return ConnectivityResult(connectivity, agreement)
    models = [run.model for run in runs]
    edges = edge_significance(models, train, shifts=shifts, targets=runs[0].targets, connectivity=connectivity)
    count, pairs = int(edges.edges().sum()), connectivity.numel() - len(connectivity)
    message = f"{count} of {pairs} pairs are edges at a false discovery rate of 5 %. "
    message += identifiability(train, edges).message
    fields = edge_fields_of(connectivity, edges) | agreement
    return ConnectivityResult(edges.posterior_mean.nan_to_num(), fields, message)
