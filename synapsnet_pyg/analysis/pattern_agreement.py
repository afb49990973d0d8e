"""Agreement of the pattern of two matrices of the same neurons, with an interval over neurons."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class PatternAgreement(NamedTuple):
    """Correlation of two matrices over their pairs of two neurons."""

    correlation: float
    """Pearson correlation over pairs; NaN if a matrix is constant."""
    low: float
    """Lower end of the 95 % interval over neurons."""
    high: float
    """Upper end of the 95 % interval over neurons."""


def pattern_agreement(
    first: Tensor, second: Tensor, *, known: Tensor | None = None, resamples: int = 1000, seed: int = 0
) -> PatternAgreement:
    """Correlates two matrices over their pairs, with a bootstrap interval over neurons.

    A bootstrap sample draws neurons, not pairs, because the pairs of a neuron are not independent. A pair counts as
    often as both of its neurons are drawn.

    Args:
        first: Matrix :math:`(N, N)`, such as the connectivity of one animal.
        second: Matrix :math:`(N, N)` of the same neurons.
        known: Pairs that count, booleans :math:`(N, N)`; None: all. The diagonal never counts.
        resamples: Number of bootstrap samples.
        seed: Seed of the samples.

    Raises:
        ValueError: The matrices have different shapes.

    Example:
        >>> first = torch.randn(30, 30)
        >>> result = pattern_agreement(first, first + torch.randn(30, 30))
        >>> round(result.correlation, 1), result.low < 0.7 < result.high
        (0.7, True)
    """
    if first.shape != second.shape or first.dim() != 2 or len(first) != first.shape[1]:
        raise ValueError(f"Expected two matrices [N, N] (got {list(first.shape)} and {list(second.shape)}).")
    N = len(first)
    counted = torch.ones(N, N, dtype=torch.bool) if known is None else known.clone()
    mask = counted.fill_diagonal_(False).double()
    a, b = (torch.where(mask > 0, matrix.double(), 0.0) for matrix in (first, second))
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(N, (resamples, N), generator=random)
    times = torch.zeros(resamples, N, dtype=torch.float64).scatter_add_(1, drawn, torch.ones_like(drawn).double())
    sums = [_sums(torch.ones(1, N, dtype=torch.float64), m) for m in (mask, a, b, a * a, b * b, a * b)]
    sampled = [_sums(times, m) for m in (mask, a, b, a * a, b * b, a * b)]
    correlations = _pearson(sampled).numpy()
    correlations = correlations[np.isfinite(correlations)]
    low, high = np.quantile(correlations, [0.025, 0.975]) if len(correlations) else (np.nan, np.nan)
    return PatternAgreement(float(_pearson(sums)), float(low), float(high))


def _sums(times: Tensor, matrix: Tensor) -> Tensor:
    """Returns the sum of a matrix over pairs, each counted as often as its neurons [S, N]: [S]."""
    return ((times @ matrix) * times).sum(1)


def _pearson(sums: list[Tensor]) -> Tensor:
    """Returns correlations from sums of 1, a, b, a squared, b squared and a times b: [S] each."""
    count, a, b, aa, bb, ab = sums
    product = (aa * count - a * a).clamp_min(0) * (bb * count - b * b).clamp_min(0)
    return torch.where(product > 1e-24, (ab * count - a * b) / product.clamp_min(1e-30).sqrt(), torch.nan)
