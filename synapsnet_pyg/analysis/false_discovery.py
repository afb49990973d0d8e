"""False discovery rate of many tests."""

import numpy as np
from numpy.typing import ArrayLike


def benjamini_hochberg(p: ArrayLike, tests: int | None = None) -> np.ndarray:
    r"""Computes the q-value of each test: the smallest false discovery rate at which it is significant.

    .. math::
        q_{(k)} = \min_{l \ge k} \, \min\!\left(1, \frac{m \, p_{(l)}}{l}\right)

    with :math:`p_{(1)} \le \ldots \le p_{(m)}` the p-values in order. Ties share their q-value. Valid for tests that
    are independent or positively dependent.

    Args:
        p: p-values from 0 to 1, of any shape; NaN does not count in :math:`m`.
        tests: Number of tests m, if these are the ones with the smallest p-values; None: these are all.

    Returns:
        q-values of the same shape, NaN where ``p`` is.

    Raises:
        ValueError: A p-value is outside 0..1.

    References:
        Benjamini and Hochberg (1995), Controlling the false discovery rate.

    Example:
        >>> benjamini_hochberg([0.01, np.nan, 0.04, 0.03]).tolist()
        [0.03, nan, 0.04, 0.04]
    """
    p = np.asarray(p, dtype=float)
    tested = ~np.isnan(p)
    values = p[tested]
    if ((values < 0) | (values > 1)).any():
        raise ValueError(f"Expected p-values from 0 to 1 (got {values.min():g} to {values.max():g}).")
    descending = np.argsort(-values, kind="stable")
    rank = np.arange(len(values), 0, -1)
    ordered = np.minimum.accumulate(np.minimum(values[descending] * (tests or len(values)) / rank, 1))
    q = np.full_like(p, np.nan)
    restored = np.empty_like(values)
    restored[descending] = ordered
    q[tested] = restored
    return q
