"""Scores as tables, on a terminal and in files."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from synapsnet_pyg.atomic import atomic_path

_PCS = ("PC1", "PC2", "PC3")
_SUMMARY = {"correlation": "corr", "mse": "MSE", "pc_1": "PC1", "connectivity_pearson": "conn r"}
_STYLE: dict[str, Any] = {"box": None, "padding": (0, 1, 0, 0)}


def print_scores(scores: dict[str, Any]) -> None:
    """Prints what :func:`~synapsnet_pyg.evaluation.evaluate` found: a table a session, and one over sessions."""
    console = Console(highlight=False)
    for name, models in scores["sessions"].items():
        neurons = scores["neurons"][name]
        with_truth = any("connectivity" in score for score in models.values())
        table = Table(title=f"{name}: test part", title_justify="left", **_STYLE)
        caption = f"{neurons['scored']} of {neurons['recorded']} neurons scored"
        for part in ("training", "test"):
            if neurons[f"constant_in_{part}"]:
                caption += f", {neurons[f'constant_in_{part}']} constant in {part}"
        table.add_column("model", no_wrap=True)
        headers = ("corr", "MSE", *_PCS, *(("conn r", "rho", "AUROC", "AUPRC") if with_truth else ()))
        for header in headers:
            table.add_column(header, justify="right", no_wrap=True)
        for model, score in models.items():
            values = [score["correlation"], score["mse"], *_padded(score["pc_correlation"])]
            values += list(score["connectivity"].values()) if with_truth else []
            table.add_row(model, _number(values[0], 4), *map(_number, values[1:]))
        console.print(table)
        console.print(f"{caption}.\n{verdict(models)}\n")
    if len(scores["sessions"]) > 1:
        table = Table(title=f"mean +- SEM over {len(scores['sessions'])} sessions", title_justify="left", **_STYLE)
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


def _padded(values: list[float | None]) -> list[float | None]:
    return values + [None] * (len(_PCS) - len(values))


def _number(value: float | None, decimals: int = 3) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def write_table(
    stem: Path, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> list[Path]:
    """Writes a table as Markdown, CSV and LaTeX.

    Args:
        stem: File without its ending.
        title: Above it.
        header: Names of the columns.
        rows: Texts.
        notes: Lines below it.

    Returns:
        The files written.
    """
    written = []
    markdown = [f"# {title}", "", _piped(header), _piped(["---"] * len(header)), *map(_piped, rows)]
    markdown += [line for note in notes for line in ("", note)]
    body = [" & ".join(map(_tex, row)) + r" \\" for row in rows]
    latex = [
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\hline",
        " & ".join(map(_tex, header)) + r" \\",
        r"\hline",
        *body,
        r"\hline",
        r"\end{tabular}",
        *(f"% {note}" for note in notes),
    ]
    for ending, lines in ((".md", markdown), (".tex", latex)):
        with atomic_path(stem.with_name(stem.name + ending)) as temporary:
            temporary.write_text("\n".join(lines) + "\n")
        written.append(stem.with_name(stem.name + ending))
    with atomic_path(stem.with_name(stem.name + ".csv")) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return [*written, stem.with_name(stem.name + ".csv")]


def _piped(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _tex(text: str) -> str:
    for character in "&%_#":
        text = text.replace(character, f"\\{character}")
    return text.replace("+-", r"$\pm$")


def comparison_table(summary: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a comparison's summary, as in SynapsNet's Table 1."""
    header = ["model", "sessions", "corr", "p", "MSE", "p (MSE)", "fit (s)"]
    rows = [
        [
            _label(entry),
            str(entry["sessions"]),
            _plus_minus(entry, "correlation"),
            _p(entry["correlation_p"]),
            _plus_minus(entry, "mse"),
            _p(entry["mse_p"]),
            f"{entry['seconds']:.0f}",
        ]
        for entry in summary
    ]
    return header, rows


def print_comparison(told: dict[str, Any]) -> None:
    """Prints a comparison's summary, short enough for a narrow terminal; the files tell all of it."""
    console = Console(highlight=False)
    table = Table(title=f"{len(told['sessions'])} session(s), mean +- SEM", title_justify="left", **_STYLE)
    for number, name in enumerate(("model", "corr", "p", "MSE", "fit (s)")):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for entry in told["summary"]:
        values = [_plus_minus(entry, key, 3) for key in ("correlation", "mse")]
        table.add_row(_label(entry), values[0], _p(entry["correlation_p"]), values[1], f"{entry['seconds']:.0f}")
    console.print(table)
    console.print("p: paired t-test of corr over sessions, against the next best of those fitted the same way.")


