"""Odd names and texts: shown as they are, markup of nothing, and never a way out of the folder."""

import csv
import random
import shutil
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import torch

from fuzz.children import Outcome, forked, synapsnet
from fuzz.corpus import make_session
from fuzz.results import Result, judged, keep
from synapsnet_pyg import read_connectivity
from synapsnet_pyg.data.session import Session

NAMES = (
    "..", ".", "", " ", "a/b", "a_b", "../../up", "/tmp/x", "con", "nul.h5", "-rf", "--help", "~", "$HOME", "*",
    "?", "[/b]", "[red]rat[/red]", "[link=http://x]y", "x_{", r"\frac{", "$x_{$", "$$", "%", "a%sb", "{0}",
    "{name}", "&", "&amp;", "<b>", "<img src=x onerror=evil()>", "</script><script>evil()</script>", "]]>", "<!--",
    "'", '"', "`", "\\", "\\input{x}", "\x1b[31mred", "\x1b]0;title\x07", "\x07", "\x00", "a\nb", "a\rb", "a\tb",
    "a|b", "a,b", "a;b", "=1+1", "+1", "-1", "@x", "=HYPERLINK(\"http://x\")", "nan", "None", "true", "1e5", "0",
    "é", "e\u0301", "日本語", "🐭", "\u202egnp.exe", "\ufeff", "\u200b", "\u2028", "a" * 300, "M1 ", ".hidden",
    "x.part", "run.json", "best.ckpt", "index.html", "{{7*7}}", "__proto__",
)  # fmt: skip
"""Names that something along the way may take for something else."""

COMMANDS = (
    ("inspect", "s.h5"),
    ("fit", "s.h5", "--out", "run", "--model", "ridge_var"),
    ("evaluate", "run", "--neurons", "neurons.csv"),
    ("connectivity", "run", "--out", "out", "--format", "npz,csv,graphml,gexf"),
    ("blocks", "run", "--group-by", "area", "--out", "blocks"),
    ("figures", "run", "--out", "figures"),
    ("report", "run", "--out", "page"),
    ("benchmark", "forecasting", "s.h5", "--out", "bench", "--models", "var1", "--preset", "fast"),
)
WRITTEN = {"s.h5", "run", "neurons.csv", "out", "blocks", "figures", "page", "bench"}


class _Page(HTMLParser):
    """Collects what a page would run or show as markup."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag == "script"
        self.wrong += [f"<{tag} {name}>" for name, value in attrs if value and "evil()" in value and name[:2] == "on"]

    def handle_data(self, data: str) -> None:
        if self._script and data.strip().startswith("evil()"):
            self.wrong.append("a script")

    def handle_endtag(self, tag: str) -> None:
        self._script = False


class Names:
    """Tries of odd names; for the arguments see :class:`fuzz.kills.Kills`."""

    def __init__(self, corpus: Path, work: Path, kept: Path, seed: int, references: Mapping[str, object]) -> None:
        self.work, self.kept, self.seed = work, kept, seed

    def a_text_is_a_text_everywhere(self, item: tuple[str, int]) -> Result:
        """Makes one try: a name of :data:`NAMES`, or beyond these one of drawn letters."""
        _, number = item
        draw = random.Random(f"{self.seed}/name/{number}")
        name = NAMES[number] if number < len(NAMES) else "".join(draw.choice("".join(NAMES)) for _ in range(12))
        folder = self.work / f"name-{number}" / "here"
        folder.mkdir(parents=True)
        outcome, words = forked(lambda: _write(folder, name), folder=folder), ("written in Python",)
        verdict, text = judged(outcome)
        if verdict == "loaded":
            for words in COMMANDS:
                outcome = forked(synapsnet(*words), seconds=120, folder=folder)
                verdict, text = judged(outcome)
                if verdict == "refused" and words[0] not in ("inspect", "fit"):
                    verdict = "other"
                if verdict == "loaded" and (wrong := _wrong(folder, outcome)):
                    verdict, text = "other", wrong
                if verdict != "loaded":
                    break
        if verdict == "loaded":
            outcome = forked(lambda: _same_in_all_formats(folder))
            verdict, text = judged(outcome)
        result = Result("names", number, verdict, f"{name!r}, {words[0]}: {text}" if text else "")
        if verdict not in ("loaded", "refused"):
            keep(self.kept, folder, result, outcome, " ".join(words))
        shutil.rmtree(folder.parent, ignore_errors=True)
        return result


def _write(folder: Path, name: str) -> int:
    """Writes a session in which a name is everywhere."""
    try:
        make_session(
            name,
            neuron_id=[f"{name}{i}" if i else name for i in range(6)],
            behaviour_name=[name, "pupil"],
            area=[name, "V1"] * 3,
            notes=[name],
        ).save(folder / "s.h5")
    except ValueError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def _wrong(folder: Path, outcome: Outcome) -> str:
    """Returns what is wrong with the files and the output of a command; an empty text if nothing is."""
    strange = {path.name for path in folder.iterdir()} - WRITTEN
    outside = {path.name for path in folder.parent.iterdir()} - {folder.name}
    if strange or outside:
        return f"files outside of --out: {', '.join(sorted(strange | outside))}"
    if controls := {c for c in outcome.out + outcome.err if (ord(c) < 32 and c not in "\n\t\r") or 127 <= ord(c) < 160}:
        return f"control characters {sorted(controls)} reach the terminal"
    for path in folder.rglob("*"):
        if any(ord(c) < 32 for c in path.name):
            return f"a file called {path.name!r}"
        if path.suffix == ".csv" and (cell := _formula(path)):
            return f"the cell {cell!r} in {path.name} is a formula for spreadsheets"
        if path.suffix == ".tex" and any(text in path.read_text() for text in ("\\input{x}", "\\frac{\n", "\\frac{ ")):
            return f"a command of a name reaches {path.name}"
        if path.suffix == ".md" and len(_widths(path)) > 1:
            return f"a row of {path.name} is torn"
        if path.suffix == ".html":
            page = _Page()
            page.feed(path.read_text())
            if page.wrong:
                return f"{page.wrong[0]} in {path.name}"
    return ""


def _widths(path: Path) -> set[int]:
    """Returns the numbers of columns of the rows of the first table in Markdown."""
    lines = path.read_text().splitlines()
    rows = [line.replace("\\\\", "").replace("\\|", "") for line in lines if line.startswith("|")]
    return {row.count("|") for row in rows}


def _formula(path: Path) -> str:
    """Returns a text in a table that spreadsheets take for a formula."""
    with path.open(newline="") as file:
        for row in csv.reader(file):
            for cell in row:
                if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(cell):
                    return cell
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == "-"
    return True


def _same_in_all_formats(folder: Path) -> int:
    """Reads the connectivity of every format; all must be the same."""
    session = Session.load(folder / "s.h5")
    found = [read_connectivity(path, session) for path in sorted((folder / "out").iterdir())]
    weights = [matrix.masked_fill(torch.eye(len(matrix), dtype=torch.bool), 0.0) for matrix in found]
    for path, matrix in zip(sorted((folder / "out").iterdir()), weights, strict=True):
        if not torch.allclose(matrix, weights[0], atol=1e-6):
            raise AssertionError(f"{path.name} holds another connectivity")
    return 0
