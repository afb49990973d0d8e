"""Mutated files: each is read as it was, or refused in one line that names it; nothing else may happen."""

import hashlib
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fuzz.children import Command, forked, synapsnet
from fuzz.corpus import CONVERT, SMALL
from fuzz.mutate import mutated, mutated_text
from fuzz.results import Result, judged, keep
from fuzz.scenes import read_in_python
from fuzz.strategies import Change, change_checkpoint, change_hdf5, change_json, change_npz
from synapsnet_pyg import read_connectivity, read_dynamic_connectivity
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.runs.run import Run

Digest = Callable[[Path], str]


@dataclass(frozen=True)
class Kind:
    """A file that is mutated, and the commands that meet it.

    Attributes:
        files: Files and folders of the corpus that the commands need.
        target: File that is mutated; of a pattern, one of its files.
        commands: Command lines, of which one is drawn, relative to the folder of the try.
        digest: Function that reads the file through Python and returns a digest of its values; drawn like a command.
        ours: Whether only we write such files, so that other values are damage that was not seen.
        text: Whether words are mutated as well as bytes.
        named: Names of options, of which one may stand in the line of a refusal in place of the file.
        schema: Function that changes a value of the file, so that it is whole and wrong; drawn in a third of the tries.
    """

    files: tuple[str, ...]
    target: str
    commands: tuple[tuple[str, ...], ...] = ()
    digest: Digest | None = None
    ours: bool = False
    text: bool = False
    named: tuple[str, ...] = ()
    schema: Change | None = None


