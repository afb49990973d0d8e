"""Ensembles of models that differ in their seed, trained at once by the recipes of NetFormer's experiments."""

from collections.abc import Callable, Sequence

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from synapsnet_pyg.data.windows import Window, Windows
from synapsnet_pyg.models.forecaster import Forecaster


def train_seed_ensemble(
    models: Sequence[Forecaster],
    windows: Windows,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    schedule: Callable[[float], float] = lambda epoch: 1.0,
    error: Callable[[Tensor, Tensor], Tensor] = torch.nn.functional.mse_loss,
    seed: int = 0,
    label: str = "",
) -> None:
    r"""Trains models that differ in their seed alone, in place, and leaves them in evaluation mode.

    Small models spend their time in calls rather than in arithmetic, so S of them are stacked and take each step of
    Adam in one call. Adam updates each parameter by its own gradient, so that the models do not influence each other.
    The caller draws the start of the weights.

    Published recipes have a fixed number of epochs and no validation. Recordings are fitted by
    :func:`~synapsnet_pyg.runs.training.fit`, which has early stopping and checkpoints.

    Args:
        models: Forecasters of one class and size, S in number, made for the session of the windows.
        windows: Training windows.
        epochs: Number of passes over the windows.
        batch_size: Number of windows B in a step of each model.
        learning_rate: Learning rate of Adam.
        schedule: Factor of the learning rate after a number of epochs, a fraction within an epoch.
        error: Function of a forecast and its target, both :math:`(B, N, P)`.
        seed: Seed of the order of windows of the first model; the next seeds are those of the other models.
        label: Label of a progress bar on a terminal; no bar if empty.
    """
    base, name = models[0], windows.session.name
    for model in models:
        model.train()
    # Buffers are equal in all models: parameters alone are stacked.
    weights = {
        key: value.detach().clone().requires_grad_() for key, value in stack_module_state(list(models))[0].items()
    }

    def loss_of(weights: dict[str, Tensor], activity: Tensor, behaviour: Tensor, target: Tensor) -> Tensor:
        forecast = functional_call(base, weights, (Window(activity, behaviour, target, name),))
        return error(forecast.activity, target) + forecast.penalty

    losses, S = vmap(loss_of, randomness="different"), len(models)
    optimiser = torch.optim.Adam(list(weights.values()), lr=learning_rate, fused=True)
    generators = [torch.Generator().manual_seed(seed + s) for s in range(S)]
    steps = -(-len(windows) // batch_size)
    console = Console(stderr=True)
    shown = bool(label) and console.is_terminal
    for epoch in track(range(epochs), label, console=console, transient=True, disable=not shown):
        order = torch.stack([torch.randperm(len(windows), generator=generator) for generator in generators])
        for step, chosen in enumerate(order.split(batch_size, dim=1)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * schedule(epoch + step / steps)
            batch = windows.gather(chosen.flatten())
            series = (part.unflatten(0, chosen.shape) for part in batch[:3])
            optimiser.zero_grad()
            losses(weights, *series).sum().backward()
            optimiser.step()
    for s, model in enumerate(models):
        for key, parameter in model.named_parameters():
            parameter.data.copy_(weights[key][s].detach())
        model.eval()


def to_zero(epochs: int) -> Callable[[float], float]:
    """Returns a schedule that lowers the learning rate in a straight line to zero.

    Args:
        epochs: Number of epochs after which it is zero.

    Example:
        >>> to_zero(10)(2.5)
        0.75
    """
    return lambda epoch: 1 - epoch / epochs
