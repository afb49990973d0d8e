"""Progress of a training on a terminal."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class EpochProgress(Callback):
    """Progress bar of a fit, with a line for each finished epoch.

    Args:
        epochs: Number of epochs of the fit.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._printed_rows = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the bar."""
        batches = int(trainer.num_training_batches)
        self._printed_rows = len(pl_module.history) if trainer.current_epoch else 0
        self.bar.start()
        self.task = self.bar.add_task("", total=self.epochs * batches, completed=trainer.current_epoch * batches)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the finished epochs and the best score so far."""
        self._print_epochs(pl_module)
        best = max((row["validation_correlation"] for row in pl_module.history), default=None)
        so_far = "" if best is None else f", best validation correlation {best:.4f}"
        self.bar.update(self.task, description=f"epoch {trainer.current_epoch + 1}/{self.epochs}{so_far}")

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Advances the bar by one batch."""
        self.bar.advance(self.task)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the last epoch and ends the bar."""
        self._print_epochs(pl_module)
        self.bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Ends the bar."""
        self.bar.stop()

    def _print_epochs(self, module: Any) -> None:
        """Prints a line for each epoch that is not printed yet."""
        for row in module.history[self._printed_rows :]:
            best = row["validation_correlation"] >= max(r["validation_correlation"] for r in module.history)
            start = f"train MSE {row['train_mse']:.4f}" if row["epoch"] else "before training "
            self.bar.console.print(
                f"epoch {row['epoch']:3d}/{self.epochs}  {start}  validation correlation "
                f"{row['validation_correlation']:.4f}{' *' if best else '  '}  {row['seconds']:.1f} s",
                highlight=False,
            )
        self._printed_rows = len(module.history)
