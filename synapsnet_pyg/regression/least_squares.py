"""Least squares from sums over bins, the solver of all linear estimators and models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.regression.bin_pairs import joined, pairs_of_bins
from synapsnet_pyg.regression.ridge_factor import RidgeFactor

RIDGES = tuple(10.0**k for k in range(7))
"""Candidates for a ridge, on the scale of sums over bins: decades from 1 to 1e6."""

_ROWS = 256
"""Rows of a matrix that are computed at a time."""


@dataclass(frozen=True)
class Moments:
    """Means over bins of inputs u, targets y and their products, in float64."""

    bins: int
    """Number of bins T."""
    u: Tensor
    """Mean of the inputs [U]."""
    y: Tensor
    """Mean of the targets [N]."""
    uu: Tensor
    """Mean products of inputs [U, U]."""
    yu: Tensor
    """Mean products of targets and inputs [N, U]."""
    yy: Tensor
    """Mean squares of the targets [N]."""

    @property
    def covariance(self) -> Tensor:
        """Covariance of the inputs with each other [U, U]."""
        return self._centred(self.uu.clone())

    @property
    def cross(self) -> Tensor:
        """Covariance of the targets with the inputs [N, U]."""
        return self.yu - torch.outer(self.y, self.u)

    def intercept(self, coefficients: Tensor) -> Tensor:
        """Returns the intercept [N] for which the errors of given coefficients have mean zero."""
        return self.y - coefficients @ self.u

    def solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Returns coefficients [N, U] and intercept [N] of the ridge regression."""
        factor = self._penalised(ridge)
        failed = torch.empty((), dtype=torch.int32, device=factor.device)
        torch.linalg.cholesky_ex(factor, out=(factor, failed))
        if int(failed):  # dependent inputs without a ridge: the solution of least norm
            coefficients = self.cross @ torch.linalg.pinv(self._penalised(ridge), hermitian=True)
        else:
            # Not by torch.cholesky_solve, which copies the factor.
            half = torch.linalg.solve_triangular(factor, self.cross.t(), upper=False)
            coefficients = torch.linalg.solve_triangular(factor.t(), half, upper=True).t()
        return coefficients, self.intercept(coefficients)

    def centred_in_place(self) -> tuple[Tensor, Tensor]:
        """Returns :attr:`covariance` and :attr:`cross` in the memory of the mean products, which are lost."""
        for rows in torch.arange(len(self.y), device=self.y.device).split(_ROWS):
            self.yu[rows] -= torch.outer(self.y[rows], self.u)
        return self._centred(self.uu), self.yu

    def _centred(self, products: Tensor) -> Tensor:
        """Subtracts the products of the means from mean products of inputs [U, U], in place."""
        for rows in torch.arange(len(self.u), device=self.u.device).split(_ROWS):  # no second matrix of this size
            products[rows] -= torch.outer(self.u[rows], self.u)
        return products

    def _penalised(self, ridge: float) -> Tensor:
        """Returns the covariance of the inputs with a ridge [U, U], column after column to be decomposed in place."""
        result = self._centred(torch.empty_like(self.uu).t().copy_(self.uu))
        result.diagonal().add_(ridge / self.bins)
        return result

    def standard_error(self, coefficients: Tensor, ridge: float) -> Tensor:
        """Returns the standard error of each coefficient [N, U], assuming independent errors of the bins."""
        covariance = self.covariance
        identity = torch.eye(len(self.u), dtype=covariance.dtype, device=covariance.device)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + (ridge / self.bins + 1e-9) * identity))
        spread = (inverse @ covariance * inverse).sum(1) / self.bins
        fitted = (coefficients @ covariance * coefficients).sum(1)
        residual = self.yy - self.y.square() - 2 * (coefficients * self.cross).sum(1) + fitted
        return torch.outer(residual.clamp_min(1e-12), spread.clamp_min(1e-12)).sqrt()

    def correlation(self, coefficients: Tensor) -> Tensor:
        """Returns the Pearson correlation of each target with its forecast [N]; zero if either is constant."""
        joint = (coefficients * self.cross).sum(1)
        forecast = (coefficients @ self.covariance * coefficients).sum(1)
        product = forecast * (self.yy - self.y.square())
        return torch.where(product > 1e-20, joint / product.clamp_min(1e-20).sqrt(), 0.0)

    def squared_error(self, coefficients: Tensor, intercept: Tensor) -> float:
        """Returns the squared error of a solution from the moments: summed over targets, mean over bins."""
        error = (
            self.yy.sum()
            - 2 * (coefficients * self.yu).sum()
            - 2 * intercept @ self.y
            + (coefficients @ self.uu * coefficients).sum()
            + 2 * intercept @ (coefficients @ self.u)
            + intercept @ intercept
        )
        return float(error)


