"""What commands write: the commands, and the contents of the folders that they leave."""

import csv
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fuzz.children import Command, Forked, synapsnet
from fuzz.corpus import CONVERT
from fuzz.inputs import digest


@dataclass(frozen=True)
class Writer:
    """A command that writes.

    Attributes:
        files: Files of the corpus that it needs.
        words: Command line; OUT stands for what it writes.
        resumes: Whether the same command with --resume goes on.
        suffix: Ending of OUT, if it is a file.
    """

    files: tuple[str, ...]
    words: tuple[str, ...]
    resumes: bool = False
    suffix: str = ""

    def command(self, out: str, *more: str) -> Command:
        """Returns the command that writes to a place."""
        return synapsnet(*(out if word == "OUT" else word for word in self.words), *more)


def _fit(model: str, *more: str, files: tuple[str, ...] = ("session.h5",)) -> Writer:
    return Writer(
        files, ("fit", *files, "--out", "OUT", "--model", model, "--preset", "fast", "--epochs", "2", *more), True
    )


RUN = ("session.h5", "run")
FITS = {
    "fit synapsnet": _fit("synapsnet", "--model-args.hidden_size", "8", files=("session.h5", "tuesday.h5")),
    "fit netformer": _fit("netformer"),
    "fit gru": _fit("gru", files=("session.h5", "tuesday.h5")),
    "fit ridge_var": Writer(("session.h5",), ("fit", "session.h5", "--out", "OUT", "--model", "ridge_var"), True),
    "fit mlp": _fit("mlp"),
    "fit neuprint": _fit("neuprint", "--patience", "1"),
    "adapt": Writer((*RUN, "tuesday.h5"), ("adapt", "run", "tuesday.h5", "--out", "OUT", "--epochs", "2"), True),
}
"""Name -> command that fits."""

OTHERS = {
    "convert": Writer(("plain.npz",), ("convert", "plain.npz", "OUT", *CONVERT), suffix=".h5"),
    "convert nwb": Writer(("planes.nwb",), ("convert", "planes.nwb", "OUT"), suffix=".h5"),
    "simulate": Writer(
        (), ("simulate", "OUT", "--bins", "300", "--neurons", "20", "--recorded", "6"), suffix=".h5"
    ),
    "divide": Writer(("thirds.h5", "parts.csv"), ("divide", "thirds.h5", "OUT", "--table", "parts.csv"), suffix=".h5"),
    "prepare": Writer(("planes.nwb",), ("prepare", "nwb", "planes.nwb", "--out", "OUT")),
    "inspect": Writer(("session.h5",), ("inspect", "session.h5", "--figure", "OUT"), suffix=".png"),
    "evaluate": Writer(RUN, ("evaluate", "run", "--neurons", "OUT"), suffix=".csv"),
    "connectivity": Writer(
        RUN, ("connectivity", "run", "--out", "OUT", "--format", "npz,csv,parquet,graphml,gexf,sparse")
    ),
    "dynamics": Writer(("session.h5", "netformer"), ("dynamics", "netformer", "--out", "OUT", "--save")),
    "figures": Writer(RUN, ("figures", "run", "--out", "OUT")),
    "report": Writer(RUN, ("report", "run", "--out", "OUT")),
    "perturb": Writer(
        RUN, ("perturb", "run", "--out", "OUT", "--stimulate", "monday/0", "--states-only", "--windows", "10")
    ),
    "signs": Writer(RUN, ("signs", "run", "--out", "OUT")),
    "blocks": Writer(RUN, ("blocks", "run", "--out", "OUT", "--group-by", "area")),
    "benchmark": Writer(
        ("session.h5",),
        ("benchmark", "forecasting", "session.h5", "--out", "OUT", "--models", "mlp", "--seeds", "1", "--preset",
         "fast", "--epochs", "1"),
    ),
}  # fmt: skip
"""Name -> any other command that writes."""
WRITERS = FITS | OTHERS


