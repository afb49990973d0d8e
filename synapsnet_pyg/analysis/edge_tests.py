"""Three tests of every edge: beyond chance, beyond common senders, and beyond what time reversal leaves unchanged."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.lagged_effects import Estimate, Evidence, LaggedEffects
from synapsnet_pyg.analysis.quantiles import quartile_deviation
from synapsnet_pyg.analysis.student import two_sided_p
from synapsnet_pyg.regression.pairs import AllPairs, PairMatrix, Pairs
from synapsnet_pyg.regression.sparse_low_rank import FEWEST, EdgeMixture, Squares, common_drive


class Standardised(NamedTuple):
    """Effects over their standard errors, without common drive."""

    z: Tensor
    """Standard normal for pairs without an edge."""
    mixture: EdgeMixture
    """Distribution of the values before they were divided by the deviation of pairs without an edge."""
    latents: int
    """Rank of the common drive that was subtracted."""

    @property
    def deviation(self) -> float:
        """Deviation of the pairs without an edge, at least 1."""
        return max(1.0, self.mixture.null_variance**0.5)


@dataclass(frozen=True)
class EdgeTests:
    """Tests of every pair for one kernel over lags.

    Attributes:
        amplitude: Amplitude of the kernel in the effects, before the common drive is subtracted.
        error: Its standard error, without the deviation of pairs without an edge.
        past: Effects given the past.
        present: Effects given the past and the same bin of all other neurons.
        contrast: Differences of the effects and those of the reversed recording.
    """

    amplitude: Tensor
    error: Tensor
    past: Standardised
    present: Standardised
    contrast: Standardised

    def weakest(self) -> Tensor:
        """Returns the value of the three that is nearest to zero, zero if their signs differ."""
        sign, smallest = self.past.z.sign(), self.past.z.abs()
        for test in (self.present, self.contrast):
            smallest = torch.minimum(smallest, (test.z * sign).clamp_min(0.0))
        return smallest * sign


def run_tests(
    effects: LaggedEffects, kernel: Tensor | int, inflation: "Inflation", *, forwards: EdgeTests | None = None
) -> EdgeTests:
    """Computes the three tests of every pair.

    Args:
        effects: Effects of a session.
        kernel: Kernel over lags [L], or a single lag, counted from 1.
        inflation: Factor of the standard errors from slow activity.
        forwards: Tests of the recording, if it is to be tested backwards.
    """

    def estimate(evidence: Evidence) -> tuple[Estimate, PairMatrix]:
        """Returns effects, and effects over their errors."""
        if isinstance(kernel, int):
            of_pairs = evidence.at_lag(kernel, effects.bins)
        else:
            of_pairs = evidence.filtered(kernel, effects.bins)
        return of_pairs, inflation.divided(of_pairs.z)

    forth, z = estimate(effects.past if forwards is None else effects.reverse)
    _, present = estimate(effects.present if forwards is None else effects.reverse_present)
    if forwards is None:
        half = torch.full_like(effects.past.variance, 0.5**0.25)  # of receiver and of sender: 0.5 ** 0.5
        # Errors of the forecast and of the reversed forecast are nearly independent.
        contrast = standardise(z.plus(estimate(effects.reverse)[1], -1.0).scaled(half, half))
    else:
        contrast = forwards.contrast._replace(z=-forwards.contrast.z)
    return EdgeTests(
        amplitude=forth.effect.values,
        error=forth.error * inflation.values(effects.pairs),
        past=standardise(z),
        present=standardise(present),
        contrast=contrast,
    )


def standardise(z: PairMatrix) -> Standardised:
    """Subtracts a common drive of low rank from effects over errors, and scales pairs without an edge to variance 1.

    Fewer than :data:`~synapsnet_pyg.regression.sparse_low_rank.FEWEST` neurons have no common drive, and their mixture
    is estimated with a few pseudo-pairs.
    """
    if z.pairs.num_neurons >= FEWEST:
        receivers, senders, mixture = common_drive(z)
        rest, latents = z.values - z.pairs.product(receivers, senders), len(senders)
    else:
        rest, mixture, latents = z.values, mixture_of(*z.pairs.flat(z.values)), 0
    result = Standardised(rest, mixture, latents)
    return result._replace(z=z.pairs.clear(rest / result.deviation))


def mixture_of(
    values: Tensor, weight: Tensor | None = None, *, iterations: int = 60, prior: float = 10.0
) -> EdgeMixture:
    """Estimates the mixture of edges and other pairs, with pseudo-pairs of which one in ten is an edge.

    Pairs without an edge have a variance of at least 1, so that a value that chance explains is no probable edge.

    Args:
        values: Effects over their standard errors :math:`(M)`.
        weight: Number of pairs for which each stands :math:`(M)`; None: one.
        iterations: Number of EM steps.
        prior: Number of pseudo-pairs.
    """
    mixture, (square, number) = (
        EdgeMixture(density=0.1, edge_variance=10.0, null_variance=1.0),
        Squares.of(values, weight),
    )
    count = float(number.sum())
    for _ in range(iterations):
        edge = number * mixture.edge_probability(square.sqrt())
        edges = float(edge.sum())
        density = (edges + 0.1 * prior) / (count + prior)
        null = max(1.0, (float(((number - edge) * square).sum()) + prior) / (count - edges + prior))
        total = (float((edge * square).sum()) + 11 * 0.1 * prior) / (edges + 0.1 * prior)
        mixture = EdgeMixture(min(density, 0.5), max(total - null, 1e-2 * null), null)
    return mixture


def population_kernel(effects: LaggedEffects) -> Tensor:
    r"""Estimates the kernel over lags that effects of edges share [L], 1 at the largest lag.

    It is the first eigenvector of the effects' products over lags, minus what chance and unrecorded influences
    contribute, without negative values, values below a twentieth, and values that chance explains.
    """
    L = effects.lags
    first = torch.zeros(L, dtype=torch.float64)
    first[0] = 1
    if L == 1 or effects.pairs.count == 0:
        return first
    flat = effects.pairs.flat
    error = torch.stack([flat(effects.past.at_lag(lag, effects.bins).error)[0] for lag in range(1, L + 1)])
    effect = torch.stack([flat(matrix.values)[0] for matrix in effects.past.coefficients])
    # That of the lag with the fewest edges, which alone would widen the middle of the distribution.
    deviation = max(1.0, float(quartile_deviation((effect / error).numpy()).min()))
    covariance = effects.past.covariance
    noise = (covariance / covariance[:, :1, :1]).mean(0) * deviation**2
    scaled = effect / error[0]
    size, axes = torch.linalg.eigh(scaled @ scaled.t() / scaled.shape[1] - noise)
    kernel = (axes[:, -1] * axes[:, -1].sum().sign()).clamp_min(0)
    chance = 2 * noise.diagonal() * (2 / scaled.shape[1]) ** 0.5
    kernel = torch.where((kernel >= 0.05 * kernel.max()) & (kernel.square() * size[-1] >= chance), kernel, 0.0)
    return kernel / kernel.max() if float(kernel.max()) > 0 else first


def effects_by_sign(effects: LaggedEffects, tests: EdgeTests, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Computes effects summed over lags, and their standard errors, with one kernel for each sign.

    Inhibition often lasts longer than excitation, and is limited where rates are low. The kernel of a sign is the mean
    time course of the effects with that sign that are more than four standard errors from zero; with fewer than ten of
    them it is the common kernel.

    Args:
        effects: Effects of a session at several lags.
        tests: Tests of the common kernel.
        kernel: Common kernel over lags [L].
    """
    amplitude, pairs = tests.amplitude, effects.pairs
    results = []
    for sign in (1, -1):
        strong = pairs.clear((sign * amplitude / tests.error > 4).double()) > 0
        shape = kernel
        if int(strong.sum()) >= 10:
            of_strong = torch.stack([matrix.values[strong] for matrix in effects.past.coefficients])
            course = (of_strong * amplitude[strong]).sum(1).clamp_min(0)
            shape = torch.where(course >= 0.05 * course.max(), course, 0.0) / course.max()
        part = effects.past.filtered(shape, effects.bins)
        results.append((part.effect.values * shape.sum(), part.error * shape.sum()))
    positive = amplitude >= 0
    effect, spread = (torch.where(positive, results[0][k], results[1][k]) for k in (0, 1))
    return effect, spread


