"""Linear dynamical system under Gaussian noise: Kalman filter, smoother and expectation maximisation."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session

LONGEST = 500
"""Largest number of bins of a sequence; longer segments are cut, so that many sequences are filtered at once."""


class StateSpace(NamedTuple):
    """Parameters of a linear dynamical system of k latents, N neurons and K behaviours, in float64."""

    transition: Tensor
    """Weights A from latents to latents of the next bin [k, k]."""
    inputs: Tensor
    """Weights B from the behaviour to latents of the next bin [k, K]."""
    state_noise: Tensor
    """Covariance Q of the noise of the latents [k, k]."""
    readout: Tensor
    """Weights C from latents to activity [N, k]."""
    offset: Tensor
    """Mean activity d [N]."""
    noise: Tensor
    """Variance R of the noise of each neuron [N]."""
    first_mean: Tensor
    """Mean of the latents in the first bin of a sequence [k]."""
    first_covariance: Tensor
    """Covariance of the latents in the first bin of a sequence [k, k]."""

    @property
    def precision(self) -> Tensor:
        """Precision with which a bin of activity tells the latents, C' R^-1 C [k, k]."""
        return self.readout.t() @ (self.readout / self.noise[:, None])

    def evidence(self, activity: Tensor) -> Tensor:
        """Returns what activity [..., N, T] tells of the latents, C' R^-1 (x - d) [..., k, T]."""
        return (self.readout / self.noise[:, None]).t() @ (activity - self.offset[:, None])


class Sequences(NamedTuple):
    """S sequences of T bins each."""

    activity: Tensor
    """Activity [S, N, T]."""
    behaviour: Tensor
    """Behaviour [S, K, T]."""


