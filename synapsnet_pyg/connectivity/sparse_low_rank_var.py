"""Ridge regression with weights separated into edges and a common drive, from which SynapsNet starts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.forecasting_estimator import ForecastingEstimator, LinearForecast, Solution
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.linear_start import (
    LinearStart,
    exponential_kernel,
    linear_start,
    solve_linear_start,
)


@dataclass(eq=False, kw_only=True)
class SparseLowRankVAR(ForecastingEstimator):
    r"""Linear forecast from edges, a common drive of low rank, each neuron's own activity and the behaviour.

    .. math::
        \hat a(t + 1) = A\, a(t) + R S\, a(t) + \rho \odot a(t) + D\, b(t) + c

    See :func:`~synapsnet_pyg.regression.linear_start.linear_start` and
    :func:`~synapsnet_pyg.regression.sparse_low_rank.sparse_low_rank` for the equations of the estimate. The
    connectivity is A: standardised activity of the receiver per standardised activity of the sender, zero on the
    diagonal.

    Args:
        latents: Largest rank of the common drive; the estimated rank is ``details_["latents"]``.

    Raises:
        ValueError: ``latents`` is negative.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver, noise = torch.randn(2, 5000)
        >>> split = Session(torch.stack([driver, 0.8 * driver.roll(1) + 0.1 * noise]), bin_size=0.1).split()
        >>> connectivity = SparseLowRankVAR().fit(split.train, split.validation).connectivity_
        >>> bool(connectivity[1, 0] > 10 * connectivity[0, 1].abs())
        True
    """

    latents: int = 8

    def __post_init__(self) -> None:
        if self.latents < 0:
            raise ValueError(f"Expected a rank of 0 or more (got {self.latents}).")

    def _search(self, train: Session, validation: Session) -> Solution:
        return _solution(train, linear_start(train, validation, 1, pairs=_all_pairs(train), latents=self.latents))

    def _solve(self, train: Session, like: Solution) -> Solution:
        start = solve_linear_start(
            train,
            kernel=exponential_kernel(1, 0).to(train.activity),
            ridge=like.penalty,
            shrunk=bool(like.details["shrunk"]),
            pairs=_all_pairs(train),
            latents=self.latents,
        )
        return _solution(train, start)


def _all_pairs(train: Session) -> Tensor:
    """Returns a mask [N, N] of all pairs of neurons."""
    N = train.num_neurons
    return torch.ones(N, N, dtype=torch.bool, device=train.activity.device)


def _solution(train: Session, start: LinearStart) -> Solution:
    """Returns forecast and connectivity of a linear start."""
    forecast = LinearForecast(start.coefficients.to(train.activity), start.intercept.to(train.activity))
    details = {"latents": float(len(start.senders)), "shrunk": float(start.shrunk)}
    return Solution(forecast, start.edges, start.ridge, details)