class Inflation(NamedTuple):
    """Factor by which slow activity increases the standard error of an effect, at least 1."""

    receiver: Tensor
    """Factor of each receiver [N]."""
    sender: Tensor
    """Factor of each sender [N]."""

    def values(self, pairs: Pairs) -> Tensor:
        """Returns the factor of each held pair; of some pairs each neuron's own is at least 1, too."""
        if isinstance(pairs, AllPairs):
            return pairs.outer(self.receiver, self.sender).clamp_min(1.0)
        return pairs.outer(self.receiver.clamp_min(1.0), self.sender.clamp_min(1.0))

    def divided(self, z: PairMatrix) -> PairMatrix:
        """Returns effects over errors without it, divided by it."""
        if isinstance(z.pairs, AllPairs):
            return PairMatrix(z.pairs, z.values / self.values(z.pairs))
        return z.scaled(1 / self.receiver.clamp_min(1.0), 1 / self.sender.clamp_min(1.0))


def inflation_of(effects: LaggedEffects, trial: int = 1) -> Inflation:
    r"""Computes the factor by which slow activity increases the standard error of an effect, at least 1.

    .. math::
        n_{ij}^2 = \frac{\langle (\sum_t r_i(t)\, \tilde a_j(t + s))^2 \rangle_s}
                        {\sum_t r_i^2\, \sum_t \tilde a_j^2 / T}
        = \frac{\langle |R_i(f)|^2 |A_j(f)|^2 \rangle_f}{\langle |R_i|^2 \rangle_f\, \langle |A_j|^2 \rangle_f}

    over all circular shifts s of the sender against the errors. Each neuron keeps its own time series and loses its
    relation to others. By Parseval's theorem all shifts together are a product of power spectra. With trials, shifts
    are whole trials, so that responses to a stimulus stay aligned. The result is pooled to a factor of the receiver
    times a factor of the sender.

    Args:
        effects: Effects of a session.
        trial: Length of a trial in bins; 1: no trials.
    """
    T = effects.bins // trial * trial
    blocks = torch.arange(len(effects.errors)).split(max(2**20 // max(T, 1), 1))

    def spectra(rows: Tensor) -> Iterator[Tensor]:
        """Yields the spectra over trials [n, F, trial] of some neurons, divided by the length of their series."""
        for block in blocks:
            folded = rows[block, :T].unflatten(1, (-1, trial))
            yield torch.fft.fft(folded, dim=1) / rows[block].norm(dim=1).clamp_min(1e-12)[:, None, None]

    def mean(rows: Tensor) -> Tensor:
        """Returns the products of the bins of a trial [F, trial, trial], mean over neurons."""
        total = torch.zeros((), dtype=torch.complex64)
        for s in spectra(rows):
            total = total + torch.einsum("nfa,nfb->fab", s, s.conj())
        return total / len(rows)

    def with_mean(rows: Tensor, other: Tensor) -> Tensor:
        """Returns the factor of each neuron, mean over all others [N]."""
        parts = [torch.einsum("nfa,fba,nfb->n", s, other, s.conj()).real for s in spectra(rows)]
        return torch.cat(parts).double()

    of_errors, of_unique = mean(effects.errors), mean(effects.unique)
    scale = effects.bins / (T // trial) ** 2
    overall = (scale * (of_errors * of_unique.transpose(1, 2)).sum().real).double().clamp_min(1e-12)
    receiver, sender = with_mean(effects.errors, of_unique), with_mean(effects.unique, of_errors)
    return Inflation((scale * receiver / overall**0.5).sqrt(), (scale * sender / overall**0.5).sqrt())


def two_sided(z: Tensor, excess: Tensor) -> Tensor:
    """Returns p-values of z under Student's t of the same excess kurtosis, whose tails are heavier than normal."""
    return torch.from_numpy(two_sided_p(z.numpy(), excess.numpy()))


def combined_p(p_values: Tensor, weights: Tensor) -> Tensor:
    r"""Combines p-values of dependent tests of one pair (Cauchy combination).

    .. math::
        p = \frac{1}{2} - \frac{1}{\pi} \arctan \sum_k w_k \tan\big(\pi (\tfrac{1}{2} - p_k)\big)

    Args:
        p_values: p-values of K tests, in the first dimension.
        weights: Weights w of the tests with sum 1 :math:`(K)`.

    References:
        Liu and Xie 2020, Cauchy combination test.

    Example:
        >>> combined_p(torch.tensor([[0.01], [0.9]], dtype=torch.float64), torch.tensor([0.5, 0.5])).round(decimals=3)
        tensor([0.0220], dtype=torch.float64)
    """
    # Near 0 the tangent is 1 / (pi p), which keeps its precision; a p-value of 1 must not outweigh all others.
    p = p_values.clamp(max=0.999)
    tangent = torch.where(p > 1e-12, torch.tan(torch.pi * (0.5 - p)), 1 / (torch.pi * p.clamp_min(1e-300)))
    total = torch.tensordot(weights.to(tangent), tangent, dims=1)
    return torch.where(total < 1e12, 0.5 - torch.atan(total) / torch.pi, 1 / (torch.pi * total)).clamp(0, 1)
