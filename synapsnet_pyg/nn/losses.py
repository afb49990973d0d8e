"""Errors of a forecast that training minimises, and the distributions that they belong to."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution, NegativeBinomial, Normal, Poisson

SHARPNESS = 20.0
"""Sharpness of the softplus that keeps rates of counts above zero."""


def squared_error(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Tensor:
    r"""Returns the mean squared error of standardised activity, the paper's loss (section 2.2, "Training").

    Args:
        forecast: Forecast :math:`(B, N, P, H)`, standardised.
        target: Target :math:`(B, N, P, H)`, standardised.
        mean: Mean of each neuron's activity :math:`(N, 1, 1)`; unused.
        scale: Standard deviation of each neuron's activity :math:`(N, 1, 1)`; unused.
        dispersion: Learned number of each neuron and horizon :math:`(N, 1, H)`; unused.
    """
    return torch.nn.functional.mse_loss(forecast, target)


def gaussian(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Tensor:
    r"""Returns the negative log likelihood of a normal distribution with a learned deviation, without constants.

    .. math::
        \mathcal{L} = \Big\langle \frac{(a - \hat a)^2}{e^{2 \delta}} + 2 \delta \Big\rangle

    Neurons that are hard to forecast then weigh less. At :math:`\delta = 0` it is the squared error.

    Args:
        forecast: Forecast :math:`(B, N, P, H)`, standardised.
        target: Target :math:`(B, N, P, H)`, standardised.
        mean: Mean of each neuron's activity :math:`(N, 1, 1)`; unused.
        scale: Standard deviation of each neuron's activity :math:`(N, 1, 1)`; unused.
        dispersion: Logarithm :math:`\delta` of the deviation of each neuron and horizon :math:`(N, 1, H)`.
    """
    return ((target - forecast).square() * torch.exp(-2 * dispersion) + 2 * dispersion).mean()


def poisson(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Tensor:
    r"""Returns the negative log likelihood of counts :math:`x = \mu + \sigma a`, scaled like the squared error.

    .. math::
        r = \tfrac{1}{\beta} \log(1 + e^{\beta (\mu + \sigma \hat a)}), \qquad
        \mathcal{L} = \Big\langle \tfrac{2 \mu}{\sigma^2} (r - x \log r) \Big\rangle

    The rate r is the forecast count, kept above zero by a softplus of sharpness :math:`\beta = 20`. For counts near
    their mean the loss then has the curvature of the squared error.

    Args:
        forecast: Forecast :math:`(B, N, P, H)`, standardised.
        target: Target :math:`(B, N, P, H)`, standardised.
        mean: Mean of each neuron's counts :math:`(N, 1, 1)`.
        scale: Standard deviation of each neuron's counts :math:`(N, 1, 1)`.
        dispersion: Learned number of each neuron and horizon :math:`(N, 1, H)`; unused.
    """
    rate, counts = _rate(forecast, mean, scale), mean + scale * target
    return (2 * mean / scale.square() * (rate - counts * rate.log())).mean()


def negative_binomial(forecast: Tensor, target: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Tensor:
    r"""Returns the negative log likelihood of overdispersed counts, scaled as :func:`poisson`.

    .. math::
        \mathcal{L} = -\Big\langle \tfrac{2 \mu}{\sigma^2} \log \mathrm{NB}(x; r, k) \Big\rangle, \qquad
        \mathrm{Var}(x) = r + r^2 / k, \quad k = e^{-\delta}

    with the rate r of :func:`poisson`. For :math:`\delta \to -\infty` it is the Poisson distribution.

    Args:
        forecast: Forecast :math:`(B, N, P, H)`, standardised.
        target: Target :math:`(B, N, P, H)`, standardised.
        mean: Mean of each neuron's counts :math:`(N, 1, 1)`.
        scale: Standard deviation of each neuron's counts :math:`(N, 1, 1)`.
        dispersion: Logarithm :math:`\delta` of the overdispersion of each neuron and horizon :math:`(N, 1, H)`.
    """
    rate, counts = _rate(forecast, mean, scale), (mean + scale * target).clamp_min(0)
    k = torch.exp(-dispersion)
    log = torch.lgamma(counts + k) - torch.lgamma(k) - torch.lgamma(counts + 1)
    log = log + k * (k / (k + rate)).log() + counts * (rate / (k + rate)).log()
    return (-2 * mean / scale.square() * log).mean()


def _rate(forecast: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Returns the forecast count, kept above zero."""
    return torch.nn.functional.softplus(SHARPNESS * (mean + scale * forecast)) / SHARPNESS + 1e-4


def _normal(forecast: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Distribution:
    """Returns the distribution of :func:`gaussian` in the units of the recording."""
    return Normal(mean + scale * forecast, (scale * dispersion.exp()).expand_as(forecast))


def _poisson(forecast: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Distribution:
    """Returns the distribution of :func:`poisson`."""
    return Poisson(_rate(forecast, mean, scale))


def _negative_binomial(forecast: Tensor, mean: Tensor, scale: Tensor, dispersion: Tensor) -> Distribution:
    """Returns the distribution of :func:`negative_binomial`."""
    k = torch.exp(-dispersion).expand_as(forecast)
    return NegativeBinomial(k, logits=_rate(forecast, mean, scale).log() - k.log())


LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": squared_error,
    "gaussian": gaussian,
    "poisson": poisson,
    "negative_binomial": negative_binomial,
}
"""Name -> loss ``(forecast, target, mean, scale, dispersion)``."""

DISTRIBUTIONS: dict[Callable[..., Tensor], Callable[[Tensor, Tensor, Tensor, Tensor], Distribution]] = {
    gaussian: _normal,
    poisson: _poisson,
    negative_binomial: _negative_binomial,
}
"""Loss that is a likelihood -> its distribution ``(forecast, mean, scale, dispersion)`` in units of the recording."""
