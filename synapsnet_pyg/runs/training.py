"""Training of a forecaster. Only this file, loggers, processes and the progress bar depend on Lightning."""

import copy
import math
import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.data.shares import Share
from synapsnet_pyg.data.windows import EpochSampler, windows_of
from synapsnet_pyg.files import (
    keep_freed_memory,
    make_folder,
    release_memory,
    require_disk_space,
    session_folder,
)
from synapsnet_pyg.files.writing import room
from synapsnet_pyg.models.checkpoint import describe, read_checkpoint, save_model, write_checkpoint
from synapsnet_pyg.models.contract import check_forecasts
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import SessionForecast, forecast_horizons, forecast_session
from synapsnet_pyg.models.per_session import PerSession
from synapsnet_pyg.models.registry import is_of_package
from synapsnet_pyg.nn.gather import sharing
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.processes.signals import renew
from synapsnet_pyg.runs.distributed import Shards
from synapsnet_pyg.runs.hardware import Hardware
from synapsnet_pyg.runs.processes import SharedStrategy, join, one_error, silence_lightning
from synapsnet_pyg.runs.progress import EpochProgress
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.resuming import going_on_from, saved_history
from synapsnet_pyg.runs.run_file import best_epoch, patience_is_over, write_history
from synapsnet_pyg.runs.scores import score_forecast
from synapsnet_pyg.runs.steps import Steps, steps_of

_AT_ONCE = 2**23
"""Number of values of activity that a GPU forecasts at a time in a validation."""


