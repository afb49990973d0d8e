"""Scores of forecasts of several bins ahead, on one session."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.files import Json
from synapsnet_pyg.metrics import (
    absolute_error,
    bits_per_spike,
    correlation,
    population_correlation,
    spatial_correlation,
    squared_error,
)
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import HorizonForecast, Method, SessionForecast, forecast_horizons, methods_of
from synapsnet_pyg.runs.scores import number_or_none, scored_neurons


class HorizonScore(NamedTuple):
    """Scores of a forecast some bins ahead on one session; a score that is not defined is NaN."""

    correlation: float
    """Pearson correlation over test bins, mean over the scored neurons; the temporal score of SpikeProphecy."""
    mse: float
    """Squared error of standardised activity, mean over test bins and scored neurons."""
    mae: float
    """Absolute error in the units of the recording, mean over test bins and scored neurons."""
    against_copy: float
    """Score against a copy, 1 - MSE / MSE of the newest bin as forecast: 0 for a copy, 1 without error (POCO)."""
    spatial: float
    """Pearson correlation over the scored neurons, mean over test bins (SpikeProphecy)."""
    population: float
    """Pearson correlation of the mean over the scored neurons (SpikeProphecy)."""
    bits_per_spike: float
    """Gain in log likelihood over each neuron's mean rate in training, see
    :func:`~synapsnet_pyg.metrics.bits_per_spike`; NaN if the recording does not hold counts."""

    def to_json(self) -> Json:
        """Returns name -> score, ready for JSON; None replaces NaN."""
        return {key: number_or_none(value) for key, value in self._asdict().items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "HorizonScore":
        """Reads the scores of :meth:`to_json`."""
        return cls(**{key: math.nan if values[key] is None else values[key] for key in cls._fields})


HorizonScores = Sequence[HorizonScore]
"""Scores one bin ahead, two bins ahead and so on."""


def score_horizons(
    model: Forecaster,
    session: Session,
    split: Split,
    horizon: int,
    *,
    targets: int = 1,
    first: int | None = None,
    method: Method | None = None,
) -> HorizonScores:
    """Scores one model on one session for each number of bins ahead.

    All horizons are scored on forecasts from the same bins, those with H bins after them in their segment.

    Args:
        model: Fitted forecaster.
        session: Whole session, standardised.
        split: Parts of the session; the test part is scored.
        horizon: Number of bins ahead H.
        targets: Number of targets P that the model was trained with.
        first: Position of the first forecast bin in each segment, to compare models on the same bins.
        method: Way of forecasting. None: directly if the model can, else by feeding its forecasts back.

    Raises:
        ValueError: No segment of the test part is long enough, or the model cannot forecast so many bins directly.
    """
    forecast = forecast_horizons(model, split.test, horizon, targets, method=method, first=first)
    return score_forecasts(session, split.test, forecast)


def score_by_method(
    model: Forecaster, session: Session, split: Split, horizon: int, *, targets: int = 1, first: int | None = None
) -> dict[Method, HorizonScores]:
    """Scores one model on one session in each way in which it can forecast; its own way comes first.

    Args:
        model: Fitted forecaster.
        session: Whole session, standardised.
        split: Parts of the session; the test part is scored.
        horizon: Number of bins ahead H.
        targets: Number of targets P that the model was trained with.
        first: Position of the first forecast bin in each segment.
    """
    return {
        method: score_horizons(model, session, split, horizon, targets=targets, first=first, method=method)
        for method in methods_of(model, horizon)
    }


def score_forecasts(session: Session, part: Session, forecast: HorizonForecast) -> HorizonScores:
    """Scores the forecasts of a part of a session for each number of bins ahead.

    Args:
        session: Whole session, standardised.
        part: Part of the session that was forecast.
        forecast: Forecasts of this part.
    """
    copied = part.activity[:, forecast.bins - 1]
    has_counts = _holds_counts(part)
    horizons = range(1, forecast.truth.shape[-1] + 1)
    return [_score(session, forecast.at(ahead), copied, has_counts=has_counts) for ahead in horizons]


def _score(session: Session, forecast: SessionForecast, copied: Tensor, *, has_counts: bool) -> HorizonScore:
    """Scores the forecast of one horizon; copied [N, M] is the newest bin of each forecast."""
    kept = scored_neurons(session, forecast.truth)
    truth, forecast_activity = forecast.truth[kept], forecast.forecast[kept]
    mean, scale = session.activity_mean[kept], session.activity_scale[kept]
    error = float(squared_error(truth, forecast_activity).mean())
    error_of_copy = float(squared_error(truth, copied[kept]).mean())
    bits = math.nan
    if has_counts and len(truth):
        counts, rates = (activity * scale[:, None] + mean[:, None] for activity in (truth, forecast_activity))
        bits = bits_per_spike(counts.round(), rates, mean)
    return HorizonScore(
        correlation=float(correlation(truth, forecast_activity).mean()),
        mse=error,
        mae=float((absolute_error(truth, forecast_activity) * scale).mean()),
        against_copy=1 - error / error_of_copy if error_of_copy else math.nan,
        spatial=float(spatial_correlation(truth, forecast_activity).nanmean()) if len(truth) > 1 else math.nan,
        population=population_correlation(truth, forecast_activity),
        bits_per_spike=bits,
    )


def _holds_counts(part: Session) -> bool:
    """Returns True if the activity of a standardised part holds whole numbers from 0 in the recording's units."""
    fields = (part.activity, part.activity_mean[:, None], part.activity_scale[:, None])
    for rows, mean, scale in zip(*(values.split(64) for values in fields), strict=True):
        raw = rows * scale + mean
        counts = raw.round()
        # Standardising a count and restoring it leaves a rounding error.
        if bool(((counts < 0) | ((raw - counts).abs() > 1e-3 + 1e-5 * counts)).any()):
            return False
    return True
