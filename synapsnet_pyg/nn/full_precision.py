"""Computations that keep the precision of their inputs where training multiplies in 16 bits."""

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Returns a context in which products keep the precision of their factors.

    Args:
        device: Device of the factors.

    Example:
        >>> a = torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     rounded = a @ a
        ...     with full_precision(a.device):
        ...         exact = a @ a
        >>> rounded.dtype, exact.dtype
        (torch.bfloat16, torch.float32)
    """
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