@one_error()
def fit(
    model: Forecaster,
    sessions: Sequence[Session],
    out: str | os.PathLike[str],
    recipe: Recipe = Recipe(),  # noqa: B008 (frozen)
    *,
    hardware: Hardware = Hardware(),  # noqa: B008 (frozen)
    resume: bool = False,
    progress: bool = True,
    logger: Logger | Sequence[Logger] | None = None,
    callbacks: Sequence[Callback] = (),
) -> Forecaster:
    r"""Fits a forecaster to sessions and returns it at the epoch with the best score on the validation parts.

    The score is the correlation; of models that forecast several bins directly it is the squared error over all of
    them, by which published comparisons rank.

    Minimises the model's loss (most often the mean squared error of the forecast plus a penalty) with Adam, a batch of
    windows of one session at a time (SynapsNet, Appendix A.1). Every session is divided by its own parts
    (:meth:`~synapsnet_pyg.data.session.Session.split`), by default 80/10/10 in time. A model with a closed-form
    solution needs no epochs. Random numbers depend only on the recipe's seed and the number of the epoch: a fit that
    was interrupted and resumed gives the same model, bit by bit, as one without interruption.

    Args:
        model: Untrained forecaster for these sessions. Its initial weights depend on the seed set before it was built.
        sessions: Recordings, standardised.
        out: Folder for ``best.ckpt``, ``last.ckpt`` and ``history.csv``, created if needed;
            :func:`~synapsnet_pyg.models.checkpoint.load_model` loads the model of ``best.ckpt``.
        recipe: Epochs, targets, learning rate and other settings; by default the paper's. Its protocol and fold do not
            change these sessions, which :func:`~synapsnet_pyg.data.protocols.prepare` divides.
        hardware: Devices and precision; by default a GPU if there is one. Several processes divide the sessions or the
            batches (:mod:`~synapsnet_pyg.runs.distributed`), which changes dropout and, of sessions, the steps.
        resume: Whether to continue from ``last.ckpt``, if there is one.
        progress: Whether to show a bar and a line for each epoch on standard error.
        logger: Logger of Lightning, such as ``lightning.pytorch.loggers.CSVLogger(folder)``, or several. It receives
            the columns of ``history.csv`` after each epoch.
        callbacks: Further callbacks of Lightning.

    Raises:
        FileExistsError: The folder holds a fit already.
        ValueError: A session is not standardised or too short for the window, or ``last.ckpt`` is damaged.
        KeyboardInterrupt: The user interrupted; ``resume`` continues after the last whole epoch.
        OSError: The folder is not writable, or the disk has too little free space.
        FloatingPointError: The training error is no longer finite.

    Example:
        >>> from synapsnet_pyg import SynapsNet
        >>> session = Session(torch.randn(3, 90), bin_size=0.1, name="demo").standardise()
        >>> model = fit(SynapsNet([session]), [session], "my-fit", Recipe(epochs=20))  # doctest: +SKIP
    """
    check_fit(model, sessions)
    raw = [session.name for session in sessions if "activity_scale" not in session]
    if raw:
        raise ValueError(
            f"Expected standardised sessions (got raw {', '.join(raw)}); use session = session.standardise(), here and "
            "for forecasts."
        )
    processes, out = join(hardware), Path(out)
    if processes.is_first:
        make_folder(out)
        if not resume and ((out / "best.ckpt").exists() or (out / "last.ckpt").exists()):
            raise FileExistsError(
                f"'{out}' holds a fit already; continue it with resume=True or choose another folder."
            )
        # Weights and Adam's two moments, in the best, the last and one temporary checkpoint.
        require_disk_space(out, 3 * 3 * sum(p.numel() * p.element_size() for p in model.parameters()))
    processes.wait()
    if isinstance(model, PerSession):
        for session in sessions:  # one after the other, each in its own folder
            part, folder = model.part(session.name), session_folder(out, session.name, model.sessions)
            fit(part, [session], folder, recipe, hardware=hardware,
                resume=resume, progress=progress, logger=logger, callbacks=callbacks)  # fmt: skip
        if processes.is_first:
            save_model(model, out / "best.ckpt")
        return model.eval()
    shards, device = Shards(model, sessions, processes), hardware.torch_device
    # PyG moves a graph in place: copies keep the caller's sessions on their device.
    split = {session.name: copy.copy(session).to(device).split() for session in sessions if session.name in shards.held}
    resumed = resume and (out / "last.ckpt").is_file()
    started = {s: p for s, p in split.items() if s in shards.own or not model.per_session}
    # The start in float64 is computed there too: sums over bins are large products, and nothing need be moved twice.
    with sharing(processes.size > 1):
        can_forecast = not resumed and model.to(device).initialise(
            {s: p.train for s, p in started.items()}, {s: p.validation for s, p in started.items()}
        )
    release_memory()
    keep_freed_memory()
    if not resumed:
        shards.spread()
    if not list(model.parameters()):
        if processes.is_first:
            save_model(model.cpu(), out / "best.ckpt")
        return model.cpu()
    module = _Training(model, split, recipe, out, shards=shards)
    if can_forecast:
        module.keep(epoch=0, train_mse=math.nan)
        model.begin_training()
    if not resumed or not patience_is_over(saved_history(out / "last.ckpt"), recipe.patience, model.horizon):
        progress_bar = [EpochProgress(recipe.epochs)] if progress and processes.is_first else []
        _train(module, resumed, hardware, logger=logger, callbacks=[*progress_bar, *callbacks])
    processes.wait()
    best = read_checkpoint(out / "best.ckpt")["state_dict"]
    model.cpu().load_state_dict({key.removeprefix("model."): value for key, value in best.items()})
    return model.eval()


