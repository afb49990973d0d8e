"""Lasso regression of the next bin on all neurons, with few nonzero weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.connectivity.forecasting_estimator import ForecastingEstimator, LinearForecast, Solution
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import optional_import
from synapsnet_pyg.regression.least_squares import Moments, moments

linear_model = optional_import("sklearn.linear_model", "analysis")


@dataclass(eq=False, kw_only=True)
class LassoVAR(ForecastingEstimator):
    r"""Regression of every neuron's next bin on all neurons and the behaviour, with a penalty on each connection.

    .. math::
        \min_{C, D, c} \tfrac{1}{2 T} \sum_t \big\| a(t + 1) - C\, a(t) - D\, b(t) - c \big\|^2
        + \lambda \sum_{i \neq j} |C_{ij}|

    Neither a neuron's own past nor the behaviour is penalised, so that no connection takes their place. All neurons
    have the same :math:`\lambda`, the candidate with the smallest squared error on the validation part. The solver
    (coordinate descent of scikit-learn) reads sums over bins only. The connectivity is standardised activity of
    the receiver per standardised activity of the sender.

    Args:
        penalties: Candidates for :math:`\lambda`, above 0. None: twenty, from the smallest without any connection down
            to a hundredth of it.

    Raises:
        ValueError: There is no candidate, or one is not above 0.

    References:
        Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
        Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models via coordinate descent",
        2010.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.randn(1000)
        >>> split = Session(torch.stack([driver, driver.roll(1), torch.randn(1000)]), bin_size=0.1).split()
        >>> LassoVAR().fit(split.train, split.validation).connectivity_.round(decimals=1).abs()
        tensor([[0., 0., 0.],
                [1., 0., 0.],
                [0., 0., 0.]])
    """

    penalties: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.penalties is not None and (len(self.penalties) == 0 or min(self.penalties) <= 0):
            raise ValueError(
                f"Expected penalties above 0 (got {list(self.penalties)}); use ridge_var without this penalty."
            )

    def _search(self, train: Session, validation: Session) -> Solution:
        seen, held_out = moments(train), moments(validation)
        path = lasso_solutions(seen, self.penalties)
        errors = [held_out.squared_error(c, seen.intercept(c)) for c in path.coefficients.to(seen.u)]
        best = int(torch.tensor(errors).argmin())
        coefficients = path.coefficients[best].to(train.activity)
        intercept = seen.intercept(coefficients.to(seen.u)).to(train.activity)
        forecast = LinearForecast(coefficients, intercept)
        return Solution(forecast, coefficients[:, : train.num_neurons].clone(), path.penalties[best])

    def _solve(self, train: Session, like: Solution) -> Solution:
        return LassoVAR(penalties=[like.penalty])._search(train, train)


class LassoPath(NamedTuple):
    """Lasso solutions for several penalties."""

    penalties: list[float]
    """Penalties, largest first."""
    coefficients: Tensor
    """Weights of neurons and behaviour for each penalty [penalties, N, N + K], float32."""


class _Connections(NamedTuple):
    """Moments of the neurons alone, after regression on the behaviour (Frisch, Waugh and Lovell)."""

    gram: np.ndarray
    """Covariance of the neurons [N, N]."""
    target: np.ndarray
    """Covariance of each next bin with the neurons [N, N], without the part explained by the neuron's own past."""
    own: np.ndarray
    """Regression coefficient of each neuron on its own past alone [N]."""
    inverse: np.ndarray
    """Inverse variance of each neuron [N]; 0 for a constant neuron."""


def lasso_solutions(seen: Moments, penalties: Sequence[float] | None = None) -> LassoPath:
    """Solves the lasso for several penalties.

    Args:
        seen: Moments of the bins to fit, with one lag.
        penalties: Penalties. None: candidates of :class:`LassoVAR`.
    """
    N = len(seen.y)
    covariance, cross = seen.covariance.cpu(), seen.cross.cpu()
    connections = _without_behaviour(covariance, cross)
    if penalties is None:
        largest = np.abs(connections.target[~np.eye(N, dtype=bool)]).max(initial=0)
        penalties = (max(largest, 1e-12) * np.geomspace(1, 0.01, 20)).tolist()
    penalties = sorted(penalties, reverse=True)
    power = (seen.yy - seen.y.square()).cpu().numpy()
    solutions = torch.zeros(len(penalties), N, covariance.shape[1])
    for i in range(N):
        path = _path(connections, i, penalties, power[i : i + 1])
        solutions[:, i, :N] = torch.from_numpy(path.T)
        own = connections.own[i] - connections.inverse[i] * (connections.gram[i] @ path)
        solutions[:, i, i] = torch.from_numpy(own)
    residual = cross[:, N:].float() - solutions[:, :, :N] @ covariance[:N, N:].float()
    solutions[:, :, N:] = residual @ torch.linalg.pinv(covariance[N:, N:], hermitian=True).float()
    return LassoPath(penalties, solutions)


def _without_behaviour(covariance: Tensor, cross: Tensor) -> _Connections:
    """Computes the moments of the neurons that remain after regression on the behaviour."""
    N = len(cross)
    by_behaviour = torch.linalg.pinv(covariance[N:, N:], hermitian=True) @ covariance[N:]
    gram = (covariance[:N] - covariance[:N, N:] @ by_behaviour)[:, :N].numpy()
    target = (cross - cross[:, N:] @ by_behaviour)[:, :N].numpy()
    variance = gram.diagonal()
    inverse = np.divide(1, variance, out=np.zeros(N), where=variance > 1e-12)
    own = target.diagonal() * inverse
    return _Connections(gram, target - own[:, None] * gram, own, inverse)


def _path(connections: _Connections, i: int, penalties: Sequence[float], power: np.ndarray) -> np.ndarray:
    """Returns the weights of all neurons on neuron i for each penalty [N, penalties], zero for itself."""
    gram, target = connections.gram, connections.target[i].copy()
    others = gram - np.outer(gram[i] * connections.inverse[i], gram[i])
    others[i], others[:, i], target[i] = 0, 0, 0
    _, path, _ = linear_model.lasso_path(
        # With a Gram matrix only the shape of X and the length of y are read: one row stands for all bins.
        np.zeros((1, len(gram)), order="F"),
        np.sqrt(power),
        alphas=penalties,
        precompute=others,
        Xy=target,
        check_input=False,
        tol=1e-6,
        max_iter=10_000,
    )
    return np.asarray(path)
