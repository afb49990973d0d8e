"""Poisson regression of spike counts on the last bin of the population, known as the coupled GLM."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.connectivity.forecasting_estimator import ForecastingEstimator, LinearForecast, Solution
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks
from synapsnet_pyg.files import optional_import

optimize = optional_import("scipy.optimize", "analysis")


class Link(NamedTuple):
    """Function from the summed drive of a neuron to its expected count."""

    rate: Callable[[Tensor], Tensor]
    """Expected count for a drive."""
    slope: Callable[[Tensor], Tensor]
    """Derivative of the rate."""
    inverse: Callable[[Tensor], Tensor]
    """Drive for an expected count."""


LINKS = {
    "softplus": Link(torch.nn.functional.softplus, torch.sigmoid, lambda rate: rate + torch.log(-torch.expm1(-rate))),
    "exponential": Link(torch.exp, torch.exp, torch.log),
}
"""Name -> link; softplus is linear for large drives."""


class PoissonForecast(LinearForecast):
    r"""Forecast of the next count by a Poisson regression, as standardised activity.

    .. math::
        \hat a(t + 1) = \frac{f\big(w\, [a(t); b(t)] + c\big) - \mu}{\sigma}

    Args:
        coefficients: Weights :math:`w` :math:`(N, N + K)`.
        intercept: Constants :math:`c` :math:`(N)`.
        mean: Mean :math:`\mu` of the training part's counts :math:`(N)`.
        scale: Deviation :math:`\sigma` of the training part's counts :math:`(N)`.
        link: Key of :data:`LINKS`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, coefficients: Tensor, intercept: Tensor, *, mean: Tensor, scale: Tensor, link: str) -> None:
        super().__init__(coefficients, intercept)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.link = link

    def rate(self, inputs: Tensor) -> Tensor:
        """Returns the expected count of the bin after each input."""
        return LINKS[self.link].rate(super().forward(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Forecasts the bin after each input."""
        return (self.rate(inputs) - self.mean[:, None]) / self.scale[:, None]

    def extra_repr(self) -> str:
        """Returns the name of the link for ``repr``."""
        return self.link


@dataclass(eq=False, kw_only=True)
class PoissonGLM(ForecastingEstimator):
    r"""Regression of every neuron's next count on all neurons' counts and the behaviour, with Poisson noise.

    .. math::
        x_i(t + 1) \sim \mathrm{Poisson}\Big(f\big(\textstyle\sum_j w_{ij}\, a_j(t) + d_i \cdot b(t) + c_i\big)\Big),
        \qquad
        C_{ij} = \frac{w_{ij}}{\sigma_i} \Big\langle f'\big(\cdot\big) \Big\rangle_t

    with the counts :math:`x`, their standardised form :math:`a` and deviation :math:`\sigma`. The likelihood has a
    ridge :math:`\tfrac{\lambda}{2} \|w\|^2`; :math:`\lambda` is the candidate with the largest likelihood on the
    validation part. All neurons are fitted at once by L-BFGS, whose gradient is two matrix products for each block of
    bins. The connectivity C is the mean effect on the expected count: standardised activity of the receiver per
    standardised activity of the sender.

    Args:
        link: Name of :math:`f`: ``"softplus"``, linear for large drives, or ``"exponential"``.
        ridges: Candidates for :math:`\lambda`, on the scale of sums over bins. Each fit starts from the previous
            solution. The search ends with the first candidate that is worse on validation. None: half decades from
            1e5 to 10.

    Raises:
        ValueError: There is no such link, no candidate, or a negative one. From ``fit``: the activity does not hold
            counts (whole numbers from 0, standardised or not), or a part has no segment of two bins.

    References:
        Truccolo et al., "A point process framework for relating neural spiking activity to spiking history, neural
        ensemble, and extrinsic covariate effects", 2005.
        Pillow et al., "Spatio-temporal correlations and visual signalling in a complete neuronal population", 2008.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.poisson(torch.ones(4000))
        >>> driven = torch.poisson(1 + driver.roll(1))
        >>> split = Session(torch.stack([driver, driven]), bin_size=0.1).split()
        >>> PoissonGLM().fit(split.train, split.validation).connectivity_.round(decimals=1).abs()
        tensor([[0.0000, 0.0000],
                [0.5000, 0.0000]])
    """

    link: str = "softplus"
    ridges: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise ValueError(f"Expected a link among {', '.join(LINKS)} (got '{self.link}').")
        if self.ridges is not None and (len(self.ridges) == 0 or min(self.ridges) < 0):
            raise ValueError(f"Expected candidates for the ridge, none negative (got {list(self.ridges)}).")

    def blank_forecast(self, neurons: int, behaviours: int) -> LinearForecast:
        """Makes a forecast with zero coefficients, into which saved ones can be loaded."""
        zeros = torch.zeros(neurons)
        coefficients = torch.zeros(neurons, neurons + behaviours)
        return PoissonForecast(coefficients, zeros, mean=zeros.clone(), scale=torch.ones(neurons), link=self.link)

    def _search(self, train: Session, validation: Session) -> Solution:
        seen, held_out, link = Counts.of(train), Counts.of(validation), LINKS[self.link]
        weights = _silent_start(seen, link)
        best, best_ridge, smallest = weights, 0.0, float("inf")
        for ridge in [10 ** (k / 2) for k in range(10, 1, -1)] if self.ridges is None else self.ridges:
            weights = fit_weights(seen, link, ridge, weights)
            loss, _ = held_out.loss_and_gradient(weights, link)
            if loss >= smallest:
                break
            best, best_ridge, smallest = weights, ridge, loss
        return self._solution(seen, best, best_ridge)

    def _solve(self, train: Session, like: Solution) -> Solution:
        seen, link = Counts.of(train), LINKS[self.link]
        return self._solution(seen, fit_weights(seen, link, like.penalty, _silent_start(seen, link)), like.penalty)

    def _solution(self, seen: "Counts", weights: Tensor, ridge: float) -> Solution:
        """Returns forecast and connectivity of given weights."""
        part, N = seen.part, len(weights)
        forecast = PoissonForecast(
            weights[:, :-1].contiguous(),
            weights[:, -1].contiguous(),
            mean=part.activity_mean.clone(),
            scale=part.activity_scale.clone(),
            link=self.link,
        )
        effect = seen.mean_slope(weights, LINKS[self.link]) / part.activity_scale
        return Solution(forecast, effect[:, None] * weights[:, :N], ridge)


def fit_weights(seen: "Counts", link: Link, ridge: float, start: Tensor) -> Tensor:
    """Maximises the penalised likelihood.

    Args:
        seen: Counts of the training part.
        link: Function from drive to rate.
        ridge: Ridge on the weights between neurons, on the scale of sums over bins.
        start: Weights from which the search begins [N, N + K + 1].

    Returns:
        Weights of neurons, behaviours and the constant [N, N + K + 1].
    """
    N = len(start)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the penalised loss and its gradient."""
        weights = torch.from_numpy(flat).to(start).view_as(start)
        loss, gradient = seen.loss_and_gradient(weights, link)
        couplings = weights[:, :N]
        gradient[:, :N] += ridge / seen.bins * couplings
        loss += ridge / seen.bins / 2 * float(couplings.square().sum())
        return loss, gradient.double().flatten().cpu().numpy()

    # The likelihood is summed in single precision, which leaves seven digits.
    options = {"maxiter": 200, "ftol": 1e-7, "gtol": 1e-5}
    flat = start.double().flatten().cpu().numpy()
    result = optimize.minimize(objective, flat, jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(result.x).to(start).view_as(start)


def _silent_start(seen: "Counts", link: Link) -> Tensor:
    """Returns weights [N, N + K + 1] that are zero but for the constant, which gives each neuron's mean count."""
    N, K = seen.part.num_neurons, seen.part.num_behaviours
    weights = seen.counts.new_zeros(N, N + K + 1)
    weights[:, -1] = link.inverse(seen.counts.mean(1).clamp_min(1e-3))
    return weights


class Counts(NamedTuple):
    """Counts of one part, and the standardised part as input of the regression."""

    part: Session
    """Standardised part."""
    counts: Tensor
    """Counts [N, T]."""

    @classmethod
    def of(cls, part: Session) -> "Counts":
        """Restores the counts of a standardised part.

        Raises:
            ValueError: The activity does not hold counts.
        """
        raw = part.activity * part.activity_scale[:, None] + part.activity_mean[:, None]
        counts = raw.round()
        # Standardising a count and restoring it leaves a rounding error.
        wrong = (counts < 0) | ((raw - counts).abs() > 1e-3 + 1e-5 * counts)
        if bool(wrong.any()):
            raise ValueError(
                f"Expected counts, whole numbers from 0, in session '{part.name}' (got {float(raw[wrong][0]):.4g}); "
                "use ridge_var or lasso_var for other activity."
            )
        return cls(part, counts)

    @property
    def bins(self) -> int:
        """Number of counts of each neuron that have a bin before them."""
        return sum(stop - start for start, stop in blocks(self.part, past=1))

    def loss_and_gradient(self, weights: Tensor, link: Link) -> tuple[float, Tensor]:
        """Returns the negative log likelihood for each bin, summed over neurons, and its gradient.

        Terms that do not depend on the weights are left out.
        """
        loss, gradient = 0.0, torch.zeros_like(weights)
        for counts, inputs in self._pairs():
            drive = weights @ inputs
            rate = link.rate(drive).clamp_min(1e-20)
            loss += float((rate - counts * rate.log()).sum())
            gradient.addmm_(link.slope(drive) * (1 - counts / rate), inputs.t())
        return loss / self.bins, gradient / self.bins

    def mean_slope(self, weights: Tensor, link: Link) -> Tensor:
        """Returns the mean derivative of each neuron's expected count by its drive [N]."""
        slope = weights.new_zeros(len(weights))
        for _, inputs in self._pairs():
            slope += link.slope(weights @ inputs).sum(1)
        return slope / self.bins

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields counts [N, bins] and the inputs of the bin before [N + K + 1, bins], whose last row holds ones."""
        activity, behaviour = self.part.activity, self.part.behaviour
        for start, stop in blocks(self.part, past=1):
            seen = activity[:, start - 1 : stop - 1]
            inputs = torch.cat([seen, behaviour[start - 1 : stop - 1].t(), torch.ones_like(seen[:1])])
            yield self.counts[:, start:stop], inputs
