"""Ridge regression of the next bin on all neurons, the reference of connectivity recovery."""

from collections.abc import Sequence
from dataclasses import dataclass

from synapsnet_pyg.connectivity.forecasting_estimator import ForecastingEstimator, LinearForecast, Solution
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import RIDGES, ridge_regression


@dataclass(eq=False, kw_only=True)
class RidgeVAR(ForecastingEstimator):
    r"""Ridge regression of every neuron's next bin on all neurons' last bins and the behaviour.

    .. math::
        \min_{C, D, c} \sum_t \Big\| a(t + 1) - \sum_{l=1}^{p} C_l\, a(t + 1 - l) - D\, b(t) - c \Big\|^2
        + \lambda \Big(\sum_l \|C_l\|^2 + \|D\|^2\Big)

    The connectivity is :math:`C_1`: standardised activity of the receiver per standardised activity of the sender.
    :math:`\lambda` is the candidate with the smallest squared error on the validation part.

    Args:
        lags: Number of past bins p.
        ridges: Candidates for :math:`\lambda`, on the scale of sums over bins. None: decades from 1 to 1e6.

    Raises:
        ValueError: ``lags`` is below 1, there is no candidate, or one is negative.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.randn(1000)
        >>> split = Session(torch.stack([driver, driver.roll(1)]), bin_size=0.1).split()
        >>> fitted = RidgeVAR().fit(split.train, split.validation)
        >>> fitted.connectivity_.round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
        >>> fitted.penalty_, bool(fitted.score(split.test)[1] > 0.99)
        (1.0, True)
    """

    lags: int = 1
    ridges: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.lags < 1:
            raise ValueError(f"Expected at least one lag (got {self.lags}).")
        if self.ridges is not None and (len(self.ridges) == 0 or min(self.ridges) < 0):
            raise ValueError(f"Expected candidates for the ridge, none negative (got {list(self.ridges)}).")

    def _search(self, train: Session, validation: Session) -> Solution:
        ridges = RIDGES if self.ridges is None else self.ridges
        regression = ridge_regression(train, validation, self.lags, ridges=ridges)
        coefficients = regression.coefficients.to(train.activity)
        forecast = LinearForecast(coefficients, regression.intercept.to(train.activity))
        return Solution(forecast, coefficients[:, : train.num_neurons], regression.ridge)

    def _solve(self, train: Session, like: Solution) -> Solution:
        return RidgeVAR(lags=self.lags, ridges=[like.penalty])._search(train, train)
