"""Processes of one fit: how they start, wait for each other and end."""

import logging
import os
import signal
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

from synapsnet_pyg.nn.gather import gather, sharing
from synapsnet_pyg.processes.children import PARENT, obey_parent
from synapsnet_pyg.processes.signals import without_interrupts
from synapsnet_pyg.runs.hardware import Hardware


class SharedStrategy(DDPStrategy):
    """Processes of Lightning's DDP, without its exchange of the gradients of all parameters in each step.

    :class:`~synapsnet_pyg.runs.distributed.Shards` exchanges those of shared parameters.
    """

    def configure_ddp(self) -> None:
        """Leaves the module as it is."""

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = _Launcher(self.cluster_environment, self.num_processes, self.num_nodes)


class _Launcher(_SubprocessScriptLauncher):
    """Starts processes that end with this one, and alone receive no signals of the terminal."""

    def _call_children_scripts(self) -> None:
        os.environ[PARENT] = str(os.getpid())
        with without_interrupts():
            super()._call_children_scripts()
        del os.environ[PARENT]


@dataclass(frozen=True)
class Processes:
    """Processes of one fit, as one of them sees them.

    Attributes:
        rank: Number of this process.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """True in the process that writes files and messages."""
        return self.rank == 0

    def wait(self) -> None:
        """Waits until all processes have come here."""
        if self.size > 1:
            distributed.barrier()

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all processes."""
        with sharing(self.size > 1):
            return gather(value)


_started: list[SharedStrategy] = []
"""Strategy whose launcher started the other processes of this machine, if this process did."""


def join(hardware: Hardware) -> Processes:
    """Starts the other processes of a fit, unless torchrun, Slurm or an earlier call did, and joins them.

    Lightning runs the command of this process again for each further device of the machine. All processes therefore
    do the same up to this call. Later the first one alone writes files and messages.

    Raises:
        ValueError: The number of processes is not that of torchrun, or larger than the number of GPUs.
    """
    obey_parent()
    size = hardware.devices * hardware.nodes
    started = int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else size
    if started != size:
        raise ValueError(f"Expected --devices times --nodes to be {started}, the processes of torchrun (got {size}).")
    gpus = torch.cuda.device_count() if hardware.torch_device.type == "cuda" else hardware.devices
    if hardware.devices > gpus:
        raise ValueError(f"Expected at most {gpus} devices, the GPUs here (got {hardware.devices}).")
    if size > 1 and not distributed.is_initialized():
        silence_lightning()
        strategy = SharedStrategy(timeout=timedelta(days=1))  # one process may start longer from large sessions
        Trainer(
            accelerator="gpu" if hardware.torch_device.type == "cuda" else "cpu",
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            strategy=strategy,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        assert strategy.launcher is not None
        strategy.launcher.launch(strategy.setup_environment)
        _started.append(strategy)
        if distributed.get_rank():
            warnings.simplefilter("ignore")  # the first process tells
    return Processes(distributed.get_rank(), size) if size > 1 else Processes()


def silence_lightning() -> None:
    """Hides the messages of Lightning below errors."""
    for name in ("pytorch", "pytorch.utilities.rank_zero", "fabric", "fabric.utilities.rank_zero"):
        logging.getLogger(f"lightning.{name}").setLevel(logging.ERROR)


@contextmanager
def one_error() -> Iterator[None]:
    """Ends all processes with the error of the one that fails first; the others say nothing. Also a decorator."""
    try:
        yield
    except BaseException as error:
        if distributed.is_initialized():
            fails_first = _fails_first(error)
            _end_started(seconds=0 if fails_first else 2)
            if not fails_first:
                raise SystemExit(2) from None
        raise


def _end_started(seconds: float) -> None:
    """Ends the processes that this one started.

    Args:
        seconds: Time that each of them has to end by itself, with its error.
    """
    for strategy in _started:
        launcher = strategy.launcher
        assert isinstance(launcher, _SubprocessScriptLauncher)
        for process in launcher.procs:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        launcher.kill(signal.SIGKILL)


def _fails_first(error: BaseException) -> bool:
    """Returns whether no other process has failed before this one; a terminal interrupts all of them at once."""
    rank = str(distributed.get_rank())
    if isinstance(error, KeyboardInterrupt):
        return rank == "0"
    try:
        store = distributed.distributed_c10d._get_default_store()
        failed: bytes = store.compare_set("synapsnet_failed", "", rank)
    except Exception:  # the first process keeps the store, and has ended
        return False
    return failed.decode() == rank