@threads()
def _train(
    module: "_Training",
    resumed: bool,
    hardware: Hardware,
    *,
    logger: Logger | Sequence[Logger] | None,
    callbacks: Sequence[Callback],
) -> None:
    """Runs the epochs, or the remaining ones of a resumed fit, and writes ``best.ckpt`` and ``last.ckpt``."""
    module.train()  # also a model that was fitted before
    recipe, last = module.recipe, module.out / "last.ckpt"
    keep_last = ModelCheckpoint(
        filename="last", dirpath=module.out, enable_version_counter=False, save_on_train_epoch_end=True
    )
    window, targets = module.model.window, recipe.targets
    horizon = module.model.horizon
    windows = [
        group for part in module.split.values() for group in windows_of(part.train, window, targets, horizon=horizon)
    ]
    module.steps = steps_of(module.model, windows)
    loader = DataLoader(
        _Shares(),
        sampler=module.shards.sampler(EpochSampler(windows, recipe.batch_size, recipe.seed)),
        batch_size=None,
        generator=torch.Generator(),  # the default one would change the random numbers of dropout
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        silence_lightning()
        trainer = Trainer(
            accelerator="gpu" if hardware.torch_device.type == "cuda" else "cpu",
            precision=hardware.precision,
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            strategy=SharedStrategy() if module.shards.processes.size > 1 else "auto",
            use_distributed_sampler=False,
            max_epochs=recipe.epochs,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            logger=False if logger is None else logger,
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            plugins=[_AtomicCheckpointIO()],
            callbacks=[keep_last, *callbacks],
        )
        try:
            with room(last), going_on_from(last, lambda: not resumed or module.has_begun):  # room of loggers too
                trainer.fit(module, loader, ckpt_path=last if resumed else None, weights_only=True)
        except SystemExit:  # Lightning turns Ctrl-C into a SystemExit without a message
            raise KeyboardInterrupt from None


def check_fit(model: Forecaster, sessions: Sequence[Session]) -> None:
    """Raises an error if a part of a session is too short for the model, or if nothing varies in its training part.

    Raises:
        ValueError: No segment of a part is longer than the window, a part has fewer than two bins to forecast, all
            neurons are constant in the training part, or :func:`.check_forecasts` refuses a model of one's own.
    """
    for session in sessions:
        train = session.split().train
        bins = torch.cat([torch.arange(a, b) for a, b in train.segment.tolist()])
        if not any(bool((trace[bins] != trace[bins[0]]).any()) for trace in train.activity):
            raise ValueError(
                f"Expected a neuron that varies in the training part of session '{session.name}' (all "
                f"{session.num_neurons} are constant there); nothing can be learned from it."
            )
        for kind, part in session.split()._asdict().items():
            windows = windows_of(part, model.window, horizon=model.horizon)
            if not windows:
                raise ValueError(
                    f"Expected a segment of more than {model.window + model.horizon - 1} bins in the {kind} part of "
                    f"session '{session.name}'; use a shorter window, longer segments or a longer recording."
                )
            targets = sum(map(len, windows))
            if targets < 2:
                raise ValueError(
                    f"Expected at least 2 bins to forecast in the {kind} part of session '{session.name}' (got "
                    f"{targets}); use a longer recording."
                )
        if session.name in model.sessions and not is_of_package(model.kind):
            check_forecasts(model, train)


class _Training(LightningModule):
    """Training steps of a forecaster, with a validation after each epoch."""

    def __init__(
        self, model: Forecaster, split: Mapping[str, Split], recipe: Recipe, out: Path, *, shards: Shards
    ) -> None:
        super().__init__()
        self.model, self.split, self.recipe, self.out, self.shards = model, split, recipe, out, shards
        self.history: list[dict[str, float]] = []
        self.steps: Steps
        self._started = time.monotonic()
        self._error = torch.tensor(0.0)
        self._batches = 0
        self.has_begun = False
        self._weight = 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        learned = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        groups = []
        for pattern, factor in self.model.learning_rates().items():
            matched = [learned.pop(name) for name in list(learned) if re.search(pattern, name)]
            groups += [{"params": matched, "factor": factor}] if matched else []
        groups += [{"params": list(learned.values()), "factor": 1.0}] if learned else []
        return torch.optim.Adam(groups, lr=self.recipe.learning_rate, fused=True)

    def on_train_start(self) -> None:
        renew()  # Lightning's own handler of SIGTERM lets a fit go on, or processes wait for each other
        self.shards.forget_moments(self.optimizers(use_pl_optimizer=False))

    def on_train_epoch_start(self) -> None:
        # Random numbers and learning rate depend on the number of the epoch alone: a resumed fit restores neither.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.current_epoch + (self.shards.processes.rank << 40))
        for group in self.optimizers().param_groups:
            group["lr"] = (
                group["factor"] * self.recipe.learning_rate * 0.5 ** (self.current_epoch // self.recipe.halve_every)
            )
        self._error, self._batches = torch.zeros((), device=self.device), 0
        self._started = time.monotonic()

    def transfer_batch_to_device(self, share: Share, *_: Any) -> Share:
        return share  # the windows are on the device

    def training_step(self, share: Share) -> Tensor:
        self._weight = share.weight
        loss, error = self.steps.loss(share)
        self._error += error
        self._batches += 1
        return loss

    def backward(self, loss: Tensor, *_: Any, **__: Any) -> None:
        self.steps.backward(loss)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.shards.exchange_gradients(self._weight)

    def on_train_batch_end(self, *_: Any) -> None:
        self.has_begun = True

    def on_train_epoch_end(self) -> None:
        error = sum(self.shards.processes.gather(float(self._error))) / self._batches
        if not torch.isfinite(torch.tensor(error)):
            raise FloatingPointError(
                f"The training error is no longer finite in epoch {self.current_epoch + 1}; use a lower learning rate."
            )
        self.keep(self.current_epoch + 1, error, self.optimizers().param_groups[-1]["lr"])
        for logger in self.trainer.loggers:
            logger.log_metrics({key: value for key, value in self.history[-1].items() if key != "epoch"},
                               step=self.current_epoch + 1)  # fmt: skip
        self.trainer.should_stop = patience_is_over(self.history, self.recipe.patience, self.model.horizon)

    def keep(self, epoch: int, train_mse: float, learning_rate: float = 0.0) -> None:
        """Validates the model, adds a row to the history, and saves the model if it is the best so far."""
        own = {name: self._scores(self.split[name].validation) for name in self.shards.own}
        everyone = {name: scores for part in self.shards.processes.gather(own) for name, scores in part.items()}
        scores = [score for name in self.shards.names for score in everyone[name]]
        self.history.append(
            {
                "epoch": epoch,
                "train_mse": train_mse,
                "validation_correlation": sum(correlation for correlation, _ in scores) / len(scores),
                "validation_mse": sum(mse for _, mse in scores) / len(scores),
                "learning_rate": learning_rate,
                "seconds": time.monotonic() - self._started,
            }
        )
        self.shards.spread()
        if not self.shards.processes.is_first:
            return
        if best_epoch(self.history, self.model.horizon) == len(self.history) - 1:
            save_model(self.model, self.out / "best.ckpt")
        write_history(self.out / "history.csv", self.history)

    def _scores(self, part: Session) -> list[tuple[float, float]]:
        """Returns correlation and mean squared error of the forecasts of a part."""
        scores = [score_forecast(part, forecast) for forecast in self._forecasts(part)]
        return [(score.correlation, score.mse) for score in scores]

    def _forecasts(self, part: Session) -> Sequence[SessionForecast]:
        """Returns the forecast of a part for each number of bins that the model forecasts directly."""
        targets, at_once = self.recipe.targets, 32
        if self.device.type == "cuda":  # which would wait for the processor between small batches
            at_once = max(at_once, _AT_ONCE // (part.num_neurons * (self.model.window + targets)))
        if self.model.horizon == 1:
            return [forecast_session(self.model, part, targets, batch_size=at_once)]
        ahead = forecast_horizons(self.model, part, self.model.horizon, targets, batch_size=at_once)
        return [ahead.at(h) for h in range(1, self.model.horizon + 1)]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["description"] = describe(self.model)
        checkpoint["history"] = self.history
        checkpoint["batches_per_step"] = self.shards.batches_per_step
        optimizer = self.optimizers(use_pl_optimizer=False)
        self.shards.add_moments(checkpoint["optimizer_states"][0]["state"], optimizer)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        begun, now = checkpoint.get("batches_per_step", 1), self.shards.batches_per_step
        if begun != now:
            raise ValueError(
                f"'{self.out / 'last.ckpt'}' has steps of {begun} batches, one for each process (this fit has {now}); "
                "resume it with as many devices and nodes."
            )
        self.history = checkpoint["history"]


class _Shares(Dataset[Share]):
    """Data set of what the sampler draws."""

    def __getitem__(self, share: Share) -> Share:
        return share


class _AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoint files that are written completely or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        return read_checkpoint(path)
