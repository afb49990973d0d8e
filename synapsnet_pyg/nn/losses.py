"""Errors of a forecast that training minimises."""

from collections.abc import Callable

import torch
from torch import Tensor


def squared_error(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    r"""Returns the mean squared error of standardised activity, the paper's loss (section 2.2, "Training").

    Args:
        forecast: Forecast :math:`(B, N, P)`, standardised.
        target: Target :math:`(B, N, P)`, standardised.
        mean: Mean of each neuron's activity :math:`(N)`; unused.
        scale: Standard deviation of each neuron's activity :math:`(N)`; unused.
    """
    return torch.nn.functional.mse_loss(forecast, target)


def poisson(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor, *, sharpness: float = 20.0) -> Tensor:
    r"""Returns the negative log likelihood of counts :math:`x = \mu + \sigma a`, scaled like the squared error.

    .. math::
        r = \tfrac{1}{\beta} \log(1 + e^{\beta (\mu + \sigma \hat a)}), \qquad
        \mathcal{L} = \Big\langle \tfrac{2 \mu}{\sigma^2} (r - x \log r) \Big\rangle

    The rate r is the forecast count, kept above zero by a softplus of sharpness :math:`\beta`. For counts near their
    mean the loss then has the curvature of the squared error.

    Args:
        forecast: Forecast :math:`(B, N, P)`, standardised.
        target: Target :math:`(B, N, P)`, standardised.
        mean: Mean of each neuron's counts :math:`(N)`.
        scale: Standard deviation of each neuron's counts :math:`(N)`.
        sharpness: Sharpness :math:`\beta` of the softplus.
    """
    mean, scale = mean[:, None], scale[:, None]
    rate = torch.nn.functional.softplus(sharpness * (mean + scale * forecast)) / sharpness + 1e-4
    counts = mean + scale * target
    return (2 * mean / scale.square() * (rate - counts * rate.log())).mean()


LOSSES: dict[str, Callable[..., Tensor]] = {"squared_error": squared_error, "poisson": poisson}
"""Name -> loss ``(forecast, target, mean, scale)``."""
