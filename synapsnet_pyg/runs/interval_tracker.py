"""Intervals of forecasts that follow the recording bin by bin."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from synapsnet_pyg.runs.spread import Array, CountSpread, Quantiles, ResidualSpread, Spread

LEVELS = (0.5, 0.8, 0.95)
"""Levels of the intervals."""

_POOLED_GAIN = 1.2
"""Step of all neurons' quantiles for a coverage error of the whole population, one bin ahead."""
_POOL = 20
"""Number of neurons at which the pooled step has half of its size; few neurons measure coverage poorly."""


class IntervalTracker:
    r"""Forecast quantiles that learn from every bin, for each neuron and horizon.

    The truth of bin t is known before the forecasts made at t, so that intervals may use it. Let :math:`F_{ih}` be a
    distribution around the forecast, whose centre and width follow the newest residuals, and :math:`\theta` the score
    of the :math:`\tau`-quantile in it. Each new bin corrects the score by the error of the interval that was given
    h bins before (adaptive conformal inference, Gibbs and Candes 2021, arXiv 2106.00170, eq. 2; in units of the score,
    Angelopoulos, Candes and Tibshirani 2023, arXiv 2307.16895, section 2.1):

    .. math::
        e_{ih} &= P\big(a_i(t) \le q_{ih}(t)\big) - \tau \\
        \theta_{ih} &\leftarrow \theta_{ih} - \frac{w_\tau}{h}
            \Big( \gamma_n\, e_{ih} + \gamma \frac{N}{N + 20} \, \frac1N \sum_j e_{jh} \Big)

    Summed up, the errors are bounded by the way of the score over its step. In the long run the coverage is therefore
    right, whatever the drift. The second term moves the whole population at once, so that a drift of a short
    recording is met within a few bins. Steps are divided by h, because an error is known h bins late only. The memory
    of the distribution grows with the number n of bins seen: a quarter of them, from 20 to 500 bins; also
    :math:`\gamma_n = 2 / n` between 0.1 and 0.004.

    Counts: no interval of whole numbers holds 50 % of a neuron that is silent in 97 % of the bins. Interval ends then
    carry a share: the part of the end's own probability that belongs to the interval (randomised or smoothed
    conformal prediction, Vovk, Gammerman and Shafer 2005, section 2.2). Coverage counts a truth on an end with this
    share, the mean over the randomisation. The distribution is a negative binomial
    (:class:`~synapsnet_pyg.runs.spread.CountSpread`).

    Args:
        mean: Mean activity of each neuron in the training part (N), in the units of the recording.
        scale: Standard deviation of each neuron there (N).
        horizon: Number of bins ahead H.
        counts: Whether the activity is counts.
        constant: True for neurons that did not vary in training (N); they have no say in the pooled correction.
        levels: Levels of the intervals.
    """

    def __init__(
        self,
        mean: Array,
        scale: Array,
        horizon: int = 1,
        *,
        counts: bool = False,
        constant: npt.NDArray[np.bool_] | None = None,
        levels: Sequence[float] = LEVELS,
    ) -> None:
        if horizon < 1 or not levels or not all(0 < level < 1 for level in levels):
            raise ValueError(f"Expected a horizon >= 1 and levels between 0 and 1 (got {horizon}, {tuple(levels)}).")
        self.levels, self.horizon, self.counts = tuple(sorted(levels)), horizon, counts
        half = np.array(self.levels) / 2
        self.probability = np.concatenate([0.5 - half[::-1], 0.5 + half])
        N, H, Q = len(mean), horizon, len(self.probability)
        self.spread: Spread = CountSpread(mean, horizon) if counts else ResidualSpread(scale, horizon)
        start = self.spread.start(self.probability)
        self._weight = 1 + start**2 / 2
        self.score = np.repeat(np.repeat(start[None, None], N, 1), H, 0)
        varying = np.ones(N) if constant is None else (~constant).astype(float)
        self._pool = varying / max(varying.sum(), 1)
        self._pooled_gain = _POOLED_GAIN * varying.sum() / (varying.sum() + _POOL)
        self._ahead = np.arange(1.0, H + 1)[:, None]
        self._seen = np.zeros((H, 1))
        # Forecasts that wait for their truth: the one made h bins ago is row (now - h) % H, column h - 1.
        self._now, self._made = 0, np.zeros(H, dtype=bool)
        self._forecast, self._centre, self._width = (np.full((H, H, N), 2.0) for _ in range(3))
        self._score = np.zeros((H, H, N, Q))

    def reset(self) -> None:
        """Forgets the forecasts that wait for their truth, as at the border of a segment; what was learned stays."""
        self._made[:] = False

    def intervals(self, forecast: Array) -> Quantiles:
        """Returns the quantiles of the next H bins and keeps the forecast until their truth is known.

        Args:
            forecast: Forecast (H, N) made after the newest bin, in the units of the recording.
        """
        centre, width = self.spread.around(forecast)
        row = self._now % self.horizon
        self._forecast[row], self._centre[row], self._width[row] = forecast, centre, width
        self._score[row], self._made[row] = self.score, True
        return self.spread.quantiles(centre, width, self.score)

    def observe(self, truth: Array) -> None:
        """Learns from the next bin.

        Args:
            truth: Activity (N) of the bin, in the units of the recording.
        """
        self._now += 1
        column = np.arange(self.horizon)
        row = (self._now - 1 - column) % self.horizon
        known = self._made[row][:, None]
        self._made[self._now % self.horizon] = False
        if not known.any():
            return
        below = self.spread.below(truth, self._centre[row, column], self._width[row, column], self._score[row, column])
        error = below - self.probability
        n = np.maximum(self._seen, 1)
        own = np.clip(2 / n, 0.004, 0.1)[..., None]
        pooled = self._pooled_gain * np.einsum("hnq,n->hq", error, self._pool)[:, None]
        self.score -= (known / self._ahead)[..., None] * self._weight * (own * error + pooled)
        # Scores that have crossed change places, so that the next error of a quantile corrects this quantile.
        self.score.sort(-1)
        rate = np.maximum(1 / (n + 1), 0.7 / np.clip(n / 4, 20, 500))
        self.spread.update(truth, self._forecast[row, column], known * rate)
        self._seen += known
