"""Least squares with a ridge on some coefficients and without others."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from synapsnet_pyg.regression.least_squares import Moments


class SelectiveRidge(NamedTuple):
    """Least squares with the best ridge on validation, on some coefficients."""

    coefficients: Tensor
    """Weights of the inputs [N, U]."""
    exponent: int
    """Twice the decadic logarithm of the ridge."""
    correlation: float
    """Correlation of forecast and target on validation, mean over targets."""


def selective_ridge(
    seen: Moments, held_out: Moments, *, allowed: Tensor, penalised: Tensor, exponents: Sequence[int]
) -> SelectiveRidge:
    r"""Solves least squares with a ridge on some coefficients and without others.

    .. math::
        \min_C \sum_t \big\| y(t) - C\, u(t) - c \big\|^2 + \lambda \sum_{ij \text{ penalised}} C_{ij}^2, \qquad
        C_{ij} = 0 \text{ where it is not allowed}

    with the :math:`\lambda` whose forecasts correlate best on validation. The search ends after three candidates
    without a better one.

    Args:
        seen: Moments of the training part.
        held_out: Moments of the validation part.
        allowed: Mask of the coefficients that exist [N, U].
        penalised: Mask of the coefficients with a ridge [N, U].
        exponents: Candidates for :math:`2 \log_{10} \lambda`, largest first.
    """

    def solutions() -> Iterator[SelectiveRidge]:
        """Yields the solution of each candidate, found from the solution before."""
        solution = torch.zeros_like(seen.yu)
        for exponent in exponents:
            solution = masked_ridge(seen, allowed, 10 ** (exponent / 2) * penalised, start=solution)
            yield SelectiveRidge(solution, exponent, float(held_out.correlation(solution).mean()))

    return best_choice(solutions())


class _Scored(Protocol):
    """Choice with a score."""

    @property
    def correlation(self) -> float:
        """Correlation of forecast and target on validation."""
        ...


ScoredT = TypeVar("ScoredT", bound=_Scored)


def best_choice(choices: Iterable[ScoredT]) -> ScoredT:
    """Returns the choice with the largest correlation; the search ends after three choices without a better one.

    Args:
        choices: Choices, computed when they are asked for; at least one.
    """
    remaining, worse = iter(choices), 0
    best = next(remaining)
    for choice in remaining:
        best, worse = (choice, 0) if choice.correlation > best.correlation else (best, worse + 1)
        if worse == 3:
            break
    return best


def masked_ridge(seen: Moments, allowed: Tensor, penalty: Tensor, *, start: Tensor) -> Tensor:
    """Solves least squares with a ridge for each coefficient, without coefficients that are not allowed.

    Each row is a system of equations of its own. Conjugate gradients solve all rows together. The preconditioner is
    the inverse for the median penalty of each input, so that a few steps are enough.

    Args:
        seen: Moments of the bins to fit.
        allowed: Mask of the coefficients that exist [N, U].
        penalty: Ridge of each coefficient [N, U], on the scale of sums over bins.
        start: Coefficients from which the steps begin [N, U].

    Returns:
        Coefficients [N, U].
    """
    covariance, cross = seen.covariance, seen.cross * allowed
    penalty = penalty.to(covariance) / seen.bins
    typical = penalty.median(0).values.clamp_min(1e-6)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + typical.diag()))
    solution = start
    residual = cross - (solution @ covariance) * allowed - penalty * solution
    size = cross.norm(dim=1).clamp_min(1e-6)  # a silent neuron has rounding errors only
    direction, before = torch.zeros_like(residual), torch.ones_like(size)
    for _ in range(100):
        if float((residual.norm(dim=1) / size).max()) < 1e-4:
            break
        better = (residual @ inverse) * allowed
        product = (residual * better).sum(1)
        direction = better + (product / before)[:, None] * direction
        image = (direction @ covariance) * allowed + penalty * direction
        length = (product / (direction * image).sum(1).clamp_min(1e-30))[:, None]
        solution, residual, before = solution + length * direction, residual - length * image, product.clamp_min(1e-30)
    return solution
