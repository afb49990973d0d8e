"""Least squares from sums over bins, which are gathered once: what all linear solutions stand on."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session


class Moments(NamedTuple):
    """Means over bins of inputs u, targets y and their products, in float64."""

    bins: int
    u: Tensor
    y: Tensor
    uu: Tensor
    yu: Tensor
    yy: Tensor

    @property
    def covariance(self) -> Tensor:
        """Of the inputs, with each other."""
        return self.uu - torch.outer(self.u, self.u)

    @property
    def cross(self) -> Tensor:
        """Covariance of the targets with the inputs."""
        return self.yu - torch.outer(self.y, self.u)

    def solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Coefficients and intercept of the ridge regression."""
        covariance, cross = self.covariance, self.cross
        penalised = covariance + torch.eye(len(self.u), dtype=covariance.dtype, device=covariance.device) * (
            ridge / self.bins
        )
        factor, failed = torch.linalg.cholesky_ex(penalised)
        if int(failed):  # without a ridge the inputs can be dependent: least squares of least norm
            coefficients = cross @ torch.linalg.pinv(penalised, hermitian=True)
        else:
            coefficients = torch.cholesky_solve(cross.t(), factor).t()
        return coefficients, self.y - coefficients @ self.u

    def standard_error(self, coefficients: Tensor, ridge: float) -> Tensor:
        """Of each coefficient of a ridge regression, as if the errors of different bins were independent."""
        covariance = self.covariance
        identity = torch.eye(len(self.u), dtype=covariance.dtype, device=covariance.device)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + (ridge / self.bins + 1e-9) * identity))
        spread = (inverse @ covariance * inverse).sum(1) / self.bins
        fitted = (coefficients @ covariance * coefficients).sum(1)
        left = self.yy - self.y.square() - 2 * (coefficients * self.cross).sum(1) + fitted
        return torch.outer(left.clamp_min(1e-12), spread.clamp_min(1e-12)).sqrt()

    def correlation(self, coefficients: Tensor) -> Tensor:
        """Pearson correlation of each target with its forecast on these bins [N]; zero where one is constant."""
        together = (coefficients * self.cross).sum(1)
        forecast = (coefficients @ self.covariance * coefficients).sum(1)
        product = forecast * (self.yy - self.y.square())
        return torch.where(product > 1e-20, together / product.clamp_min(1e-20).sqrt(), 0.0)

    def squared_error(self, coefficients: Tensor, intercept: Tensor) -> float:
        """Mean squared error of a solution on these bins, from the moments alone."""
        error = (
            self.yy.sum()
            - 2 * (coefficients * self.yu).sum()
            - 2 * intercept @ self.y
            + (coefficients @ self.uu * coefficients).sum()
            + 2 * intercept @ (coefficients @ self.u)
            + intercept @ intercept
        )
        return float(error)


def moments(session: Session, lags: int = 1, kernel: Tensor | None = None, chunk: int = 4096) -> Moments:
    """Gathers the moments a stretch at a time; no pair of input and target crosses a segment's border.

    Args:
        session: One part of the split.
        lags: How many bins before the target are inputs, each of its own.
        kernel: Instead: weights of the last bins, newest last, whose sum is the one input of each neuron. At the
            beginning of a segment, where fewer bins are there, theirs are scaled up to the same sum.
        chunk: Bins at a time; does not change the result.

    Raises:
        ValueError: Every segment is too short.
    """
    N, K = session.num_neurons, session.num_behaviours
    zeros, past = session.activity.new_zeros, lags if kernel is None else 1
    M = N * (lags if kernel is None else 1) + K
    u, uu = zeros(M, dtype=torch.float64), zeros(M, M, dtype=torch.float64)
    y, yy = zeros(N, dtype=torch.float64), zeros(N, dtype=torch.float64)
    yu = zeros(N, M, dtype=torch.float64)
    count = 0
    for begin, end in session.segment.tolist():
        for start in range(begin + past, end, chunk):
            stop = min(start + chunk, end)
            if kernel is None:
                seen = [session.activity[:, start - lag : stop - lag] for lag in range(1, lags + 1)]
            else:
                seen = [
                    _filtered(session.activity[:, max(begin, start - len(kernel)) : stop - 1], kernel, stop - start)
                ]
            U = torch.cat([*seen, session.behaviour[start - 1 : stop - 1].t()]).double()
            Y = session.activity[:, start:stop].double()
            count += stop - start
            u += U.sum(1)
            y += Y.sum(1)
            uu.addmm_(U, U.t())
            yu.addmm_(Y, U.t())
            yy += Y.square().sum(1)
    if count == 0:
        raise ValueError(f"Expected a segment of more than {past} bins in session '{session.name}' (all are shorter).")
    return Moments(count, u / count, y / count, uu / count, yu / count, yy / count)


