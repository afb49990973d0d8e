"""Who drives whom in any forecaster: its mean Jacobian."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.nn.dynamics import Dynamics


def mean_jacobian(
    model: torch.nn.Module, session: Session, window: int, max_windows: int = 128, batch_size: int = 64, rows: int = 8
) -> Tensor:
    r"""Mean effect of one more unit of each neuron's newest activity on every neuron's forecast.

    .. math::
        C_{ij} = \Big\langle \frac{\partial \hat a_i(t + 1)}{\partial a_j(t)} \Big\rangle_t

    The mean of the Jacobians of a batch of windows is the Jacobian of their mean forecast with respect to one change
    that all of them suffer, so that a batch costs N backward passes whatever its size, ``rows`` of them at once.

    Args:
        model: Any forecaster; it is put in evaluation mode for the time being.
        session: The training part, standardised as in training.
        window: W of the model.
        max_windows: From longer recordings this many windows are taken, evenly spread.
        batch_size: Windows at a time; does not change the result.
        rows: Receivers at a time; bounds the memory, as ``batch_size`` does.

    Returns:
        :math:`(N, N)`, ``[i, j]`` the effect of j on i. The diagonal is each neuron's effect on itself.

    Raises:
        ValueError: No segment is longer than the window.
    """
    windows = windows_of(session, window)
    if not windows:
        raise ValueError(f"Expected a segment of more than {window} bins in session '{session.name}'.")
    which = torch.arange(0, len(windows[0]), -(-len(windows[0]) // max_windows))
    total = session.activity.new_zeros(session.num_neurons, session.num_neurons)
    for batch in which.split(batch_size):
        cut_out = windows[0].gather(batch)
        total += _summed_jacobian(model, cut_out, torch.zeros_like(cut_out.activity[0, :, -1]), rows)
    return total / len(which)


def jacobians(model: torch.nn.Module, window: Window, rows: int = 8) -> Tensor:
    r"""Effect of one more unit of each neuron's newest activity on every neuron's forecast, in each window.

    Windows do not touch each other, so that the Jacobian of the summed forecasts with respect to a change of each
    window holds them all: N backward passes for the whole batch.

    Args:
        model: Any forecaster; it is put in evaluation mode for the time being.
        window: B windows.
        rows: Receivers at a time; bounds the memory.

    Returns:
        :math:`(B, N, N)`, ``[b, i, j]`` the effect of j on i.
    """
    return _summed_jacobian(model, window, torch.zeros_like(window.activity[..., -1]), rows).transpose(0, 1)


def _summed_jacobian(model: torch.nn.Module, window: Window, change: Tensor, rows: int) -> Tensor:
    """Jacobian of the forecasts' sum over windows [N] with respect to a change, [N] of all or [B, N] of each."""
    before, newest = window.activity[..., :-1], window.activity[..., -1:]

    def summed_forecast(change: Tensor) -> Tensor:
        activity = torch.cat([before, newest + change[..., None]], dim=-1)
        forecast: Tensor = model(window._replace(activity=activity)).activity
        return forecast[..., -1].sum(0)

    with _differentiable(model):
        jacobian: Tensor = torch.func.jacrev(summed_forecast, chunk_size=rows)(change)
    return jacobian.detach()


@contextmanager
def _differentiable(model: torch.nn.Module) -> Iterator[None]:
    """In evaluation mode, and without the fast GRU, whose derivative cannot be taken for many outputs at once."""
    was_training = model.training
    dynamics = [module for module in model.modules() if isinstance(module, Dynamics)]
    model.eval()
    for one in dynamics:
        one.fast = False
    try:
        yield
    finally:
        for one in dynamics:
            one.fast = True
        model.train(was_training)
