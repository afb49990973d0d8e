"""Results of one session, computed once before figures and tables are made of them."""

from dataclasses import dataclass
from typing import Any

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name
from synapsnet_pyg.report.connectivity_analysis import ConnectivityAnalysis, analyse_connectivity
from synapsnet_pyg.report.forecast_excerpt import ForecastExcerpt, forecast_excerpt
from synapsnet_pyg.results.figures import History, training_history
from synapsnet_pyg.runs.run import Run


@dataclass(frozen=True)
class SessionResults:
    """Results of one session."""

    session: Session
    scores: dict[str, dict[str, Any]]
    """Model -> its scores, from :func:`~synapsnet_pyg.runs.evaluation.evaluate`."""
    counts: dict[str, int]
    """Number of neurons recorded, scored and constant."""
    left_out: list[str]
    """Models that need longer segments than the session has."""
    history: History | None
    """Training history; None unless the session has a model of its own."""
    excerpt: ForecastExcerpt | None
    """Forecast of the test part; None where no neuron can be scored."""
    connectivity: ConnectivityAnalysis | None
    """Results on the connectivity; None where the model lets no neuron act on another."""


def collect_results(run: Run, name: str, scores: dict[str, Any]) -> SessionResults:
    """Computes the results of a session.

    Args:
        run: Fitted run.
        name: Name of the session.
        scores: Scores from :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
    """
    from_files = "sessions" in run.settings
    return SessionResults(
        session=run.sessions[name],
        scores=scores["sessions"][name],
        counts=scores["neurons"][name],
        left_out=scores["left_out"],
        history=training_history(run.folder / file_name(name)) if from_files else None,
        excerpt=forecast_excerpt(run, name),
        connectivity=analyse_connectivity(run, name),
    )
