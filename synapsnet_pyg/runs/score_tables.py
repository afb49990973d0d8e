"""Tables of a run's scores."""

import math
from collections.abc import Mapping, Sequence

from synapsnet_pyg.files import say
from synapsnet_pyg.metrics import MeanSem
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts
from synapsnet_pyg.runs.score_details import ScoreDetails
from synapsnet_pyg.runs.score_intervals import Interval
from synapsnet_pyg.runs.scores import CONNECTIVITY_SCORES, Score
from synapsnet_pyg.runs.tables import Table, number_text, plus_minus_text

PCS = ("PC1", "PC2", "PC3")
_SUMMARY = {"correlation": "corr", "mse": "MSE", "pc_1": "PC1", "connectivity_pearson": "conn r"}
_CONNECTIVITY = dict(zip(CONNECTIVITY_SCORES, ("conn r", "rho", "AUROC", "AUPRC"), strict=True))


def print_scores(scores: Evaluation) -> None:
    """Prints a table of each session, a summary over sessions, and the meaning of the columns."""
    for name, models in scores.sessions.items():
        session_table(name, models, scores.neurons[name], scores.details.get(name)).print()
        if name in scores.intervals:
            say(scores.intervals[name].sentence())
        say()
    if len(scores.sessions) > 1:
        summary_table(scores.summary, len(scores.sessions)).print()
    if scores.left_out:
        say(f"left out, because segments are too short: {', '.join(scores.left_out)}")
    say("corr: Pearson over time, mean over neurons. PC1-3: along true principal axes.")
    if scores.details:
        say("In brackets: 95 % interval over blocks of test bins, for other bins of the same neurons and fit.")
    if any(score.connectivity is not None for models in scores.sessions.values() for score in models.values()):
        say(
            "conn: recovery of the true off-diagonal weights: Pearson r and Spearman rho of the signed weights,",
            "areas under the ROC and precision-recall curves of absolute weights against which pairs have an edge.",
        )


def session_table(
    name: str, models: Mapping[str, Score], neurons: NeuronCounts, details: ScoreDetails | None = None
) -> Table:
    """Returns the table of scores of all models on one session.

    Args:
        name: Name of the session.
        models: Model -> its scores; the fitted model comes first.
        neurons: Numbers of neurons.
        details: Intervals, comparison and ceiling; None if they were not computed.
    """
    with_truth = any(score.connectivity is not None for score in models.values())
    header = ["model", "corr", "MSE", *PCS, *(_CONNECTIVITY.values() if with_truth else ())]
    rows = []
    for model, score in models.items():
        correlation, *others = score_texts(score)
        if details is not None:
            correlation += _interval_text(details.intervals[model].correlation)
        rows.append([model, correlation, *others, *(_connectivity_texts(score) if with_truth else ())])
    constant = {"training": neurons.constant_in_training, "test": neurons.constant_in_test}
    counted = "".join(f", {count} constant in {part}" for part, count in constant.items() if count)
    return Table(
        f"{name}: test part", header, rows,
        [f"{neurons.scored} of {neurons.recorded} neurons scored{counted}.",
         *([] if details is None else detail_sentences(next(iter(models)), details)), verdict(models, details)],
    )  # fmt: skip


def summary_table(summary: Mapping[str, Mapping[str, MeanSem]], sessions: int) -> Table:
    """Returns the table of means and standard errors over sessions."""
    rows = [
        [model, *(plus_minus_text(*values[key]) if key in values else "-" for key in _SUMMARY)]
        for model, values in summary.items()
    ]
    return Table(f"mean +- SEM over {sessions} sessions", ["model", *_SUMMARY.values()], rows)


def score_texts(score: Score) -> list[str]:
    """Returns correlation, MSE and the correlations along three principal axes as texts."""
    components = [*score.pc_correlation, *[None] * len(PCS)][: len(PCS)]
    return [number_text(score.correlation, 4), number_text(score.mse), *map(number_text, components)]


def _connectivity_texts(score: Score) -> Sequence[str]:
    """Returns the scores of the connectivity as texts; dashes if there are none."""
    return [number_text((score.connectivity or {}).get(key)) for key in _CONNECTIVITY]


def detail_sentences(fitted: str, details: ScoreDetails) -> list[str]:
    """Returns sentences on the fitted model beside the best baseline, and on the ceiling.

    Args:
        fitted: Name of the fitted model.
        details: Comparison and ceiling.
    """
    sentences = []
    comparison, ceiling = details.comparison, details.ceiling
    if comparison is not None and math.isfinite(comparison.correlation.p):
        value, interval, p = comparison.correlation
        sentences.append(
            f"{fitted} minus {details.baseline}, the best baseline: correlation {value:+.4f}"
            f"{_interval_text(interval)}, p {_p_text(p)}."
        )
    if math.isfinite(ceiling.share):
        noise = "the noise of the counts" if ceiling.counts else "white noise"
        reached = f"{fitted} reaches {ceiling.share:.0%} of it"
        if ceiling.share > 1:
            reached += ": the noise differs from this, and the estimate is too low"
        sentences.append(f"Ceiling: {noise} allows a correlation of about {ceiling.mean:.3f}; {reached}.")
    if ceiling.unknown and ceiling.neurons:
        sentences.append(f"Left out of the ceiling: {ceiling.unknown} of {ceiling.neurons + ceiling.unknown} neurons.")
    return sentences


def _p_text(p: float) -> str:
    """Returns a p-value as text after its letter."""
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def _interval_text(interval: Interval) -> str:
    """Returns an interval in brackets after a space; an empty text if it is unknown."""
    return f" ({interval.low:.3f} to {interval.high:.3f})" if math.isfinite(interval.low) else ""


def verdict(scores: Mapping[str, Score], details: ScoreDetails | None = None) -> str:
    """Returns the best model in a sentence; a second one warns if it is not the fitted model.

    Args:
        scores: Model -> its scores; the fitted model comes first.
        details: Intervals of the scores. If no correlation is above zero by more than its interval, no model is best.
    """
    if details is not None and not details.forecasts_something:
        return "Nothing is forecast here: no model's correlation is above zero by more than its 95 % interval."
    fitted = next(iter(scores))
    best = {}
    for key, sign in (("correlation", 1), ("mse", -1)):
        known = {model: sign * value for model, score in scores.items() if (value := getattr(score, key)) == value}
        best[key] = max(known, key=known.__getitem__) if known else "none"
    sentence = f"Best by correlation: {best['correlation']}; by MSE: {best['mse']}."
    if fitted in best.values():
        return sentence
    return f"{sentence} The fitted model, {fitted}, is not: a simpler forecast does better here."
