"""Evaluation of a run and of the anchors on the test parts."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.files import Json, release_memory
from synapsnet_pyg.metrics import MeanSem, mean_and_sem
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.psth import has_trials
from synapsnet_pyg.models.registry import ANCHORS, build_model
from synapsnet_pyg.progress import steps
from synapsnet_pyg.runs.intervals import IntervalScore, forecast_intervals, score_intervals
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.score_details import ScoreDetails, score_details
from synapsnet_pyg.runs.scores import Score, number_or_none, score_of, scored_neurons


@dataclass(frozen=True)
class NeuronCounts:
    """Numbers of neurons of a session."""

    recorded: int
    scored: int
    constant_in_training: int
    constant_in_test: int


@dataclass(frozen=True)
class Evaluation:
    """Scores of a run's model and of the anchors.

    Attributes:
        sessions: Session name -> model -> scores; the fitted model comes first.
        summary: Model -> score -> mean and standard error over sessions, of every score that is a number.
        neurons: Session name -> numbers of neurons.
        left_out: Anchors whose window is longer than the segments.
        details: Session name -> intervals, test against the best baseline, ceiling, scores of neurons.
        intervals: Session name -> coverage and width of the fitted model's intervals.
    """

    sessions: dict[str, dict[str, Score]]
    summary: dict[str, dict[str, MeanSem]]
    neurons: dict[str, NeuronCounts]
    left_out: list[str]
    details: dict[str, ScoreDetails] = field(default_factory=dict)
    intervals: dict[str, IntervalScore] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: "Sequence[Evaluation]") -> "Evaluation":
        """Joins the scores of the sessions of one run.

        Args:
            parts: Scores of different sessions with the same models, at least one.
        """
        sessions, neurons, details, intervals = (
            {name: value for part in parts for name, value in getattr(part, attribute).items()}
            for attribute in ("sessions", "neurons", "details", "intervals")
        )
        return cls(sessions, _summary(sessions), neurons, parts[0].left_out, details=details, intervals=intervals)

    def to_json(self) -> Json:
        """Returns all scores and counts, ready for JSON; None replaces NaN."""
        return {
            "sessions": {s: {m: score.to_json() for m, score in scores.items()} for s, scores in self.sessions.items()},
            "summary": {
                model: {key: {"mean": value.mean, "sem": number_or_none(value.sem)} for key, value in values.items()}
                for model, values in self.summary.items()
            },
            "neurons": {session: asdict(counts) for session, counts in self.neurons.items()},
            "left_out": self.left_out,
            "details": {session: details.to_json() for session, details in self.details.items()},
            "intervals": {session: score.to_json() for session, score in self.intervals.items()},
        }


class ComparedModels(NamedTuple):
    """Models to compare."""

    models: dict[str, Forecaster]
    """Name -> fitted model; that of the run comes first."""
    left_out: list[str]
    """Anchors whose window is longer than the segments."""


def evaluate(run: Run, compared: ComparedModels | None = None, *, names: Sequence[str] | None = None) -> Evaluation:
    """Scores a run's model and every anchor on the same test bins of every session.

    Args:
        run: Fitted run.
        compared: Models of :func:`with_anchors`; None: they are fitted.
        names: Names of the sessions to score, at least one; None: all.

    Raises:
        ValueError: A test part is too short for the model.
    """
    split = run.split()
    models, left_out = with_anchors(run, split, names=names) if compared is None else compared
    first = max(model.window for model in models.values())
    sessions, neurons, details, intervals = {}, {}, {}, {}
    for s in steps("evaluate", list(names or run.sessions)):
        session = run.sessions[s]
        test = split[s].test
        forecasts = {
            m: forecast_session(model, test, run.targets if m == run.kind else 1, first=first)
            for m, model in models.items()
        }
        release_memory()
        sessions[s] = {m: score_of(forecasts[m], model, session, split[s]) for m, model in models.items()}
        neurons[s] = _count_neurons(session, forecasts[run.kind].truth)
        release_memory()
        found = forecast_intervals(run.model, split[s], targets=run.targets, first=first)
        intervals[s] = score_intervals(session, found)
        del found
        release_memory()
        details[s] = score_details(session, test, forecasts, window=first)
    return Evaluation(sessions, _summary(sessions), neurons, left_out, details=details, intervals=intervals)


def with_anchors(
    run: Run, split: dict[str, Split], horizon: int = 1, *, names: Sequence[str] | None = None
) -> ComparedModels:
    """Fits every anchor whose window fits into the segments, and the mean over trials where there are trials.

    Args:
        run: Fitted run.
        split: Session name -> parts of the session, of all sessions: all are compared with the same anchors.
        horizon: Number of bins ahead H, which must fit after the window.
        names: Names of the sessions for which anchors are fitted; None: all.
    """
    names = list(names or split)
    train, validation = ({name: getattr(split[name], part) for name in names} for part in ("train", "validation"))
    models, left_out, longest = {run.kind: run.model}, [], usable_length(split)
    in_trials = all(has_trials(session) for session in run.sessions.values())
    for anchor in steps("fit simple forecast", (*ANCHORS, "psth") if in_trials else ANCHORS):
        model = build_model(anchor, [run.model.sessions[name] for name in names])
        if model.window + horizon > longest:
            left_out.append(anchor)
        elif anchor != run.kind:
            model.initialise(train, validation)
            models[anchor] = model
            release_memory()
    return ComparedModels(models, left_out)


def within_horizon(compared: ComparedModels, split: dict[str, Split], horizon: int) -> ComparedModels:
    """Leaves out the anchors whose window and horizon are longer than the segments.

    Args:
        compared: Models of :func:`with_anchors`.
        split: Session name -> parts of the session.
        horizon: Number of bins ahead H.
    """
    longest, (fitted, *anchors) = usable_length(split), compared.models
    kept = [name for name in anchors if compared.models[name].window + horizon <= longest]
    left_out = [name for name in (*ANCHORS, "psth") if name in {*compared.left_out, *anchors} - {*kept}]
    return ComparedModels({name: compared.models[name] for name in (fitted, *kept)}, left_out)


def usable_length(split: dict[str, Split]) -> int:
    """Returns the number of bins in the longest segment of a part, smallest over all parts.

    Args:
        split: Session name -> parts of the session.
    """
    lengths = [part.segment[:, 1] - part.segment[:, 0] for parts in split.values() for part in parts]
    return min(int(length.max()) if len(length) else 0 for length in lengths)


def _count_neurons(session: Session, truth: Tensor) -> NeuronCounts:
    """Counts recorded, scored and constant neurons; truth [N, M] is the activity in the scored bins."""
    scored = scored_neurons(session, truth)
    return NeuronCounts(
        recorded=session.num_neurons,
        scored=int(scored.sum()),
        constant_in_training=int(session.constant.sum()),
        constant_in_test=int((~scored & ~session.constant).sum()),
    )


def _summary(sessions: dict[str, dict[str, Score]]) -> dict[str, dict[str, MeanSem]]:
    """Computes mean and standard error over sessions of every score that is a number."""
    summary = {}
    for m in next(iter(sessions.values())):
        values: dict[str, list[float]] = {}
        for scores in sessions.values():
            score = scores[m]
            flat = {"correlation": score.correlation, "mse": score.mse}
            flat |= {f"pc_{k}": value for k, value in enumerate(score.pc_correlation, start=1)}
            flat |= {f"connectivity_{key}": value for key, value in (score.connectivity or {}).items()}
            for key, value in flat.items():
                if math.isfinite(value):
                    values.setdefault(key, []).append(value)
        summary[m] = {key: mean_and_sem(numbers) for key, numbers in values.items()}
    return summary
