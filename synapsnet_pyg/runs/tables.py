"""Tables of scores, on a terminal and in files."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from synapsnet_pyg.files import atomic_path


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
        console = Console(highlight=False)
        table = RichTable(title=self.title, title_justify="left", box=None, padding=(0, 1, 0, 0))
        for column, name in enumerate(self.header):
            table.add_column(name, justify="right" if column else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        # A table wider than the terminal would lose its last columns.
        needed = table.__rich_measure__(console, console.options.update(max_width=1000)).maximum
        Console(highlight=False, width=max(console.width, needed)).print(table)
        for note in self.notes:
            console.print(note)

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
                temporary.write_text("\n".join(lines) + "\n")
        paths.append(stem.with_name(stem.name + ".csv"))
        with atomic_path(paths[-1]) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([self.header, *self.rows])
        return paths

    def _markdown(self) -> list[str]:
        """Returns the lines of the Markdown file."""
        table = [_piped(self.header), _piped(["---"] * len(self.header)), *map(_piped, self.rows)]
        return [f"# {self.title}", "", *table, *(line for note in self.notes for line in ("", note))]

    def _latex(self) -> list[str]:
        """Returns the lines of the LaTeX file."""
        return [
            rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
            r"\hline",
            " & ".join(map(_tex, self.header)) + r" \\",
            r"\hline",
            *(" & ".join(map(_tex, row)) + r" \\" for row in self.rows),
            r"\hline",
            r"\end{tabular}",
            *(f"% {note}" for note in self.notes),
        ]


def _piped(cells: Sequence[str]) -> str:
    """Returns a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _tex(text: str) -> str:
    """Escapes the special characters of LaTeX."""
    for character in "&%_#":
        text = text.replace(character, f"\\{character}")
    return text.replace("+-", r"$\pm$")


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
