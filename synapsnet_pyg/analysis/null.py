"""Observed values compared with those of shuffles."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class AgainstNull(NamedTuple):
    """Position of observed values among those of a null, all of one shape; NaN where it is not defined."""

    null_mean: np.ndarray
    """Mean over the shuffles."""
    null_deviation: np.ndarray
    """Population deviation over the shuffles."""
    z: np.ndarray
    """Observed minus null mean, in null deviations; NaN where all shuffles are alike."""
    p: np.ndarray
    """Two-sided, from 1 / (1 + shuffles) to 1."""


def against_null(
    observed: np.ndarray, shuffled: Callable[[np.random.Generator], np.ndarray], *, permutations: int, seed: int
) -> AgainstNull:
    r"""Compares values with those of shuffles, two-sided.

    .. math::
        p = \frac{1 + \#\{s : |x_s - \bar x| \ge |x - \bar x|\}}{1 + S}

    with :math:`x` the observed value, :math:`x_s` that of shuffle s of S, and :math:`\bar x` their mean. The ones count
    the observation among the shuffles, so that p is never zero.

    Args:
        observed: Values of any shape.
        shuffled: Function that draws the same values from one shuffle. A shuffle in which a value is not defined (NaN)
            does not count for that value.
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
        # Sums in another order differ by rounding, which is no variation and breaks no tie.
        rounding = 1e-12 * size
        deviation = np.where(deviation <= rounding, 0, deviation)
        z = np.where(deviation > 0, (observed - mean) / deviation, np.nan)
        far = (np.abs(null - mean) >= np.abs(observed - mean) - rounding).sum(0)
    p = np.where(np.isnan(observed) | (count == 0), np.nan, (1 + far) / (1 + count))
    return AgainstNull(mean, deviation, z, p)
