"""Significance of edges: standard errors, p-values and posterior means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from scipy.special import stdtr
from torch import Tensor

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import principal_axes
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.regression.shrinkage import shrink
from synapsnet_pyg.regression.sparse_low_rank import sparse_low_rank

_EARLIER_BINS = 2
"""Number of bins before the sender's bin whose activity also counts as a known signal."""


@dataclass(frozen=True)
class EdgeSignificance:
    """Statistics of every edge.

    Matrices are [N, N]; ``[i, j]`` belongs to the edge from j to i; the diagonal is NaN.

    Attributes:
        effect: Effect of j on i before shrinkage: the model's connectivity plus the effect left in its errors.
        error: Standard error of the effect.
        p_value: Probability of an effect at least as far from zero if there is no edge, two-sided.
        q_value: Smallest false discovery rate at which the edge is significant (Benjamini and Hochberg).
        edge_probability: Posterior probability of an edge (empirical Bayes).
        posterior_mean: Posterior mean of the effect, shrunk towards zero where evidence is weak.
        sign_stability: Share of block-bootstrap samples in which the effect has the same sign, 0.5 (chance) to 1.
        density: Share of the pairs that are edges.
        null_deviation: Standard deviation of the effects of pairs without an edge, in standard errors. It is 1 if
            chance alone moves these effects, and larger if unrecorded influences do.
        latents: Number of signals shared by many neurons that the model does not explain; effects are without them.
    """

    effect: Tensor
    error: Tensor
    p_value: Tensor
    q_value: Tensor
    edge_probability: Tensor
    posterior_mean: Tensor
    sign_stability: Tensor
    density: float
    null_deviation: float
    latents: int

    def edges(self, rate: float = 0.05) -> Tensor:
        """Returns the pairs with a significant edge, booleans [N, N].

        Args:
            rate: False discovery rate, the expected share of false ones among these edges.
        """
        return self.q_value.nan_to_num(1.0) <= rate

    def edge_fields(self) -> dict[str, Tensor]:
        """Returns column -> matrix of the statistics that tables and files have for each weight."""
        names = ("effect", "error", "p_value", "q_value", "edge_probability", "sign_stability")
        return {name: getattr(self, name) for name in names}


