"""Devices and precision of a fit; they change no setting of the model or its recipe."""

from dataclasses import dataclass

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
