"""Runs: models fitted to session files, and the folders that fits leave."""

import csv
import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.files import file_name, make_folder
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import Preset, Recipe
from synapsnet_pyg.runs.run_file import FILE, FittedSession, RunRecord, versions

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

Paths = Sequence[str | os.PathLike[str]]


class History(NamedTuple):
    """Validation scores over the epochs of a training."""

    epochs: list[int]
    """Numbers of the epochs; 0 is before training."""
    correlation: list[float]
    """Correlation on the validation part after each of them."""


@dataclass(frozen=True)
class Run:
    """A fitted model with the sessions it was fitted to.

    A run's folder holds ``run.json`` (sessions, recipe, versions), ``best.ckpt`` (the model at the epoch that
    validation chose), ``last.ckpt`` (where ``--resume`` continues) and ``history.csv`` (one row an epoch).

    Attributes:
        model: Model at its best epoch.
        sessions: Name -> session, standardised with the statistics of its training part.
        recipe: Recipe of the fit.
        folder: Folder of the run; the working folder where the model was fitted in Python.
        record: Contents of ``run.json``; None where the model was fitted in Python.
    """

    model: Forecaster
    sessions: dict[str, Session]
    recipe: Recipe
    folder: Path = Path()
    record: RunRecord | None = None

    @property
    def kind(self) -> str:
        """Name of the model."""
        return self.model.kind if self.record is None else self.record.kind

    @property
    def targets(self) -> int:
        """Number of targets P of a window in training, and so in every score."""
        return self.recipe.targets

    def split(self) -> dict[str, Split]:
        """Returns the training, validation and test part of each session, by its name."""
        return {name: session.split() for name, session in self.sessions.items()}

    @classmethod
    def of(cls, model: Forecaster, sessions: Iterable[Session], recipe: Recipe = Recipe()) -> "Run":  # noqa: B008
        """Wraps a model fitted in Python as a run, so that ``evaluate`` and ``write_report`` accept it.

        Args:
            model: Fitted forecaster.
            sessions: Sessions that it was fitted to, standardised.
            recipe: Recipe of the fit; its targets decide the windows of the scores.
        """
        return cls(model, {session.name: session for session in sessions}, recipe)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Run":
        """Reads a run and the recordings it was fitted to. Runs of version 0.1.0 are read too.

        Raises:
            FileNotFoundError: The folder is no run, no epoch is finished yet, or a recording has moved.
            ValueError: A file is damaged, or a recording is not the one of the fit.
        """
        folder = Path(folder)
        record = RunRecord.read(folder)
        if not (folder / "best.ckpt").is_file():
            raise FileNotFoundError(f"'{folder}' has no finished epoch yet; continue it with 'synapsnet fit --resume'.")
        model = load_model(folder / "best.ckpt")
        sessions = {fitted.name: _load_session(fitted, folder) for fitted in record.sessions}
        return cls(model, sessions, record.recipe, folder, record)

    @classmethod
    def fit(
        cls,
        paths: Paths,
        out: str | os.PathLike[str],
        kind: str = "synapsnet",
        *,
        arguments: Mapping[str, Any] | None = None,
        recipe: Recipe | Preset = Recipe(),  # noqa: B008
        **options: Any,
    ) -> "Run":
        """Fits a model to session files and leaves a folder.

        Args:
            paths: Session files; several are fitted together.
            out: Folder of the run; made, and must not hold a run unless it is resumed.
            kind: Name of the model, a key of :data:`~synapsnet_pyg.models.registry.MODELS`.
            arguments: Arguments of the model.
            recipe: Recipe, or a preset that chooses it by the length of the recordings; its seed also decides the
                start of the weights.
            **options: ``resume``, ``progress``, ``logger`` and ``callbacks`` of
                :func:`~synapsnet_pyg.runs.training.fit`.

        Raises:
            FileExistsError: The folder holds a run or other files.
            ValueError: An argument or a file does not do, or a resumed run was begun differently.
        """
        sessions = [Session.load(path) for path in paths]
        chosen = recipe.recipe(sessions) if isinstance(recipe, Preset) else recipe
        torch.manual_seed(chosen.seed)
        model = build_model(kind, sessions, arguments)
        return cls._fit(model, dict(zip(paths, sessions, strict=True)), Path(out), chosen,
                        kind=kind, arguments=arguments or {}, **options)  # fmt: skip

    @classmethod
    def adapt(
        cls,
        folder: str | os.PathLike[str],
        path: str | os.PathLike[str],
        out: str | os.PathLike[str],
        *,
        changes: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> "Run":
        """Fits a run's model to a session that is new to it, with the parts that sessions share frozen.

        Neurons that the run knows by their id start from the embedding that they have there.

        Args:
            folder: Folder of the run.
            path: Session file.
            out: Folder of the new run.
            changes: Values to change in the run's recipe; None leaves a value as it is.
            **options: Options of :func:`~synapsnet_pyg.runs.training.fit`, as in :meth:`fit`.

        Raises:
            FileExistsError: The folder holds a run or other files.
            FileNotFoundError: There is no run or no session.
            ValueError: The model's sessions share nothing, or the behaviours are not the run's.
        """
        record, known = RunRecord.read(Path(folder)), load_model(Path(folder) / "best.ckpt")
        if not known.shared:
            raise ValueError(
                f"Expected a model whose sessions share their dynamics ('{record.kind}' shares nothing); fit it anew."
            )
        session = Session.load(path)
        behaviours = next(iter(known.sessions.values())).behaviour_name
        if list(session.behaviour_name) != list(behaviours):
            raise ValueError(
                f"Expected the behaviours of the run, {', '.join(behaviours) or 'none'} "
                f"(session '{session.name}' has {', '.join(session.behaviour_name) or 'none'})."
            )
        recipe = record.recipe.changed(**{"seed": 0, **(changes or {})})
        torch.manual_seed(recipe.seed)
        model = build_model(record.kind, [session], record.arguments)
        model.adopt(known)
        origin = str(Path(folder).resolve())
        return cls._fit(model, {path: session}, Path(out), recipe,
                        kind=record.kind, arguments=record.arguments, adapted_from=origin, **options)  # fmt: skip

    @classmethod
    def _fit(
        cls,
        model: Forecaster,
        sessions: Mapping[str | os.PathLike[str], Session],
        out: Path,
        recipe: Recipe,
        *,
        kind: str,
        arguments: Mapping[str, Any],
        adapted_from: str | None = None,
        resume: bool = False,
        progress: bool = True,
        logger: "Logger | None" = None,
        callbacks: Sequence[Any] = (),
    ) -> "Run":
        """Writes ``run.json`` and fits."""
        from synapsnet_pyg.runs.training import check_fit, fit  # Lightning takes seconds to import

        check_fit(model, list(sessions.values()))
        fitted = [FittedSession.of(session, path, out) for path, session in sessions.items()]
        record = RunRecord(kind, dict(arguments), fitted, recipe, versions(), adapted_from)
        if resume:
            record.require_same(out)
        elif (out / FILE).exists():
            raise FileExistsError(f"'{out}' holds a run already; continue it with --resume or choose another --out.")
        record.write(make_folder(out))
        for session in sessions.values():
            session.standardise(inplace=True)
        fit(model, list(sessions.values()), out, recipe,
            resume=resume, progress=progress, logger=logger, callbacks=callbacks)  # fmt: skip
        return cls(model, {session.name: session for session in sessions.values()}, recipe, out, record)

    def history(self, session: str | None = None) -> History | None:
        """Reads the validation scores of the training.

        Args:
            session: Name of a session that has a model of its own; None: the training of all sessions.

        Returns:
            Scores over epochs; None where there are none on disk.
        """
        folder = self.folder if session is None else self.folder / file_name(session)
        if self.record is None or not (folder / "history.csv").is_file():
            return None
        with (folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return History([int(row["epoch"]) for row in rows], [float(row["validation_correlation"]) for row in rows])

    def commands(self) -> list[str]:
        """Returns command lines that fit, score and report the run anew; none for a model fitted in Python."""
        if self.record is None:
            return []
        files = [session.path for session in self.record.sessions]
        recipe = {key.replace("_", "-"): value for key, value in self.recipe.to_json().items() if value is not None}
        if self.record.adapted_from is not None:
            given = {key: value for key, value in recipe.items() if key in ("epochs", "patience", "seed")}
            begin = ["synapsnet", "adapt", self.record.adapted_from, *files, "--out", "again", *_options(given)]
        else:
            arguments = {f"model-args.{key}": value for key, value in self.record.arguments.items()}
            begin = ["synapsnet", "fit", *files, "--out", "again", "--model", self.kind, *_options(recipe | arguments)]
        return [shlex.join(begin), "synapsnet evaluate again", "synapsnet report again"]


def _load_session(fitted: FittedSession, folder: Path) -> Session:
    """Reads the recording of a run, which may have moved together with it."""
    paths = [Path(fitted.path), folder / fitted.relative_path]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"Expected the recording of session '{fitted.name}' at '{fitted.path}', where it was when it was fitted; "
            "put it back there."
        )
    session = Session.load(path)
    if session.fingerprint != fitted.fingerprint:
        raise ValueError(
            f"'{path}' is not the recording that '{folder}' was fitted to, or was made anew in another way: "
            f"{session}; put the old one back, or fit again."
        )
    return session.standardise(inplace=True)


def _options(values: Mapping[str, Any]) -> list[str]:
    return [
        text
        for key, value in values.items()
        for text in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    ]
