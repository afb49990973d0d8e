"""Linear forecast of several bins in stages: own history, graph, population and behaviour.

Each stage is a ridge regression of what the stages before leave over, and is scaled by a factor between 0 and 1. Ridge,
rank and factor follow from the squared error over all horizons on the validation part. Where a recording drifts, a
later stage is thus shrunk instead of spoiling the forecast. A validation part of few bins cannot tell similar
candidates apart: the weights of all of them are averaged, each by its likelihood (:class:`Average`).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.nn.population_path import lagged, lags_of
from synapsnet_pyg.regression.principal_axes import principal_axes

SHARED_RIDGES = [10.0**k for k in range(7)]
OWN_RIDGES = [10.0 ** (k / 2) for k in range(11)]
POPULATION_RIDGES = [10.0 ** (k / 2) for k in range(2, 13)]
SMALLEST_GRAPH_SHARE = 0.1
"""The graph keeps this share of its forecast, so that its weights keep the meaning of an effect."""


class Average:
    r"""Mean of candidates, weighted by the likelihood of the validation part.

    .. math::
        \bar w = \sum_c \pi_c w_c, \qquad \pi_c \propto e_c^{-n / 2}

    with the squared error :math:`e_c` of candidate c and n independent errors (:func:`independent_errors`). Candidates
    are added one by one; only their mean is kept.

    Args:
        number: Number of independent errors n.
    """

    def __init__(self, number: float) -> None:
        self.number, self.mean, self.total, self.smallest = number, torch.zeros(()), 0.0, math.inf

    def add(self, candidate: Tensor, error: float) -> None:
        """Adds a candidate with its squared error on validation."""
        if error < self.smallest:
            self.total *= (max(error, 1e-300) / self.smallest) ** (self.number / 2)
            self.smallest = max(error, 1e-300)
        weight = (self.smallest / max(error, 1e-300)) ** (self.number / 2)
        self.total += weight
        self.mean = self.mean + (weight / self.total) * (candidate - self.mean)


class HistoryMoments(NamedTuple):
    """Sums over bins of each neuron's own last W bins u and of the H bins y that follow."""

    uu: Tensor
    """Sums of u u' [N, W, W]."""
    uy: Tensor
    """Sums of u y' [N, W, H]."""
    yy: Tensor
    """Sums of y squared [N, H]."""
    bins: int
    """Number of bins."""

    def error(self, weights: Tensor) -> float:
        """Returns the mean squared error of weights [N, W, H] or [W, H]."""
        fitted = ((self.uu @ weights - 2 * self.uy) * weights).sum()
        return float(self.yy.sum() + fitted) / (self.bins * self.yy.numel())


