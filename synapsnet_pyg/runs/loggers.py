"""Loggers of a training, beside the table that is always written."""

import os
from pathlib import Path

from lightning.pytorch import loggers
from lightning.pytorch.loggers import Logger

from synapsnet_pyg.files import optional_import


def make_logger(name: str, out: str | os.PathLike[str]) -> Logger:
    """Returns a logger that writes to the folder ``logs`` of a run.

    Args:
        name: Name of the logger: csv, tensorboard or wandb (Weights & Biases).
        out: Folder of the run.

    Raises:
        ImportError: The logger's package is missing; the message has the pip line that installs it.
        ValueError: There is no such logger.
    """
    if name == "csv":
        return loggers.CSVLogger(out, name="logs")
    if name not in ("tensorboard", "wandb"):
        raise ValueError(f"Expected a logger among csv, tensorboard, wandb (got '{name}').")
    optional_import(name, "log")
    if name == "tensorboard":
        return loggers.TensorBoardLogger(out, name="logs")
    return loggers.WandbLogger(save_dir=out, project="synapsnet_pyg", name=Path(out).name)
