"""Does an edge mean anything? Errors, p-values and what cannot be told."""

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


class EdgeSignificance(NamedTuple):
    """What the recording says of every edge; all :math:`(N, N)` with NaN on the diagonal, ``[i, j]`` from j to i."""

    weight: Tensor
    """Effect of j on i, not shrunk: the model's connectivity and what its errors still tell (equation below)."""
    error: Tensor
    """Its standard error."""
    p_value: Tensor
    """Chance of an effect so far from zero if there were none."""
    q_value: Tensor
    """Least false discovery rate at which the edge counts (Benjamini and Hochberg)."""
    probability: Tensor
    """That there is an edge, given the data (empirical Bayes)."""
    believed: Tensor
    """Expected effect given the data: unsure edges are drawn towards zero."""
    sign_stability: Tensor
    """Share of block-bootstrap samples in which the effect has the same sign, 0.5 (chance) to 1."""
    density: float
    """Share of the pairs that are edges."""
    null_deviation: float
    """How far effects of pairs without an edge spread, in standard errors: 1 if nothing unseen moves them."""
    latents: int
    """Signals that many neurons share beyond what the model explains; their effect is taken out."""

    def edges(self, rate: float = 0.05) -> Tensor:
        """Which pairs are edges [N, N] if a share ``rate`` of those told may be false."""
        return self.q_value.nan_to_num(1.0) <= rate


def edge_significance(
    model: Forecaster,
    session: Session,
    shifts: int = 100,
    resamples: int = 100,
    targets: int = 1,
    seed: int = 0,
    correlation_time: int = 50,
    connectivity: Tensor | None = None,
) -> EdgeSignificance:
    r"""Tests every edge of a fitted model.

    .. math::
        D_{ij} = C_{ij} + \frac{\sum_t r_i(t + 1)\, \tilde a_j(t)}{T}, \qquad
        s_{ij}^2 = \frac{1}{T} \langle r_i^2 \rangle \langle \tilde a_j^2 \rangle, \qquad
        z_{ij} = \frac{D_{ij} - H_{ij}}{s_{ij}\, n_{ij}\, \nu}

    with :math:`C` the model's connectivity, :math:`r` its errors over the session and :math:`\tilde a_j` the part of
    sender j's activity that neither other recorded neurons, nor behaviour, nor smooth functions of what many neurons
    share explain, scaled to one unit of effect. A penalty draws C towards zero; D takes that back (for a linear model
    it is the least-squares estimate), so that it has a standard error. Then three nulls, each for what the one before
    cannot see:

    1. Sender activity is **shifted circularly** against the errors, which leaves each neuron's own course as it is and
       breaks every relation between them: n is the deviation of z under such shifts (where trials are of one length,
       by whole trials).
    2. What a **common drive** leaves in all weights, H, is of low rank and is taken out.
    3. The bulk of the pairs has no edge; where their z still spread wider than 1, something unseen moves them, and
       :math:`\nu`, never below 1, widens the null likewise (Efron 2004).

    A sum over few coincidences of rare spikes has heavier tails than a normal one: p-values are two-sided, of Student's
    t with the kurtosis of that sum. q-values hold the false discovery rate over all pairs.

    Args:
        model: Fitted.
        session: The training part, standardised.
        shifts: How many.
        resamples: Block-bootstrap samples for ``sign_stability``.
        targets: P that the model was trained with.
        seed: Of shifts and samples.
        correlation_time: Bins; no shift is shorter, and bootstrap blocks are so long.
        connectivity: The model's, if it was worked out before.

    Raises:
        ValueError: ``shifts`` or ``resamples`` is below 10, or the session is too short to shift.

    References:
        Zhang and Zhang 2014, van de Geer et al. 2014 (taking back the shrinkage); Efron 2004 (empirical null);
        Benjamini and Hochberg 1995.
    """
    if min(shifts, resamples) < 10:
        raise ValueError(f"Expected at least 10 shifts and resamples (got {shifts} and {resamples}).")
    forecast = forecast_session(model, session, targets, max(model.window, 1 + _EARLIER))
    errors = forecast.truth - forecast.forecast
    errors = errors - errors.mean(1, keepdim=True)
    unique = _unique_activity(session, forecast.bins - 1)
    T = errors.shape[1]
    if 4 * correlation_time > T:
        raise ValueError(
            f"Expected at least {4 * correlation_time} bins to shift against each other (session '{session.name}' has "
            f"{T}); use a shorter correlation_time or a longer recording."
        )
    told_by_model = model.connectivity(session) if connectivity is None else connectivity
    told_by_errors = (errors @ unique.t()).double() / T
    weight = told_by_model.double() + told_by_errors
    error = torch.outer(errors.norm(dim=1), unique.norm(dim=1)).double() / T**1.5
    error = error.clamp_min(1e-9 * float(error.max()))

    random = torch.Generator().manual_seed(seed)
    spread = _deviation_under_shifts(errors, unique, _offsets(session, T, shifts, correlation_time, random))
    error = error * spread
    parted = sparse_low_rank(weight, error)
    effect = weight - parted.receivers @ parted.senders
    null_deviation = parted.mixture.null_variance**0.5
    widened = error * max(1.0, null_deviation)
    p = _two_sided(effect / widened, torch.outer(_kurtosis(errors), _kurtosis(unique)) / T)
    silent = (errors.abs().amax(1) == 0)[:, None] | (unique.abs().amax(1) == 0)
    p[silent] = torch.nan
    p.fill_diagonal_(torch.nan)

    # Of a normal law, the value that is as unlikely: what the two groups of edges and others are told apart by.
    z = -torch.special.ndtri((p / 2).clamp(1e-300, 0.5)).nan_to_num(0.0) * max(1.0, null_deviation)
    law = parted.mixture

    def told(matrix: Tensor) -> Tensor:
        return matrix.float().clone().fill_diagonal_(torch.nan)

    stability = _sign_stability(effect, told_by_errors, errors, unique, resamples, correlation_time, random)
    return EdgeSignificance(
        told(effect),
        told(widened),
        told(p),
        told(torch.from_numpy(benjamini_hochberg(p.numpy()))),
        told(law.edge_probability(z)),
        told(effect * law.shrinkage(z)),
        told(stability),
        law.density,
        null_deviation,
        len(parted.senders),
    )


