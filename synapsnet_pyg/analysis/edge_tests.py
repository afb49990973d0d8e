"""Three tests of every edge: beyond chance, beyond common senders, and beyond what time reversal leaves unchanged."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.lagged_effects import Evidence, LaggedEffects
from synapsnet_pyg.analysis.quantiles import quartile_deviation
from synapsnet_pyg.analysis.student import two_sided_p
from synapsnet_pyg.regression.sparse_low_rank import FEWEST, EdgeMixture, sparse_low_rank


class Standardised(NamedTuple):
    """Effects over their standard errors, without common drive."""

    z: Tensor
    """Standard normal for pairs without an edge: [N, N], zero on the diagonal."""
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
        amplitude: Amplitude of the kernel in the effects, before the common drive is subtracted [N, N].
        error: Its standard error, without the deviation of pairs without an edge [N, N].
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
        """Returns the value of the three that is nearest to zero, zero if their signs differ: [N, N]."""
        values = torch.stack([self.past.z, self.present.z, self.contrast.z])
        agree = (values.sign() == values[0].sign()).all(0)
        return torch.where(agree, values[0].sign() * values.abs().amin(0), 0.0)


def run_tests(effects: LaggedEffects, kernel: Tensor | int, inflation: Tensor, *, reverse: bool = False) -> EdgeTests:
    """Computes the three tests of every pair.

    Args:
        effects: Effects of a session.
        kernel: Kernel over lags [L], or a single lag, counted from 1.
        inflation: Factor of the standard errors from slow activity [N, N].
        reverse: Whether to test the recording backwards.
    """

    def estimate(evidence: Evidence) -> tuple[Tensor, Tensor]:
        """Returns effects and standard errors."""
        if isinstance(kernel, int):
            effect, error = evidence.at_lag(kernel, effects.bins)
        else:
            effect, error = evidence.filtered(kernel, effects.bins)
        return effect, error * inflation

    forth, back = effects.past, effects.reverse
    if reverse:
        forth, back = back, forth
    amplitude, error = estimate(forth)
    present, present_error = estimate(effects.reverse_present if reverse else effects.present)
    backwards, backwards_error = estimate(back)
    z = amplitude / error
    return EdgeTests(
        amplitude=amplitude,
        error=error,
        past=standardise(z),
        present=standardise(present / present_error),
        # Errors of the forecast and of the reversed forecast are nearly independent.
        contrast=standardise((z - backwards / backwards_error) / 2**0.5),
    )


def standardise(z: Tensor) -> Standardised:
    """Subtracts a common drive of low rank from effects over errors, and scales pairs without an edge to variance 1.

    Fewer than :data:`~synapsnet_pyg.regression.sparse_low_rank.FEWEST` neurons have no common drive, and their mixture
    is estimated with a few pseudo-pairs.
    """
    off = ~torch.eye(len(z), dtype=torch.bool)
    if len(z) >= FEWEST:
        parts = sparse_low_rank(z, torch.ones_like(z))
        rest, mixture, latents = z - parts.receivers @ parts.senders, parts.mixture, len(parts.senders)
    else:
        rest, mixture, latents = z, mixture_of(z[off]), 0
    result = Standardised(rest, mixture, latents)
    return result._replace(z=(rest / result.deviation).fill_diagonal_(0))


def mixture_of(values: Tensor, *, iterations: int = 60, prior: float = 10.0) -> EdgeMixture:
    """Estimates the mixture of edges and other pairs, with pseudo-pairs of which one in ten is an edge.

    Pairs without an edge have a variance of at least 1, so that a value that chance explains is no probable edge.

    Args:
        values: Effects over their standard errors.
        iterations: Number of EM steps.
        prior: Number of pseudo-pairs.
    """
    mixture, count = EdgeMixture(density=0.1, edge_variance=10.0, null_variance=1.0), len(values)
    for _ in range(iterations):
        edge, square = mixture.edge_probability(values), values.square()
        density = (float(edge.sum()) + 0.1 * prior) / (count + prior)
        null = max(1.0, (float(((1 - edge) * square).sum()) + prior) / (float((1 - edge).sum()) + prior))
        total = (float((edge * square).sum()) + 11 * 0.1 * prior) / (float(edge.sum()) + 0.1 * prior)
        mixture = EdgeMixture(min(density, 0.5), max(total - null, 1e-2 * null), null)
    return mixture


def population_kernel(effects: LaggedEffects) -> Tensor:
    r"""Estimates the kernel over lags that effects of edges share [L], 1 at the largest lag.

    It is the first eigenvector of the effects' products over lags, minus what chance and unrecorded influences
    contribute, without negative values, values below a twentieth, and values that chance explains.
    """
    L, off = effects.lags, ~torch.eye(effects.past.coefficients.shape[1], dtype=torch.bool)
    first = torch.zeros(L, dtype=torch.float64)
    first[0] = 1
    if L == 1 or not bool(off.any()):
        return first
    error = torch.stack([effects.past.at_lag(lag, effects.bins)[1][off] for lag in range(1, L + 1)])
    effect = torch.stack([matrix[off] for matrix in effects.past.coefficients])
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


def effects_by_sign(effects: LaggedEffects, amplitude: Tensor, error: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Computes effects summed over lags, and their standard errors [N, N], with one kernel for each sign.

    Inhibition often lasts longer than excitation, and is limited where rates are low. The kernel of a sign is the mean
    time course of the effects with that sign that are more than four standard errors from zero; with fewer than ten of
    them it is the common kernel.

    Args:
        effects: Effects of a session.
        amplitude: Amplitude of the common kernel in each pair [N, N].
        error: Its standard error [N, N].
        kernel: Common kernel over lags [L].
    """
    off = ~torch.eye(len(amplitude), dtype=torch.bool)
    results = []
    for sign in (1, -1):
        strong = (sign * amplitude / error > 4) & off
        shape = kernel
        if int(strong.sum()) >= 10 and len(kernel) > 1:
            course = (effects.past.coefficients[:, strong] * amplitude[strong]).sum(1).clamp_min(0)
            shape = torch.where(course >= 0.05 * course.max(), course, 0.0) / course.max()
        part, part_error = effects.past.filtered(shape, effects.bins)
        results.append((part * shape.sum(), part_error * shape.sum()))
    positive = amplitude >= 0
    effect, spread = (torch.where(positive, results[0][k], results[1][k]) for k in (0, 1))
    return effect, spread


