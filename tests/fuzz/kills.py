"""Killed commands: the same command, given again, comes to the same files, and nothing is left behind."""

import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fuzz.children import Command, Forked, Outcome, forked
from fuzz.results import Result, judged, keep
from fuzz.trees import WRITERS, Reference, Writer, age, contents, copied, hidden

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
_RIGHT_STATUS = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130, -2)}


def counted(command: Command, counter: Path) -> Command:
    """Returns a command that writes down how many events it has."""

    def run() -> int:
        seen = [0]

        def add() -> None:
            seen[0] += 1

        _at_events(add)
        status = command() or 0
        counter.write_text(str(seen[0]))
        return status

    return run


def killed_at(command: Command, event: int) -> Command:
    """Returns a command that is killed just before one of its events."""

    def run() -> int | None:
        seen = [0]

        def add() -> None:
            seen[0] += 1
            if seen[0] == event:
                os.kill(os.getpid(), signal.SIGKILL)

        _at_events(add)
        return command()

    return run


def _at_events(call: Callable[[], None]) -> None:
    """Calls a function before every change of a file of this process."""
    own = os.getpid()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            writes = any(c in mode for c in "wax+") if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
            if not writes or str(arguments[0]).startswith(("/dev", "/proc")):
                return
        elif event not in _CHANGES:
            return
        if os.getpid() == own:
            call()

    sys.addaudithook(hook)


class Kills:
    """Tries of killed commands.

    Args:
        corpus: Folder of :func:`fuzz.corpus.build`.
        work: Folder in which tries are made.
        kept: Folder of the files of faults.
        seed: Seed of all draws.
        references: Name of a command -> what it writes if it is not killed.
    """

    def __init__(self, corpus: Path, work: Path, kept: Path, seed: int, references: Mapping[str, Reference]) -> None:
        self.corpus, self.work, self.kept, self.seed, self.references = corpus, work, kept, seed, references

    def the_same_command_after_a_kill_comes_to_the_same_files(self, item: tuple[str, int]) -> Result:
        """Makes one try, by the name of the command and its number."""
        name, number = item
        writer, right = WRITERS[name], self.references[name]
        draw = random.Random(f"{self.seed}/kill {name}/{number}")
        folder = self.work / f"{name}-{number}".replace(" ", "_")
        folder.mkdir(parents=True)
        copied(self.corpus, writer.files, folder)
        label, outcome, wrong = self._killed(writer, right, folder, draw)
        out = folder / f"out{writer.suffix}"
        if not wrong and not writer.resumes and (torn := right.difference(contents(out), every=False)):
            wrong = ("silent damage", f"after {label}: {torn}")
        if not wrong:
            age(folder)
            more = ("--resume",) if writer.resumes else ()
            outcome = forked(writer.command(out.name, *more), seconds=120, folder=folder)
            verdict, text = judged(outcome)
            if verdict == "refused":
                verdict = "other"
            if verdict != "loaded":
                wrong = (verdict, f"again after {label}: {text}")
            elif difference := right.difference(contents(out)):
                wrong = ("silent damage", f"again after {label}: {difference}")
            elif left := sorted(hidden(folder) - right.hidden):
                wrong = ("other", f"left after {label}: {', '.join(left[:3])}")
        result = Result(f"kill {name}", number, *(wrong or ("loaded", "")))
        if wrong:
            keep(self.kept, folder, result, outcome, " ".join(writer.words))
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def _killed(
        self, writer: Writer, right: Reference, folder: Path, draw: random.Random
    ) -> tuple[str, Outcome, tuple[str, str] | None]:
        """Kills a command; returns a description, the outcome, and what is wrong with its end."""
        more = ("--resume",) if writer.resumes and draw.random() < 0.5 else ()
        command = writer.command(f"out{writer.suffix}", *more)
        by = f" ({more[0]} from the start)" if more else ""
        if draw.random() < 0.5:
            event = draw.randint(1, max(1, right.events))
            outcome = Forked(killed_at(command, event), seconds=120, folder=folder).wait()
            return f"SIGKILL at change {event}{by}", outcome, self._end(outcome, signal.SIGKILL)
        number = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        moment = draw.uniform(0.0, 1.2 * right.seconds)
        child = Forked(command, seconds=120, folder=folder)
        if not child.ends_within(moment):
            child.send(number)
        outcome = child.wait()
        return f"{number.name} after {moment:.2f} s{by}", outcome, self._end(outcome, number)

    @staticmethod
    def _end(outcome: Outcome, number: signal.Signals) -> tuple[str, str] | None:
        """Returns what is wrong with the end of a killed command."""
        told = outcome.told[-1][:200] if outcome.told else ""
        if outcome.left:
            return "other", f"{len(outcome.left)} processes are left after {number.name}"
        if outcome.hung:
            return "hung", f"after {number.name}"
        if outcome.status == 0 or (number is signal.SIGKILL and outcome.status == -9):
            return None
        if "Traceback" in outcome.err:
            return "uncaught", f"{number.name}: {told}"
        if outcome.status not in _RIGHT_STATUS[number]:
            return "other", f"{number.name}: status {outcome.status}; {told}"
        return ("not one line", f"{number.name}: {' | '.join(outcome.told)[:200]}") if len(outcome.told) > 1 else None
