"""Devices and precision of a fit; they change no setting of the model or its recipe."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

DEVICES = ("auto", "cpu", "cuda")
"""Names of devices."""
PRECISIONS = ("32-true", "bf16-mixed")
"""Names of precisions, those of Lightning."""


@dataclass(frozen=True)
class Hardware:
    """Devices and precision of a fit.

    Args:
        device: ``cpu``, ``cuda`` (a GPU), or ``auto``: a GPU if there is one.
        precision: ``32-true``: all numbers have 32 bits. ``bf16-mixed``: matrix products have 16.
        devices: Number of processes on each machine, each with its own device. They divide the sessions of models
            that keep parameters of each, and a step takes a batch of each process; otherwise they divide every batch
            (:mod:`~synapsnet_pyg.runs.distributed`).
        nodes: Number of machines.

    Raises:
        ValueError: There is no such device or precision, or a number is below 1.

    Example:
        >>> Hardware("cpu").torch_device
        device(type='cpu')
    """

    device: str = "auto"
    precision: str = "32-true"
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        for name, value, choices in (("device", self.device, DEVICES), ("precision", self.precision, PRECISIONS)):
            if value not in choices:
                raise ValueError(f"Expected a {name} among {', '.join(choices)} (got '{value}').")
        if min(self.devices, self.nodes) < 1:
            raise ValueError(f"Expected at least one device and node (got {self.devices} and {self.nodes}).")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("Expected a GPU for --device cuda (torch finds none here); choose --device cpu.")

    @property
    def torch_device(self) -> torch.device:
        """Device of torch on which this process computes."""
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    @property
    def free_memory(self) -> float:
        """Bytes of memory that a fit can use on its device."""
        if self.torch_device.type == "cuda":
            kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # held by torch for its next tensors
            return float(torch.cuda.mem_get_info()[0] + kept)
        return min([_free_in_machine(), *_free_in_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _free_in_machine() -> float:
    """Returns the free bytes of the machine; where the system does not tell, as on a Mac, all of its memory."""
    table = Path("/proc/meminfo")
    lines = table.read_text().splitlines() if table.exists() else []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return 1024 * float(line.split()[1])
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) if hasattr(os, "sysconf") else float("inf")


def _free_in_groups(table: Path, mount: Path) -> list[float]:
    """Returns what is left of each memory limit of the control groups of this process: of a container or Slurm job.

    Args:
        table: File with the groups of the process, as ``/proc/self/cgroup``.
        mount: Folder of all groups.
    """
    left = []
    for line in table.read_text().splitlines() if table.exists() else []:
        _, controllers, name = line.split(":", 2)
        first = "memory" in controllers.split(",")  # version 1 of control groups
        if controllers and not first:
            continue
        root = mount / "memory" if first else mount
        limit, used = ("limit_in_bytes", "usage_in_bytes") if first else ("max", "current")
        group = root / name.strip("/")
        for folder in (group, *group.parents):  # a limit of any group around this one holds too
            if not folder.is_relative_to(root):
                break
            try:
                most = float((folder / f"memory.{limit}").read_text())  # "max" is no number: no limit
                taken = float((folder / f"memory.{used}").read_text())
                cached = dict(row.split() for row in (folder / "memory.stat").read_text().splitlines())
                left.append(most - taken + float(cached.get("inactive_file", 0)))
            except (OSError, ValueError):
                continue
    return left