def sequences_of(session: Session) -> list[Sequences]:
    """Returns the segments of a session, cut to at most :data:`LONGEST` bins and grouped by their length.

    Args:
        session: Session, or a part of its split.
    """
    starts: dict[int, list[int]] = {}
    for begin, end in session.segment.tolist():
        pieces = -(-(end - begin) // LONGEST)
        borders = [begin + (end - begin) * k // pieces for k in range(pieces + 1)]
        for start, stop in pairwise(borders):
            starts.setdefault(stop - start, []).append(start)
    groups = []
    for length, first in starts.items():
        bins = torch.tensor(first)[:, None] + torch.arange(length)
        activity = session.activity[:, bins].transpose(0, 1).double()
        groups.append(Sequences(activity, session.behaviour[bins].transpose(1, 2).double()))
    return groups


class Filtered(NamedTuple):
    """Latents of S sequences of T bins, given the activity up to each bin."""

    mean: Tensor
    """Mean [T, S, k]."""
    covariance: Tensor
    """Covariance, the same for all sequences [T, k, k]."""
    predicted_mean: Tensor
    """Mean given the bins before [T, S, k]."""
    predicted_covariance: Tensor
    """Covariance given the bins before [T, k, k]."""


def kalman_filter(system: StateSpace, evidence: Tensor, behaviour: Tensor) -> Filtered:
    r"""Estimates the latents from the activity up to each bin.

    .. math::
        z(t) = A\, z(t - 1) + B\, b(t - 1) + w(t), \qquad x(t) = C\, z(t) + d + v(t)

    All activity enters by :math:`C^\top R^{-1} (x - d)`, so that matrices are of the size of the latents only.

    Args:
        system: Parameters.
        evidence: :meth:`StateSpace.evidence` of the activity :math:`(S, k, T)`.
        behaviour: Behaviour :math:`(S, K, T)`.
    """
    precision, A = system.precision, system.transition
    drive = torch.einsum("km,smt->tsk", system.inputs, behaviour)
    mean, covariance = system.first_mean.expand(len(evidence), -1), system.first_covariance
    identity = torch.eye(len(A), dtype=A.dtype, device=A.device)
    each: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for t, seen in enumerate(evidence.permute(2, 0, 1)):
        if t:
            mean = each[-1][0] @ A.t() + drive[t - 1]
            covariance = A @ each[-1][1] @ A.t() + system.state_noise
        updated = torch.linalg.solve(identity + covariance @ precision, covariance)
        updated = (updated + updated.t()) / 2
        each.append((mean + (seen - mean @ precision) @ updated, updated, mean, covariance))
    return Filtered(*(torch.stack(part) for part in zip(*each, strict=True)))


class Smoothed(NamedTuple):
    """Latents of S sequences of T bins, given all their activity."""

    mean: Tensor
    """Mean [T, S, k]."""
    covariance: Tensor
    """Covariance, the same for all sequences [T, k, k]."""
    lagged: Tensor
    """Covariance of each bin's latents with those of the bin before [T - 1, k, k]."""


def kalman_smoother(system: StateSpace, filtered: Filtered) -> Smoothed:
    """Estimates the latents from the whole sequences (Rauch, Tung and Striebel 1965).

    Args:
        system: Parameters.
        filtered: Latents given the activity up to each bin.
    """
    A = system.transition
    mean, covariance = [filtered.mean[-1]], [filtered.covariance[-1]]
    gains = torch.linalg.solve(filtered.predicted_covariance[1:], A @ filtered.covariance[:-1]).transpose(1, 2)
    lagged = []
    for t in range(len(filtered.mean) - 2, -1, -1):
        gain = gains[t]
        lagged.append(covariance[-1] @ gain.t())
        mean.append(filtered.mean[t] + (mean[-1] - filtered.predicted_mean[t + 1]) @ gain.t())
        change = covariance[-1] - filtered.predicted_covariance[t + 1]
        covariance.append(filtered.covariance[t] + gain @ change @ gain.t())
    empty = covariance[0].new_zeros(0, *A.shape)
    return Smoothed(
        torch.stack(mean[::-1]), torch.stack(covariance[::-1]), torch.stack(lagged[::-1]) if lagged else empty
    )


def log_likelihood(system: StateSpace, sequences: Sequences, filtered: Filtered) -> float:
    """Returns the logarithm of the density of sequences, summed over bins.

    Args:
        system: Parameters.
        sequences: Sequences of equal length.
        filtered: Latents given the activity up to each bin.
    """
    S, N, T = sequences.activity.shape
    precision = system.precision
    identity = torch.eye(len(precision), dtype=precision.dtype, device=precision.device)
    spread = torch.linalg.slogdet(identity + filtered.predicted_covariance @ precision).logabsdet.sum()
    centred = sequences.activity - system.offset[:, None]
    evidence = system.evidence(sequences.activity).permute(2, 0, 1)
    mean = filtered.predicted_mean
    surprise = evidence - mean @ precision
    square = (centred.square() / system.noise[:, None]).sum()
    square = square - ((evidence + surprise) * mean).sum() - ((surprise @ filtered.covariance) * surprise).sum()
    constant = T * (system.noise.log().sum() + N * torch.log(2 * torch.tensor(torch.pi, dtype=mean.dtype)))
    return float(-(S * (spread + constant) + square) / 2)


def first_system(session: Session, latents: int) -> StateSpace:
    """Returns a system from which expectation maximisation starts: principal components and their regression.

    Args:
        session: Training part.
        latents: Number of latents k, at most the number of neurons.
    """
    groups = sequences_of(session)
    rows = torch.cat([group.activity.transpose(0, 1).flatten(1) for group in groups], 1)
    offset = rows.mean(1)
    centred = rows - offset[:, None]
    variance, axes = torch.linalg.eigh(centred @ centred.t() / rows.shape[1])
    scale = variance[-latents:].clamp_min(1e-6).sqrt()
    readout = axes[:, -latents:] * scale  # latents of variance 1
    project = axes[:, -latents:] / scale
    k, K = latents, session.num_behaviours
    products, targets, bins = rows.new_zeros(k + K, k + K), rows.new_zeros(k, k + K), 0
    for group in groups:
        state = (group.activity - offset[:, None]).transpose(1, 2) @ project  # [S, T, k]
        inputs = torch.cat([state, group.behaviour.transpose(1, 2)], -1)[:, :-1].flatten(0, 1)
        products, targets = products + inputs.t() @ inputs, targets + state[:, 1:].flatten(0, 1).t() @ inputs
        bins += len(inputs)
    identity = torch.eye(k, dtype=rows.dtype, device=rows.device)
    weights = torch.linalg.solve(products + 1e-3 * max(bins, 1) * torch.eye(k + K).to(rows), targets.t()).t()
    A = weights[:, :k] * min(1.0, 0.98 / max(float(torch.linalg.eigvals(weights[:, :k]).abs().max()), 1e-6))
    return StateSpace(
        transition=A,
        inputs=weights[:, k:],
        state_noise=0.1 * identity,
        readout=readout,
        offset=offset,
        noise=(centred.square().mean(1) - readout.square().sum(1)).clamp_min(_least_noise(centred)),
        first_mean=rows.new_zeros(k),
        first_covariance=identity,
    )


def _least_noise(centred: Tensor) -> float:
    """Returns the least variance of a neuron's noise, which keeps a silent neuron from telling everything."""
    return 1e-3 * max(float(centred.square().mean()), 1e-6)


class Fitted(NamedTuple):
    """Result of expectation maximisation."""

    system: StateSpace
    """Parameters after the last step."""
    likelihood: list[float]
    """Log likelihood before each step; it never falls."""


def expectation_maximisation(
    session: Session, system: StateSpace, *, steps: int = 50, tolerance: float = 1e-5
) -> Fitted:
    """Fits a linear dynamical system to a session (Shumway and Stoffer 1982).

    Args:
        session: Training part; its segments are independent sequences.
        system: First parameters.
        steps: Largest number of steps.
        tolerance: Gain of the likelihood in a bin of one neuron below which the search ends.
    """
    groups = sequences_of(session)
    size = sum(group.activity.numel() for group in groups)
    likelihood: list[float] = []
    for _ in range(steps):
        system, latest = _step(groups, system)
        likelihood.append(latest)
        if len(likelihood) > 1 and latest - likelihood[-2] < tolerance * size:
            break
    return Fitted(system, likelihood)


def begin_anywhere(session: Session, system: StateSpace) -> StateSpace:
    """Returns a system for sequences that begin at any bin: the first latents are distributed as those of all bins.

    Args:
        session: Training part.
        system: Parameters, fitted to it.
    """
    k = len(system.transition)
    total, products, count = system.offset.new_zeros(k), system.offset.new_zeros(k, k), 0
    for group in sequences_of(session):
        filtered = kalman_filter(system, system.evidence(group.activity), group.behaviour)
        smoothed = kalman_smoother(system, filtered)
        T, S, _ = smoothed.mean.shape
        state = smoothed.mean.flatten(0, 1)
        total += state.sum(0)
        products += state.t() @ state + S * smoothed.covariance.sum(0)
        count += T * S
    mean = total / count
    return system._replace(first_mean=mean, first_covariance=products / count - torch.outer(mean, mean))


def _step(groups: list[Sequences], system: StateSpace) -> tuple[StateSpace, float]:
    """Returns the system after one step and the log likelihood before it."""
    k, (N, K) = len(system.transition), (len(system.offset), system.inputs.shape[1])
    zeros = system.offset.new_zeros
    likelihood, count, moves, sequences = 0.0, 0, 0, 0
    state, joint, square = zeros(k + 1, k + 1), zeros(N, k + 1), zeros(N)  # products with (z, 1) and squares of x
    past, next_past, after = zeros(k + K, k + K), zeros(k, k + K), zeros(k, k)
    first, first_square = zeros(k), zeros(k, k)
    for group in groups:
        S, T = len(group.activity), group.activity.shape[2]
        filtered = kalman_filter(system, system.evidence(group.activity), group.behaviour)
        likelihood += log_likelihood(system, group, filtered)
        mean, covariance, lagged = kalman_smoother(system, filtered)
        ones = torch.cat([mean, torch.ones_like(mean[..., :1])], -1).flatten(0, 1)  # [T S, k + 1]
        state += ones.t() @ ones
        state[:k, :k] += S * covariance.sum(0)
        activity = group.activity.permute(1, 2, 0).flatten(1)  # [N, T S]
        joint += activity @ ones
        square += activity.square().sum(1)
        inputs = torch.cat([mean, group.behaviour.permute(2, 0, 1)], -1)[:-1].flatten(0, 1)
        later = mean[1:].flatten(0, 1)
        past += inputs.t() @ inputs
        past[:k, :k] += S * covariance[:-1].sum(0)
        next_past += later.t() @ inputs
        next_past[:, :k] += S * lagged.sum(0)
        after += later.t() @ later + S * covariance[1:].sum(0)
        first += mean[0].sum(0)
        first_square += mean[0].t() @ mean[0] + S * covariance[0]
        count, moves, sequences = count + S * T, moves + S * (T - 1), sequences + S
    read = torch.linalg.solve(state, joint.t()).t()
    noise = (square - (read * joint).sum(1)) / count
    centred = square / count - (joint[:, -1] / count).square()
    tiny = 1e-9 * max(moves, 1) * torch.eye(k + K, dtype=past.dtype, device=past.device)
    move = torch.linalg.solve(past + tiny, next_past.t()).t()
    left = (after - move @ next_past.t() - next_past @ move.t() + move @ past @ move.t()) / max(moves, 1)
    first_mean = first / sequences
    small = 1e-8 * torch.eye(k, dtype=past.dtype, device=past.device)
    return StateSpace(
        transition=move[:, :k],
        inputs=move[:, k:],
        state_noise=(left + left.t()) / 2 + small,
        readout=read[:, :k],
        offset=read[:, k],
        noise=noise.clamp_min(1e-3 * max(float(centred.mean()), 1e-6)),
        first_mean=first_mean,
        first_covariance=first_square / sequences - torch.outer(first_mean, first_mean) + small,
    ), likelihood
