"""Runs: fitted models with their sessions, and their folders."""

import json
import os
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.files import make_folder, release_memory, say, session_folder
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model, is_of_package, require_trusted
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.runs.cost import FitCost, affordable, cost_sentence
from synapsnet_pyg.runs.hardware import Hardware
from synapsnet_pyg.runs.recipe import Preset, Recipe
from synapsnet_pyg.runs.run_file import (
    FILE,
    FittedSession,
    RunRecord,
    best_epoch,
    read_history,
    versions,
)
from synapsnet_pyg.runs.run_folder import begin_fit, load_recording
from synapsnet_pyg.runs.sharing import CONFIG, SharedRun, from_hub, push_to_hub, share

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

Paths = Sequence[str | os.PathLike[str]]


class History(NamedTuple):
    """Validation scores over the epochs of a training."""

    epochs: list[int]
    """Numbers of the epochs; epoch 0 is before training."""
    correlation: list[float]
    """Correlation on the validation part after each epoch, mean over the horizons of the model."""
    best: int
    """Index of the epoch with the best validation score, which the run keeps."""


@dataclass(frozen=True)
class Run:
    """A fitted model with its sessions.

    A run's folder holds ``run.json`` (sessions, recipe, versions), ``best.ckpt`` (the model at the epoch with the best
    validation correlation), ``last.ckpt`` (the state from which ``--resume`` continues) and ``history.csv`` (one row
    per epoch).

    Attributes:
        model: Model at its best epoch.
        sessions: Name -> session, divided and standardised by the protocol of the recipe.
        recipe: Recipe of the fit.
        folder: Folder of the run; the working folder if the model was fitted in Python.
        record: Contents of ``run.json``; None if the model was fitted in Python.
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
        """Number of targets P of each window, in training and in every score."""
        return self.recipe.targets

    def session_names(self, only: str | None = None) -> list[str]:
        """Returns the names of all sessions, or of one of them.

        Args:
            only: Name of that session; None: all.

        Raises:
            ValueError: The run has no such session.
        """
        if only is not None and only not in self.sessions:
            raise ValueError(f"Expected a session among {', '.join(self.sessions)} (got '{only}').")
        return list(self.sessions) if only is None else [only]

    def split(self) -> dict[str, Split]:
        """Returns session name -> training, validation and test part."""
        return {name: session.split() for name, session in self.sessions.items()}

    @classmethod
    def of(cls, model: Forecaster, sessions: Iterable[Session], recipe: Recipe = Recipe()) -> "Run":  # noqa: B008
        """Wraps a model fitted in Python as a run, so that ``evaluate`` and ``write_report`` accept it.

        Args:
            model: Fitted forecaster.
            sessions: Standardised sessions of the fit.
            recipe: Recipe of the fit; scores use its number of targets.
        """
        return cls(model, {session.name: session for session in sessions}, recipe)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, trust: Collection[str] = ()) -> "Run":
        """Reads a run and its recordings, also a run of version 0.1.0.

        Args:
            folder: Folder of the run.
            trust: Import paths of classes outside the package that the run may name, such as ``my_model.MyModel``;
                their modules are imported. Those that this process has used already need not be given.

        Raises:
            FileNotFoundError: The folder holds no run, no epoch is finished yet, or a recording was moved.
            ValueError: A file is damaged, a recording has changed since the fit, or the run names a class that is not
                trusted.
        """
        folder = Path(folder)
        record = RunRecord.read(folder)
        if not (folder / "best.ckpt").is_file():
            raise FileNotFoundError(f"'{folder}' has no finished epoch yet; continue it with 'synapsnet fit --resume'.")
        model = load_model(folder / "best.ckpt", trust=trust)
        sessions = {fitted.name: load_recording(fitted, folder, record) for fitted in record.sessions}
        for name, session in sessions.items():
            if name not in model.sessions or model.sessions[name].neuron_id != session.neuron_id:
                raise ValueError(f"Expected a model of the neurons of session '{name}' in '{folder / 'best.ckpt'}'.")
        release_memory()  # what reading took
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
        hardware: Hardware = Hardware(),  # noqa: B008
        resume: bool = False,
        progress: bool = True,
        logger: "Logger | None" = None,
        callbacks: Sequence[Any] = (),
    ) -> "Run":
        """Fits a model to session files and writes the run to a folder.

        Args:
            paths: Session files; several are fitted together.
            out: Folder of the run, created if needed. It may hold a run only with ``resume=True``.
            kind: Name of the model, a key of :data:`~synapsnet_pyg.models.registry.MODELS`.
            arguments: Arguments of the model.
            recipe: Recipe of the fit, or a preset that depends on the length of the recordings. Its seed also sets the
                initial weights.
            hardware: Devices and precision.
            resume: Whether to continue an interrupted fit of the same settings, or begin it where there is none.
            progress: Whether to show a bar and a line for each epoch on standard error.
            logger: Logger of Lightning.
            callbacks: Callbacks of Lightning.

        Raises:
            FileExistsError: The folder holds a run, or checkpoints of no run.
            BlockingIOError: Another process fits in the folder.
            ValueError: An argument or a file is invalid, the resumed run has other settings, or SynapsNet needs more
                memory than is free.
        """
        recorded = [Session.load(path) for path in paths]
        chosen = recipe.recipe(recorded) if isinstance(recipe, Preset) else recipe
        fitted = [FittedSession.of(session, path, Path(out)) for session, path in zip(recorded, paths, strict=True)]
        sessions = [chosen.prepare(session) for session in recorded]
        given, expected = dict(arguments or {}), ""
        if kind == "synapsnet":
            if resume and (Path(out) / FILE).is_file():  # a graph that memory chose stays as it was begun
                begun = RunRecord.read(Path(out)).arguments
                given = {key: begun[key] for key in ("connectivity",) if key in begun} | given
            cost = affordable(FitCost(sessions, chosen, given, hardware))
            given, expected = dict(cost.arguments), f"expected: {cost_sentence(cost)}"
        torch.manual_seed(chosen.seed)
        model = build_model(kind, sessions, given)
        return cls._fit(model, sessions, fitted, Path(out), chosen,
                        kind=kind, arguments=given, expected=expected, hardware=hardware, resume=resume,
                        progress=progress, logger=logger, callbacks=callbacks)  # fmt: skip

    @classmethod
    def adapt(
        cls,
        folder: str | os.PathLike[str],
        path: str | os.PathLike[str],
        out: str | os.PathLike[str],
        *,
        changes: Mapping[str, Any] | None = None,
        hardware: Hardware = Hardware(),  # noqa: B008
        resume: bool = False,
        progress: bool = True,
        logger: "Logger | None" = None,
        callbacks: Sequence[Any] = (),
        trust: Collection[str] = (),
    ) -> "Run":
        """Fits the model of a run to a new session, with all shared parameters frozen.

        A neuron whose id occurs in the run starts from its embedding there.

        Args:
            folder: Folder of the run, or of a shared run (:meth:`save_pretrained`).
            path: Session file.
            out: Folder of the new run.
            changes: New values of the run's recipe by name; None keeps a value.
            hardware: Devices and precision.
            resume: Whether to continue an interrupted fit of the same settings, or begin it where there is none.
            progress: Whether to show a bar and a line for each epoch on standard error.
            logger: Logger of Lightning.
            callbacks: Callbacks of Lightning.
            trust: Import paths of classes outside the package that the run may name, as in :meth:`load`.

        Raises:
            FileExistsError: The folder holds a run, or checkpoints of no run.
            BlockingIOError: Another process fits in the folder.
            FileNotFoundError: The run or the session file does not exist.
            ValueError: The sessions of the model share no parameters, or the behaviours differ from those of the run.
        """
        record, fitted_model = _fitted(Path(folder), trust)
        if not fitted_model.shared:
            raise ValueError(
                f"Expected a model whose sessions share their dynamics ('{record.kind}' shares nothing); "
                "use 'synapsnet fit' for the new session."
            )
        recipe = record.recipe.changed(**{"seed": 0, **(changes or {})})
        recorded = Session.load(path)
        fitted, session = [FittedSession.of(recorded, path, Path(out))], recipe.prepare(recorded)
        behaviours = next(iter(fitted_model.sessions.values())).behaviour_name
        if list(session.behaviour_name) != list(behaviours):
            raise ValueError(
                f"Expected the behaviours of the run, {', '.join(behaviours) or 'none'} "
                f"(session '{session.name}' has {', '.join(session.behaviour_name) or 'none'})."
            )
        torch.manual_seed(recipe.seed)
        model = build_model(record.kind, [session], record.arguments)
        model.adopt(fitted_model)
        origin = str(Path(folder).resolve())
        return cls._fit(model, [session], fitted, Path(out), recipe,
                        kind=record.kind, arguments=record.arguments, adapted_from=origin,
                        hardware=hardware, resume=resume, progress=progress,
                        logger=logger, callbacks=callbacks)  # fmt: skip

    @classmethod
    def _fit(
        cls,
        model: Forecaster,
        sessions: Sequence[Session],
        fitted: list[FittedSession],
        out: Path,
        recipe: Recipe,
        *,
        kind: str,
        arguments: Mapping[str, Any],
        adapted_from: str | None = None,
        expected: str = "",
        hardware: Hardware = Hardware(),  # noqa: B008
        resume: bool = False,
        progress: bool = True,
        logger: "Logger | None" = None,
        callbacks: Sequence[Any] = (),
    ) -> "Run":
        """Writes ``run.json`` and trains the model."""
        from synapsnet_pyg.runs.processes import join, one_error  # Lightning takes seconds to import
        from synapsnet_pyg.runs.training import check_fit, fit

        check_fit(model, sessions)
        record = RunRecord(kind, dict(arguments), fitted, recipe=recipe, versions=versions(), adapted_from=adapted_from)
        processes = join(hardware)
        with ExitStack() as stack:
            with one_error():
                if processes.is_first:
                    stack.enter_context(held(make_folder(out)))
                    begin_fit(record, out, resume=resume)
                    if progress and expected:
                        say(expected, file=sys.stderr)
                processes.wait()
            sessions = [recipe.standardised(session) for session in sessions]
            fit(model, sessions, out, recipe, hardware=hardware,
                resume=resume, progress=progress, logger=logger, callbacks=callbacks)  # fmt: skip
        return cls(model, {session.name: session for session in sessions}, recipe, out, record)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the run as a folder that can be given away, without recordings; see :mod:`~.runs.sharing`.

        Args:
            folder: Folder, created if needed.
        """
        return share(self, Path(folder))

    @staticmethod
    def from_pretrained(folder: str | os.PathLike[str]) -> SharedRun:
        """Reads a folder of :meth:`save_pretrained`; strangers' folders are safe to read.

        Args:
            folder: Folder of a shared run.
        """
        return SharedRun.read(Path(folder))

    def push_to_hub(self, repository: str, *, private: bool = True) -> str:
        """Shares the run on the Hugging Face hub and returns the address of the commit.

        Args:
            repository: Name on the hub, such as ``lab/m1``; created if needed.
            private: Whether a new repository is private.
        """
        return push_to_hub(self, repository, private=private)

    @staticmethod
    def from_hub(repository: str, *, revision: str | None = None) -> SharedRun:
        """Reads a shared run from the Hugging Face hub.

        Args:
            repository: Name on the hub, such as ``lab/m1``.
            revision: Branch, tag or commit; None: the newest.
        """
        return from_hub(repository, revision=revision)

    def history(self, session: str | None = None) -> History | None:
        """Reads the validation scores of the training.

        Args:
            session: Name of a session with a separate model; None: the training of all sessions together.

        Returns:
            Scores over epochs; None if the run has no such file.
        """
        folder = self.folder if session is None else session_folder(self.folder, session, self.sessions)
        if self.record is None or not (folder / "history.csv").is_file():
            return None
        rows = read_history(folder / "history.csv")
        return History(
            [int(row["epoch"]) for row in rows],
            [row["validation_correlation"] for row in rows],
            best=best_epoch(rows, self.model.horizon) if rows else 0,
        )

    def commands(self) -> list[str]:
        """Returns command lines that repeat the fit, its scores and its report; none for a model fitted in Python."""
        if self.record is None:
            return []
        files = [session.path for session in self.record.sessions]
        recipe = {key.replace("_", "-"): value for key, value in self.recipe.to_json().items() if value is not None}
        if self.record.adapted_from is not None:
            options = {key: value for key, value in recipe.items() if key in ("epochs", "patience", "seed")}
            fit_command = ["synapsnet", "adapt", self.record.adapted_from, *files, "--out", "again", *_options(options)]
        else:
            arguments = {f"model-args.{key}": value for key, value in self.record.arguments.items()}
            fit_command = [
                "synapsnet",
                "fit",
                *files,
                "--out",
                "again",
                "--model",
                self.kind,
                *_options(recipe | arguments),
            ]
        trust = "" if is_of_package(self.kind) else f" --trust {self.kind}"
        return [shlex.join(fit_command), f"synapsnet evaluate again{trust}", f"synapsnet report again{trust}"]


def _fitted(folder: Path, trust: Collection[str]) -> tuple[RunRecord | SharedRun, Forecaster]:
    """Reads settings and model of a run or of a shared run."""
    if (folder / CONFIG).is_file() and not (folder / FILE).exists():
        shared = SharedRun.read(folder)
        return shared, shared.model
    record, model = RunRecord.read(folder), load_model(folder / "best.ckpt", trust=trust)
    require_trusted(record.kind, record.arguments, folder / FILE, trust)
    return record, model


def _options(values: Mapping[str, Any]) -> list[str]:
    """Returns values as the words of command-line options."""
    return [
        text
        for key, value in values.items()
        for text in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    ]
