"""What became of the tries, as a table, and the files of those that are not as they should be."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz.children import MOST_MEMORY, Outcome

FINE = ("loaded", "refused")
FAULTS = ("uncaught", "signals", "hung", "memory", "silent damage", "no file name", "not one line", "other")
"""Names of what may not happen. Other: described by the check, such as a file that is lost."""
COLUMNS = ("tried", *FINE, *FAULTS)


@dataclass(frozen=True)
class Result:
    """End of one try.

    Attributes:
        kind: Kind of the try, a row of the table.
        number: Number within its kind; with the seed it gives the same try again.
        verdict: One of :data:`FINE` or :data:`FAULTS`.
        text: Description of a fault, in one line.
    """

    kind: str
    number: int
    verdict: str
    text: str = ""


def judged(outcome: Outcome, *named: str) -> tuple[str, str]:
    """Returns the verdict on a command that met an odd file, and why.

    Args:
        outcome: End of the command.
        named: Names of which one must stand in the line of a refusal; none if that does not matter.
    """
    last = outcome.told[-1][:200] if outcome.told else ""
    if outcome.hung:
        return "hung", f"{outcome.seconds:.0f} s"
    if outcome.status < 0:
        return "signals", f"signal {-outcome.status}; {last}"
    if outcome.memory > MOST_MEMORY:
        return "memory", f"{outcome.memory / 2**20:.0f} MiB; {last}"
    if outcome.left:
        return "other", f"{len(outcome.left)} processes are left"
    if "Traceback" in outcome.err or outcome.status not in (0, 2):
        return "uncaught", f"status {outcome.status}; {last}"
    if outcome.status == 0:
        return "loaded", ""
    if len(outcome.told) != 1:
        return "not one line", f"{len(outcome.told)} lines: {' | '.join(outcome.told)[:300]}"
    if named and not any(name in last or name in outcome.told[0] for name in named):
        return "no file name", last
    return "refused", last


def table(results: Sequence[Result]) -> str:
    """Returns the table of results: a row for each kind, and the sum."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        counts.setdefault(result.kind, Counter())[result.verdict] += 1
    counts["all"] = sum(counts.values(), Counter[str]())
    rows = [("kind", *COLUMNS)]
    for kind, count in counts.items():
        rows.append((kind, str(count.total()), *(str(count[column] or "-") for column in COLUMNS[1:])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def faults(results: Sequence[Result], seed: int, most: int = 40) -> str:
    """Returns a line for each kind of fault, with the tries that show it."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if result.verdict in FAULTS:
            groups.setdefault((result.kind, result.verdict, _shape(result.text)), []).append(result)
    ordered = sorted(groups.values(), key=len, reverse=True)
    lines = [
        f"{same[0].kind}: {same[0].verdict}, {len(same)} times, such as --seed {seed} --only {same[0].kind}:"
        f"{same[0].number}: {same[0].text}"
        for same in ordered[:most]
    ]
    rest = len(ordered) - most
    return "\n".join([*lines, *([f"and {rest} kinds of faults more"] if rest > 0 else [])])


def _shape(text: str) -> str:
    """Returns a text without its numbers and the names in quotes, by which faults of one cause are grouped."""
    kept, quoted = [], False
    for letter in text:
        quoted ^= letter in "'\""
        if not quoted and not letter.isdigit():
            kept.append(letter)
    return "".join(kept)[:60]


def keep(folder: Path, case: Path, result: Result, outcome: Outcome | None, commands: str) -> None:
    """Copies the files of a try that is not as it should be, with its commands and what it printed."""
    target = folder / f"{result.kind}-{result.number}".replace("/", "_")
    shutil.rmtree(target, ignore_errors=True)
    if case.is_dir():
        shutil.copytree(case, target, symlinks=True, ignore_dangling_symlinks=True)
    target.mkdir(parents=True, exist_ok=True)
    told = {"verdict": result.verdict, "text": result.text, "commands": commands}
    if outcome is not None:
        told |= {"status": str(outcome.status), "out": outcome.out[-5000:], "err": outcome.err[-20000:]}
    (target / "told.json").write_text(json.dumps(told, indent=2))
