"""Tables of a run's scores."""

from collections.abc import Mapping, Sequence

from synapsnet_pyg.metrics import MeanSem
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts
from synapsnet_pyg.runs.scores import CONNECTIVITY_SCORES, Score
from synapsnet_pyg.runs.tables import Table, number_text, plus_minus_text

PCS = ("PC1", "PC2", "PC3")
_SUMMARY = {"correlation": "corr", "mse": "MSE", "pc_1": "PC1", "connectivity_pearson": "conn r"}
_CONNECTIVITY = dict(zip(CONNECTIVITY_SCORES, ("conn r", "rho", "AUROC", "AUPRC"), strict=True))


def print_scores(scores: Evaluation) -> None:
    """Prints a table of each session, a summary over sessions, and the meaning of the columns."""
    for name, models in scores.sessions.items():
        session_table(name, models, scores.neurons[name]).print()
        if name in scores.intervals:
            print(scores.intervals[name].sentence())
        print()
    if len(scores.sessions) > 1:
        summary_table(scores.summary, len(scores.sessions)).print()
    if scores.left_out:
        print(f"left out, because segments are too short: {', '.join(scores.left_out)}")
    print("corr: Pearson over time, mean over neurons. PC1-3: along true principal axes.")
    if any(score.connectivity is not None for models in scores.sessions.values() for score in models.values()):
        print(
            "conn: recovery of the true off-diagonal weights: Pearson r and Spearman rho of the signed weights,\n"
            "areas under the ROC and precision-recall curves of absolute weights against which pairs have an edge."
        )


def session_table(name: str, models: Mapping[str, Score], neurons: NeuronCounts) -> Table:
    """Returns the table of scores of all models on one session."""
    with_truth = any(score.connectivity is not None for score in models.values())
    header = ["model", "corr", "MSE", *PCS, *(_CONNECTIVITY.values() if with_truth else ())]
    rows = [[model, *score_texts(score), *(_connectivity_texts(score) if with_truth else ())]
            for model, score in models.items()]  # fmt: skip
    constant = {"training": neurons.constant_in_training, "test": neurons.constant_in_test}
    counted = "".join(f", {count} constant in {part}" for part, count in constant.items() if count)
    return Table(
        f"{name}: test part", header, rows,
        [f"{neurons.scored} of {neurons.recorded} neurons scored{counted}.", verdict(models)],
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


def verdict(scores: Mapping[str, Score]) -> str:
    """Returns the best model in a sentence; a second one warns if it is not the fitted model.

    Args:
        scores: Model -> its scores; the fitted model comes first.
    """
    fitted = next(iter(scores))
    best = {}
    for key, sign in (("correlation", 1), ("mse", -1)):
        known = {model: sign * value for model, score in scores.items() if (value := getattr(score, key)) == value}
        best[key] = max(known, key=known.__getitem__) if known else "none"
    sentence = f"Best by correlation: {best['correlation']}; by MSE: {best['mse']}."
    if fitted in best.values():
        return sentence
    return f"{sentence} The fitted model, {fitted}, is not: a simpler forecast does better here."
