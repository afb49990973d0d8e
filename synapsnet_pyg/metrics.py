"""Scores of forecasts and of connectivity, and statistics of scores."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def correlation(truth: Tensor, forecast: Tensor) -> Tensor:
    r"""Computes the Pearson correlation over time of each neuron, the forecasting score of SynapsNet (section 3.1).

    .. math::
        r_i = \frac{\sum_t (x_i - \bar x_i)(\hat x_i - \bar{\hat x}_i)}
                   {\sqrt{\sum_t (x_i - \bar x_i)^2 \sum_t (\hat x_i - \bar{\hat x}_i)^2}}

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.

    Returns:
        Correlations :math:`(N)` in float64, from -1 to 1. NaN if a neuron's truth is constant, since no forecast of it
        can be scored; 0 if only the forecast is constant, since it explains no variation.
    """
    return torch.cat([_correlation(x, y) for x, y in _rows(truth, forecast)])


def _correlation(truth: Tensor, forecast: Tensor) -> Tensor:
    """Computes the correlations of a few neurons; see :func:`correlation`."""
    x, y = truth - truth.mean(1, keepdim=True), forecast - forecast.mean(1, keepdim=True)
    power_x, power_y = (x * x).sum(1), (y * y).sum(1)
    # A power this small is rounding error of a constant row.
    constant_x = power_x <= 1e-14 * truth.square().sum(1)
    constant_y = power_y <= 1e-14 * forecast.square().sum(1)
    r = (x * y).sum(1) / (power_x * power_y).sqrt()
    r = torch.where(constant_y, torch.zeros_like(r), r.clamp(-1, 1))
    return torch.where(constant_x, torch.full_like(r, torch.nan), r)


def squared_error(truth: Tensor, forecast: Tensor) -> Tensor:
    """Computes the mean squared error over time of each neuron.

    The error of the forecast 0 is about 1 if activity is standardised.

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.

    Returns:
        Errors :math:`(N)` in float64, in squared units of activity.
    """
    return torch.cat([(x - y).square().mean(1) for x, y in _rows(truth, forecast)])


def absolute_error(truth: Tensor, forecast: Tensor) -> Tensor:
    """Computes the mean absolute error over time of each neuron.

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.

    Returns:
        Errors :math:`(N)` in float64, in units of activity.
    """
    return torch.cat([(x - y).abs().mean(1) for x, y in _rows(truth, forecast)])


def spatial_correlation(truth: Tensor, forecast: Tensor) -> Tensor:
    """Computes the Pearson correlation over neurons of each bin (SpikeProphecy, arXiv 2605.12992).

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.

    Returns:
        Correlations :math:`(T)` in float64, NaN for bins in which all neurons are equally active; see
        :func:`correlation`.
    """
    return correlation(truth.t(), forecast.t())


def population_correlation(truth: Tensor, forecast: Tensor) -> float:
    """Computes the Pearson correlation over time of the mean over neurons (SpikeProphecy, arXiv 2605.12992).

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.

    Returns:
        Correlation; NaN without neurons, or if their mean is constant.
    """
    x, y = (activity.mean(0, keepdim=True, dtype=torch.float64) for activity in (truth, forecast))
    return float(correlation(x, y))


def bits_per_spike(counts: Tensor, forecast: Tensor, mean_rate: Tensor, floor: float = 0.01) -> float:
    r"""Computes how much better counts are predicted by a forecast than by a constant rate, in bits for each spike.

    .. math::
        \frac{1}{n \log 2} \sum_{i, t} \log \frac{p(c_i(t) \mid \lambda_i(t))}{p(c_i(t) \mid \bar\lambda_i)}
        = \frac{1}{n \log 2} \sum_{i, t} c_i(t) \log \frac{\lambda_i(t)}{\bar\lambda_i}
        - \lambda_i(t) + \bar\lambda_i

    with :math:`p` the Poisson distribution and :math:`n` the number of spikes (Pei et al. 2021, Neural Latents
    Benchmark, section 3.3). There the constant rate is that of the scored bins; a forecast does not know it, so that
    here the mean rate in training takes its place. A forecast by squared error can be zero or below: the rate
    :math:`\lambda_i(t)` is the forecast or ``floor`` :math:`\bar\lambda_i`, whichever is larger.

    Args:
        counts: True counts :math:`(N, T)`.
        forecast: Forecast counts :math:`(N, T)`.
        mean_rate: Mean count of each neuron in a bin of the training part :math:`(N)`, above 0.
        floor: Smallest rate as a share of the mean rate.

    Returns:
        Bits for each spike, 0 for the constant rate; NaN without spikes.

    Example:
        >>> counts = torch.tensor([[0.0, 2.0, 0.0, 2.0]])
        >>> round(bits_per_spike(counts, counts, torch.tensor([1.0])), 2)
        0.99
    """
    spikes, gain = 0.0, 0.0
    mean = mean_rate.double()[:, None].expand_as(counts)
    for c, y, m in _rows(counts, forecast, mean):
        rate = torch.maximum(y, floor * m)
        gain += float((c * (rate / m).log() - rate + m).sum())
        spikes += float(c.sum())
    return gain / (spikes * math.log(2)) if spikes else math.nan


def r_squared(truth: Tensor, forecast: Tensor) -> Tensor:
    r"""Computes the share of each neuron's variance over time that the forecast explains.

    .. math::
        R^2_i = 1 - \frac{\sum_t (x_i - \hat x_i)^2}{\sum_t (x_i - \bar x_i)^2}

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.

    Returns:
        Shares :math:`(N)` in float64, at most 1; no finite number if a neuron's truth is constant.
    """
    return torch.cat(
        [1 - (y - x).square().sum(1) / (x - x.mean(1, keepdim=True)).square().sum(1) for x, y in _rows(truth, forecast)]
    )


class MeanSem(NamedTuple):
    """Mean of some values, and its standard error."""

    mean: float
    """Mean; NaN without values."""
    sem: float
    """Standard error of the mean; NaN for fewer than two values."""


def mean_and_sem(values: Iterable[float]) -> MeanSem:
    r"""Computes the mean of n values and its standard error :math:`s / \sqrt{n}`.

    The deviation :math:`s` is that of a sample, with :math:`n - 1` in the denominator.

    Args:
        values: Values without NaN, such as one score for each session.

    Example:
        >>> mean_and_sem([1.0, 2.0, 3.0])
        MeanSem(mean=2.0, sem=0.5773502691896258)
    """
    array = np.array(list(values), dtype=float)
    if not len(array):
        return MeanSem(float("nan"), float("nan"))
    deviation = float(array.std(ddof=1)) if len(array) > 1 else float("nan")
    return MeanSem(float(array.mean()), deviation / len(array) ** 0.5)


def paired_p(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Computes the p value of a two-sided paired t-test over the sessions that two models have in common.

    Args:
        one: Session name -> score of the first model.
        other: Session name -> score of the second model.

    Returns:
        p value; None for fewer than two sessions in common, or if all differences are equal.
    """
    from scipy.special import stdtr  # few callers need it

    common = [session for session in one if session in other]
    a, b = (np.array([values[session] for session in common]) for values in (one, other))
    if len(common) < 2 or np.allclose(a - b, (a - b)[0]):
        return None
    difference = a - b
    error = difference.std(ddof=1) / len(common) ** 0.5
    return float(2 * stdtr(len(common) - 1, -abs(difference.mean() / error)))


