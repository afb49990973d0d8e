"""Tables of scores, on a terminal and in files."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from synapsnet_pyg.files import atomic_path, plain
from synapsnet_pyg.files.texts import cells, markdown, tex

_console = partial(Console, highlight=False, markup=False, emoji=False)
"""Makes a terminal on which a text in brackets, such as ``[/b]``, means itself."""


@dataclass(frozen=True)
class Table:
    """Table of texts.

    Args:
        title: Title above the table.
        header: Names of the columns.
        rows: Texts of each row, as many as there are columns.
        notes: Lines below the table.

    Example:
        >>> table = Table("Scores", ["model", "corr"], [["copy", "0.52"], ["var1", "0.61"]], ["corr: Pearson."])
        >>> table.print()
        Scores
        model corr
        copy  0.52
        var1  0.61
        corr: Pearson.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def print(self) -> None:
        """Prints the table; the first column is aligned left, the others right."""
        console = _console()
        table = RichTable(title=plain(self.title), title_justify="left", box=None, padding=(0, 1, 0, 0))
        for column, name in enumerate(self.header):
            table.add_column(plain(name), justify="right" if column else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(plain, row))
        # A table wider than the terminal would lose its last columns.
        needed = table.__rich_measure__(console, console.options.update(max_width=1000)).maximum
        _console(width=max(console.width, needed)).print(table)
        for note in self.notes:
            console.print(plain(note))

    def write(self, stem: Path) -> list[Path]:
        """Writes the table as Markdown, CSV and LaTeX; each file completely or not at all.

        Args:
            stem: Path of the files without their endings.

        Returns:
            Paths of the files.
        """
        paths = []
        for ending, lines in ((".md", self._markdown()), (".tex", self._latex())):
            paths.append(stem.with_name(stem.name + ending))
            with atomic_path(paths[-1]) as temporary:
                temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(stem.with_name(stem.name + ".csv"))
        with atomic_path(paths[-1]) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(map(cells, [self.header, *self.rows]))
        return paths

    def _markdown(self) -> list[str]:
        """Returns the lines of the Markdown file."""
        table = [_piped(self.header), _piped(["---"] * len(self.header)), *map(_piped, self.rows)]
        return [
            f"# {markdown(self.title)}",
            "",
            *table,
            *(line for note in self.notes for line in ("", _with_code(note))),
        ]

    def _latex(self) -> list[str]:
        """Returns the lines of the LaTeX file."""
        return [
            rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
            r"\hline",
            " & ".join(map(tex, self.header)) + r" \\",
            r"\hline",
            *(" & ".join(map(tex, row)) + r" \\" for row in self.rows),
            r"\hline",
            r"\end{tabular}",
            *(f"% {plain(note)}" for note in self.notes),
        ]


def _piped(row: Sequence[str]) -> str:
    """Returns a row of a Markdown table."""
    return "| " + " | ".join(map(markdown, row)) + " |"


def _with_code(note: str) -> str:
    """Returns a note for Markdown, in which texts between backticks stay code."""
    parts = plain(note).split("`")
    return "`".join(part if place % 2 else markdown(part) for place, part in enumerate(parts))


def number_text(value: float | None, decimals: int = 3) -> str:
    """Returns a number as text; a dash for None and NaN."""
    return "-" if value is None or value != value else f"{value:.{decimals}f}"


def plus_minus_text(value: float | None, spread: float | None, decimals: int = 3) -> str:
    """Returns ``value +- spread`` as text.

    The spread is left out if it is None or NaN. A value that is None or NaN gives a dash.
    """
    text = number_text(value, decimals)
    return text if text == "-" or spread is None or spread != spread else f"{text} +- {spread:.{decimals}f}"


def p_text(value: float | None) -> str:
    """Returns a p-value as text with four decimals; a dash for None."""
    return "-" if value is None else ("< 0.0001" if value < 1e-4 else f"{value:.4f}")
