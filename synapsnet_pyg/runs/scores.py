"""Scores of a forecast and of a connectivity on one session."""

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.metrics import connectivity_score, correlation, pc_correlation, squared_error
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import SessionForecast, forecast_session

CONNECTIVITY_SCORES = ("pearson", "spearman", "auroc", "auprc")


class Score(NamedTuple):
    """How good one model is on one session."""

    correlation: float
    """Mean over the scored neurons of the Pearson correlation over test bins."""
    mse: float
    """Mean squared error of standardised activity over the scored neurons."""
    pc_correlation: list[float]
    """Correlation along the first three principal axes of the true population activity."""
    connectivity: dict[str, float] | None
    """Recovery of the true connectivity off the diagonal, where the session knows it."""


def scored_neurons(session: Session, truth: Tensor) -> Tensor:
    """Which neurons count [N]: those that vary both in training and over the scored bins."""
    return ~session.constant & (truth.amax(1) > truth.amin(1))


class ForecastScore(NamedTuple):
    """How good a forecast is, means over the scored neurons."""

    correlation: float
    mse: float


def score_forecast(session: Session, forecast: SessionForecast) -> ForecastScore:
    """Correlation over time and squared error, mean over the scored neurons; NaN where there are none."""
    kept = scored_neurons(session, forecast.truth)
    r, error = correlation(forecast.truth, forecast.forecast), squared_error(forecast.truth, forecast.forecast)
    return ForecastScore(float(r[kept].mean()), float(error[kept].mean()))


def score(model: Forecaster, session: Session, split: Split, targets: int = 1, first: int | None = None) -> Score:
    """Scores one model on one session.

    Args:
        model: Fitted.
        session: The whole session, standardised.
        split: Its parts; the forecast is scored on the test part, the connectivity comes from the training part.
        targets: P that the model was trained with.
        first: Position of the first scored bin in each segment.
    """
    forecast = forecast_session(model, split.test, targets, first=first)
    true_connectivity = session.true_connectivity
    connectivity = None
    if true_connectivity is not None:
        recovered = connectivity_score(model.connectivity(split.train), true_connectivity)._asdict()
        connectivity = {key: recovered[key] for key in CONNECTIVITY_SCORES}
    kept = scored_neurons(session, forecast.truth)
    along_axes = pc_correlation(forecast.truth[kept], forecast.forecast[kept]).tolist() if bool(kept.any()) else []
    return Score(*score_forecast(session, forecast), along_axes, connectivity)


def plain_score(result: Score) -> dict[str, Any]:
    """A score ready for JSON: what is not defined is None."""
    plain: dict[str, Any] = {
        "correlation": _defined(result.correlation),
        "mse": _defined(result.mse),
        "pc_correlation": [_defined(value) for value in result.pc_correlation],
    }
    if result.connectivity is not None:
        plain["connectivity"] = {key: _defined(value) for key, value in result.connectivity.items()}
    return plain


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None