def edge_significance(
    model: Forecaster | Sequence[Forecaster],
    session: Session,
    *,
    shifts: int = 100,
    resamples: int = 100,
    targets: int = 1,
    seed: int = 0,
    correlation_time: int = 50,
    connectivity: Tensor | None = None,
) -> EdgeSignificance:
    r"""Tests every edge of a fitted model, or of an ensemble of fits.

    .. math::
        D_{ij} = C_{ij} + \frac{\sum_t r_i(t + 1)\, \tilde a_j(t)}{T}, \qquad
        s_{ij}^2 = \frac{1}{T} \langle r_i^2 \rangle \langle \tilde a_j^2 \rangle, \qquad
        z_{ij} = \frac{D_{ij} - H_{ij}}{s_{ij}\, n_{ij}\, \nu}

    with :math:`C` the model's connectivity, :math:`r` its forecast errors over the session, and :math:`\tilde a_j` the
    unique activity of sender j. That is the part of j's activity that no other recorded neuron, no behaviour and no
    smooth function of signals shared by many neurons explains, scaled such that its product with an error is an effect.

    A penalty shrinks C towards zero. D is C without this bias, and has a standard error s (for a linear model, D is the
    least-squares estimate). Three corrections make z standard normal for pairs without an edge:

    1. **Slow activity.** Senders are shifted circularly against the errors. Each neuron keeps its own time series, and
       the relation between neurons is lost. The deviation of z under such shifts is n, at least 1. Trials of equal
       length are shifted as a whole.
    2. **Common drive.** Unrecorded signals shared by many neurons add a matrix of low rank, H, to the effects. It is
       estimated and subtracted.
    3. **Other unrecorded influences.** Most pairs have no edge. The deviation of their z is :math:`\nu`, at least 1
       (Efron 2004).

    The p-values are two-sided. They are those of Student's t distribution with the kurtosis of the sum over bins,
    because sums over few coincidences of rare spikes have heavier tails than a normal distribution. The q-values
    control the false discovery rate over all pairs.

    Several fits of one session are tested as one forecaster. Its forecast is the mean of their forecasts, and its
    connectivity is the mean of theirs. For linear models this is exact: the mean forecast is the forecast of the mean
    weights.

    Args:
        model: Fitted model, or several fits of the same session with different seeds.
        session: Training part, standardised.
        shifts: Number of circular shifts, 10 or more.
        resamples: Number of block-bootstrap samples for ``sign_stability``, 10 or more.
        targets: Number of bins P forecast in one window, as in training.
        seed: Seed of shifts and samples.
        correlation_time: Shortest shift and length of a bootstrap block, in bins.
        connectivity: Connectivity of the model, or mean over several fits, :math:`(N, N)`; None: it is computed.

    Raises:
        ValueError: ``shifts`` or ``resamples`` is below 10, or the session is too short for the shifts.

    References:
        Zhang and Zhang 2014, van de Geer et al. 2014 (removal of the shrinkage bias); Efron 2004 (empirical null);
        Benjamini and Hochberg 1995.
    """
    if min(shifts, resamples) < 10:
        raise ValueError(f"Expected at least 10 shifts and resamples (got {shifts} and {resamples}).")
    models = [model] if isinstance(model, Forecaster) else list(model)
    residual = _residuals(models, session, targets)
    T = residual.errors.shape[1]
    if 4 * correlation_time > T:
        raise ValueError(
            f"Expected at least {4 * correlation_time} bins for circular shifts (session '{session.name}' has "
            f"{T}); use a shorter correlation_time or a longer recording."
        )
    learned = mean_connectivity(models, session) if connectivity is None else connectivity
    random = torch.Generator().manual_seed(seed)
    offsets = _offsets(session, T, shifts, correlation_time, random)
    error = _standard_error(residual) * _deviation_under_shifts(residual, offsets)
    parts = sparse_low_rank(learned.double() + residual.effect, error)
    effect = learned.double() + residual.effect - parts.receivers @ parts.senders

    null_deviation = parts.mixture.null_variance**0.5
    error = error * max(1.0, null_deviation)
    p = _p_values(effect / error, residual)
    # Normal quantile of each p-value, because the mixture of edges and other pairs has normal components.
    z = -torch.special.ndtri((p / 2).clamp(1e-300, 0.5)).nan_to_num(0.0) * max(1.0, null_deviation)
    stability = _sign_stability(effect, residual, resamples, correlation_time, random)
    return EdgeSignificance(
        effect=_pairs(effect),
        error=_pairs(error),
        p_value=_pairs(p),
        q_value=_pairs(torch.from_numpy(benjamini_hochberg(p.numpy()))),
        edge_probability=_pairs(parts.mixture.edge_probability(z)),
        posterior_mean=_pairs(effect * parts.mixture.shrinkage(z)),
        sign_stability=_pairs(stability),
        density=parts.mixture.density,
        null_deviation=null_deviation,
        latents=len(parts.senders),
    )


def mean_connectivity(models: Sequence[Forecaster], session: Session) -> Tensor:
    """Returns the mean connectivity [N, N] of several fits, detached."""
    total = models[0].connectivity(session).detach()
    for model in models[1:]:
        total = total + model.connectivity(session).detach()
    return total / len(models)


class _Residuals(NamedTuple):
    """Errors of a forecast over T bins, and the unique activity of the senders."""

    errors: Tensor
    """Truth minus forecast, with mean zero: [N, T]."""
    unique: Tensor
    """Unique activity of each sender one bin before the errors: [N, T]."""
    effect: Tensor
    """Effect of each sender on the errors, in float64: [N, N]."""


