"""Quantile classes of numbers."""

from typing import NamedTuple

import numpy as np


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
