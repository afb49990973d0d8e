"""What training makes small: the error of a forecast."""

from collections.abc import Callable

import torch
from torch import Tensor


def squared_error(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    r"""Mean squared error of standardised activity, the paper's (section 2.2, "Training").

    Args:
        forecast: :math:`(B, N, P)`, standardised.
        target: The same shape.
        mean: Of each neuron's activity :math:`(N)`; unused.
        scale: Its deviation :math:`(N)`; unused.
    """
    return torch.nn.functional.mse_loss(forecast, target)


def poisson(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor, sharpness: float = 20.0) -> Tensor:
    r"""Negative log likelihood of counts :math:`x = \mu + \sigma a`, weighted to the size of the squared error.

    .. math::
        r = \tfrac{1}{\beta} \log(1 + e^{\beta (\mu + \sigma \hat a)}), \qquad
        \mathcal{L} = \Big\langle \tfrac{2 \mu}{\sigma^2} (r - x \log r) \Big\rangle

    The rate r is the forecast count, kept above zero by a softplus of sharpness :math:`\beta`; for counts near their
    mean the loss then curves as the squared error does.

    Args:
        forecast: :math:`(B, N, P)`, standardised.
        target: The same shape.
        mean: Of each neuron's counts :math:`(N)`.
        scale: Their deviation :math:`(N)`.
        sharpness: :math:`\beta`.
    """
    mean, scale = mean[:, None], scale[:, None]
    rate = torch.nn.functional.softplus(sharpness * (mean + scale * forecast)) / sharpness + 1e-4
    counts = mean + scale * target
    return (2 * mean / scale.square() * (rate - counts * rate.log())).mean()


LOSSES: dict[str, Callable[..., Tensor]] = {"squared_error": squared_error, "poisson": poisson}
