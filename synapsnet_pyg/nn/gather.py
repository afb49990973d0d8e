"""Values of all processes of a fit, where each process knows some sessions only."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import distributed

ValueT = TypeVar("ValueT")

_shared = False


@contextmanager
def sharing(shared: bool = True) -> Iterator[None]:
    """Lets :func:`gather` reach the other processes, in a ``with`` statement that all of them run.

    Args:
        shared: Whether there are other processes.
    """
    global _shared
    before, _shared = _shared, shared
    try:
        yield
    finally:
        _shared = before


def gather(value: ValueT) -> list[ValueT]:
    """Returns the values of all processes in the order of their ranks; outside :func:`sharing` the given one alone.

    Args:
        value: Numbers, texts and tensors, also in lists, dictionaries and named tuples.

    Example:
        >>> gather({"bins": 5})
        [{'bins': 5}]
    """
    if not _shared:
        return [value]
    buffer = io.BytesIO()
    torch.save(value, buffer)  # unlike a pickle it can be read onto another device
    device = torch.device("cuda", torch.cuda.current_device()) if distributed.get_backend() == "nccl" else "cpu"
    texts = [b""] * distributed.get_world_size()
    distributed.all_gather_object(texts, buffer.getvalue())
    return [torch.load(io.BytesIO(text), map_location=device, weights_only=False) for text in texts]
