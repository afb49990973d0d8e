"""Evaluation mode, and weights that are constants, for the duration of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Puts a model in evaluation mode for a ``with`` block, and back into its former mode after it or an error.

    Example:
        >>> model = torch.nn.Dropout().train()
        >>> with evaluating(model):
        ...     model.training
        False
        >>> model.training
        True
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def frozen(model: torch.nn.Module) -> Iterator[None]:
    """Takes the weights of a model as constants for a ``with`` block, so that only derivatives by inputs are computed.

    Example:
        >>> model = torch.nn.Linear(2, 1)
        >>> with frozen(model):
        ...     model.weight.requires_grad
        False
        >>> model.weight.requires_grad
        True
    """
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    for weights in trained:
        weights.requires_grad_(False)
    try:
        yield
    finally:
        for weights in trained:
            weights.requires_grad_(True)
