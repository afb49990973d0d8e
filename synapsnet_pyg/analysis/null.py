"""Comparison of observed values with a null of shuffles."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class AgainstNull(NamedTuple):
    """Observed values relative to a null, in arrays of one shape; NaN where a value is not defined."""

    null_mean: np.ndarray
    """Mean over the shuffles."""
    null_deviation: np.ndarray
    """Population standard deviation over the shuffles."""
    z: np.ndarray
    """Observed minus null mean, in null deviations; NaN if all shuffles are equal."""
    p: np.ndarray
    """Two-sided p-value, from 1 / (1 + shuffles) to 1."""


def against_null(
    observed: np.ndarray, shuffled: Callable[[np.random.Generator], np.ndarray], *, permutations: int, seed: int
) -> AgainstNull:
    r"""Compares observed values with those of shuffles, two-sided.

    .. math::
        p = \frac{1 + \#\{s : |x_s - \bar x| \ge |x - \bar x|\}}{1 + S}

    with :math:`x` the observed value, :math:`x_s` that of shuffle s of S, and :math:`\bar x` the mean over shuffles.
    Numerator and denominator include the observation itself, so that p is never zero.

    Args:
        observed: Values of any shape.
        shuffled: Function that computes the values for one random shuffle. A NaN does not count as a shuffle of that
            value.
        permutations: Number of shuffles S, 1 or more.
        seed: Seed of the shuffles.

    Raises:
        ValueError: ``permutations`` is below 1.

    References:
        Phipson and Smyth (2010), Permutation p-values should never be zero.

    Example:
        >>> against_null(np.array(9.0), lambda random: random.standard_normal(), permutations=99, seed=0).p.item()
        0.01
    """
    if permutations < 1:
        raise ValueError(f"Expected at least 1 permutation (got {permutations}).")
    random = np.random.default_rng(seed)
    null = np.stack([shuffled(random) for _ in range(permutations)])
    defined = ~np.isnan(null)
    count = defined.sum(0)
    size = np.where(defined, np.abs(null), 0).max(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(defined, null, 0).sum(0) / count
        deviation = np.sqrt(np.where(defined, np.square(null - mean), 0).sum(0) / count)
        # Differences as small as rounding errors count as zero.
        rounding = 1e-12 * size
        deviation = np.where(deviation <= rounding, 0, deviation)
        z = np.where(deviation > 0, (observed - mean) / deviation, np.nan)
        far = (np.abs(null - mean) >= np.abs(observed - mean) - rounding).sum(0)
    p = np.where(np.isnan(observed) | (count == 0), np.nan, (1 + far) / (1 + count))
    return AgainstNull(mean, deviation, z, p)