def digest(value: Any) -> str:
    """Returns a digest of numbers, texts, tensors, arrays, and lists and dictionaries of these."""
    state = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            value = value.coalesce().to_dense() if value.is_sparse else value
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray):
            state.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                state.update(repr(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            state.update(f"[{len(value)}".encode())
            for entry in value:
                add(entry)
        else:
            state.update(repr(value).encode())

    add(value)
    return state.hexdigest()


def _session(folder: Path) -> str:
    return digest(Session.load(folder / "session.h5").to_dict())


def _model(folder: Path) -> str:
    return digest(load_model(folder / "run/best.ckpt").state_dict())


def _last(folder: Path) -> str:
    return digest(load_model(folder / "run/last.ckpt").state_dict())


def _run(folder: Path) -> str:
    run = Run.load(folder / "run")
    sessions = {name: session.to_dict() for name, session in run.sessions.items()}
    return digest([run.kind, run.model.state_dict(), sessions, run.recipe.to_json()])


def _history(folder: Path) -> str:
    return digest(list(Run.load(folder / "run").history() or ()))


def _connectivity(name: str, folder: Path) -> str:
    return digest(read_connectivity(folder / "connectivity" / name, Session.load(folder / "session.h5")))


def _dynamics(folder: Path) -> str:
    return digest([list(batch) for batch in read_dynamic_connectivity(folder / "dynamics/monday-dynamic.h5")])


RUN = ("session.h5", "run")
EVALUATE = ("evaluate", "run", "--json")
RESUMED = ("fit", "session.h5", "--out", "run", "--resume", *SMALL)


def _written(name: str, **more: Any) -> Kind:
    """Returns a kind of connectivity file."""
    files = ("session.h5", f"connectivity/{name}")
    return Kind(files, f"connectivity/{name}", digest=partial(_connectivity, name), **more)


def _converted(name: str, *commands: tuple[str, ...], **more: Any) -> Kind:
    """Returns a kind of recording of a lab."""
    source = name.partition("/")[0]
    words = [("inspect", source), *(("convert", source, "out.h5", *options) for options in commands)]
    return Kind((source,), name, tuple(words), **more)


_CONFIGURED = (
    "--activity", "--axes", "--bin-size", "--rebin", "--fill-nan", "--min-rate", "--start", "--fields", "--advance",
    "--name", "--behaviour", "axes", "activity",
)  # fmt: skip
"""Words of which one tells which option of a config is wrong."""

KINDS = {
    "session": Kind(("session.h5",), "session.h5", (("inspect", "session.h5"),), digest=_session, ours=True,
                    schema=change_hdf5),
    "best.ckpt": Kind(RUN, "run/best.ckpt", (EVALUATE,), digest=_model, ours=True, schema=change_checkpoint),
    "last.ckpt": Kind(RUN, "run/last.ckpt", (RESUMED,), digest=_last, ours=True, schema=change_checkpoint),
    "run.json": Kind(RUN, "run/run.json", (EVALUATE,), digest=_run, ours=True, text=True, schema=change_json),
    "history.csv": Kind(RUN, "run/history.csv", (RESUMED,), digest=_history, ours=True, text=True),
    "npz": _written("edges.npz", ours=True, schema=change_npz),
    "-sparse.npz": _written("edges-sparse.npz", ours=True, schema=change_npz),
    "edges.csv": _written("edges-edges.csv", text=True),
    "parquet": _written("edges-edges.parquet"),
    "graphml": _written("edges.graphml", text=True),
    "gexf": _written("edges.gexf", text=True),
    "dynamic.h5": Kind(("dynamics",), "dynamics/monday-dynamic.h5", digest=_dynamics, ours=True, schema=change_hdf5),
    "arrays npz": _converted(
        "plain.npz", (*CONVERT, "--behaviour", "behaviour", "--neuron-ids", "ids"), schema=change_npz
    ),
    "packed npz": _converted("packed.npz", (*CONVERT, "--behaviour", "behaviour")),
    "npy": _converted("plain.npy", CONVERT[2:]),
    "mat v5": _converted("plain.mat", CONVERT, ("--activity", "counts", *CONVERT[2:])),
    "packed mat v5": _converted("packed.mat", CONVERT, (*CONVERT, "--behaviour", "tracking.speed")),
    "mat v7.3": _converted("v73.mat", CONVERT, ("--activity", "counts", *CONVERT[2:]), schema=change_hdf5),
    "hdf5": _converted("arrays.hdf5", (*CONVERT[:4], "--times", "times", "--neuron-ids", "ids"), schema=change_hdf5),
    "nwb units": _converted("units.nwb", ("--bin-size", "0.05"), schema=change_hdf5),
    "nwb planes": _converted("planes.nwb", (), schema=change_hdf5),
    "suite2p": _converted("suite2p/plane*/*.npy", ("--frame-rate", "6")),
    "phy": _converted("phy/*", ("--bin-size", "0.1"), text=True),
    "table csv": _converted("table.csv", ("--axes", "bin,neuron", "--bin-size", "0.1"), text=True),
    "parts csv": Kind(
        ("thirds.h5", "parts.csv"), "parts.csv", (("divide", "thirds.h5", "o.h5", "--table", "parts.csv"),), text=True
    ),
    "yaml": Kind(
        ("plain.npz", "convert.yaml"), "convert.yaml", (("convert", "plain.npz", "o.h5", "--config", "convert.yaml"),),
        text=True, named=_CONFIGURED,
    ),
    "yaml evaluate": Kind((*RUN, "evaluate.yaml"), "evaluate.yaml", (("evaluate", "run", "--config", "evaluate.yaml"),),
                          text=True, named=("--horizon", "--json", "--neurons")),
}  # fmt: skip
"""Name of a kind -> its file and commands."""


class Inputs:
    """Tries of mutated files.

    Args:
        corpus: Folder of :func:`fuzz.corpus.build`.
        work: Folder in which tries are made.
        kept: Folder of the files of faults.
        seed: Seed of all draws.
    """

    def __init__(self, corpus: Path, work: Path, kept: Path, seed: int, references: Mapping[str, object]) -> None:
        self.corpus, self.work, self.kept, self.seed = corpus, work, kept, seed
        self.digests = {name: _right(corpus, kind.digest) for name, kind in KINDS.items() if kind.digest}

    def every_mutated_file_is_read_as_it_was_or_refused(self, item: tuple[str, int]) -> Result:
        """Makes one try, by the name of its kind and its number."""
        name, number = item
        kind, draw = KINDS[name], random.Random(f"{self.seed}/{name}/{number}")
        folder = self.work / f"{name}-{number}".replace(" ", "_")
        target = self._copy(kind, folder, draw)
        by_bytes = kind.schema is None or draw.random() < 0.67
        if by_bytes or kind.schema is None:
            change = mutated_text if kind.text and draw.random() < 0.7 else mutated
            target.write_bytes(change(target.read_bytes(), draw))
        else:
            made = forked(lambda: kind.schema(target, draw), folder=folder)
            if made.status:
                shutil.rmtree(folder, ignore_errors=True)
                return Result(name, number, "other", f"'{target.name}' was not changed: {made.err.strip()[-300:]}")
        words, command = _drawn(kind, folder, draw)
        outcome = forked(command, folder=folder)
        verdict, text = judged(outcome, target.name, *kind.named)
        value = folder / "value"
        if (
            by_bytes
            and verdict == "loaded"
            and kind.ours
            and value.exists()
            and value.read_text() != self.digests[name]
        ):
            verdict, text = "silent damage", "loaded with other values"
        result = Result(name, number, verdict, text)
        if verdict not in ("loaded", "refused"):
            keep(self.kept, folder, result, outcome, words)
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def _copy(self, kind: Kind, folder: Path, draw: random.Random) -> Path:
        """Copies the files of a kind; returns the one to mutate."""
        folder.mkdir(parents=True)
        for name in kind.files:
            source, target = self.corpus / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        return draw.choice(sorted(folder.glob(kind.target)))


def _drawn(kind: Kind, folder: Path, draw: random.Random) -> tuple[str, Command]:
    """Draws how the file is met; returns it as a text and as a function that also writes the digest of its values."""
    ways: list[tuple[str, ...] | None] = [*kind.commands, *([None] if kind.digest else [])]
    words = draw.choice(ways)

    if words is not None:
        return " ".join(words), synapsnet(*words)
    return "read in Python", lambda: read_in_python(lambda: (folder / "value").write_text(kind.digest(folder)))


def _right(corpus: Path, read: Digest) -> str:
    """Returns the digest of a file of the corpus."""
    path = corpus / "value"
    outcome = forked(lambda: path.write_text(read(corpus)) and 0)
    assert outcome.status == 0, outcome.err
    return path.read_text()
