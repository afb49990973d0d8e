"""Training the same model from several seeds at once, by the recipes of NetFormer's experiments."""

from collections.abc import Callable, Sequence

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from synapsnet_pyg.data.windows import Window, Windows
from synapsnet_pyg.models.forecaster import Forecaster


def train_together(
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

    Small models spend their time in calls rather than in arithmetic, so S of them are stacked and take each step in
    one. Adam works on each entry alone, so that none knows of the others. The weights' start is the caller's to draw.

    Published recipes have a fixed number of epochs and no validation: :func:`~synapsnet_pyg.runs.training.fit`, which
    has Lightning, early stopping and checkpoints, is for recordings.

    Args:
        models: S forecasters of one kind and size, made for the same session.
        windows: What is trained on.
        epochs: Passes over the windows.
        batch_size: Windows in a step, of each model.
        learning_rate: Of Adam.
        schedule: Factor of the learning rate after so many epochs, with fractions.
        error: Of a forecast and its target, both :math:`(B, N, P)`.
        seed: Decides the order of windows of the first model; the next seeds those of the others.
        label: What a bar on a terminal calls it.
    """
    base, name = models[0], windows.session.name
    for model in models:
        model.train()
    # The weights alone: buffers are the same in all.
    weights = {
        key: value.detach().clone().requires_grad_() for key, value in stack_module_state(list(models))[0].items()
    }

    def loss_of(weights: dict[str, Tensor], activity: Tensor, behaviour: Tensor, target: Tensor) -> Tensor:
        forecast = functional_call(base, weights, (Window(activity, behaviour, target, name),))
        return error(forecast.activity, target) + forecast.penalty

    losses, S = vmap(loss_of, randomness="different"), len(models)
    optimiser = torch.optim.Adam(list(weights.values()), lr=learning_rate, fused=True)
    orders = [torch.Generator().manual_seed(seed + s) for s in range(S)]
    steps = -(-len(windows) // batch_size)
    console = Console(stderr=True)
    for epoch in track(range(epochs), label, console=console, transient=True, disable=not console.is_terminal):
        order = torch.stack([torch.randperm(len(windows), generator=one) for one in orders])
        for step, which in enumerate(order.split(batch_size, dim=1)):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * schedule(epoch + step / steps)
            batch = windows.gather(which.flatten())
            series = (part.unflatten(0, which.shape) for part in batch[:3])
            optimiser.zero_grad()
            losses(weights, *series).sum().backward()
            optimiser.step()
    for s, model in enumerate(models):
        for key, parameter in model.named_parameters():
            parameter.data.copy_(weights[key][s].detach())
        model.eval()


def to_zero(epochs: int) -> Callable[[float], float]:
    """The learning rate falls to nothing in a straight line over so many epochs."""
    return lambda epoch: 1 - epoch / epochs
