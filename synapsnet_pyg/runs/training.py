"""Fitting a forecaster: the only file that knows Lightning."""

import copy
import csv
import logging
import math
import os
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.data.windows import EpochSampler, Window, Windows, windows_of
from synapsnet_pyg.files import atomic_path, file_name, make_folder
from synapsnet_pyg.models.checkpoint import describe, read_checkpoint, save_model
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.per_session import PerSession
from synapsnet_pyg.runs.progress import EpochProgress
from synapsnet_pyg.runs.scores import score_forecast


def fit(
    model: Forecaster,
    sessions: Sequence[Session],
    out: str | os.PathLike[str],
    model_name: str = "synapsnet",
    *,
    epochs: int = 100,
    targets: int = 1,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    halve_every: int = 10,
    patience: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> Forecaster:
    r"""Fits a forecaster to sessions and returns it at the epoch with the best validation correlation.

    Minimises the model's loss (most often the mean squared error of the forecast plus a penalty) with Adam, a batch of
    windows of one session at a time (SynapsNet, Appendix A.1). Every session is split 80/10/10 in time. A GPU is used
    where there is one. A closed-form model is solved.

    Args:
        model: Made for these sessions.
        sessions: The recordings, standardised.
        out: Folder, made if need be, where ``best.ckpt``, ``last.ckpt`` and ``history.csv`` go;
            :func:`~synapsnet_pyg.models.checkpoint.load_model` makes the model of ``best.ckpt`` again.
        model_name: What :func:`~synapsnet_pyg.models.registry.build_model` finds the model by.
        epochs: Passes over all training windows.
        targets: P, bins forecast in each window.
        batch_size: B.
        learning_rate: Of the first epochs.
        halve_every: Epochs after which the learning rate is halved, again and again.
        patience: Stop after this many epochs without a better validation correlation; None: never.
        seed: Decides order and dropout, together with the epoch's number alone, so that a run that was interrupted
            and resumed ends bit-identical to one that was not. The weights' start is the caller's to seed.
        resume: Continue from ``last.ckpt`` if there is one.
        progress: Show a bar and a line for each epoch on standard error.

    Raises:
        FileExistsError: The folder holds a fit already.
        ValueError: A session is not standardised or too short for the window, a number is out of range, or
            ``last.ckpt`` is damaged.
        KeyboardInterrupt: The user interrupted; ``resume`` goes on after the last whole epoch.
        OSError: The folder cannot be written, or has too little room.
        FloatingPointError: The error is no longer finite.
    """
    check_fit(model, sessions, epochs, targets, batch_size, learning_rate, halve_every, patience)
    raw = [session.name for session in sessions if "activity_scale" not in session]
    if raw:
        raise ValueError(
            f"Expected standardised sessions (got raw {', '.join(raw)}); use session = session.standardise(), here and "
            "for forecasts."
        )
    out = make_folder(out)
    if not resume and ((out / "best.ckpt").exists() or (out / "last.ckpt").exists()):
        raise FileExistsError(f"'{out}' holds a fit already; continue it with resume=True or choose another folder.")
    _require_room(out, model)
    if isinstance(model, PerSession):
        settings = {
            "epochs": epochs,
            "targets": targets,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "halve_every": halve_every,
            "patience": patience,
            "seed": seed,
            "progress": progress,
        }
        return _fit_each(model, sessions, out, model_name, resume, settings)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # PyG moves a graph in place: the caller's session stays where it is.
    split = {session.name: copy.copy(session).to(device).split() for session in sessions}
    last = out / "last.ckpt"
    begun = resume and last.is_file()
    can_forecast = not begun and model.to(device).initialise(
        {s: p.train for s, p in split.items()}, {s: p.validation for s, p in split.items()}
    )
    if not list(model.parameters()):
        save_model(model.cpu(), out / "best.ckpt")
        return model
    windows = [shape for part in split.values() for shape in windows_of(part.train, model.window, targets)]
    module = _Training(model, model_name, split, learning_rate, halve_every, targets, seed, out, patience)
    if can_forecast:
        module.keep(epoch=0, train_mse=math.nan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        _silence_lightning()
        trainer = Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            max_epochs=epochs,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[_AtomicCheckpointIO()],
            callbacks=_callbacks(out, epochs, progress),
        )
        sampler = EpochSampler(windows, batch_size, seed)
        loader = DataLoader(
            _Gathered(windows),
            sampler=sampler,
            batch_size=None,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # else every pass draws from the random numbers that dropout uses
        )
        try:
            if not begun or not _is_over(read_checkpoint(last)["history"], patience):
                trainer.fit(module, loader, ckpt_path=last if begun else None, weights_only=True)
        except SystemExit:  # what Lightning makes of Ctrl-C, without a word
            raise KeyboardInterrupt from None
    best = read_checkpoint(out / "best.ckpt")["state_dict"]
    model.cpu().load_state_dict({key.removeprefix("model."): value for key, value in best.items()})
    return model.eval()


def _fit_each(
    model: PerSession, sessions: Sequence[Session], out: Path, model_name: str, resume: bool, settings: dict[str, Any]
) -> Forecaster:
    """Fits the models of the sessions one after the other, each in a folder of its own."""
    for session in sessions:
        fit(model.part(session.name), [session], out / file_name(session.name), model_name, resume=resume, **settings)
    save_model(model, out / "best.ckpt")
    return model.eval()


def _is_over(history: Sequence[Mapping[str, float]], patience: int | None) -> bool:
    """Whether so many epochs went by without a better one."""
    scores = [row["validation_correlation"] for row in history]
    return patience is not None and len(scores) > patience and max(scores[:-patience]) >= max(scores[-patience:])


def check_fit(
    model: Forecaster,
    sessions: Sequence[Session],
    epochs: int = 100,
    targets: int = 1,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    halve_every: int = 10,
    patience: int | None = None,
    **_: Any,
) -> None:
    """Tells what cannot be fitted, before anything is written.

    Raises:
        ValueError: A session is too short for the window, or a number is out of range.
    """
    if min(epochs, targets, batch_size, halve_every, 1 if patience is None else patience) < 1 or not learning_rate > 0:
        raise ValueError(
            "Expected epochs, targets, batch size, halve-every and patience >= 1 and a learning rate > 0 "
            f"(got {epochs}, {targets}, {batch_size}, {halve_every}, {patience} and {learning_rate})."
        )
    for session in sessions:
        for kind, part in session.split()._asdict().items():
            windows = windows_of(part, model.window)
            if not windows:
                raise ValueError(
                    f"Expected a segment of more than {model.window} bins in the {kind} part of session "
                    f"'{session.name}'; use a shorter window, longer segments or a longer recording."
                )
            targets_there = sum(map(len, windows))
            if targets_there < 2:
                raise ValueError(
                    f"Expected at least 2 bins to forecast in the {kind} part of session '{session.name}' (got "
                    f"{targets_there}); use a longer recording."
                )


class _Training(LightningModule):
    """One step of training, and the validation after each epoch."""

    def __init__(
        self,
        model: Forecaster,
        model_name: str,
        split: Mapping[str, Split],
        learning_rate: float,
        halve_every: int,
        targets: int,
        seed: int,
        out: Path,
        patience: int | None,
    ) -> None:
        super().__init__()
        self.patience = patience
        self.model, self.model_name, self.split = model, model_name, split
        self.learning_rate, self.halve_every, self.targets, self.seed, self.out = (
            learning_rate,
            halve_every,
            targets,
            seed,
            out,
        )
        self.history: list[dict[str, float]] = []
        self._started = time.monotonic()
        self._error = torch.tensor(0.0)
        self._batches = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return torch.optim.Adam(learned, lr=self.learning_rate, fused=True)

    def on_train_epoch_start(self) -> None:
        # All that is random in an epoch follows from its number, and so does the learning rate: nothing to restore.
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch)
        for group in self.optimizers().param_groups:
            group["lr"] = self.learning_rate * 0.5 ** (self.current_epoch // self.halve_every)
        self._error, self._batches = torch.zeros((), device=self.device), 0
        self._started = time.monotonic()

    def training_step(self, window: Window) -> Tensor:
        forecast = self.model(window)
        self._error += torch.nn.functional.mse_loss(forecast.activity.detach(), window.target)
        self._batches += 1
        return self.model.loss(forecast, window)

    def on_train_epoch_end(self) -> None:
        error = float(self._error) / self._batches
        if not torch.isfinite(torch.tensor(error)):
            raise FloatingPointError(
                f"The training error is no longer finite in epoch {self.current_epoch + 1}; use a lower learning rate."
            )
        self.keep(self.current_epoch + 1, error, self.optimizers().param_groups[0]["lr"])
        self.trainer.should_stop = _is_over(self.history, self.patience)

    def keep(self, epoch: int, train_mse: float, learning_rate: float = 0.0) -> None:
        """Validates, writes a row of the history, and the model where it is the best so far."""
        scores = [
            score_forecast(part.validation, forecast_session(self.model, part.validation, self.targets))
            for part in self.split.values()
        ]
        validation = sum(score.correlation for score in scores) / len(scores)
        best = max((row["validation_correlation"] for row in self.history), default=-math.inf)
        self.history.append(
            {
                "epoch": epoch,
                "train_mse": train_mse,
                "validation_correlation": validation,
                "validation_mse": sum(score.mse for score in scores) / len(scores),
                "learning_rate": learning_rate,
                "seconds": time.monotonic() - self._started,
            }
        )
        if not validation <= best:  # the first epoch always, even one whose score is not defined
            save_model(self.model, self.out / "best.ckpt")
        with atomic_path(self.out / "history.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.history[0])
            writer.writeheader()
            writer.writerows(self.history)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["description"] = describe(self.model)
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]


class _Gathered(Dataset[Window]):
    """Windows by what the sampler draws: gathered on the device, where the recording lies."""

    def __init__(self, windows: Sequence[Windows]) -> None:
        self.windows = windows

    def __getitem__(self, drawn: tuple[int, Tensor]) -> Window:
        shape, which = drawn
        return self.windows[shape].gather(which)


def _as_it_is(window: Any) -> Any:
    return window


class _AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are whole or not there, whatever happens while they are written."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with atomic_path(path) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return read_checkpoint(path)


def _callbacks(out: Path, epochs: int, progress: bool) -> list[Callback]:
    folder = {"dirpath": out, "enable_version_counter": False, "save_on_train_epoch_end": True}
    callbacks: list[Callback] = [
        ModelCheckpoint(filename="last", **folder),
    ]
    if progress:
        callbacks.append(EpochProgress(epochs))
    return callbacks


def _require_room(out: Path, model: Forecaster) -> None:
    """Tells before training what would otherwise be found out after the first epoch."""
    with atomic_path(out / ".room") as temporary:
        temporary.write_bytes(b"x")
    (out / ".room").unlink()
    # Weights and Adam's two moments, in best, last and the one being written.
    wanted = 3 * 3 * sum(p.numel() * p.element_size() for p in model.parameters())
    free = shutil.disk_usage(out).free
    if free < wanted:
        raise OSError(
            f"Expected {wanted / 1e6:.0f} MB of free disk for the checkpoints in '{out}' (got {free / 1e6:.0f})."
        )


def _silence_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
