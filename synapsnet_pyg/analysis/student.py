"""p-values and intervals of sums over bins, whose tails are heavier than normal."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit


def two_sided_p(z: ArrayLike, excess: ArrayLike) -> np.ndarray:
    r"""Computes two-sided p-values of z under Student's t of variance 1 with the same excess kurtosis.

    .. math::
        p = 2\, F_f\Big(-|z| \sqrt{\tfrac{f}{f - 2}}\Big), \qquad f = 4 + 6 / \kappa

    with :math:`F_f` the distribution function of Student's t with f degrees of freedom and :math:`\kappa` the excess
    kurtosis. A sum over few coincidences of rare spikes has heavier tails than a normal distribution.

    Args:
        z: Values in standard errors, of any shape.
        excess: Excess kurtosis of each value, of the same shape; 0 for a normal distribution.

    Example:
        >>> two_sided_p([1.96, 1.96, 4.0, 4.0], [0.0, 3.0, 0.0, 3.0]).round(4).tolist()
        [0.05, 0.0533, 0.0001, 0.0027]
    """
    freedom = _freedom(excess)
    return np.asarray(2 * stdtr(freedom, -np.abs(np.asarray(z)) * np.sqrt(freedom / (freedom - 2))))


def half_width(error: ArrayLike, excess: ArrayLike, share: float = 0.95) -> np.ndarray:
    """Computes half the width of a confidence interval under the distribution of :func:`two_sided_p`.

    Args:
        error: Standard error of each value, of any shape.
        excess: Excess kurtosis of each value, of the same shape.
        share: Probability that the interval holds the true value.

    Example:
        >>> half_width([1.0, 2.0], [0.0, 0.0]).round(2).tolist()
        [1.96, 3.92]
    """
    freedom = _freedom(excess)
    quantile = stdtrit(freedom, 0.5 + share / 2) / np.sqrt(freedom / (freedom - 2))
    return np.asarray(np.asarray(error) * quantile)


def _freedom(excess: ArrayLike) -> np.ndarray:
    """Returns the degrees of freedom of Student's t distributions with an excess kurtosis."""
    return 4 + 6 / np.clip(np.asarray(excess, dtype=float), 1e-9, None)
