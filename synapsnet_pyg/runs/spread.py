"""Distributions of the activity around a forecast, adapted bin by bin."""

from statistics import NormalDist
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LARGEST_COUNT = 400
"""Largest count of a table; activity with larger whole numbers is treated as real-valued."""


class Quantiles(NamedTuple):
    """Quantiles of the next H bins in the units of the recording, lowest first."""

    values: Array
    """Value of each quantile [H, N, Q]."""
    share: Array | None
    """Counts: share of the probability of the value itself that belongs below the quantile [H, N, Q]; else None."""


class Spread(Protocol):
    """Distribution of the activity around a forecast, adapted bin by bin; axes are horizons H, neurons N."""

    def start(self, probability: Array) -> Array:
        """Returns the scores of probabilities (Q) if the distribution is right."""

    def around(self, forecast: Array) -> tuple[Array, Array]:
        """Returns centre and width of the distribution around a forecast [H, N]."""

    def below(self, truth: Array, centre: Array, width: Array, score: Array) -> Array:
        """Returns 1 where the truth [N] lies below the quantile of a score [H, N, Q], 0 above, shares between."""

    def quantiles(self, centre: Array, width: Array, score: Array) -> Quantiles:
        """Returns the quantiles of scores [H, N, Q]."""

    def update(self, truth: Array, forecast: Array, rate: Array) -> None:
        """Adapts to a truth [N] and its forecasts [H, N] at a rate [H, 1]; zero where no forecast was made."""


class ResidualSpread:
    """Spread of real-valued activity: running mean and mean absolute deviation of each neuron's residuals.

    Args:
        scale: Standard deviation of each neuron in the training part (N).
        horizon: Number of bins ahead H.
    """

    def __init__(self, scale: Array, horizon: int) -> None:
        self.offset = np.zeros((horizon, len(scale)))
        self.width = np.repeat(scale[None], horizon, 0)
        self._least = 0.01 * scale

    def start(self, probability: Array) -> Array:
        """Returns the quantiles of a normal distribution."""
        return np.array([NormalDist().inv_cdf(p) for p in probability])

    def around(self, forecast: Array) -> tuple[Array, Array]:
        """Returns the forecast without its running mean error, and the deviation."""
        return forecast + self.offset, self.width.copy()

    def below(self, truth: Array, centre: Array, width: Array, score: Array) -> Array:
        """Returns 1 where the truth is at most the quantile."""
        return (((truth - centre) / width)[..., None] <= score).astype(float)

    def quantiles(self, centre: Array, width: Array, score: Array) -> Quantiles:
        """Returns centre plus width times score."""
        return Quantiles(centre[..., None] + width[..., None] * score, None)

    def update(self, truth: Array, forecast: Array, rate: Array) -> None:
        """Moves mean and deviation towards the newest residuals."""
        residual = truth - forecast
        deviation = 1.2533 * np.abs(residual - self.offset)  # of a normal distribution, sqrt(pi / 2) mean deviations
        self.width += rate * (deviation - self.width)
        np.maximum(self.width, self._least, out=self.width)
        self.offset += 0.4 * rate * (residual - self.offset)


