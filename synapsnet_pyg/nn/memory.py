"""Memory that training steps use again.

The system hands out large memory in pages, which it fills with zeros when they are first written. For the gates of a
step this took as long as its matrix products. Inside :func:`reused` the memory is kept for the next step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from torch import Tensor

LARGEST = 2**28
"""Largest number of values that are kept, one gigabyte in single precision; a step needs less."""

_spare: dict[int, list[Tensor]] = {}
"""Number of values -> flat tensors."""
_users = 0
"""Number of ``with`` statements."""


@contextmanager
def reused() -> Iterator[None]:
    """Keeps memory that :func:`give` returns, until the end of the outermost ``with`` statement."""
    global _users
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            _spare.clear()


def take(like: Tensor, *shape: int) -> Tensor:
    """Returns an uninitialised tensor, in spare memory if there is some of its size.

    Args:
        like: Tensor of the same type and device.
        *shape: Shape.
    """
    try:
        spare = _spare[prod(shape)].pop()  # one operation, so that no other thread gets the same
    except (KeyError, IndexError):
        return like.new_empty(shape)
    return spare.view(shape) if (spare.dtype, spare.device) == (like.dtype, like.device) else like.new_empty(shape)


def give(*tensors: Tensor) -> None:
    """Keeps the memory of tensors of :func:`take` that nobody reads any more."""
    for tensor in tensors:
        if _users and not tensor.is_inference():  # those of inference mode may be used there alone
            if tensor.numel() + sum(size * len(spare) for size, spare in list(_spare.items())) > LARGEST:
                _spare.clear()  # of sizes that are no longer needed
            _spare.setdefault(tensor.numel(), []).append(tensor.view(-1))
