"""A run scored on its test parts, beside the anchors."""

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from synapsnet_pyg.metrics import connectivity_score, correlation, pc_correlation, squared_error
from synapsnet_pyg.models.forecaster import Forecaster, SessionForecast, forecast_session
from synapsnet_pyg.models.registry import ANCHORS, build_model
from synapsnet_pyg.run import Run
from synapsnet_pyg.session import Session, Split

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
    forecast = forecast_session(model, split.test, targets, first)
    true_connectivity = session.true_connectivity
    connectivity = None
    if true_connectivity is not None:
        recovered = connectivity_score(model.connectivity(split.train), true_connectivity)._asdict()
        connectivity = {key: recovered[key] for key in CONNECTIVITY_SCORES}
    kept = scored_neurons(session, forecast.truth)
    along_axes = pc_correlation(forecast.truth[kept], forecast.forecast[kept]).tolist() if bool(kept.any()) else []
    return Score(*score_forecast(session, forecast), along_axes, connectivity)


def evaluate(run: Run) -> dict[str, Any]:
    """Scores a run's model and every anchor on the same test bins of every session.

    Returns:
        ``{"sessions": {session: {model: {"correlation", "mse", "pc_correlation", "connectivity"}}},
        "summary": {model: {score: {"mean", "sem"}}}, "neurons": {session: {"recorded", "scored",
        "constant_in_training", "constant_in_test"}}, "left_out": [...]}``, ready for JSON: undefined scores
        are None. ``connectivity`` is there where the session knows its true graph.

    Raises:
        ValueError: A test part is too short for the model.
    """
    split = run.split()
    name = run.settings["model"]["name"]
    models, left_out = {name: run.model}, []
    for anchor in ANCHORS:
        made = build_model(anchor, run.model.populations.values())
        if made.window >= _longest(split):
            left_out.append(anchor)
        elif anchor != name:
            made.initialise(
                {s: part.train for s, part in split.items()}, {s: part.validation for s, part in split.items()}
            )
            models[anchor] = made
    first = max(model.window for model in models.values())
    sessions: dict[str, dict[str, Any]] = {}
    neurons = {}
    for s, session in run.sessions.items():
        scores = {
            m: score(model, session, split[s], run.targets if m == name else 1, first) for m, model in models.items()
        }
        sessions[s] = {m: plain_score(result) for m, result in scores.items()}
        truth = forecast_session(models.get("mean", run.model), split[s].test, 1, first).truth
        scored = scored_neurons(session, truth)
        neurons[s] = {
            "recorded": session.num_neurons,
            "scored": int(scored.sum()),
            "constant_in_training": int(session.constant.sum()),
            "constant_in_test": int((~scored & ~session.constant).sum()),
        }
    return {"sessions": sessions, "summary": _summary(sessions), "neurons": neurons, "left_out": left_out}


def _longest(split: dict[str, Split]) -> int:
    """Length of the longest segment of the part that has the shortest one."""
    parts = [part for three in split.values() for part in three]
    return min(int((part.segment[:, 1] - part.segment[:, 0]).max()) if len(part.segment) else 0 for part in parts)


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


def _summary(sessions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard error over sessions of every score that is a number."""
    summary: dict[str, Any] = {}
    for m in next(iter(sessions.values())):
        values: dict[str, list[float]] = {}
        for scores in sessions.values():
            flat = {"correlation": scores[m]["correlation"], "mse": scores[m]["mse"]}
            flat |= {f"pc_{k}": value for k, value in enumerate(scores[m]["pc_correlation"], start=1)}
            flat |= {f"connectivity_{key}": value for key, value in scores[m].get("connectivity", {}).items()}
            for key, value in flat.items():
                if value is not None:
                    values.setdefault(key, []).append(value)
        summary[m] = {
            key: {"mean": float(np.mean(v)), "sem": float(np.std(v, ddof=1) / np.sqrt(len(v))) if len(v) > 1 else None}
            for key, v in values.items()
        }
    return summary
