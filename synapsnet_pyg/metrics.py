"""How good a forecast, how good a connectivity: the definitions behind every number we print."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


def correlation(truth: Tensor, forecast: Tensor) -> Tensor:
    r"""Pearson correlation of each neuron over time, the forecasting score of SynapsNet (section 3.1).

    .. math::
        r_i = \frac{\sum_t (x_i - \bar x_i)(\hat x_i - \bar{\hat x}_i)}
                   {\sqrt{\sum_t (x_i - \bar x_i)^2 \sum_t (\hat x_i - \bar{\hat x}_i)^2}}

    Args:
        truth: :math:`(N, T)`.
        forecast: :math:`(N, T)`.

    Returns:
        :math:`(N)` in float64, from -1 to 1. NaN where the *truth* is constant, since no forecast can be scored there;
        0 where the forecast alone is constant, since it tells nothing of the truth's course.
    """
    return torch.cat([_correlation(x, y) for x, y in _rows(truth, forecast)])


def _correlation(truth: Tensor, forecast: Tensor) -> Tensor:
    x, y = truth - truth.mean(1, keepdim=True), forecast - forecast.mean(1, keepdim=True)
    power_x, power_y = (x * x).sum(1), (y * y).sum(1)
    # What rounding leaves of a constant row is no variation.
    flat_x = power_x <= 1e-14 * truth.square().sum(1)
    flat_y = power_y <= 1e-14 * forecast.square().sum(1)
    r = (x * y).sum(1) / (power_x * power_y).sqrt()
    r = torch.where(flat_y, torch.zeros_like(r), r.clamp(-1, 1))
    return torch.where(flat_x, torch.full_like(r, torch.nan), r)


def squared_error(truth: Tensor, forecast: Tensor) -> Tensor:
    """Mean over time of each neuron's squared error, about 1 for the mean forecast of standardised activity.

    Args:
        truth: :math:`(N, T)`.
        forecast: :math:`(N, T)`.

    Returns:
        :math:`(N)` in float64; its mean is the mean squared error.
    """
    return torch.cat([(x - y).square().mean(1) for x, y in _rows(truth, forecast)])


def r_squared(truth: Tensor, forecast: Tensor) -> Tensor:
    r"""Share of each neuron's variance that the forecast explains, :math:`1 - SSE / SST` over time.

    Args:
        truth: :math:`(N, T)`.
        forecast: :math:`(N, T)`.

    Returns:
        :math:`(N)` in float64, at most 1; not a number where the truth is constant.
    """
    return torch.cat(
        [1 - (y - x).square().sum(1) / (x - x.mean(1, keepdim=True)).square().sum(1) for x, y in _rows(truth, forecast)]
    )


class MeanSem(NamedTuple):
    """Mean of a few values and its standard error."""

    mean: float
    """NaN where there are no values."""
    sem: float
    """NaN where there are fewer than two values."""


def mean_and_sem(values: Iterable[float]) -> MeanSem:
    r"""Computes mean and standard error :math:`s / \sqrt{n}`, with :math:`s` the sample deviation (n - 1).

    Args:
        values: Values that are numbers, such as one score for each session.

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
    """Computes p of a two-sided paired t-test over the sessions that both models have.

    Args:
        one: Session name -> score of one model.
        other: Session name -> score of the other.

    Returns:
        p, or None for fewer than two sessions in common and where all differences are equal.
    """
    from scipy.stats import ttest_rel  # a second of import that few callers need

    common = [session for session in one if session in other]
    a, b = (np.array([values[session] for session in common]) for values in (one, other))
    if len(common) < 2 or np.allclose(a - b, (a - b)[0]):
        return None
    return float(ttest_rel(a, b).pvalue)