class CountSpread:
    r"""Negative binomial around a forecast of counts, with a running mean error and Fano factor of each neuron.

    .. math::
        P(k) = \binom{k + r - 1}{k} (1 - p)^r p^k, \qquad r = \frac{\mu}{\varphi - 1}, \quad p = 1 - \frac{1}{\varphi}

    has mean :math:`\mu` and variance :math:`\varphi \mu`. Scores of probabilities are their logits. Interval ends are
    whole numbers with a share of their probability; see
    :class:`~synapsnet_pyg.runs.interval_tracker.IntervalTracker`.

    Args:
        mean: Mean count of each neuron in the training part (N).
        horizon: Number of bins ahead H.
    """

    def __init__(self, mean: Array, horizon: int) -> None:
        self.offset = np.zeros((horizon, len(mean)))
        self._least = np.maximum(0.1 * mean, 1e-3)
        self._variance = np.repeat(np.maximum(mean, 1e-3)[None], horizon, 0)
        self._mean = self._variance.copy()

    def start(self, probability: Array) -> Array:
        """Returns logits."""
        return np.log(probability / (1 - probability))

    def around(self, forecast: Array) -> tuple[Array, Array]:
        """Returns mean and Fano factor; a mean is at least a tenth of the training mean."""
        centre = np.maximum(forecast + self.offset, self._least)
        return centre, np.clip(self._variance / self._mean, 1.02, 100)

    def below(self, truth: Array, centre: Array, width: Array, score: Array) -> Array:
        """Returns 1 where the count is below the quantile, 0 above, and the share of the count itself on it."""
        cdf = count_cdf(centre, width, int(truth.max()))
        k = np.broadcast_to(np.clip(truth, 0, len(cdf) - 2).astype(int), centre.shape)[None]
        low, high = (np.take_along_axis(cdf, k + one, 0)[0][..., None] for one in (0, 1))
        share: Array = np.clip((_logistic(score) - low) / np.maximum(high - low, 1e-300), 0, 1)
        return share

    def quantiles(self, centre: Array, width: Array, score: Array) -> Quantiles:
        """Returns whole numbers and their shares."""
        probability = _logistic(score).reshape(-1, score.shape[-1])
        values, share = count_quantiles(centre.ravel(), width.ravel(), probability)
        return Quantiles(values.reshape(score.shape), share.reshape(score.shape))

    def update(self, truth: Array, forecast: Array, rate: Array) -> None:
        """Moves mean error, mean and variance towards the newest counts."""
        centre, _ = self.around(forecast)
        self._variance += rate * ((truth - centre) ** 2 - self._variance)
        self._mean += rate * (centre - self._mean)
        self.offset += 0.4 * rate * (truth - forecast - self.offset)


def count_cdf(mean: Array, fano: Array, largest: int) -> Array:
    """Computes the cumulative distribution of negative binomial counts.

    Args:
        mean: Means (...).
        fano: Fano factors (...), above one.
        largest: Largest count K; at most 400 are computed.

    Returns:
        Probability of at most k counts, k from -1 to K, of shape [K + 2, ...].
    """
    k = np.arange(1, min(largest, LARGEST_COUNT) + 1).reshape(-1, *[1] * mean.ndim)
    r = mean / (fano - 1)
    cdf = np.zeros((len(k) + 2, *mean.shape))
    cdf[1] = np.exp(-r * np.log(fano))
    cdf[2:] = (k - 1 + r) / k * (1 - 1 / fano)
    np.cumprod(cdf[1:], axis=0, out=cdf[1:])
    np.cumsum(cdf[1:], axis=0, out=cdf[1:])
    return np.minimum(cdf, 1.0, out=cdf)


def count_quantiles(mean: Array, fano: Array, probability: Array, largest: int = 7) -> tuple[Array, Array]:
    """Computes quantiles of negative binomial counts.

    Args:
        mean: Means (n).
        fano: Fano factors (n), above one.
        probability: Probabilities (n, Q).
        largest: Largest count of the first table; neurons that need more get a larger one.

    Returns:
        Smallest counts with at least the probability below or on them [n, Q], and the share of the probability of
        these counts that is needed to reach the probability [n, Q].
    """
    cdf, reached = count_cdf(mean, fano, largest), probability.T  # [K + 2, n], [Q, n]
    values = (cdf[1:-1, None] < reached).sum(0)  # at most K
    low, high = np.take_along_axis(cdf, values, 0), np.take_along_axis(cdf, values + 1, 0)
    share = np.clip((reached - low) / np.maximum(high - low, 1e-300), 0, 1).T
    counts = values.T.astype(float)
    beyond = cdf[-1] < reached.max(0)
    if largest < LARGEST_COUNT and beyond.any():
        further = count_quantiles(mean[beyond], fano[beyond], probability[beyond], 4 * largest)
        counts[beyond], share[beyond] = further
    return counts, share


def _logistic(score: Array) -> Array:
    """Returns the probabilities of logits."""
    return 1 / (1 + np.exp(-score))
