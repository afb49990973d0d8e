"""Hostile files: no code of theirs runs, no other file is read or written, and no size is believed."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from fuzz import hostile_archives, hostile_code, hostile_links, hostile_texts
from fuzz.children import Outcome, forked, fresh, synapsnet
from fuzz.results import Result, judged, keep
from fuzz.scenes import Meeting, Scene, read_in_python
from fuzz.trees import copied

SECRET = "-----BEGIN PRIVATE KEY----- 2718281828"


def promises() -> list[tuple[str, Callable[[Scene], Meeting]]]:
    """Returns every function of the files of scenes that is a promise, by its name."""
    return [
        (name, function)
        for module in (hostile_code, hostile_links, hostile_archives, hostile_texts)
        for name, function in vars(module).items()
        if callable(function) and getattr(function, "__module__", "") == module.__name__ and name[0] != "_"
    ]


class Hostile:
    """Tries of hostile files; for the arguments see :class:`fuzz.kills.Kills`."""

    def __init__(self, corpus: Path, work: Path, kept: Path, seed: int, references: Mapping[str, object]) -> None:
        self.corpus, self.work, self.kept = corpus, work, kept

    def nothing_is_run_and_nothing_is_told(self, item: tuple[str, int]) -> Result:
        """Makes one try, by the number of the promise."""
        _, number = item
        name, promise = promises()[number % len(promises())]
        above = self.work / f"hostile-{number}"
        folder = above / "here"
        folder.mkdir(parents=True)
        scene = Scene(folder, above / "it-ran", above / "secret.txt")
        scene.secret.write_text(SECRET * 20)
        copied(self.corpus, ("session.h5", "run", "plain.npz"), folder)
        meeting = promise(scene)
        before = {path.name for path in above.iterdir()}
        outcome = self._met(meeting, folder)
        verdict, text = judged(outcome, *meeting.named)
        if verdict == "loaded" and not meeting.may_load:
            verdict, text = "other", "loaded"
        if scene.ran.exists():
            verdict, text = "other", "its code ran"
        elif leak := self._leak(outcome, folder, meeting):
            verdict, text = "other", leak
        elif strange := {path.name for path in above.iterdir()} - before:
            verdict, text = "other", f"written outside: {', '.join(sorted(strange))}"
        result = Result("hostile", number, verdict, f"{name}: {text}" if text else "")
        if verdict not in ("loaded", "refused"):
            keep(self.kept, above, result, outcome, " ".join(meeting.words) or "read in Python")
        shutil.rmtree(above, ignore_errors=True)
        return result

    @staticmethod
    def _met(meeting: Meeting, folder: Path) -> Outcome:
        """Runs the command, or reads the file in Python."""
        place = folder / meeting.within
        if meeting.read is not None:
            return forked(partial(read_in_python, meeting.read), folder=place)
        if meeting.fresh:
            return fresh(meeting.words, place)
        return forked(synapsnet(*meeting.words), folder=place)

    @staticmethod
    def _leak(outcome: Outcome, folder: Path, meeting: Meeting) -> str:
        """Returns where the secret came out; an empty text if nowhere."""
        if "2718281828" in outcome.out + outcome.err:
            return "the other file is printed"
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name not in meeting.hostile:
                data = path.read_bytes()
                if b"2718281828" in data or "2718281828".encode("utf-16-le") in data:
                    return f"the other file is in {path.relative_to(folder)}"
        return ""