def session_rows(scores: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a comparison's scores, one row for each session, model and seed."""
    with_truth = any("connectivity" in one["scores"] for one in scores)
    header = ["session", "model", "seed", "corr", "MSE", *_PCS, *(("conn r", "AUROC") if with_truth else ())]
    rows = []
    for one in sorted(scores, key=lambda one: (one["session"], one["fit"], -(one["scores"]["correlation"] or 0))):
        values = one["scores"]
        row = [one["session"], _label(one), str(one["seed"])]
        row += [_number(values["correlation"], 4), _number(values["mse"])]
        row += map(_number, _padded(values["pc_correlation"]))
        if with_truth:
            row += [_number(values.get("connectivity", {}).get(key)) for key in ("pearson", "auroc")]
        rows.append(row)
    return header, rows


_RECOVERY = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sign_accuracy": "sign",
    "fit": "fit",
}


def recovery_table(summary: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a comparison of how well known wiring is found again."""
    header = ["population", "method", "seeds", *_RECOVERY.values(), "ahead of the next", "p", "s"]
    rows = []
    for entry in summary:
        row = [entry["population"], entry["method"], str(entry["seeds"])]
        for key in _RECOVERY:
            spread = entry[f"{key}_deviation"]
            row.append(_number(entry[key]) + ("" if spread is None else f" +- {spread:.3f}"))
        ahead = entry["better_than_next"]
        row += ["-" if ahead is None else f"{ahead} of {entry['seeds']}", _p(entry["p"]), f"{entry['seconds']:.0f}"]
        rows.append(row)
    return header, rows


def recovery_seed_rows(scores: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the same, one for each population, seed and method."""
    header = ["population", "seed", "method", *_RECOVERY.values(), "s"]
    rows = []
    for one in scores:
        values = [one["fit"] if key == "fit" else one["scores"][key] for key in _RECOVERY]
        row = [one["population"], str(one["seed"]), one["method"], *map(_number, values), f"{one['seconds']:.1f}"]
        rows.append(row)
    return header, rows


def print_recovery(told: dict[str, Any]) -> None:
    """Prints how well known wiring was found again."""
    console = Console(highlight=False)
    for population in dict.fromkeys(entry["population"] for entry in told["summary"]):
        mine = [entry for entry in told["summary"] if entry["population"] == population]
        title = f"{population}: {max(entry['seeds'] for entry in mine)} seed(s), mean +- deviation"
        table = Table(title=title, title_justify="left", **_STYLE)
        for number, name in enumerate(("method", "Pearson", "rho", "AUROC", "AUPRC", "sign", "s")):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for entry in mine:
            spread = entry["pearson_deviation"]
            pearson = _number(entry["pearson"]) + ("" if spread is None else f" +- {spread:.3f}")
            others = [_number(entry[key]) for key in ("spearman", "auroc", "auprc", "sign_accuracy")]
            table.add_row(entry["method"], pearson, *others, f"{entry['seconds']:.0f}")
        console.print(table)


def print_experiment(told: dict[str, Any]) -> None:
    """Prints what an experiment found, a table a system, ours and below it what was published."""
    console = Console(highlight=False)
    console.print(told["title"])
    for system in dict.fromkeys(row[0] for row in told["rows"]):
        table = Table(title=system, title_justify="left", **_STYLE)
        for number, name in enumerate(("method", *told["header"][3:])):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for _, method, by, *values in (row for row in told["rows"] if row[0] == system):
            table.add_row(method if by == "ours" else f"  {by}", *values)
        console.print(table)
    for note in told["notes"]:
        console.print(note)


def _label(entry: dict[str, Any]) -> str:
    return str(entry["label"]) + (" (multi-session)" if entry["fit"] == "multi" else "")


def _plus_minus(entry: dict[str, Any], key: str, decimals: int = 4) -> str:
    if entry[key] is None:
        return "-"
    error = entry[f"{key}_sem"]
    return f"{entry[key]:.{decimals}f}" + ("" if error is None else f" +- {error:.{decimals}f}")


def _p(value: float | None) -> str:
    return "-" if value is None else ("< 0.0001" if value < 1e-4 else f"{value:.4f}")