def _residuals(models: Sequence[Forecaster], session: Session, targets: int) -> _Residuals:
    """Computes the errors of the mean forecast, and the unique activity of the senders one bin before."""
    first = max(1 + _EARLIER_BINS, *(model.window for model in models))
    forecasts = [forecast_session(model, session, targets, first=first) for model in models]
    mean = forecasts[0].forecast
    for forecast in forecasts[1:]:
        mean = mean + forecast.forecast
    errors = forecasts[0].truth - mean / len(forecasts)
    errors = errors - errors.mean(1, keepdim=True)
    unique = _unique_activity(session, forecasts[0].bins - 1)
    return _Residuals(errors, unique, (errors @ unique.t()).double() / errors.shape[1])


def _standard_error(residual: _Residuals) -> Tensor:
    """Returns the standard error of every effect as if errors were independent in time, above 0: [N, N]."""
    errors, unique, _ = residual
    error = torch.outer(errors.norm(dim=1), unique.norm(dim=1)).double() / errors.shape[1] ** 1.5
    return error.clamp_min(1e-9 * float(error.max()))


def _p_values(z: Tensor, residual: _Residuals) -> Tensor:
    """Returns two-sided p-values of z [N, N], NaN on the diagonal and for silent neurons."""
    errors, unique, _ = residual
    p = _two_sided(z, torch.outer(_kurtosis(errors), _kurtosis(unique)) / errors.shape[1])
    silent = (errors.abs().amax(1) == 0)[:, None] | (unique.abs().amax(1) == 0)
    p[silent] = torch.nan
    return p.fill_diagonal_(torch.nan)


def _pairs(matrix: Tensor) -> Tensor:
    """Returns a matrix in float32 with NaN on the diagonal."""
    return matrix.float().clone().fill_diagonal_(torch.nan)


def _unique_activity(session: Session, bins: Tensor) -> Tensor:
    """Returns the unique activity of each neuron [N, M]: the part that no other known signal explains.

    Known signals are the other neurons and behaviour. If there are at least 20 bins for each signal, smooth functions
    of shared signals (:func:`_shared_signals`) are added, and then all neurons in the two bins before, because
    neurons with a common driver in earlier bins seem to drive each other. The result is the inverse covariance of all
    signals times the signals. The covariance is shrunk towards a multiple of the identity, by an amount that depends on
    the number of bins (Ledoit and Wolf 2004).
    """
    inputs = [session.activity[:, bins], session.behaviour[bins].t()]
    functions = _shared_signals(session)
    earlier = [session.activity[:, bins - lag] for lag in range(1, 1 + _EARLIER_BINS)]
    for further in ([functions[:, bins]], earlier):
        if len(bins) >= 20 * sum(len(rows) for rows in (*inputs, *further)):
            inputs += further
    joined = torch.cat(inputs)
    joined = joined - joined.mean(1, keepdim=True)
    M, T = joined.shape
    covariance = (joined @ joined.t()).double() / T
    fourth_power = float(joined.square().sum(0).double().square().mean())
    identity = torch.eye(M, dtype=covariance.dtype, device=covariance.device)
    inverse = torch.linalg.inv(shrink(covariance, fourth_power, T) + 1e-6 * identity)
    return inverse[: session.num_neurons].to(joined) @ joined


