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

_EARLIER = 2
"""Bins before the sender's whose activity is held fixed too."""


@dataclass(frozen=True)
class EdgeSignificance:
    """Statistics of every edge. All matrices are [N, N], ``[i, j]`` of the edge from j to i, NaN on the diagonal.

    Attributes:
        effect: Effect of j on i before shrinkage: the model's connectivity plus the effect left in its errors.
        error: Standard error of the effect.
        p_value: Probability of an effect so far from zero if there were no edge.
        q_value: Smallest false discovery rate at which the edge counts (Benjamini and Hochberg).
        edge_probability: Posterior probability of an edge (empirical Bayes).
        posterior_mean: Expected effect given the data: the effect, shrunk towards zero where evidence is weak.
        sign_stability: Share of block-bootstrap samples in which the effect has the same sign, 0.5 (chance) to 1.
        density: Share of the pairs that are edges.
        null_deviation: Deviation of the effects of pairs without an edge, in standard errors: 1 if nothing unseen
            moves them.
        latents: Number of signals that many neurons share beyond the model; their effect is taken out.
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
        """Returns the pairs that are edges at a false discovery rate, booleans [N, N].

        Args:
            rate: Share of these edges that may be false.
        """
        return self.q_value.nan_to_num(1.0) <= rate

    def edge_fields(self) -> dict[str, Tensor]:
        """Returns the matrices that stand beside a weight in tables and files, under the names of their columns."""
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

    with :math:`C` the model's connectivity, :math:`r` its errors over the session and :math:`\tilde a_j` the part of
    sender j's activity that neither other recorded neurons, nor behaviour, nor smooth functions of signals that many
    neurons share explain, scaled to one unit of effect. A penalty draws C towards zero. D takes that back (for a linear
    model it is the least-squares estimate), so that it has a standard error. Three nulls follow, each for an influence
    that the one before misses:

    1. Sender activity is **shifted circularly** against the errors. Each neuron keeps its own time series, and every
       relation between them is broken: n is the deviation of z under such shifts (where trials are of one length, by
       whole trials).
    2. The trace of a **common drive** in all weights, H, is of low rank and is taken out.
    3. Most pairs have no edge. Where their z still spread wider than 1, something unseen moves them, and
       :math:`\nu`, never below 1, widens the null likewise (Efron 2004).

    A sum over few coincidences of rare spikes has heavier tails than a normal one: p-values are two-sided, of Student's
    t with the kurtosis of that sum. q-values hold the false discovery rate over all pairs.

    Several fits of one session are tested as one forecaster. Its forecast is the mean of their forecasts, r are the
    errors of that mean, and C is the mean of their connectivities. (For linear models this is exact: the mean forecast
    is the forecast of the mean weights.)

    Args:
        model: Fitted model, or several fits of the same session from other seeds.
        session: Training part, standardised.
        shifts: Number of circular shifts, 10 or more.
        resamples: Number of block-bootstrap samples for ``sign_stability``, 10 or more.
        targets: Number of bins P forecast in one window, as in training.
        seed: Seed of shifts and samples.
        correlation_time: Shortest shift, and length of a bootstrap block, in bins.
        connectivity: Connectivity of the model (mean over an ensemble) :math:`(N, N)`; None: it is computed.

    Raises:
        ValueError: ``shifts`` or ``resamples`` is below 10, or the session is too short to shift.

    References:
        Zhang and Zhang 2014, van de Geer et al. 2014 (taking back the shrinkage); Efron 2004 (empirical null);
        Benjamini and Hochberg 1995.
    """
    if min(shifts, resamples) < 10:
        raise ValueError(f"Expected at least 10 shifts and resamples (got {shifts} and {resamples}).")
    models = [model] if isinstance(model, Forecaster) else list(model)
    residual = _residuals(models, session, targets)
    T = residual.errors.shape[1]
    if 4 * correlation_time > T:
        raise ValueError(
            f"Expected at least {4 * correlation_time} bins to shift against each other (session '{session.name}' has "
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
    # Normal quantile of the same p-value: the mixture of edges and other pairs is one of normal distributions.
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
    """Errors of a forecast and the activity that may explain them, over T bins."""

    errors: Tensor
    """Truth minus forecast, centred: [N, T]."""
    unique: Tensor
    """Part of each sender's activity, one bin earlier, that nothing else explains: [N, T]."""
    effect: Tensor
    """Effect of each sender that is left in the errors, in float64: [N, N]."""


def _residuals(models: Sequence[Forecaster], session: Session, targets: int) -> _Residuals:
    """Returns the errors of the models' mean forecast, and the senders' unique activity one bin before."""
    first = max(1 + _EARLIER, *(model.window for model in models))
    forecasts = [forecast_session(model, session, targets, first=first) for model in models]
    mean = forecasts[0].forecast
    for forecast in forecasts[1:]:
        mean = mean + forecast.forecast
    errors = forecasts[0].truth - mean / len(forecasts)
    errors = errors - errors.mean(1, keepdim=True)
    unique = _unique_activity(session, forecasts[0].bins - 1)
    return _Residuals(errors, unique, (errors @ unique.t()).double() / errors.shape[1])


def _standard_error(residual: _Residuals) -> Tensor:
    """Returns the standard error of every effect for errors that are independent in time, above 0: [N, N]."""
    errors, unique, _ = residual
    error = torch.outer(errors.norm(dim=1), unique.norm(dim=1)).double() / errors.shape[1] ** 1.5
    return error.clamp_min(1e-9 * float(error.max()))


def _p_values(z: Tensor, residual: _Residuals) -> Tensor:
    """Returns two-sided p-values of z [N, N]; NaN on the diagonal and where a neuron is silent."""
    errors, unique, _ = residual
    p = _two_sided(z, torch.outer(_kurtosis(errors), _kurtosis(unique)) / errors.shape[1])
    silent = (errors.abs().amax(1) == 0)[:, None] | (unique.abs().amax(1) == 0)
    p[silent] = torch.nan
    return p.fill_diagonal_(torch.nan)


def _pairs(matrix: Tensor) -> Tensor:
    """Returns a matrix in float32 with NaN on the diagonal."""
    return matrix.float().clone().fill_diagonal_(torch.nan)


def _unique_activity(session: Session, bins: Tensor) -> Tensor:
    """Returns the part of each neuron's activity that no other known signal explains, scaled to one unit of effect.

    Known signals are the other neurons, behaviour, smooth functions of signals that many neurons share
    (:func:`_shared`), and, where there are enough bins, all neurons in the two bins before (a neuron that was not
    recorded seems to be driven by those that the same neurons drove). The result [N, M] has the rows of the inverse
    covariance times the inputs. The covariance is shrunk towards a multiple of the identity as far as the number of
    bins asks for (Ledoit and Wolf 2004).
    """
    inputs = [session.activity[:, bins], session.behaviour[bins].t()]
    functions = _shared(session)
    earlier = [session.activity[:, bins - lag] for lag in range(1, 1 + _EARLIER)]
    for more in ([functions[:, bins]], earlier):
        if len(bins) >= 20 * sum(len(rows) for rows in (*inputs, *more)):
            inputs += more
    joined = torch.cat(inputs)
    joined = joined - joined.mean(1, keepdim=True)
    M, T = joined.shape
    covariance = (joined @ joined.t()).double() / T
    fourth_power = float(joined.square().sum(0).double().square().mean())
    identity = torch.eye(M, dtype=covariance.dtype, device=covariance.device)
    inverse = torch.linalg.inv(shrink(covariance, fourth_power, T) + 1e-6 * identity)
    return inverse[: session.num_neurons].to(joined) @ joined


def _shared(session: Session, components: int = 4, memory: float = 3.0) -> Tensor:
    """Returns signals that many neurons share [F, T]: slow components, and products of two and three of them.

    Components are those of smoothed activity and of behaviour. A drive that neurons answer in a curved way leaves a
    trace in every pair, which a linear model cannot take out.

    Args:
        session: Training part.
        components: Number of components of each of the two.
        memory: Time constant of the smoothing in bins.
    """
    kernel = torch.exp(-torch.arange(5 * round(memory) - 1, -1, -1) / memory).to(session.activity)
    slow = torch.zeros_like(session.activity)
    for start, stop in session.segment.tolist():
        padded = torch.nn.functional.pad(session.activity[:, start:stop], (len(kernel) - 1, 0))
        slow[:, start:stop] = torch.nn.functional.conv1d(padded[:, None], kernel[None, None])[:, 0]
    few = min(components, session.num_neurons // 10)  # of a handful of neurons nearly all is "shared"
    series = torch.cat([_leading(slow, few), _leading(session.behaviour.t(), components)])
    first, second = torch.triu_indices(len(series), len(series))
    functions = torch.cat([series, series[first] * series[second], series**3])
    return functions / functions.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


def _leading(series: Tensor, components: int) -> Tensor:
    """Returns the leading principal components of time series [C, T], of deviation 1."""
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
    """Draws numbers of bins to shift by: whole trials where all are of one length, so that responses stay in place."""
    length = session.segment[:, 1] - session.segment[:, 0]
    trial = bins // len(length) if len(length) >= 20 and bool((length == length[0]).all()) else 1
    low, high = -(-shortest // trial), (bins - shortest) // trial
    return [int(k) * trial for k in torch.randint(low, max(high, low + 1), (shifts,), generator=random)]


def _deviation_under_shifts(residual: _Residuals, offsets: list[int]) -> Tensor:
    """Returns the deviation of the studentised effect under shifts of the senders, at least 1: [N, N].

    It is the product of a factor of the receiver and one of the sender. Every pair has few shifts, but the deviation
    leaves 1 because the two neurons vary slowly: one factor for each neuron pools N shifts for each.
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