def windows_in_batches(part: Session, window: int, horizon: int) -> Iterator[Window]:
    """Yields all windows of a part with one target, as many at a time as keep the memory small.

    Raises:
        ValueError: No segment has so many bins.
    """
    groups = windows_of(part, window, horizon=horizon)
    if not groups:
        raise ValueError(
            f"Expected a segment of at least {window + horizon} bins in session '{part.name}' (all are shorter)."
        )
    batch = max(1, 2**22 // (part.num_neurons * (window + horizon)))
    for index in torch.arange(len(groups[0])).split(batch):
        yield groups[0].gather(index)


def history_moments(part: Session, window: int, horizon: int = 1) -> HistoryMoments:
    """Computes the moments of each neuron's own history; no window crosses a segment's border.

    Args:
        part: Part of a session, standardised.
        window: Number of past bins W.
        horizon: Number of bins ahead H.

    Raises:
        ValueError: No segment has so many bins.
    """
    N, zeros = part.num_neurons, part.activity.new_zeros
    uu, uy = zeros(N, window, window, dtype=torch.float64), zeros(N, window, horizon, dtype=torch.float64)
    yy, bins = zeros(N, horizon, dtype=torch.float64), 0
    for batch in windows_in_batches(part, window, horizon):
        u = batch.activity.transpose(0, 1).double()  # [N, B, W]
        y = batch.ahead[:, :, 0].transpose(0, 1).double()
        uu.baddbmm_(u.transpose(1, 2), u)
        uy.baddbmm_(u.transpose(1, 2), y)
        yy += y.square().sum(1)
        bins += len(batch.activity)
    return HistoryMoments(uu, uy, yy, bins)


def shared_history(train: Sequence[HistoryMoments], validation: Sequence[HistoryMoments]) -> Tensor:
    r"""Solves one kernel for all neurons of all sessions, :math:`y_h = \sum_w \rho_{wh} a(t - w)`.

    Args:
        train: Moments of the training part of each session.
        validation: Moments of the validation part of each session.

    Returns:
        Weights [W, H] with the ridge of the smallest error on validation.
    """
    uu, uy = sum(m.uu.sum(0) for m in train), sum(m.uy.sum(0) for m in train)
    assert isinstance(uu, Tensor)
    assert isinstance(uy, Tensor)
    candidates = [torch.linalg.solve(uu + ridge * torch.eye(len(uu)).to(uu), uy) for ridge in SHARED_RIDGES]
    return min(candidates, key=lambda weights: sum(m.error(weights) for m in validation))


def own_history(
    train: HistoryMoments, validation: HistoryMoments, shared: Tensor, *, independent: float | None = None
) -> Tensor:
    r"""Solves how each neuron's history differs from the shared kernel, as a ridge regression of the rest.

    The difference acts on all bins, or on changes between bins only. The latter cannot pull a drifting neuron towards
    its mean in the training part.

    Args:
        train: Moments of the training part.
        validation: Moments of the validation part.
        shared: Kernel of all neurons [W, H].
        independent: Number of independent errors on validation. None: the number of bins.

    Returns:
        Weights [N, W, H] of the history, the shared kernel included.
    """
    W = len(shared)
    identity = torch.eye(W).to(shared)
    changes = identity[:, 1:] - identity[:, :-1]  # [W, W - 1]
    rest, held_out = train.uy - train.uu @ shared, validation.uy - validation.uu @ shared
    average = Average(validation.bins if independent is None else independent)
    average.add(shared.expand(len(rest), -1, -1), validation.error(shared))
    for basis in (changes, identity) if W > 1 else (identity,):
        uu, uy = basis.t() @ train.uu @ basis, basis.t() @ rest
        for ridge in OWN_RIDGES:
            own = basis @ torch.linalg.solve(uu + ridge * torch.eye(uu.shape[-1]).to(uu), uy)
            share = _share((own * held_out).sum(), (own * (validation.uu @ own)).sum())
            candidate = shared + share * own
            average.add(candidate, validation.error(candidate))
    return average.mean


class Parts(NamedTuple):
    """Training and validation part of a session, and the windows that a forecast reads of them."""

    train: Session
    validation: Session
    window: int
    """Number of past bins W."""
    horizon: int
    """Number of bins ahead H."""


def graph_share(parts: Parts, forecast: Callable[[Window], Tensor], graph: Callable[[Window], Tensor]) -> Tensor:
    """Returns the share of the graph's forecast for each horizon [H] that is best on validation.

    Args:
        parts: Parts of a session.
        forecast: Function from a batch of windows to the forecast before this stage [B, N, H].
        graph: Function from a batch of windows to the forecast of the graph for one bin [B, N].
    """
    product, power = torch.zeros(parts.horizon, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for batch in windows_in_batches(parts.validation, parts.window, parts.horizon):
        received = graph(batch).double()[..., None]
        rest = (batch.ahead[:, :, 0] - forecast(batch)).double()
        product += (received * rest).sum((0, 1)).cpu()
        power += received.square().sum().cpu()
    return _share(product, power, SMALLEST_GRAPH_SHARE)


def validation_error(parts: Parts, forecast: Callable[[Window], Tensor]) -> float:
    """Returns the mean squared error of a forecast [B, N, H] on the validation part."""
    total, count = 0.0, 0
    for batch in windows_in_batches(parts.validation, parts.window, parts.horizon):
        error = (batch.ahead[:, :, 0] - forecast(batch)).double()
        total, count = total + float(error.square().sum()), count + error.numel()
    return total / count


def independent_errors(parts: Parts, forecast: Callable[[Window], Tensor]) -> float:
    r"""Returns the number of independent errors of a forecast on the validation part.

    .. math::
        n = \frac{T}{1 + 2 \sum_k \rho_k}\, \frac{(\mathrm{tr}\, C)^2}{\mathrm{tr}\, C^2}

    with the covariance C of the neurons' errors one bin ahead in T bins. The second ratio is the number of independent
    neurons: N for the noise of spikes, few where a population moves as one. The first is the number of independent
    bins, with the autocorrelation :math:`\rho` of the squared error up to its first value below zero.

    Args:
        parts: Parts of a session.
        forecast: Function from a batch of windows to a forecast [B, N, H].
    """
    errors = torch.cat(
        [
            (batch.target[..., 0] - forecast(batch)[..., 0]).double()
            for batch in windows_in_batches(parts.validation, parts.window, parts.horizon)
        ]
    )
    gram = errors @ errors.t() if len(errors) < errors.shape[1] else errors.t() @ errors
    neurons = float(gram.trace().square() / gram.square().sum().clamp_min(1e-12))
    power = errors.square().sum(1)
    power = power - power.mean()
    memory = 0.0
    for lag in range(1, len(power)):
        correlation = float((power[lag:] * power[:-lag]).sum() / power.square().sum().clamp_min(1e-12))
        if correlation <= 0:
            break
        memory += correlation
    return len(errors) / (1 + 2 * memory) * neurons


class PopulationStage(NamedTuple):
    """Reduced-rank regression on principal components and behaviour."""

    axes: Tensor
    """Principal axes [k, N]."""
    population: Tensor
    """Weights of the components at each lag, newest first [N, H, lags k]."""
    behaviour: Tensor
    """Weights of the behaviours at each lag, newest first [N, H, lags K]."""
    held: float
    """Share of what the stage explains in the training part that holds on the validation part, from 0 to 1."""


class _Rest(NamedTuple):
    """Sums over bins of features f [lags k, then lags K] and of what is left to forecast, r [N H]."""

    ff: Tensor
    fr: Tensor
    rr: float
    bins: int

    def explained(self, weights: Tensor) -> float:
        """Returns by how much weights [F, N H] lower the squared error of a bin."""
        return float((weights * (2 * self.fr - self.ff @ weights)).sum()) / self.bins


def population_stage(
    parts: Parts,
    forecast: Callable[[Window], Tensor],
    *,
    components: int,
    behaviour: bool = True,
    independent: float | None = None,
) -> PopulationStage:
    """Regresses what is left to forecast on principal components of the population and on behaviour, at several lags.

    Args:
        parts: Parts of a session.
        forecast: Function from a batch of windows to the forecast before this stage [B, N, H].
        components: Largest number of principal components; 0: behaviour alone.
        behaviour: Whether behaviour is an input.
        independent: Number of independent errors on validation. None: the number of bins.
    """
    train, N, H = parts.train, parts.train.num_neurons, parts.horizon
    K, lags = train.num_behaviours if behaviour else 0, lags_of(parts.window)
    components = min(components, N)
    axes = principal_axes(train, components)
    tested = [k for k in (2, 4, 8, 16, 32, 64, 128) if k < components] + [components]
    seen, held_out = (_rest(part, parts, forecast, axes, K) for part in (train, parts.validation))
    candidate = torch.zeros(len(lags) * (components + K), N * H, dtype=torch.float64)
    average = Average(held_out.bins if independent is None else independent)
    average.add(candidate, held_out.rr)
    for k in tested:
        # Components come in the order of lags, then of axes: the first k of each lag are kept.
        kept = torch.cat([torch.arange(len(lags) * components).reshape(len(lags), -1)[:, :k].flatten(),
                          torch.arange(len(lags) * components, len(candidate))])  # fmt: skip
        if not len(kept):
            continue
        ff, fr = held_out.ff[kept][:, kept], held_out.fr[kept]
        values, vectors = torch.linalg.eigh(seen.ff[kept][:, kept])
        projected, rotated, target = vectors.t() @ seen.fr[kept], vectors.t() @ ff @ vectors, vectors.t() @ fr
        for ridge in POPULATION_RIDGES:
            weights = projected / (values.clamp_min(0) + ridge)[:, None]
            product, power = (weights * target).sum(), (weights * (rotated @ weights)).sum()
            share = _share(product, power)
            candidate = torch.zeros_like(candidate)
            candidate[kept] = share * (vectors @ weights)
            average.add(candidate, held_out.rr + float(share.square() * power - 2 * share * product))
    found, split = average.mean.t().reshape(N, H, -1).to(train.activity), len(lags) * components
    held = held_out.explained(average.mean) / max(seen.explained(average.mean), 1e-12)
    return PopulationStage(axes, found[..., :split], found[..., split:], min(max(held, 0.0), 1.0))


def _rest(part: Session, parts: Parts, forecast: Callable[[Window], Tensor], axes: Tensor, K: int) -> _Rest:
    """Computes the sums over the bins of a part."""
    lags = lags_of(parts.window)
    F = len(lags) * (len(axes) + K)
    ff = torch.zeros(F, F, dtype=torch.float64)
    fr, rr, bins = torch.zeros(F, part.num_neurons * parts.horizon, dtype=torch.float64), 0.0, 0
    for batch in windows_in_batches(part, parts.window, parts.horizon):
        features = [lagged(axes @ batch.activity, lags, 1)]
        features += [lagged(batch.behaviour.transpose(1, 2), lags, 1)] if K else []
        f = torch.cat(features, dim=1)[..., 0].double().cpu()
        r = (batch.ahead[:, :, 0] - forecast(batch)).double().flatten(1).cpu()
        ff.addmm_(f.t(), f)
        fr.addmm_(f.t(), r)
        rr, bins = rr + float(r.square().sum()), bins + len(f)
    return _Rest(ff, fr, rr, bins)


def _share(product: Tensor, power: Tensor, smallest: float = 0.0) -> Tensor:
    """Returns the factor of a forecast with the smallest error, between ``smallest`` and 1."""
    return (product / power.clamp_min(1e-12)).clamp(smallest, 1.0)
