"""Intervals of the scores of one session, and a test of two models, from blocks of bins."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from scipy.special import stdtr, stdtrit
from torch import Tensor

from synapsnet_pyg.models.forecasting import SessionForecast
from synapsnet_pyg.runs.time_blocks import block_length, block_sums, time_blocks

_AT_ONCE = 256
"""Neurons whose resampled scores are in memory at once."""


class Interval(NamedTuple):
    """A 95 % interval; NaN where there are too few blocks for one."""

    low: float
    high: float


class ScoreInterval(NamedTuple):
    """Intervals of a model's scores on one session."""

    correlation: Interval
    mse: Interval


class Difference(NamedTuple):
    """Difference of a score of two models on one session."""

    value: float
    interval: Interval
    p: float
    """Two-sided p-value of no difference; NaN without an interval."""


class Comparison(NamedTuple):
    """Paired comparison of the scores of two models on one session, first minus second."""

    correlation: Difference
    mse: Difference
    """Difference of the mean squared errors, below zero if the first model is better."""


class BlockBootstrap:
    r"""Bootstrap over blocks of bins of the scores of several models on one session.

    Neighbouring bins depend on each other, so blocks of bins are drawn with replacement, each with all neurons
    (Kunsch 1989). Scores of a sample follow from sums over blocks. The standard error is the deviation of the score
    over samples, corrected by :math:`\sqrt{B / (B - 1)}` for B blocks, and intervals and p-values are those of
    Student's t with :math:`B - 1` degrees of freedom: percentiles of a few blocks are too narrow. All models share the
    samples, so that differences are paired.

    The interval tells how far the score would move with other test bins of the same session and neurons. It does not
    tell how far it would move with another training part, another seed or other neurons.

    Args:
        forecasts: Model -> forecast of the same M bins.
        scored: Neurons that are scored, booleans :math:`(N)`.
        segment: First bin and end of each segment :math:`(S, 2)`.
        least: Smallest length of a block, such as the largest window of the models.
        samples: Number of samples.
        seed: Seed of the samples.

    Attributes:
        length: Length of a block in bins, about.
        blocks: Number of blocks B.

    References:
        Kunsch (1989), The jackknife and the bootstrap for general stationary observations. Annals of Statistics 17.
    """

    def __init__(
        self,
        forecasts: Mapping[str, SessionForecast],
        scored: Tensor,
        segment: Tensor,
        *,
        least: int = 1,
        samples: int = 1000,
        seed: int = 0,
    ) -> None:
        first = next(iter(forecasts.values()))
        truth = first.truth[scored].double().cpu()

        def guess_of(model: str) -> Tensor:
            """Returns the forecast of a model, in double precision of one at a time."""
            return forecasts[model].forecast[scored].double().cpu()

        if not len(truth):
            self.length, self.blocks, block = 0, 0, torch.zeros(0)
        else:
            series = torch.stack(
                [
                    values
                    for guess in map(guess_of, forecasts)
                    for values in (score_series(truth, guess), (truth - guess).square().mean(0))
                ]
            )
            self.length = block_length(series, least)
            block = time_blocks(first.bins.cpu(), segment.cpu(), self.length)
            self.blocks = int(block.max()) + 1
        self._whole: dict[str, Tensor] = {}
        self._samples: dict[str, Tensor] = {}
        if self.blocks:
            B = self.blocks
            drawn = torch.randint(B, (samples, B), generator=torch.Generator().manual_seed(seed))
            times = torch.zeros(samples, B, dtype=torch.float64).scatter_add_(
                1, drawn, torch.ones(drawn.shape).double()
            )
            for model in forecasts:
                guess = guess_of(model)
                self._whole[model] = _sample_scores(truth, guess, block, torch.ones(1, B, dtype=torch.float64))[0]
                self._samples[model] = _sample_scores(truth, guess, block, times)

    def interval(self, model: str) -> ScoreInterval:
        """Returns the intervals of a model's correlation and squared error."""
        if self.blocks < 2:
            return ScoreInterval(_UNKNOWN.interval, _UNKNOWN.interval)
        whole, samples = self._whole[model], self._samples[model]
        return ScoreInterval(*(self._tested(whole[k], samples[:, k]).interval for k in range(2)))

    def compare(self, one: str, other: str) -> Comparison:
        """Compares two models on the same blocks; see :class:`Comparison`."""
        if self.blocks < 2:
            return Comparison(_UNKNOWN, _UNKNOWN)
        whole, samples = self._whole[one] - self._whole[other], self._samples[one] - self._samples[other]
        return Comparison(*(self._tested(whole[k], samples[:, k]) for k in range(2)))

    def _tested(self, whole: Tensor, samples: Tensor) -> Difference:
        """Returns a score or a difference with its interval, and the p-value of zero."""
        B, value = self.blocks, float(whole)
        error = float(samples.std()) * (B / (B - 1)) ** 0.5
        half = float(stdtrit(B - 1, 0.975)) * error
        p = 2 * float(stdtr(B - 1, -abs(value) / error)) if error > 0 else (1.0 if value == 0 else math.nan)
        return Difference(value, Interval(value - half, value + half), p)


_UNKNOWN = Difference(math.nan, Interval(math.nan, math.nan), math.nan)


def score_series(truth: Tensor, forecast: Tensor) -> Tensor:
    r"""Returns each bin's contribution to the error of the mean correlation, whose mean over bins is zero: [M].

    .. math::
        \psi(t) = \big\langle z_i(t)\, \hat z_i(t) - \tfrac{r_i}{2} (z_i(t)^2 + \hat z_i(t)^2) \big\rangle_i

    with :math:`z` standardised over the bins, the influence function of Pearson's correlation.

    Args:
        truth: True activity of neurons that vary :math:`(N, M)`.
        forecast: Forecast activity :math:`(N, M)`.
    """
    z, guess = (
        (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True).clamp_min(1e-12) for x in (truth, forecast)
    )
    r = (z * guess).mean(1, keepdim=True)
    return (z * guess - r / 2 * (z.square() + guess.square())).mean(0)


def _sample_scores(truth: Tensor, forecast: Tensor, block: Tensor, times: Tensor) -> Tensor:
    """Computes mean correlation and squared error [R, 2] of R samples, each taking every block some times [R, B].

    A neuron that is constant in a sample is left out of its mean, as it would be from the score.
    """
    count = times @ torch.bincount(block).double()  # bins in each sample
    total_r, total_error = count.new_zeros(len(count)), count.new_zeros(len(count))
    varied = torch.zeros_like(count)
    for rows in torch.arange(len(truth)).split(_AT_ONCE):
        x, y = truth[rows], forecast[rows]
        error = block_sums((x - y).square(), block).sum(0)
        x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
        n = count[:, None]
        mean_x, mean_y, xx, yy, xy = (
            (times @ block_sums(values, block).t()) / n for values in (x, y, x.square(), y.square(), x * y)
        )
        power_x, power_y = xx - mean_x.square(), yy - mean_y.square()
        varies = power_x > 1e-12 * x.square().mean(1)
        r = (xy - mean_x * mean_y) / (power_x * power_y).clamp_min(1e-300).sqrt()
        # As in the score, a constant forecast has the correlation 0.
        r = torch.where(varies & (power_y > 1e-12 * y.square().mean(1)), r.clamp(-1, 1), 0.0)
        total_r += r.sum(1)
        varied += varies.sum(1)
        total_error += times @ error
    return torch.stack([total_r / varied, total_error / (count * len(truth))], dim=1)
