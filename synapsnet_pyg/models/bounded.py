"""Bound on the memory that a model takes when it is built from a file."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

_SPARE = 2**26
"""Number of bytes that any model may take, for what it computes and does not save."""

_FACTOR = 16
"""Number of times by which a model may be larger than its saved weights while it is built."""


class TooLargeError(ValueError):
    """Error for a model that would take more memory than its saved weights explain."""


class Bounded(TorchDispatchMode):
    """Context in which tensors are made only as long as they stay below a bound, checked before each is made.

    Args:
        state: Saved name -> tensor of the model that is built.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__()
        tensors = [value for value in state.values() if isinstance(value, Tensor)]
        saved = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self.left, self.calls = _SPARE + _FACTOR * saved, 1000 + 100 * len(tensors)

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls a function of torch, unless its result would go beyond the bound."""
        kwargs = dict(kwargs or {})
        self.left -= _new_bytes(func, args, kwargs)
        self.calls -= 1
        if self.left < 0 or self.calls < 0:
            raise TooLargeError
        return func(*args, **kwargs)


def _new_bytes(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Returns the bytes that a function would take for its results, by calling it without memory."""
    returns = func._schema.returns  # type: ignore[attr-defined]
    if any(result.alias_info is not None for result in returns):  # a view, or a change in place
        return 0
    names = {argument.name for argument in func._schema.arguments}  # type: ignore[attr-defined]
    without = tree_map(lambda value: value.to("meta") if isinstance(value, Tensor) else value, (args, kwargs))
    if "device" in names:
        without[1].update(device=torch.device("meta"), pin_memory=False)
    try:
        result = func(*without[0], **without[1])
    except (RuntimeError, NotImplementedError, TypeError):  # a result whose size the values decide: no larger than they
        return 0
    results = result if isinstance(result, tuple | list) else (result,)
    return sum(value.numel() * value.element_size() for value in results if isinstance(value, Tensor))
