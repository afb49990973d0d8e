"""Tables of a run's scores."""

from typing import Any

from rich.console import Console
from rich.table import Table

PCS = ("PC1", "PC2", "PC3")


_SUMMARY = {"correlation": "corr", "mse": "MSE", "pc_1": "PC1", "connectivity_pearson": "conn r"}


STYLE: dict[str, Any] = {"box": None, "padding": (0, 1, 0, 0)}


def print_scores(scores: dict[str, Any]) -> None:
    """Prints what :func:`~synapsnet_pyg.runs.evaluation.evaluate` found: a table a session, and one over sessions."""
    console = Console(highlight=False)
    for name, models in scores["sessions"].items():
        neurons = scores["neurons"][name]
        with_truth = any("connectivity" in score for score in models.values())
        table = Table(title=f"{name}: test part", title_justify="left", **STYLE)
        caption = f"{neurons['scored']} of {neurons['recorded']} neurons scored"
        for part in ("training", "test"):
            if neurons[f"constant_in_{part}"]:
                caption += f", {neurons[f'constant_in_{part}']} constant in {part}"
        table.add_column("model", no_wrap=True)
        headers = ("corr", "MSE", *PCS, *(("conn r", "rho", "AUROC", "AUPRC") if with_truth else ()))
        for header in headers:
            table.add_column(header, justify="right", no_wrap=True)
        for model, score in models.items():
            values = [score["correlation"], score["mse"], *padded(score["pc_correlation"])]
            values += list(score["connectivity"].values()) if with_truth else []
            table.add_row(model, number_text(values[0], 4), *map(number_text, values[1:]))
        console.print(table)
        console.print(f"{caption}.\n{verdict(models)}\n")
    if len(scores["sessions"]) > 1:
        table = Table(title=f"mean +- SEM over {len(scores['sessions'])} sessions", title_justify="left", **STYLE)
        table.add_column("model", no_wrap=True)
        for header in _SUMMARY.values():
            table.add_column(header, justify="right", no_wrap=True)
        for model, score in scores["summary"].items():
            table.add_row(model, *(_mean_and_sem(score.get(key)) for key in _SUMMARY))
        console.print(table)
    if scores["left_out"]:
        console.print(f"left out, for want of bins in a segment: {', '.join(scores['left_out'])}")
    console.print(
        "corr: Pearson over time, mean over neurons. PC1-3: along true principal axes."
        + (
            "\nconn: recovery of the true off-diagonal weights: Pearson r and Spearman rho of the signed weights,"
            "\nareas under the ROC and precision-recall curves of absolute weights against which pairs have an edge."
            if with_truth
            else ""
        )
    )


def verdict(scores: dict[str, dict[str, Any]]) -> str:
    """Which model is best, told also where it is not the fitted one, which stands first."""
    fitted = next(iter(scores))
    best = {}
    for key, sign in (("correlation", 1), ("mse", -1)):
        known = {model: sign * score[key] for model, score in scores.items() if score[key] is not None}
        best[key] = max(known, key=known.__getitem__) if known else "none"
    told = f"Best by correlation: {best['correlation']}; by MSE: {best['mse']}."
    if fitted in best.values():
        return told
    return f"{told} The fitted model, {fitted}, is not: a simpler forecast does better here."


def _mean_and_sem(value: dict[str, float | None] | None) -> str:
    if value is None:
        return "-"
    return f"{value['mean']:.3f}" + ("" if value["sem"] is None else f" +- {value['sem']:.3f}")


def padded(values: list[float | None]) -> list[float | None]:
    """Returns correlations along principal axes, filled up with None."""
    return values + [None] * (len(PCS) - len(values))


def number_text(value: float | None, decimals: int = 3) -> str:
    """Returns a number with so many decimals, or a dash for None."""
    return "-" if value is None else f"{value:.{decimals}f}"
