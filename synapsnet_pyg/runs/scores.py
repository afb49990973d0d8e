"""Scores of a forecast and of a connectivity on one session."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.files import Json
from synapsnet_pyg.metrics import connectivity_score, correlation, pc_correlation, squared_error
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import SessionForecast, forecast_session
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE

CONNECTIVITY_SCORES = ("pearson", "spearman", "auroc", "auprc")


class Score(NamedTuple):
    """Scores of one model on one session; a score that is not defined is NaN."""

    correlation: float
    """Pearson correlation over test bins, mean over the scored neurons."""
    mse: float
    """Squared error of standardised activity, mean over test bins and scored neurons."""
    pc_correlation: list[float]
    """Correlation along the first three principal axes of the true population activity."""
    connectivity: dict[str, float] | None
    """Recovery of the true connectivity off the diagonal; None if that is not known."""

    def to_json(self) -> Json:
        """Returns name -> score, ready for JSON; None replaces NaN."""
        values: Json = {
            "correlation": number_or_none(self.correlation),
            "mse": number_or_none(self.mse),
            "pc_correlation": [number_or_none(value) for value in self.pc_correlation],
        }
        if self.connectivity is not None:
            values["connectivity"] = {key: number_or_none(value) for key, value in self.connectivity.items()}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Score":
        """Reads the scores of :meth:`to_json`."""
        connectivity = values.get("connectivity")
        return cls(
            _number(values["correlation"]),
            _number(values["mse"]),
            [_number(value) for value in values["pc_correlation"]],
            None if connectivity is None else {key: _number(value) for key, value in connectivity.items()},
        )


def number_or_none(value: float) -> float | None:
    """Returns a finite number; None replaces NaN and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    """Returns a number; NaN replaces None."""
    return math.nan if value is None else value


def scored_neurons(session: Session, truth: Tensor) -> Tensor:
    """Returns the neurons that are scored, booleans [N]: they vary in training and over the scored bins."""
    return ~session.constant & (truth.amax(1) > truth.amin(1))


class ForecastScore(NamedTuple):
    """Scores of a forecast, means over the scored neurons."""

    correlation: float
    mse: float


def score_forecast(session: Session, forecast: SessionForecast) -> ForecastScore:
    """Computes correlation over time and squared error, mean over the scored neurons; NaN if there are none."""
    kept = scored_neurons(session, forecast.truth)
    r, error = correlation(forecast.truth, forecast.forecast), squared_error(forecast.truth, forecast.forecast)
    return ForecastScore(float(r[kept].mean()), float(error[kept].mean()))


def score(model: Forecaster, session: Session, split: Split, *, targets: int = 1, first: int | None = None) -> Score:
    """Scores one model on one session.

    Args:
        model: Fitted forecaster.
        session: Whole session, standardised.
        split: Parts of the session; the forecast is scored on the test part, the connectivity is that of the training
            part.
        targets: Number of targets P that the model was trained with.
        first: Position of the first scored bin in each segment.
    """
    return score_of(forecast_session(model, split.test, targets, first=first), model, session, split)


def score_of(forecast: SessionForecast, model: Forecaster, session: Session, split: Split) -> Score:
    """Scores the forecast of the test part that a model made, and its connectivity; see :func:`score`.

    The connectivity of more than :data:`~synapsnet_pyg.nn.functional_connectivity.MOST_DENSE` neurons is not scored.
    """
    truth = session.true_connectivity if session.num_neurons <= MOST_DENSE else None
    connectivity = None
    if truth is not None:
        recovered = connectivity_score(model.connectivity(split.train), truth)._asdict()
        connectivity = {key: recovered[key] for key in CONNECTIVITY_SCORES}
    kept = scored_neurons(session, forecast.truth)
    along_axes = pc_correlation(forecast.truth[kept], forecast.forecast[kept]).tolist() if bool(kept.any()) else []
    return Score(*score_forecast(session, forecast), along_axes, connectivity)