def _rows(*matrices: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yields a few rows of each matrix at a time in float64, so that a long recording is not copied as a whole."""
    step = max(1, 2**18 // max(1, matrices[0].shape[1]))
    for rows in zip(*(matrix.split(step) for matrix in matrices), strict=True):
        yield tuple(part.double() for part in rows)


def pc_correlation(truth: Tensor, forecast: Tensor, components: int = 3) -> Tensor:
    r"""Computes the correlation of truth and forecast along the first principal axes of the truth (figure 2).

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`.
        components: Number of axes.

    Returns:
        Correlation along each axis :math:`(\min(\text{components}, N))` in float64, see :func:`correlation`.
    """
    return correlation(*principal_components(truth, forecast, components))


def principal_components(truth: Tensor, forecast: Tensor, components: int = 3) -> tuple[Tensor, Tensor]:
    """Projects truth and forecast onto the first principal axes of the truth.

    Args:
        truth: True activity :math:`(N, T)`.
        forecast: Forecast activity :math:`(N, T)`. The mean of the truth is subtracted from both.
        components: Number of axes.

    Returns:
        Truth and forecast along the axes, [components, T] each, in float64.
    """
    x = truth.to(torch.float64, copy=True)
    mean = x.mean(1, keepdim=True)
    axes = principal_axes(x.sub_(mean), components)
    return axes @ x, axes @ x.copy_(forecast).sub_(mean)


def principal_axes(centred: Tensor, components: int) -> Tensor:
    """Computes the first principal axes [components, N] in float64 of time series [N, T] without their means."""
    if components < centred.shape[1] < len(centred):  # few bins: their matrix has the same eigenvalues
        axes = centred @ torch.linalg.eigh((centred.t() @ centred).double()).eigenvectors.flip(1)[:, :components].to(
            centred
        )
        return (axes / axes.norm(dim=0).clamp_min(1e-12)).double().t()
    return torch.linalg.eigh((centred @ centred.t()).double()).eigenvectors.flip(1)[:, :components].t()


class ConnectivityScore(NamedTuple):
    """Agreement of estimated weights with the true ones.

    A score is NaN if it is undefined, as without true edges or if all weights are equal.
    """

    pearson: float
    """Pearson correlation of the signed weights, SynapsNet's "accuracy"."""
    spearman: float
    """Correlation of the ranks of the signed weights; ties share their average rank."""
    auroc: float
    """Probability that a true edge has a larger absolute weight than a pair without an edge; 0.5 by chance."""
    auprc: float
    """Average precision of the absolute weights in finding edges; the share of pairs with an edge by chance."""
    auroc_excitatory: float
    """Probability that a positive edge has a larger signed weight than any other pair; 0.5 by chance."""
    auroc_inhibitory: float
    """Probability that a negative edge has a smaller signed weight than any other pair; 0.5 by chance."""
    auprc_excitatory: float
    """Average precision of the signed weights in finding positive edges."""
    auprc_inhibitory: float
    """Average precision of the negated weights in finding negative edges."""
    sign_accuracy: float
    """Share of the true edges with the right sign in the estimate; an estimate of zero counts as wrong."""


def connectivity_score(estimate: Tensor, truth: Tensor, diagonal: bool = False) -> ConnectivityScore:
    """Compares an estimated connectivity with the true one.

    Args:
        estimate: Estimated weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        truth: True weights :math:`(N, N)`, zero for pairs without an edge.
        diagonal: Whether self-connections are compared too.

    Raises:
        ValueError: The shapes differ, or are not :math:`(N, N)`.
    """
    if estimate.shape != truth.shape or truth.dim() != 2:
        raise ValueError(f"Expected two matrices [N, N] (got {list(estimate.shape)} and {list(truth.shape)}).")
    kept = torch.ones_like(truth, dtype=torch.bool) if diagonal else ~torch.eye(len(truth), dtype=torch.bool)
    e, t = estimate.detach().cpu()[kept.cpu()].double().numpy(), truth.detach().cpu()[kept.cpu()].double().numpy()
    edge = t != 0
    return ConnectivityScore(
        pearson=_pearson(e, t),
        spearman=_pearson(ranks(e), ranks(t)),
        auroc=area_under_curve(np.abs(e), edge),
        auprc=_average_precision(np.abs(e), edge),
        auroc_excitatory=area_under_curve(e, t > 0),
        auroc_inhibitory=area_under_curve(-e, t < 0),
        auprc_excitatory=_average_precision(e, t > 0),
        auprc_inhibitory=_average_precision(-e, t < 0),
        sign_accuracy=float((np.sign(e) == np.sign(t))[edge].mean()) if edge.any() else float("nan"),
    )


def _pearson(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Computes the Pearson correlation; NaN if estimate or truth is constant."""
    r = correlation(torch.from_numpy(truth)[None], torch.from_numpy(estimate)[None])
    return float(r) if np.ptp(estimate) > 0 else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """Returns the ranks of the values, from 1 on; ties share their average rank."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]


def area_under_curve(score: np.ndarray, positive: np.ndarray) -> float:
    """Computes the area under the ROC curve from the rank sum (Mann-Whitney); ties count one half.

    Args:
        score: Score of each case [M], larger for cases that seem positive.
        positive: Whether each case is positive, booleans [M].

    Returns:
        Probability that a positive case has a larger score than a negative one, 0.5 by chance; NaN if all cases are
        positive or none is.

    Example:
        >>> area_under_curve(np.array([0.1, 0.4, 0.3, 0.9]), np.array([False, False, True, True]))
        0.75
    """
    P = int(positive.sum())
    if P in (0, len(positive)):
        return float("nan")
    return float((ranks(score)[positive].sum() - P * (P + 1) / 2) / (P * (len(positive) - P)))


def _average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Computes the average precision: gain in recall times precision, summed over thresholds, not interpolated."""
    P = int(positive.sum())
    if P == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.diff(score[order]) != 0, True)  # the last of values that tie
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(hits[last], prepend=0) / P * precision).sum())
