"""Full disks: told in one line, old files stay, no file is wrong, and the same command comes right on more space."""

import os
import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fuzz.children import forked
from fuzz.results import Result, judged, keep
from fuzz.trees import WRITERS, Reference, age, contents, copied, hidden

FULL = ("No space left on the disk of", "of free disk for the checkpoints")
"""Texts of which one must stand in the line: the second is of a fit, which looks before it begins."""
_RESUMED = ("benchmark", "prepare")
"""Commands that go on from what is there, so that no older files may stand in their folder."""


def why_not(work: Path) -> str:
    """Returns why no small disk can be mounted here; an empty text if it can."""
    if os.geteuid() != 0:
        return "only root may mount a disk"
    place = work / "mount"
    place.mkdir(parents=True, exist_ok=True)
    try:
        told = _mount(place, 64)
    except OSError as error:
        return str(error)
    if not told:
        subprocess.run(["umount", str(place)], check=True)
    return told


def _mount(place: Path, kilobytes: int) -> str:
    """Mounts a disk in memory; returns what went wrong."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    return subprocess.run(words, capture_output=True, text=True, check=False).stderr.strip()


class FullDisks:
    """Tries of commands on disks that are too small; for the arguments see :class:`fuzz.kills.Kills`."""

    def __init__(self, corpus: Path, work: Path, kept: Path, seed: int, references: Mapping[str, Reference]) -> None:
        self.corpus, self.work, self.kept, self.seed, self.references = corpus, work, kept, seed, references

    def a_full_disk_is_told_and_costs_no_file(self, item: tuple[str, int]) -> Result:
        """Makes one try, by the name of the command and its number."""
        name, number = item
        folder = self.work / f"{name}-{number}".replace(" ", "_")
        disk = folder / "disk"
        disk.mkdir(parents=True)
        copied(self.corpus, WRITERS[name].files, folder)
        draw = random.Random(f"{self.seed}/disk {name}/{number}")
        need = self.references[name].size / 1024
        size = max(4, 4 * round(draw.uniform(0.0, 1.3) * need / 4))
        if told := _mount(disk, size):
            raise RuntimeError(f"Expected to mount a disk ({told}).")
        try:
            return self._try(name, number, folder, draw, size)
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _try(self, name: str, number: int, folder: Path, draw: random.Random, size: int) -> Result:
        writer, right = WRITERS[name], self.references[name]
        out = folder / "disk" / f"out{writer.suffix}"
        older = not writer.resumes and name not in _RESUMED and draw.random() < 0.5
        if older:
            self._put_older_files(out, right)
        command = writer.command(f"disk/{out.name}")
        outcome = forked(command, seconds=120, folder=folder, whole=True)
        verdict, text = judged(outcome)
        wrong = None if verdict in ("loaded", "refused") else (verdict, f"{size} kB: {text}")
        if verdict == "refused" and not any(told in text for told in FULL):
            wrong = ("other", f"{size} kB: {text}")
        # A job that fails says why in a file, which the next run takes away.
        reasons = {path.relative_to(out).as_posix() for path in out.rglob("error.txt")} if out.is_dir() else set()
        found = {} if writer.resumes else {key: v for key, v in self._new(out).items() if key not in reasons}
        if not wrong and (torn := right.difference(found, every=verdict == "loaded")):
            wrong = ("silent damage", f"{size} kB, {verdict}: {torn}")
        if not wrong and verdict == "refused":
            subprocess.run(["mount", "-o", "remount,size=256m", str(folder / "disk")], check=True)
            age(folder)
            more = ("--resume",) if writer.resumes else ()
            outcome = forked(writer.command(f"disk/{out.name}", *more), seconds=120, folder=folder)
            again, text = judged(outcome)
            if again != "loaded":
                wrong = ("other" if again == "refused" else again, f"again after {size} kB: {text}")
            elif difference := right.difference(self._new(out)):
                wrong = ("silent damage", f"again after {size} kB: {difference}")
            elif left := sorted(name for name in hidden(folder) if name.endswith(".part")):
                wrong = ("other", f"left after {size} kB: {', '.join(left[:3])}")
        result = Result(f"disk {name}", number, *(wrong or (verdict, "")))
        if wrong:
            keep(self.kept, folder, result, outcome, f"{' '.join(writer.words)} (on a disk of {size} kB)")
        return result

    def _put_older_files(self, out: Path, right: Reference) -> None:
        """Writes an older file for each file that a command writes, as far as the disk has room."""
        for file in right.files:
            path = out if out.suffix else out / file
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._older(path))
            except OSError:
                path.unlink(missing_ok=True)

    def _older(self, path: Path) -> bytes:
        """Returns the contents of an older file; only sessions are replaced by sessions."""
        return (self.corpus / "tuesday.h5").read_bytes() if path.suffix == ".h5" else b"an older file"

    def _new(self, out: Path) -> dict[str, str]:
        """Returns the digests of the files that are not the older ones."""
        root = out.parent if out.suffix else out
        found = contents(out).items()
        return {name: value for name, value in found if (root / name).read_bytes() != self._older(root / name)}
