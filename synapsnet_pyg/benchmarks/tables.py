"""Scores as tables, on a terminal and in files."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.runs.score_tables import PCS, STYLE, number_text, padded


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
    table = Table(title=f"{len(told['sessions'])} session(s), mean +- SEM", title_justify="left", **STYLE)
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
    header = ["session", "model", "seed", "corr", "MSE", *PCS, *(("conn r", "AUROC") if with_truth else ())]
    rows = []
    for one in sorted(scores, key=lambda one: (one["session"], one["fit"], -(one["scores"]["correlation"] or 0))):
        values = one["scores"]
        row = [one["session"], _label(one), str(one["seed"])]
        row += [number_text(values["correlation"], 4), number_text(values["mse"])]
        row += map(number_text, padded(values["pc_correlation"]))
        if with_truth:
            row += [number_text(values.get("connectivity", {}).get(key)) for key in ("pearson", "auroc")]
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
            row.append(number_text(entry[key]) + ("" if spread is None else f" +- {spread:.3f}"))
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
        row = [one["population"], str(one["seed"]), one["method"], *map(number_text, values), f"{one['seconds']:.1f}"]
        rows.append(row)
    return header, rows


def print_recovery(told: dict[str, Any]) -> None:
    """Prints how well known wiring was found again."""
    console = Console(highlight=False)
    for population in dict.fromkeys(entry["population"] for entry in told["summary"]):
        mine = [entry for entry in told["summary"] if entry["population"] == population]
        title = f"{population}: {max(entry['seeds'] for entry in mine)} seed(s), mean +- deviation"
        table = Table(title=title, title_justify="left", **STYLE)
        for number, name in enumerate(("method", "Pearson", "rho", "AUROC", "AUPRC", "sign", "s")):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for entry in mine:
            spread = entry["pearson_deviation"]
            pearson = number_text(entry["pearson"]) + ("" if spread is None else f" +- {spread:.3f}")
            others = [number_text(entry[key]) for key in ("spearman", "auroc", "auprc", "sign_accuracy")]
            table.add_row(entry["method"], pearson, *others, f"{entry['seconds']:.0f}")
        console.print(table)


def print_experiment(told: dict[str, Any]) -> None:
    """Prints what an experiment found, a table a system, ours and below it what was published."""
    console = Console(highlight=False)
    console.print(told["title"])
    for system in dict.fromkeys(row[0] for row in told["rows"]):
        table = Table(title=system, title_justify="left", **STYLE)
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