def _rows(*matrices: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """A few rows at a time in float64, so that a long recording is never held twice."""
    step = max(1, 2**20 // max(1, matrices[0].shape[1]))
    for rows in zip(*(matrix.split(step) for matrix in matrices), strict=True):
        yield tuple(part.double() for part in rows)


def pc_correlation(truth: Tensor, forecast: Tensor, components: int = 3) -> Tensor:
    """Correlation of true and forecast population activity along the first principal axes of the truth (figure 2).

    Args:
        truth: :math:`(N, T)`.
        forecast: :math:`(N, T)`; both are centred with the truth's mean.
        components: How many axes.

    Returns:
        :math:`(\\min(components, N))` in float64, each as in :func:`correlation`.
    """
    return correlation(*principal_components(truth, forecast, components))


def principal_components(truth: Tensor, forecast: Tensor, components: int = 3) -> tuple[Tensor, Tensor]:
    """True and forecast population activity along the first principal axes of the truth, [components, T] each."""
    x, mean = truth.double(), truth.double().mean(1, keepdim=True)
    axes = principal_axes(x - mean, components)
    return axes @ (x - mean), axes @ (forecast.double() - mean)


def principal_axes(centred: Tensor, components: int) -> Tensor:
    """Leading principal axes [components, N] in float64 of courses without their means [N, T]."""
    # Eigenvectors of [N, N] rather than of [N, T]: the recording is longer than the population is large.
    return torch.linalg.eigh((centred @ centred.t()).double()).eigenvectors.flip(1)[:, :components].t()


class ConnectivityScore(NamedTuple):
    """How well a matrix of weights recovers the true one; NaN where a score is undefined (no edges, all equal)."""

    pearson: float
    """Of the signed weights: SynapsNet's "accuracy"."""
    spearman: float
    """Of their ranks, ties sharing the average rank."""
    auroc: float
    """Chance that a true edge has a larger absolute weight than a pair without one; 0.5 is guessing."""
    auprc: float
    """Average precision of the absolute weights; the density of edges is guessing."""
    auroc_excitatory: float
    """The same for the signed weight against "is a positive edge"."""
    auroc_inhibitory: float
    """And for its negative against "is a negative edge"."""
    auprc_excitatory: float
    """Average precision for positive edges."""
    auprc_inhibitory: float
    """Average precision for negative edges."""
    sign_accuracy: float
    """Share of the true edges whose sign is right; zero is wrong."""


def connectivity_score(estimate: Tensor, truth: Tensor, diagonal: bool = False) -> ConnectivityScore:
    """Compares an estimated connectivity with the true one.

    Args:
        estimate: :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        truth: :math:`(N, N)`, zero where there is no edge.
        diagonal: Whether self-connections count too.

    Raises:
        ValueError: The shapes differ.
    """
    if estimate.shape != truth.shape or truth.dim() != 2:
        raise ValueError(f"Expected two matrices [N, N] (got {list(estimate.shape)} and {list(truth.shape)}).")
    kept = torch.ones_like(truth, dtype=torch.bool) if diagonal else ~torch.eye(len(truth), dtype=torch.bool)
    e, t = estimate.detach().cpu()[kept.cpu()].double().numpy(), truth.detach().cpu()[kept.cpu()].double().numpy()
    edge = t != 0
    return ConnectivityScore(
        _pearson(e, t),
        _pearson(ranks(e), ranks(t)),
        _auroc(np.abs(e), edge),
        _average_precision(np.abs(e), edge),
        _auroc(e, t > 0),
        _auroc(-e, t < 0),
        _average_precision(e, t > 0),
        _average_precision(-e, t < 0),
        float((np.sign(e) == np.sign(t))[edge].mean()) if edge.any() else float("nan"),
    )


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    r = correlation(torch.from_numpy(y)[None], torch.from_numpy(x)[None])
    # A constant estimate is not wrong in a measurable way either: both cases are undefined here.
    return float(r) if np.ptp(x) > 0 else float("nan")


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their average rank."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]


def _auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve from the rank sum (Mann-Whitney); ties count one half."""
    P = int(positive.sum())
    if P in (0, len(positive)):
        return float("nan")
    return float((ranks(score)[positive].sum() - P * (P + 1) / 2) / (P * (len(positive) - P)))


def _average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Sum over distinct thresholds of the gain in recall times the precision, without interpolation."""
    P = int(positive.sum())
    if P == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.diff(score[order]) != 0, True)  # the last of each run of ties
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(hits[last], prepend=0) / P * precision).sum())
