"""Results on the forecasts of one session, from which figures and tables are made."""

from dataclasses import dataclass

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.report.forecast_fans import ForecastFans, forecast_fans
from synapsnet_pyg.results.forecast_excerpt import ForecastExcerpt, forecast_excerpt
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts
from synapsnet_pyg.runs.horizon_evaluation import HorizonEvaluation
from synapsnet_pyg.runs.run import History, Run
from synapsnet_pyg.runs.score_details import ScoreDetails
from synapsnet_pyg.runs.scores import Score


@dataclass(frozen=True)
class ForecastResults:
    """Scores and forecasts of one session."""

    session: Session
    scores: dict[str, Score]
    """Model -> its scores, from :func:`~synapsnet_pyg.runs.evaluation.evaluate`."""
    counts: NeuronCounts
    left_out: list[str]
    """Anchors whose window is longer than the segments."""
    history: History | None
    """Training history of the session's separate model; None if all sessions share a model."""
    excerpt: ForecastExcerpt | None
    """Beginning of the test part, true and forecast; None if no neuron can be scored."""
    horizons: HorizonEvaluation | None
    """Scores several bins ahead; None if the segments are too short for them."""
    fans: ForecastFans | None
    """Beginning of the test part with forecasts of several bins; None without these scores."""
    details: ScoreDetails | None = None
    """Intervals, ceiling and scores of neurons; None if the session was not evaluated."""


def forecast_results(
    run: Run, name: str, scores: Evaluation, horizons: HorizonEvaluation | None = None
) -> ForecastResults:
    """Forecasts the beginning of a session's test part, and puts it beside the scores.

    Args:
        run: Fitted run.
        name: Name of the session.
        scores: Scores from :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
        horizons: Scores several bins ahead. None: the segments are too short for them.
    """
    excerpt = forecast_excerpt(run, name)
    fans = None if horizons is None or excerpt is None else forecast_fans(run, name, excerpt, horizons.horizon)
    return ForecastResults(
        session=run.sessions[name],
        scores=scores.sessions[name],
        counts=scores.neurons[name],
        left_out=scores.left_out,
        history=run.history(name),
        excerpt=excerpt,
        horizons=horizons,
        fans=fans,
        details=scores.details.get(name),
    )
