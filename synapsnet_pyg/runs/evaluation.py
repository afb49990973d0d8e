"""A run scored on its test parts, beside the anchors."""

from typing import Any

import numpy as np

from synapsnet_pyg.data.session import Split
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import ANCHORS, build_model
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import plain_score, score, scored_neurons


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
        made = build_model(anchor, run.model.sessions.values())
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
        truth = forecast_session(models.get("mean", run.model), split[s].test, first=first).truth
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
