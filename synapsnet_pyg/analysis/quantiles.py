"""Quantile classes of numbers, and a deviation from quartiles."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Quantiles(NamedTuple):
    """Classes of numbers with about equal sizes, none of them empty."""

    code: np.ndarray
    """Class of each number, from 0: [M]."""
    smallest: np.ndarray
    """Smallest number of each class."""
    largest: np.ndarray
    """Largest number of each class."""


def quantiles(values: np.ndarray, bins: int) -> Quantiles:
    """Divides numbers into classes of about equal size; equal numbers share a class.

    Args:
        values: Finite numbers :math:`(M)`.
        bins: Number of classes; there are fewer if many numbers are equal.

    Raises:
        ValueError: ``bins`` is below 1 or there are no numbers.

    Example:
        >>> quantiles(np.array([5.0, 1.0, 2.0, 2.0, 9.0]), bins=2)
        Quantiles(code=array([1, 0, 0, 0, 1]), smallest=array([1., 5.]), largest=array([2., 9.]))
    """
    if bins < 1 or not len(values):
        raise ValueError(f"Expected at least 1 bin and 1 number (got {bins} and {len(values)}).")
    ordered = np.sort(values)
    largest = np.unique(np.quantile(ordered, np.arange(1, bins + 1) / bins, method="inverted_cdf"))
    first = np.searchsorted(ordered, largest[:-1], side="right")
    return Quantiles(np.searchsorted(largest, values), ordered[np.r_[0, first]], largest)


def quartile_deviation(values: ArrayLike) -> np.ndarray:
    r"""Computes the deviation of a normal distribution with the same quartiles, :math:`(q_{75} - q_{25}) / 1.349`.

    Values far from the middle, such as those of edges, hardly change it.

    Args:
        values: Values, the last axis of which is summarised.

    Example:
        >>> float(quartile_deviation([-1.349, 0.0, 1.349, 2.698, 99.0]))  # quartiles 0 and 2.698
        2.0
    """
    # torch.quantile refuses more than 16 million values.
    low, high = np.quantile(np.asarray(values), [0.25, 0.75], axis=-1)
    return np.asarray((high - low) / 1.349)
