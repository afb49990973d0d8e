"""Certainty of a session's scores: intervals, a test against the best baseline, the ceiling, scores of neurons."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json
from synapsnet_pyg.models.forecasting import SessionForecast
from synapsnet_pyg.runs.ceiling import Ceiling, score_ceiling
from synapsnet_pyg.runs.neuron_scores import neuron_scores, own_units
from synapsnet_pyg.runs.score_intervals import BlockBootstrap, Comparison, ScoreInterval
from synapsnet_pyg.runs.scores import number_or_none, score_forecast, scored_neurons


@dataclass(frozen=True)
class CeilingScore:
    """Mean ceiling of the correlation, and the part of it that the fitted model reaches.

    Attributes:
        mean: Mean ceiling of the scored neurons whose ceiling is known; NaN if there are none.
        correlation: Mean correlation of the fitted model over the same neurons.
        neurons: Number of these neurons.
        unknown: Number of scored neurons whose ceiling is unknown.
        counts: Whether activity is counts.
    """

    mean: float
    correlation: float
    neurons: int
    unknown: int
    counts: bool

    @property
    def share(self) -> float:
        """Correlation divided by the ceiling; NaN for a ceiling below 0.01."""
        return self.correlation / self.mean if self.mean >= 0.01 else math.nan


@dataclass(frozen=True)
class ScoreDetails:
    """Certainty of the scores of one session.

    Attributes:
        intervals: Model -> 95 % intervals of its scores.
        blocks: Number of blocks of bins that were resampled.
        block_length: Length of a block in bins, about.
        baseline: Model with the best correlation beside the fitted one; None if there is none.
        comparison: Fitted model against ``baseline``.
        ceiling: Mean ceiling.
        neuron_columns: Scores of each neuron (:func:`~synapsnet_pyg.runs.neuron_scores.neuron_scores`).
        position_unit: Unit of the neurons' positions; empty if the recording does not say it.
    """

    intervals: dict[str, ScoreInterval]
    blocks: int
    block_length: int
    baseline: str | None
    comparison: Comparison | None
    ceiling: CeilingScore
    neuron_columns: Mapping[str, object] = field(repr=False)
    position_unit: str = ""

    @property
    def neurons(self) -> "pd.DataFrame":
        """Scores of each neuron as a table."""
        return pd.DataFrame(self.neuron_columns)

    @property
    def forecasts_something(self) -> bool:
        """True if the correlation of some model is above zero by more than its interval, or no interval is known."""
        low = [interval.correlation.low for interval in self.intervals.values()]
        return any(value > 0 for value in low) or not any(math.isfinite(value) for value in low)

    def to_json(self) -> Json:
        """Returns everything but the scores of neurons, ready for JSON; None replaces NaN."""
        ceiling = {key: number_or_none(value) for key, value in asdict(self.ceiling).items()}
        values: Json = {
            "intervals": {
                model: {key: [number_or_none(value) for value in limits] for key, limits in interval._asdict().items()}
                for model, interval in self.intervals.items()
            },
            "blocks": self.blocks,
            "block_length": self.block_length,
            "ceiling": ceiling | {"share": number_or_none(self.ceiling.share), "counts": self.ceiling.counts},
        }
        if self.comparison is not None:
            values["comparison"] = {"baseline": self.baseline} | {
                key: {
                    "difference": number_or_none(value),
                    "interval": [number_or_none(limit) for limit in interval],
                    "p": number_or_none(p),
                }
                for key, (value, interval, p) in self.comparison._asdict().items()
            }
        return values


def score_details(
    session: Session, part: Session, forecasts: Mapping[str, SessionForecast], *, window: int
) -> ScoreDetails:
    """Computes the certainty of the scores of several models.

    Args:
        session: Whole session, standardised.
        part: Part of the session whose bins were forecast.
        forecasts: Model -> its forecast of the same bins; the fitted model comes first.
        window: Largest window of the models, the smallest length of a block.
    """
    fitted, *others = forecasts
    first = forecasts[fitted]
    scored = scored_neurons(session, first.truth)
    bootstrap = BlockBootstrap(forecasts, scored, part.segment, least=window)
    r = {model: score_forecast(session, forecasts[model]).correlation for model in others}
    known = {model: value for model, value in r.items() if math.isfinite(value)}
    baseline = max(known, key=known.__getitem__) if known else None
    ceiling = score_ceiling(own_units(session, first.truth).cpu(), first.bins.cpu(), part.segment.cpu())
    columns = neuron_scores(session, forecasts, ceiling, baseline)
    return ScoreDetails(
        intervals={model: bootstrap.interval(model) for model in forecasts},
        blocks=bootstrap.blocks,
        block_length=bootstrap.length,
        baseline=baseline,
        comparison=None if baseline is None else bootstrap.compare(fitted, baseline),
        ceiling=_ceiling_score(columns, ceiling),
        neuron_columns=columns,
        position_unit=session.get("position_unit", ""),
    )


def _ceiling_score(columns: Mapping[str, object], ceiling: Ceiling) -> CeilingScore:
    """Returns the mean ceiling over the neurons, given the columns of their scores."""
    scored, highest, correlation = (np.asarray(columns[name]) for name in ("scored", "ceiling", "correlation"))
    known = scored & ~np.isnan(highest)
    count = int(known.sum())
    return CeilingScore(
        mean=float(highest[known].mean()) if count else math.nan,
        correlation=float(np.nanmean(correlation[known])) if np.isfinite(correlation[known]).any() else math.nan,
        neurons=count,
        unknown=int(scored.sum()) - count,
        counts=ceiling.counts,
    )
