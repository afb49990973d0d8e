"""Ridge regression with soft thresholding of the weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.forecasting_estimator import ForecastingEstimator, LinearForecast, Solution
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import RIDGES, Moments, moments
from synapsnet_pyg.regression.shrinkage import soft_threshold


@dataclass(eq=False, kw_only=True)
class SoftRidge(ForecastingEstimator):
    r"""Ridge regression with soft thresholding: weights between neurons move towards zero, small ones to zero.

    .. math::
        C_{ij} \leftarrow \operatorname{sign}(C_{ij}) \max(|C_{ij}| - \theta, 0) \quad (i \neq j)

    after :class:`~synapsnet_pyg.connectivity.ridge_var.RidgeVAR`. In sparse connectivity most small weights are noise.
    Ridge and threshold are the candidates with the smallest squared error on the validation part, computed from
    moments. The effect of a neuron on itself and the weights of the behaviour are kept. The connectivity is
    standardised activity of the receiver per standardised activity of the sender.

    A forecast suffers less from small wrong weights than from large weights that were shrunk. The threshold is
    therefore lower than the best for recovering connectivity. On the simulated population a tenth to a sixth of the
    pairs become zero, although nine tenths have no edge.

    Args:
        ridges: Candidates for the ridge, on the scale of sums over bins. None: decades from 1 to 1e6.
        shares: Candidates for the share of pairs that become zero, from 0 (ridge alone) to 1 (no edge). None: steps of
            5 %. The chosen share is ``details_["share"]``.

    Raises:
        ValueError: There is no candidate, or one is out of its range.

    References:
        Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.randn(1000)
        >>> split = Session(torch.stack([driver, driver.roll(1)]), bin_size=0.1).split()
        >>> fitted = SoftRidge().fit(split.train, split.validation)
        >>> fitted.connectivity_.round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
    """

    ridges: Sequence[float] | None = None
    shares: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.ridges is not None and (len(self.ridges) == 0 or min(self.ridges) < 0):
            raise ValueError(f"Expected candidates for the ridge, none negative (got {list(self.ridges)}).")
        if self.shares is not None and (len(self.shares) == 0 or not 0 <= min(self.shares) <= max(self.shares) <= 1):
            raise ValueError(f"Expected candidates for the share, from 0 to 1 (got {list(self.shares)}).")

    def _search(self, train: Session, validation: Session) -> Solution:
        seen, held_out = moments(train), moments(validation)
        shares = torch.linspace(0, 1, 21).tolist() if self.shares is None else self.shares
        best, ridge_and_share, smallest = seen.yu, (0.0, 0.0), torch.inf
        for ridge in RIDGES if self.ridges is None else self.ridges:
            coefficients, _ = seen.solution(ridge)
            for share in shares:
                shrunk = soft_threshold(coefficients, share)
                error = held_out.squared_error(shrunk, seen.intercept(shrunk))
                if error < smallest:
                    best, ridge_and_share, smallest = shrunk, (ridge, share), error
        return _solution(train, seen, best, *ridge_and_share)

    def _solve(self, train: Session, like: Solution) -> Solution:
        seen, share = moments(train), like.details["share"]
        coefficients = soft_threshold(seen.solution(like.penalty)[0], share)
        return _solution(train, seen, coefficients, like.penalty, share)


def _solution(train: Session, seen: Moments, coefficients: Tensor, ridge: float, share: float) -> Solution:
    """Returns forecast and connectivity of given coefficients."""
    forecast = LinearForecast(coefficients.to(train.activity), seen.intercept(coefficients).to(train.activity))
    return Solution(forecast, coefficients[:, : train.num_neurons], ridge, {"share": share})