def _filtered(activity: Tensor, kernel: Tensor, bins: int) -> Tensor:
    """The kernel's sum before each of the last ``bins`` bins [N, bins] of activity that may begin too late for it."""
    missing = len(kernel) - 1 + bins - activity.shape[1]
    there = torch.nn.functional.pad(torch.ones_like(activity[0]), (missing, 0)).unfold(0, len(kernel), 1) @ kernel
    summed = torch.nn.functional.pad(activity, (missing, 0)).unfold(1, len(kernel), 1) @ kernel
    return summed * (kernel.sum() / there)


class Chosen(NamedTuple):
    """The best of several solutions on bins held out."""

    coefficients: Tensor
    """[N, U]."""
    exponent: int
    """Of the ridge: 10 to half of it."""
    correlation: float
    """On the bins held out, mean over neurons."""


def selective_ridge(
    seen: Moments, held_out: Moments, allowed: Tensor, penalised: Tensor, exponents: Sequence[int] = range(12, 1, -1)
) -> Chosen:
    r"""Least squares with a ridge on some coefficients and others left out.

    .. math::
        \min_C \sum_t \big\| y(t) - C\, u(t) - c \big\|^2 + \lambda \sum_{ij \text{ penalised}} C_{ij}^2, \qquad
        C_{ij} = 0 \text{ where it is not allowed}

    with the :math:`\lambda`, among half decades from 10 to 1e6, whose forecasts correlate best on the bins held out.

    Args:
        seen: Of the bins to fit.
        held_out: Of other bins.
        allowed: Which coefficients there are, [N, U].
        penalised: Which of them have a ridge, [N, U].
        exponents: Candidates, largest first: :math:`\lambda` is 10 to half of it.
    """
    best, worse, solution = Chosen(torch.zeros_like(seen.yu), 0, -torch.inf), 0, torch.zeros_like(seen.yu)
    for exponent in exponents:  # each from the one before
        solution = _masked_ridge(seen, allowed, 10 ** (exponent / 2) * penalised, solution)
        correlation = float(held_out.correlation(solution).mean())
        worse += 1
        if correlation > best.correlation:
            best, worse = Chosen(solution, exponent, correlation), 0
        if worse == 3:
            break
    return best


def _masked_ridge(seen: Moments, allowed: Tensor, penalty: Tensor, start: Tensor) -> Tensor:
    """The same for one penalty of each coefficient [N, U], in units of a sum over bins.

    Each row is a system of its own, so that no factor can be shared; conjugate gradients solve all rows together. Their
    preconditioner is the one inverse that would solve them if all were alike, which leaves a few steps to do.
    """
    covariance, cross = seen.covariance, seen.cross * allowed
    penalty = penalty.to(covariance) / seen.bins
    typical = penalty.median(0).values.clamp_min(1e-6)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + typical.diag()))
    solution = start
    left = cross - (solution @ covariance) * allowed - penalty * solution
    size = cross.norm(dim=1).clamp_min(1e-6)  # of a silent neuron only rounding is left
    direction, before = torch.zeros_like(left), torch.ones_like(size)
    for _ in range(100):
        if float((left.norm(dim=1) / size).max()) < 1e-4:
            break
        better = (left @ inverse) * allowed
        product = (left * better).sum(1)
        direction = better + (product / before)[:, None] * direction
        image = (direction @ covariance) * allowed + penalty * direction
        length = (product / (direction * image).sum(1).clamp_min(1e-30))[:, None]
        solution, left, before = solution + length * direction, left - length * image, product.clamp_min(1e-30)
    return solution