def _shared_signals(session: Session, components: int = 4, memory: float = 3.0) -> Tensor:
    """Returns signals shared by many neurons [F, T]: slow components, their pairwise products and their cubes.

    Components are principal components of smoothed activity and of behaviour. Products and cubes are needed because the
    response of neurons to a shared signal may be nonlinear, which a linear model cannot remove from the effects.

    Args:
        session: Training part.
        components: Number of principal components of activity, and of behaviour.
        memory: Time constant of the smoothing in bins.
    """
    kernel = torch.exp(-torch.arange(5 * round(memory) - 1, -1, -1) / memory).to(session.activity)
    slow = torch.zeros_like(session.activity)
    for start, stop in session.segment.tolist():
        padded = torch.nn.functional.pad(session.activity[:, start:stop], (len(kernel) - 1, 0))
        slow[:, start:stop] = torch.nn.functional.conv1d(padded[:, None], kernel[None, None])[:, 0]
    few = min(
        components, session.num_neurons // 10
    )  # with few neurons, components would contain nearly all of their activity
    series = torch.cat([_leading(slow, few), _leading(session.behaviour.t(), components)])
    first, second = torch.triu_indices(len(series), len(series))
    functions = torch.cat([series, series[first] * series[second], series**3])
    return functions / functions.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


def _leading(series: Tensor, components: int) -> Tensor:
    """Returns the leading principal components of time series [C, T], each with standard deviation 1."""
    centred = series - series.mean(1, keepdim=True)
    leading = principal_axes(centred, components).to(series) @ centred
    return leading / leading.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


def _kurtosis(rows: Tensor) -> Tensor:
    """Returns the kurtosis of each row, 3 for normal values."""
    square = rows.double().square()
    return square.square().mean(1) / square.mean(1).square().clamp_min(1e-30)


def _two_sided(z: Tensor, excess: Tensor) -> Tensor:
    """Returns p-values of z under Student's t of the same excess kurtosis, whose tails are heavier than normal."""
    freedom = 4 + 6 / excess.clamp_min(1e-9)
    t = z.abs() * (freedom / (freedom - 2)).sqrt()
    return torch.from_numpy(2 * stdtr(freedom.numpy(), -t.numpy()))


def _offsets(session: Session, bins: int, shifts: int, shortest: int, random: torch.Generator) -> list[int]:
    """Draws the sizes of shifts in bins; 20 or more trials of equal length are shifted as a whole, to stay aligned."""
    length = session.segment[:, 1] - session.segment[:, 0]
    trial = bins // len(length) if len(length) >= 20 and bool((length == length[0]).all()) else 1
    low, high = -(-shortest // trial), (bins - shortest) // trial
    return [int(k) * trial for k in torch.randint(low, max(high, low + 1), (shifts,), generator=random)]


def _deviation_under_shifts(residual: _Residuals, offsets: list[int]) -> Tensor:
    """Returns the deviation of effect over standard error under shifts of the senders, at least 1: [N, N].

    It exceeds 1 if both neurons vary slowly. It is estimated as a factor of the receiver times a factor of the sender,
    because a single pair has too few shifts: each factor pools the shifts of all N pairs of a neuron.
    """
    errors, unique, _ = residual
    scale = torch.outer(errors.norm(dim=1), unique.norm(dim=1)).clamp_min(1e-12) / errors.shape[1] ** 0.5
    square = torch.zeros_like(scale)
    for offset in offsets:
        square += ((errors @ unique.roll(offset, 1).t()) / scale).square()
    variance = (square / len(offsets)).double()
    receiver, sender = variance.mean(1, keepdim=True), variance.mean(0, keepdim=True)
    return (receiver * sender / variance.mean().clamp_min(1e-12)).sqrt().clamp_min(1.0)


def _sign_stability(
    effect: Tensor, residual: _Residuals, resamples: int, block: int, random: torch.Generator
) -> Tensor:
    """Returns the share of block-bootstrap samples in which an effect keeps its sign: [N, N]."""
    errors, unique, left_in_errors = residual
    T = errors.shape[1]
    blocks = -(-T // block)
    same = torch.zeros_like(effect)
    for _ in range(resamples):
        drawn = torch.bincount(torch.randint(blocks, (blocks,), generator=random), minlength=blocks)
        times = drawn.repeat_interleave(block)[:T].to(errors)
        sampled = effect + ((errors * times) @ unique.t()).double() / times.sum() - left_in_errors
        same += (sampled.sign() == effect.sign()).double()
    return same / resamples
