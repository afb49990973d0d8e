"""Connectivity of any forecaster: its mean Jacobian."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, every_window, spread
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.evaluating import evaluating
from synapsnet_pyg.nn.functional_connectivity import FunctionalConnectivity


def mean_jacobian(
    model: torch.nn.Module,
    session: Session,
    window: int,
    *,
    max_windows: int = 128,
    batch_size: int = 64,
    rows: int = 8,
) -> Tensor:
    r"""Computes the mean derivative of every neuron's forecast by every neuron's newest activity.

    .. math::
        C_{ij} = \Big\langle \frac{\partial \hat a_i(t + 1)}{\partial a_j(t)} \Big\rangle_t

    The mean Jacobian of a batch of windows is the Jacobian of their mean forecast with respect to one change that is
    added to all of them. A batch of any size therefore costs N backward passes, ``rows`` of them at once.

    Args:
        model: Forecaster of any kind; it is in evaluation mode during the call.
        session: Training part, standardised as in training.
        window: Number of past bins W of the model.
        max_windows: Largest number of windows; more are thinned out evenly.
        batch_size: Number of windows at a time; does not change the result.
        rows: Number of receivers at a time; bounds the memory.

    Returns:
        Connectivity :math:`(N, N)`, ``[i, j]`` the effect of j on i. The diagonal is each neuron's effect on itself.

    Raises:
        ValueError: No segment is longer than the window.
    """
    total, count = session.activity.new_zeros(session.num_neurons, session.num_neurons), 0
    for batch in spread(every_window(session, window), max_windows, batch_size):
        total += _summed_jacobian(model, batch, torch.zeros_like(batch.activity[0, :, -1]), rows)
        count += len(batch.activity)
    return total / count


def jacobians(model: torch.nn.Module, window: Window, *, rows: int = 8) -> Tensor:
    r"""Computes the derivative of every neuron's forecast by every neuron's newest activity in each window.

    Windows do not depend on each other. The Jacobian of the summed forecasts with respect to a change of each window
    therefore holds the Jacobians of all windows, at N backward passes for the whole batch.

    Args:
        model: Forecaster of any kind; it is in evaluation mode during the call.
        window: Batch of B windows.
        rows: Number of receivers at a time; bounds the memory.

    Returns:
        Jacobians :math:`(B, N, N)`, ``[b, i, j]`` the effect of j on i in window b.
    """
    return _summed_jacobian(model, window, torch.zeros_like(window.activity[..., -1]), rows).transpose(0, 1)


def _summed_jacobian(model: torch.nn.Module, window: Window, change: Tensor, rows: int) -> Tensor:
    """Computes the Jacobian of the sum of the forecasts over windows [N] with respect to a change [N] or [B, N]."""
    before, newest = window.activity[..., :-1], window.activity[..., -1:]

    def summed_forecast(change: Tensor) -> Tensor:
        """Returns the sum over windows [N] of the forecasts after adding a change to the newest bin."""
        activity = torch.cat([before, newest + change[..., None]], dim=-1)
        forecast: Tensor = model(window._replace(activity=activity)).activity
        return forecast[..., -1].sum(0)

    with evaluating(model), _plain_modules(model):
        jacobian: Tensor = torch.func.jacrev(summed_forecast, chunk_size=rows)(change)
    return jacobian.detach()


@contextmanager
def _plain_modules(model: torch.nn.Module) -> Iterator[None]:
    """Switches off fast GRU and fast current, whose derivatives cannot be taken for many outputs at once."""
    fast = [
        module for module in model.modules() if isinstance(module, Dynamics | FunctionalConnectivity) and module.fast
    ]
    for module in fast:
        module.fast = False
    try:
        yield
    finally:
        for module in fast:
            module.fast = True
