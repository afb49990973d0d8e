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
    """Two-sided p-value, from 1 / (1 + shuffles) to 1, or smaller where the tail was extrapolated."""


FEWEST_FOR_TAIL = 500
"""Fewest shuffles from which the tail of a null is extrapolated."""


def against_null(
    observed: np.ndarray,
    shuffled: Callable[[np.random.Generator], np.ndarray],
    *,
    permutations: int,
    seed: int,
    tail: bool = False,
) -> AgainstNull:
    r"""Compares observed values with those of shuffles, two-sided.

    .. math::
        p = \frac{1 + \#\{s : |x_s - \bar x| \ge |x - \bar x|\}}{1 + S}

    with :math:`x` the observed value, :math:`x_s` that of shuffle s of S, and :math:`\bar x` the mean over shuffles.
    Numerator and denominator include the observation itself, so that p is never zero.

    With many tests, p must be smaller than one in the number of shuffles. With ``tail``, the p-value of a value that
    fewer than 10 shuffles exceed is

    .. math::
        p = \frac{K}{S} \Big(1 + \xi \frac{d - u}{\sigma}\Big)^{-1/\xi}, \qquad d = |x - \bar x| > u

    with u the distance that K = S / 40 shuffles exceed, 50 or more. Excesses over u follow a generalised Pareto
    distribution, whose parameters follow from their mean and variance. Its shape :math:`\xi` is at least 0
    (exponential), so that tails as light as those of a normal distribution give p-values that are too large rather than
    too small.

    Args:
        observed: Values of any shape.
        shuffled: Function that computes the values for one random shuffle. A NaN does not count as a shuffle of that
            value.
        permutations: Number of shuffles S, 1 or more.
        seed: Seed of the shuffles.
        tail: Whether to extrapolate the tail; it needs :data:`FEWEST_FOR_TAIL` shuffles.

    Raises:
        ValueError: ``permutations`` is below 1.

    References:
        Phipson and Smyth (2010), Permutation p-values should never be zero; Knijnenburg, Wessels, Reinders and
        Shmulevich (2009), Fewer permutations, more accurate p-values.

    Example:
        >>> against_null(np.array(9.0), lambda random: random.standard_normal(), permutations=99, seed=0).p.item()
        0.01
        >>> null = against_null(
        ...     np.array(5.0), lambda random: random.standard_normal(), permutations=2000, seed=0, tail=True
        ... )
        >>> f"{null.p:.0e}"  # 6e-07 of a normal distribution
        '1e-05'
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
    p = (1 + far) / (1 + count)
    if tail and permutations >= FEWEST_FOR_TAIL:
        distance = np.where(defined, np.abs(null - mean), -1.0)
        p = np.where(far < 10, _tail_p(np.abs(observed - mean), distance, count, p), p)
    return AgainstNull(mean, deviation, z, np.where(np.isnan(observed) | (count == 0), np.nan, p))


def _tail_p(own: np.ndarray, distance: np.ndarray, count: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Returns p-values from the tail of the distances [S, ...] of shuffles; ``counted`` where it has no width."""
    ordered = np.sort(distance, axis=0)[::-1]
    tail = np.minimum(np.maximum(count // 40, 50), len(ordered) - 1)
    border = np.take_along_axis(ordered, tail[None], 0)[0]
    inside = np.arange(len(ordered)).reshape(-1, *[1] * own.ndim) < tail
    excess = np.where(inside, ordered - border, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, square = excess.sum(0) / tail, np.square(excess).sum(0) / tail
        shape = np.clip((1 - mean**2 / (square - mean**2)) / 2, 1e-6, 0.5)
        survival = (1 + shape * (own - border) / (mean * (1 - shape))) ** (-1 / shape)
        p: np.ndarray = np.where((mean > 0) & (own > border), tail / count * survival, counted)
    return p
