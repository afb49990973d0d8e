"""A run: the folder that a fit leaves, and what can be asked of it."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.forecaster import Forecaster

FORMAT = "synapsnet run"
VERSION = 1


@dataclass
class Run:
    """A fitted model with the sessions it was fitted to.

    A run's folder holds ``run.json`` (sessions, settings, versions), ``best.ckpt`` (the model at the epoch that
    validation chose), ``last.ckpt`` (where ``--resume`` continues) and ``history.csv`` (one row an epoch).

    Attributes:
        folder: Where it lies.
        settings: What ``run.json`` holds.
        model: At its best epoch.
        sessions: Name -> session, standardised with the statistics of its training part.
    """

    folder: Path
    settings: dict[str, Any]
    model: Forecaster
    sessions: dict[str, Session]

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Run":
        """Reads a run and the recordings it was fitted to.

        Raises:
            FileNotFoundError: The folder is no run, no epoch is finished yet, or a recording has moved.
            ValueError: A file is damaged, or a recording is not the one of the fit.
        """
        folder = Path(folder)
        settings = read_settings(folder)
        if not (folder / "best.ckpt").is_file():
            raise FileNotFoundError(f"'{folder}' has no finished epoch yet; continue it with 'synapsnet fit --resume'.")
        model = load_model(folder / "best.ckpt")
        sessions = {}
        for recorded in settings["sessions"]:
            path = Path(recorded["path"])
            if not path.is_file():  # a run that was moved together with its recordings
                path = folder / recorded["relative_path"]
            if not path.is_file():
                raise FileNotFoundError(
                    f"Expected the recording of session '{recorded['name']}' at '{recorded['path']}', where it was "
                    "when it was fitted; put it back there."
                )
            session = Session.load(path)
            if session.fingerprint != recorded["fingerprint"]:
                raise ValueError(
                    f"'{path}' is not the recording that '{folder}' was fitted to, or was made anew in another way: "
                    f"{session}; put the old one back, or fit again."
                )
            sessions[session.name] = session.standardise(inplace=True)
        return cls(folder, settings, model, sessions)

    @classmethod
    def of(
        cls, model: Forecaster, sessions: Iterable[Session], model_name: str = "synapsnet", targets: int = 1
    ) -> "Run":
        """What was fitted in Python, to be evaluated as a run of the command line is.

        Args:
            model: Fitted.
            sessions: Standardised.
            model_name: What it shall be called in the scores.
            targets: P of the fit.
        """
        settings = {"model": {"name": model_name}, "training": {"targets": targets}}
        return cls(Path(), settings, model, {session.name: session for session in sessions})

    def split(self) -> dict[str, Split]:
        """Session name -> its training, validation and test part."""
        return {name: session.split() for name, session in self.sessions.items()}

    @property
    def targets(self) -> int:
        """P, the targets of a window in training, and so in every score."""
        return int(self.settings["training"].get("targets", 1))


def write_settings(
    folder: Path,
    sessions: list[tuple[Session, Path | None]],
    model_name: str,
    arguments: dict[str, Any],
    training: dict[str, Any],
    adapted_from: str | None = None,
) -> None:
    """Writes ``run.json`` of a run that is about to start."""
    settings = {
        "format": FORMAT,
        "version": VERSION,
        "model": {"name": model_name, "arguments": arguments},
        **({} if adapted_from is None else {"adapted_from": adapted_from}),
        "sessions": [
            {
                "name": session.name,
                "path": "" if path is None else str(path.resolve()),
                "relative_path": "" if path is None else os.path.relpath(path.resolve(), folder.resolve()),
                "neurons": session.num_neurons,
                "bins": session.num_bins,
                "fingerprint": session.fingerprint,
            }
            for session, path in sessions
        ],
        "training": training,
        "versions": versions(),
    }
    with atomic_path(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n")


def versions() -> dict[str, str]:
    """What a result was computed with."""
    packages = ("synapsnet_pyg", "torch", "torch_geometric", "numpy")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


def read_settings(folder: Path) -> dict[str, Any]:
    """What ``run.json`` holds.

    Raises:
        FileNotFoundError: The folder is no run.
        ValueError: The file is damaged or of a newer program.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a run's folder (there is no '{path}'); 'synapsnet fit ... --out {folder}' makes one."
        )
    try:
        settings = json.loads(path.read_text())
        if settings["format"] != FORMAT or settings["version"] > VERSION:
            raise ValueError("of another program or a newer version")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' is not a readable run ({error}).") from None
    return dict(settings)