def _unique_activity(session: Session, bins: Tensor) -> Tensor:
    """What each neuron's activity shares with nothing else that is known, scaled to one unit of effect: [N, M].

    Nothing else: the other neurons, behaviour, smooth functions of what many neurons share (:func:`_shared`), and,
    where there are bins enough to tell, all neurons in the two bins before (a neuron that was not recorded seems to be
    driven by those that the same neurons drove). The rows are those of the inverse covariance times the inputs. The
    covariance is shrunk towards a multiple of the identity as far as the number of bins asks for (Ledoit and Wolf
    2004).
    """
    inputs = [session.activity[:, bins], session.behaviour[bins].t()]
    functions = _shared(session)
    earlier = [session.activity[:, bins - lag] for lag in range(1, 1 + _EARLIER)]
    for more in ([functions[:, bins]], earlier):
        if len(bins) >= 20 * sum(len(one) for one in (*inputs, *more)):
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
    """What many neurons share, [F, T]: slow courses of population and behaviour, and products of two and three of them.

    A drive that neurons answer in a curved way leaves a trace in every pair, which a linear model cannot take out.
    """
    kernel = torch.exp(-torch.arange(5 * round(memory) - 1, -1, -1) / memory).to(session.activity)
    slow = torch.zeros_like(session.activity)
    for start, stop in session.segment.tolist():
        padded = torch.nn.functional.pad(session.activity[:, start:stop], (len(kernel) - 1, 0))
        slow[:, start:stop] = torch.nn.functional.conv1d(padded[:, None], kernel[None, None])[:, 0]
    few = min(components, session.num_neurons // 10)  # of a handful of neurons nearly all is "shared"
    courses = torch.cat([_leading(slow, few), _leading(session.behaviour.t(), components)])
    first, second = torch.triu_indices(len(courses), len(courses))
    functions = torch.cat([courses, courses[first] * courses[second], courses**3])
    return functions / functions.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


def _leading(courses: Tensor, components: int) -> Tensor:
    """Leading principal components of courses [C, T], of deviation 1."""
    centred = courses - courses.mean(1, keepdim=True)
    leading = principal_axes(centred, components).to(courses) @ centred
    return leading / leading.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


def _kurtosis(rows: Tensor) -> Tensor:
    """Of each row, 3 for normal values."""
    square = rows.double().square()
    return square.square().mean(1) / square.mean(1).square().clamp_min(1e-30)


def _two_sided(z: Tensor, excess: Tensor) -> Tensor:
    """p-values of z, whose law has tails heavier than a normal one: Student's t of the same excess kurtosis."""
    freedom = 4 + 6 / excess.clamp_min(1e-9)
    t = z.abs() * (freedom / (freedom - 2)).sqrt()
    return torch.from_numpy(2 * stdtr(freedom.numpy(), -t.numpy()))


def _offsets(session: Session, bins: int, shifts: int, shortest: int, random: torch.Generator) -> list[int]:
    """By how many bins to shift: whole trials where all are of one length, so that what follows the trial stays."""
    length = session.segment[:, 1] - session.segment[:, 0]
    trial = bins // len(length) if len(length) >= 20 and bool((length == length[0]).all()) else 1
    low, high = -(-shortest // trial), (bins - shortest) // trial
    return [int(k) * trial for k in torch.randint(low, max(high, low + 1), (shifts,), generator=random)]


def _deviation_under_shifts(errors: Tensor, unique: Tensor, offsets: list[int]) -> Tensor:
    """Deviation of the studentised effect when senders are shifted, as a factor of the receiver and one of the sender.

    Every pair has few shifts, but what makes the deviation leave 1 is how slowly the two neurons vary: fitting one
    factor for each neuron pools N shifts for each.
    """
    scale = torch.outer(errors.norm(dim=1), unique.norm(dim=1)).clamp_min(1e-12) / errors.shape[1] ** 0.5
    square = torch.zeros_like(scale)
    for offset in offsets:
        square += ((errors @ unique.roll(offset, 1).t()) / scale).square()
    variance = (square / len(offsets)).double()
    receiver, sender = variance.mean(1, keepdim=True), variance.mean(0, keepdim=True)
    return (receiver * sender / variance.mean().clamp_min(1e-12)).sqrt().clamp_min(1.0)


def _sign_stability(
    effect: Tensor,
    told_by_errors: Tensor,
    errors: Tensor,
    unique: Tensor,
    resamples: int,
    block: int,
    random: torch.Generator,
) -> Tensor:
    """Share of block-bootstrap samples in which an effect keeps its sign."""
    T = errors.shape[1]
    blocks = -(-T // block)
    same = torch.zeros_like(effect)
    for _ in range(resamples):
        drawn = torch.bincount(torch.randint(blocks, (blocks,), generator=random), minlength=blocks)
        times = drawn.repeat_interleave(block)[:T].to(errors)
        sampled = effect + ((errors * times) @ unique.t()).double() / times.sum() - told_by_errors
        same += (sampled.sign() == effect.sign()).double()
    return same / resamples