def moments(session: Session, lags: int = 1, *, kernel: Tensor | None = None, chunk: int | None = None) -> Moments:
    """Computes the moments of inputs and targets; no pair of them crosses a segment's border.

    The inputs are the activity of the bin before the target, then of each earlier bin (N rows for each lag), then the
    behaviour of the bin before the target.

    Args:
        session: Session, or a part of its split.
        lags: Number of bins before the target that are inputs.
        kernel: Weights of the last bins, newest last, in place of ``lags``. The weighted sum is then the only input of
            each neuron. Near the start of a segment fewer bins exist, and their weights are scaled to the same sum.
        chunk: Number of bins read at a time; does not change the result. None: as many as take little memory.

    Raises:
        ValueError: Every segment is too short.

    Example:
        >>> session = Session(torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]]), bin_size=0.1)
        >>> coefficients, intercept = moments(session).solution(ridge=0.0)
        >>> float(coefficients), float(intercept)  # the next value is one minus the last
        (-1.0, 1.0)
    """
    N, K = session.num_neurons, session.num_behaviours
    zeros = session.activity.new_zeros
    M = N * (lags if kernel is None else 1) + K
    u, uu = zeros(M, dtype=torch.float64), zeros(M, M, dtype=torch.float64)
    y, yy = zeros(N, dtype=torch.float64), zeros(N, dtype=torch.float64)
    yu = zeros(N, M, dtype=torch.float64)
    count = 0
    for pairs in pairs_of_bins(session, lags, kernel=kernel, chunk=chunk or _chunk(M)):
        U, Y = torch.cat([*pairs.seen, pairs.behaviour]).double(), pairs.target.double()
        count += Y.shape[1]
        u += U.sum(1)
        y += Y.sum(1)
        _add_products(uu, U)
        yu.addmm_(Y, U.t())
        yy += Y.square().sum(1)
    for begin in range(_ROWS, M, _ROWS):
        uu[:begin, begin : begin + _ROWS] = uu[begin : begin + _ROWS, :begin].t()
    return Moments(bins=count, u=u / count, y=y / count, uu=uu.div_(count), yu=yu.div_(count), yy=yy / count)


def _add_products(total: Tensor, rows: Tensor) -> None:
    """Adds the products of all rows [n, T] with each other to a matrix, each pair once: below the diagonal."""
    for begin in range(0, len(rows), _ROWS):
        end = begin + _ROWS
        total[begin:end, :end].addmm_(rows[begin:end], rows[:end].t())


def newest_bins(window: Window, lags: int) -> tuple[list[Tensor], Tensor]:
    """Returns the inputs of a linear forecast for each target of a window, in the order of :func:`moments`.

    Args:
        window: B windows with P targets each.
        lags: Number of bins before each target.

    Returns:
        Activity of each lag, newest first [B, N, P], and behaviour of the newest bin [B, K, P].

    Raises:
        ValueError: The windows have fewer past bins.
    """
    P, L = window.target.shape[-1], window.activity.shape[-1]
    if lags > L - P + 1:
        raise ValueError(f"Expected windows of at least {lags} past bins (got {L - P + 1}).")
    lagged = [window.activity[..., L - P - lag : L - lag] for lag in range(lags)]
    return lagged, window.behaviour[:, L - P :].transpose(1, 2)


class RidgeSolution(NamedTuple):
    """Ridge regression with the best ridge on validation."""

    coefficients: Tensor
    """Weights of the inputs [N, U]."""
    intercept: Tensor
    """Intercepts [N]."""
    ridge: float
    """Chosen ridge, on the scale of sums over bins."""


def ridge_regression(
    train: Session, validation: Session, lags: int = 1, *, ridges: Sequence[float] = RIDGES
) -> RidgeSolution:
    r"""Solves a ridge regression with the ridge of the smallest squared error on validation.

    .. math::
        [C_1 \ldots C_p\ D] = Y_0 U_0^\top (U_0 U_0^\top + \lambda)^{-1}

    with :math:`U = [a(t); \ldots; a(t + 1 - p); b(t)]` and :math:`Y = a(t + 1)`. Index 0 means that the mean is
    subtracted, so that the intercept is not penalised.

    Args:
        train: Training part.
        validation: Validation part; unused for a single candidate.
        lags: Number of past bins p.
        ridges: Candidates for :math:`\lambda`, on the scale of sums over bins.

    Raises:
        ValueError: A part has no segment of more than p bins.
    """
    penalised = min(ridges) > 0
    if 0 < _targets(train, lags) < train.num_neurons * lags + train.num_behaviours and penalised:
        return _ridge_of_few_bins(train, validation, lags, ridges)
    solutions, best = _RidgeSolutions(moments(train, lags)), ridges[0]
    if len(ridges) > 1:
        if 0 < _targets(validation, lags) < train.num_neurons and penalised:
            errors = solutions.errors_of_few_bins(validation, lags, ridges)
        else:
            errors = [_squared_error(validation, lags, *solutions.of(ridge)) for ridge in ridges]
        best = ridges[int(torch.tensor(errors).argmin())]
    return RidgeSolution(*solutions.of(best), best)