def inflation_of(effects: LaggedEffects, trial: int = 1) -> Tensor:
    r"""Computes the factor by which slow activity increases the standard error of an effect, at least 1: [N, N].

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
    errors, unique = effects.errors, effects.unique
    T = effects.bins // trial * trial
    scale = torch.outer(errors.norm(dim=1), unique.norm(dim=1)).clamp_min(1e-12).double() / effects.bins**0.5
    if trial == 1:
        power = [_power(rows) for rows in (errors, unique)]
        square = (power[0] @ power[1].t()).double() / errors.shape[1] ** 2
    else:
        folded = [rows[:, :T].unflatten(1, (-1, trial)) for rows in (errors, unique)]
        spectrum = [torch.fft.fft(rows, dim=1) for rows in folded]
        trials = T // trial
        square = sum(
            (spectrum[0][:, f] @ spectrum[1][:, f].t().conj()).abs().square().double() for f in range(trials)
        ) / float(trials**2)
    variance = square / scale.square()
    receiver, sender = variance.mean(1, keepdim=True), variance.mean(0, keepdim=True)
    return (receiver * sender / variance.mean().clamp_min(1e-12)).sqrt().clamp_min(1.0)


def _power(rows: Tensor) -> Tensor:
    """Returns power spectra [N, F] whose sums are those over all frequencies, negative ones included."""
    power = torch.fft.rfft(rows).abs().square()
    last = power.shape[1] - 1 if rows.shape[1] % 2 == 0 else power.shape[1]
    weight = torch.ones_like(power[0])
    weight[1:last] = 2
    return power * weight.sqrt()


def two_sided(z: Tensor, excess: Tensor) -> Tensor:
    """Returns p-values of z under Student's t of the same excess kurtosis, whose tails are heavier than normal."""
    return torch.from_numpy(two_sided_p(z.numpy(), excess.numpy()))


def combined_p(p_values: Tensor, weights: Tensor) -> Tensor:
    r"""Combines p-values of dependent tests of one pair (Cauchy combination).

    .. math::
        p = \frac{1}{2} - \frac{1}{\pi} \arctan \sum_k w_k \tan\big(\pi (\tfrac{1}{2} - p_k)\big)

    Args:
        p_values: p-values of K tests :math:`(K, N, N)`.
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
    total = (weights[:, None, None] * tangent if p.dim() == 3 else weights[:, None] * tangent).sum(0)
    return torch.where(total < 1e12, 0.5 - torch.atan(total) / torch.pi, 1 / (torch.pi * total)).clamp(0, 1)
