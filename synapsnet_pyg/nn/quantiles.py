"""Quantiles of distributions that a likelihood gives."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

_LARGEST = 4096
"""Largest count that a quantile of a discrete distribution can be."""


def distribution_quantiles(distribution: Distribution, probabilities: Sequence[float]) -> Tensor:
    r"""Returns the quantiles of distributions, such as those of each neuron and bin.

    .. math::
        q_\tau = \min \{ x : P(X \le x) \ge \tau \}

    Distributions with an inverse, such as the normal one, give it. For counts (Poisson, negative binomial)
    probabilities are summed up from 0 on.

    Args:
        distribution: Distributions of batch shape (...).
        probabilities: Q probabilities between 0 and 1.

    Returns:
        Quantiles [..., Q].

    Raises:
        ValueError: A probability is not between 0 and 1, or the distribution is real-valued and has no inverse.

    Example:
        >>> distribution_quantiles(torch.distributions.Poisson(torch.tensor([0.1, 3.0])), [0.5, 0.95])
        tensor([[0., 1.],
                [3., 6.]])
    """
    if not probabilities or not all(0 < p < 1 for p in probabilities):
        raise ValueError(f"Expected probabilities between 0 and 1 (got {tuple(probabilities)}).")
    support = distribution.support
    if support is not None and support.is_discrete:
        return _count_quantiles(distribution, torch.tensor(probabilities, dtype=torch.float64))
    try:
        return torch.stack([distribution.icdf(torch.tensor(p)) for p in probabilities], dim=-1)
    except NotImplementedError:
        raise ValueError(
            f"Expected counts or a distribution with an inverse, such as Normal (got {type(distribution).__name__})."
        ) from None


def _count_quantiles(distribution: Distribution, probability: Tensor) -> Tensor:
    """Returns quantiles of counts [..., Q]: the number of counts whose cumulative probability is too small."""
    cumulative = torch.zeros(distribution.batch_shape, dtype=torch.float64)
    quantile = torch.zeros(*distribution.batch_shape, len(probability))
    for k in range(_LARGEST):
        mass: Tensor = distribution.log_prob(torch.tensor(float(k))).double().exp()
        cumulative = cumulative.to(mass) + mass
        beyond = cumulative[..., None] < probability.to(mass)
        quantile = quantile.to(mass.device) + beyond
        if not bool(beyond.any()):
            break
    return quantile