def copied(corpus: Path, files: tuple[str, ...], folder: Path) -> None:
    """Copies files and folders of the corpus into a folder, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (corpus / name).is_dir() else shutil.copy)(corpus / name, target)


def contents(path: Path) -> dict[str, str]:
    """Returns the digests of a file or of all visible files of a folder; of checkpoints, of their weights."""
    files = [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
    root = path.parent if path.is_file() else path
    names = {file.relative_to(root).as_posix(): file for file in files}
    return {name: _content(file) for name, file in names.items() if not _is_hidden(name)}


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _content(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".ckpt":
        return digest(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)["state_dict"])
    if path.name == "history.csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        numbers = [{key: value for key, value in row.items() if key not in ("seconds", "checksum")} for row in rows]
        return digest(numbers)  # the checksum is of the seconds too
    return hashlib.sha256(_without_durations(path, data)).hexdigest()


def _without_durations(path: Path, data: bytes) -> bytes:
    """Returns the contents of a file of a benchmark without the seconds of its fits, which a busy machine alters."""
    if path.name == "finished":
        return b""
    if path.suffix == ".json":
        values = json.loads(data)
        return json.dumps(_without_seconds(values), sort_keys=True).encode()
    mark = {".csv": ",", ".md": "|", ".tex": "&"}.get(path.suffix)
    rows = [line.split(mark) for line in data.decode().splitlines()] if mark else []
    header = next((row for row in rows if "fit (s)" in map(str.strip, row)), None)
    if header is None:
        return data
    column = [cell.strip() for cell in header].index("fit (s)")
    kept = [row[:column] + row[column + 1 :] if len(row) == len(header) else row for row in rows]
    return "\n".join("&".join(row) for row in kept).encode()


def _without_seconds(value: Any) -> Any:
    """Returns values of JSON without seconds, and without the checksum that is of these too."""
    if isinstance(value, dict):
        kept = {key: entry for key, entry in value.items() if key not in ("seconds", "checksum")}
        return {key: _without_seconds(entry) for key, entry in kept.items()}
    return [_without_seconds(entry) for entry in value] if isinstance(value, list) else value


def hidden(folder: Path) -> set[str]:
    """Returns what begins with a dot in a folder."""
    return {entry.relative_to(folder).as_posix() for entry in folder.rglob(".*")}


def age(folder: Path) -> None:
    """Makes what a killed command left look ten seconds old: younger things may be another process's."""
    past = time.time() - 10
    for entry in [*folder.rglob(".*")]:
        os.utime(entry, (past, past), follow_symlinks=False)


@dataclass(frozen=True)
class Reference:
    """What a command writes if nothing disturbs it.

    Attributes:
        files: Name of a file -> digest, or an empty text where two runs differ.
        hidden: Names that begin with a dot.
        size: Number of bytes.
        seconds: Duration.
        events: Number of openings, renames and removals of files that it writes.
    """

    files: Mapping[str, str]
    hidden: frozenset[str]
    size: int
    seconds: float
    events: int

    def difference(self, found: Mapping[str, str], *, every: bool = True) -> str:
        """Returns how files differ from what should be there; an empty text if they do not.

        Args:
            found: Digests of :func:`contents`.
            every: Whether all files must be there.
        """
        missing = sorted(self.files.keys() - found.keys()) if every else []
        strange = sorted(found.keys() - self.files.keys())
        other = [name for name, value in found.items() if self.files.get(name) and self.files[name] != value]
        texts = (("missing", missing), ("strange", strange), ("other contents", other))
        return "; ".join(f"{label}: {', '.join(names[:3])}" for label, names in texts if names)


def reference(corpus: Path, work: Path, name: str) -> Reference:
    """Runs a command twice, and returns what it writes."""
    from fuzz.kills import counted

    writer, found, seconds, events = WRITERS[name], [], 0.0, 0
    for turn in range(2):
        folder = work / f"reference-{name}-{turn}".replace(" ", "_")
        copied(corpus, writer.files, folder)
        counter = folder / ".events"
        child = Forked(counted(writer.command(f"out{writer.suffix}"), counter), seconds=300, folder=folder)
        outcome = child.wait()
        if outcome.status:
            raise RuntimeError(f"Expected '{' '.join(writer.words)}' to end well: {outcome.err}")
        seconds, events = outcome.seconds, int(counter.read_text())
        counter.unlink()
        out = folder / f"out{writer.suffix}"
        found.append((contents(out), hidden(folder), _size(out)))
        shutil.rmtree(folder)
    first, second = found[0][0], found[1][0]
    files = {file: value if second.get(file) == value else "" for file, value in first.items()}
    return Reference(files, frozenset(found[0][1]), found[0][2], seconds, events)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    return sum(file.stat().st_size for file in files)