def _targets(part: Session, lags: int) -> int:
    """Returns the number of bins of a part with enough bins before them in their segment."""
    return sum(max(end - begin - lags, 0) for begin, end in part.segment.tolist())


class _RidgeSolutions:
    """Solutions with several ridges, as :meth:`Moments.solution` gives them, in the memory of the moments.

    Args:
        seen: Moments, whose memory is used up.
    """

    def __init__(self, seen: Moments) -> None:
        self.seen = seen
        covariance, self.cross = seen.centred_in_place()
        self.factor = RidgeFactor(covariance)

    def of(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Returns coefficients [N, U] and intercept [N]."""
        if self.factor.decompose(ridge / self.seen.bins):
            coefficients = self.factor.solve(self.cross.clone())
        else:  # dependent inputs without a ridge: the solution of least norm
            covariance = self.factor.covariance(ridge / self.seen.bins)
            coefficients = self.cross @ torch.linalg.pinv(covariance, hermitian=True)
        return coefficients, self.seen.intercept(coefficients)

    def errors_of_few_bins(self, part: Session, lags: int, ridges: Sequence[float]) -> list[float]:
        """Returns the squared errors in a part with fewer bins than neurons: equations for its bins, not for neurons.

        Args:
            part: Part of the session.
            lags: Number of past bins.
            ridges: Ridges, above 0.
        """
        U, Y = _whole(part, lags)
        inputs, targets = U.sub_(self.seen.u[:, None]).t().contiguous(), Y.sub_(self.seen.y[:, None])
        errors = []
        for ridge in ridges:
            if self.factor.decompose(ridge / self.seen.bins):
                forecast = self.cross @ self.factor.solve(inputs.clone()).t()
                errors.append(float((targets - forecast).square().sum()))
            else:  # inputs that depend on each other to the last bit
                errors.append(float("inf"))
        return errors


def _squared_error(session: Session, lags: int, coefficients: Tensor, intercept: Tensor) -> float:
    """Returns the squared error of a solution in a part of a session, summed over targets and bins."""
    total = 0.0
    for pairs in pairs_of_bins(session, lags, chunk=_ROWS):
        forecast = coefficients @ torch.cat([*pairs.seen, pairs.behaviour]).double() + intercept[:, None]
        total += float((pairs.target - forecast).square().sum())
    return total


def _chunk(inputs: int) -> int:
    """Returns a number of bins whose inputs take little memory."""
    return max(256, min(4096, 2**21 // max(inputs, 1)))


def _ridge_of_few_bins(train: Session, validation: Session, lags: int, ridges: Sequence[float]) -> RidgeSolution:
    r"""Solves :func:`ridge_regression` for fewer bins than inputs, with a matrix of bins in place of inputs.

    .. math::
        Y_0 U_0^\top (U_0 U_0^\top + \lambda)^{-1} = Y_0 (U_0^\top U_0 + \lambda)^{-1} U_0^\top

    Eigenvectors of the matrix of bins solve it for all candidates.
    """
    U, Y = _whole(train, lags)
    u, y = U.mean(1, keepdim=True), Y.mean(1, keepdim=True)
    U, Y = U.sub_(u), Y.sub_(y)
    products = U.new_zeros(U.shape[1], U.shape[1])
    _add_products(products, U.t())
    values, vectors = torch.linalg.eigh(products)  # which reads what is below the diagonal
    values, target = values.clamp_min(0), Y @ vectors
    best = ridges[0]
    if len(ridges) > 1:
        held_U, held_Y = _whole(validation, lags)
        turned = vectors.t() @ (U.t() @ held_U.sub_(u))
        errors = [float((held_Y - y - (target / (values + ridge)) @ turned).square().sum()) for ridge in ridges]
        best = ridges[int(torch.tensor(errors).argmin())]
    coefficients = ((target / (values + best)) @ vectors.t()) @ U.t()
    return RidgeSolution(coefficients, (y - coefficients @ u)[:, 0], best)


def _whole(session: Session, lags: int) -> tuple[Tensor, Tensor]:
    """Returns inputs [U, T] and targets [N, T] of all bins, in float64."""
    pairs = joined(list(pairs_of_bins(session, lags)))
    return torch.cat([*pairs.seen, pairs.behaviour]).double(), pairs.target.double()
