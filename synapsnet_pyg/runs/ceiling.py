r"""Ceiling of the correlation: what a perfect forecast could reach, given the noise in each neuron's activity.

A forecast :math:`\hat a` knows at most the part :math:`s` of the activity :math:`a = s + \epsilon` that is not noise,
so its correlation with :math:`a` is at most

.. math::
    r_{max} = \sqrt{\operatorname{Var}(s) / \operatorname{Var}(a)}

(the ``CC_max`` of Schoppe et al. 2016). Repeated trials show :math:`\operatorname{Var}(s)` directly (the signal power
of Sahani and Linden 2003), but a forecast also follows what differs between trials. Two assumptions take their place:

- *Counting noise.* Counts that are Poisson given their rate have a noise variance equal to their mean, whatever the
  rate does: :math:`\operatorname{Var}(s) = \operatorname{Var}(a) - \operatorname{mean}(a)`. This is too little for
  neurons that are more regular than Poisson (refractory or rhythmic), whose variance can lie below the mean. It is too
  much for neurons whose spikes come in bursts at random times.
- *White noise.* A rate that changes smoothly has a smooth autocovariance :math:`c(k)`, to which white noise adds a jump
  at lag 0, whatever its distribution. :math:`\operatorname{Var}(s)` is then where the line through lags 1 and 2 meets
  lag 0, :math:`2 c(1) - c(2)`. This is too little where the rate changes from bin to bin, which other neurons may tell.

Both err towards too low a ceiling, but for bursts. For counts the ceiling is therefore the larger of the two, and for
any other activity that of white noise. It is an estimate and no bound. It says nothing of how much of :math:`s` the
past tells: a part of it can be new in each bin.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.runs.time_blocks import block_sums, time_blocks

_LIMIT = -2.0
"""Standard errors below zero at which a share contradicts its assumption."""


class Ceiling(NamedTuple):
    """Ceiling of each neuron's correlation, and the split of its variance."""

    correlation: Tensor
    """Estimated largest correlation [N], 0 to 1; NaN where it is unknown."""
    counting: Tensor
    """Share of the variance that is counting noise, mean / variance [N], not clipped; NaN unless counts."""
    lasting: Tensor
    """Share of the variance that lasts from bin to bin, from lags 1 and 2 [N], not clipped."""
    counts: bool
    """Whether activity is counts."""


def score_ceiling(activity: Tensor, bins: Tensor, segment: Tensor) -> Ceiling:
    r"""Estimates the ceiling of each neuron's correlation over some bins.

    Activity of whole numbers, none negative and some above 1, is counts. Activity of zeros and ones is not, since its
    variance follows from its mean. The head of this file states what the two estimates assume.

    The estimated share :math:`\hat q_i` of a neuron has a standard error :math:`e_i`, from leaving out blocks of bins.
    The ceiling is the posterior mean of :math:`\sqrt{q_i}` given :math:`\hat q_i \sim N(q_i, e_i^2)`. The distribution
    of :math:`q` over neurons is estimated too, by maximum likelihood on a grid (empirical Bayes, Kiefer and Wolfowitz
    1956). The root of a clipped estimate would be too large for neurons with much noise, and so would be their mean.

    Args:
        activity: Activity in the units of the recording :math:`(N, M)`.
        bins: Indices of these bins in the session, ascending :math:`(M)`.
        segment: First bin and end of each segment :math:`(S, 2)`; no product of two bins crosses a border.

    Returns:
        Ceilings. A ceiling is NaN for constant neurons, for neurons whose shares are all more than two standard errors
        below zero (no assumption holds, as for rhythmic neurons), and for all if there are fewer than 20 bins.

    References:
        Sahani and Linden (2003), How linear are auditory cortical responses? NeurIPS 15.
        Schoppe, Harper, Willmore, King and Schnupp (2016), Measuring the performance of neural models. Frontiers in
        Computational Neuroscience 10:10.

    Example:
        >>> rate = torch.tensor([1.0, 5.0]).repeat_interleave(30).repeat(80)
        >>> counts = torch.poisson(rate, generator=torch.Generator().manual_seed(0))[None]
        >>> found = score_ceiling(counts, torch.arange(4800), torch.tensor([[0, 4800]]))
        >>> round(float(found.correlation), 1), round(float(torch.corrcoef(torch.stack([counts[0], rate]))[0, 1]), 1)
        (0.8, 0.8)
    """
    x = activity.double()
    N, M = x.shape
    counts = is_counts(x)
    unknown = x.new_full((N,), torch.nan)
    if M < 20:
        return Ceiling(unknown, unknown, unknown, counts)
    block = time_blocks(bins, segment, max(M // 20, 3))
    shares = _shares(x, bins, segment, block)
    varies = x.amax(1) > x.amin(1)
    roots = [_roots(shares.lasting, varies)]
    if counts:
        error = shares.counting.error.clamp_min((2 / M) ** 0.5)  # that of Poisson counts of a constant rate
        roots.append(_roots(shares.counting._replace(error=error), varies))
    largest = torch.stack(roots).nan_to_num(-1.0).amax(0)
    correlation = largest.masked_fill(largest < 0, torch.nan)
    counting = 1 - shares.counting.share if counts else unknown
    return Ceiling(correlation, counting, shares.lasting.share, counts)


def is_counts(activity: Tensor) -> bool:
    """Tells if activity [N, M] is whole numbers, none negative and some above 1."""
    whole = activity.round()
    return bool(((activity - whole).abs() < 1e-3).all() and (whole >= 0).all() and (whole > 1).any())


class _Estimate(NamedTuple):
    """Estimate of a share and its standard error [N]."""

    share: Tensor
    error: Tensor


class _Shares(NamedTuple):
    """Shares of the variance that are not noise, by either assumption."""

    counting: _Estimate
    lasting: _Estimate


def _shares(x: Tensor, bins: Tensor, segment: Tensor, block: Tensor) -> _Shares:
    """Computes both shares and their errors by leaving out one block at a time."""
    mean = x.mean(1, keepdim=True)
    centred = x - mean
    segment_of = torch.searchsorted(segment[:, 1].contiguous(), bins, right=True)
    sums = {"n": block_sums(torch.ones_like(x[:1]), block), "x": block_sums(centred, block)}
    sums["xx"] = block_sums(centred.square(), block)
    for lag in (1, 2):
        pair = (segment_of[lag:] == segment_of[:-lag]) & (bins[lag:] == bins[:-lag] + lag)
        late = block[lag:][pair]
        products = (centred[:, lag:] * centred[:, :-lag])[:, pair]
        both = (centred[:, lag:] + centred[:, :-lag])[:, pair]
        size = int(block.max()) + 1
        for key, values in ((f"c{lag}", products), (f"m{lag}", both), (f"n{lag}", torch.ones_like(products[:1]))):
            padded = x.new_zeros(len(values), size)
            sums[key] = padded.index_add_(1, late, values)
    whole = {key: value.sum(1, keepdim=True) for key, value in sums.items()}
    without = {key: whole[key] - value for key, value in sums.items()}
    estimates = []
    for of in (_counting, _lasting):
        share = of(whole, mean)[:, 0]
        left = of(without, mean)
        B = left.shape[1]
        error = ((left - left.mean(1, keepdim=True)).square().sum(1) * (B - 1) / B).sqrt()
        estimates.append(_Estimate(share, error))
    return _Shares(*estimates)


def _counting(sums: dict[str, Tensor], mean: Tensor) -> Tensor:
    """Computes 1 - mean / variance from sums of activity around a first mean."""
    n = sums["n"]
    average = sums["x"] / n
    variance = (sums["xx"] / n - average.square()) * n / (n - 1)
    return 1 - (mean + average) / variance


def _lasting(sums: dict[str, Tensor], mean: Tensor) -> Tensor:
    """Computes the share 2 c(1) - c(2) of the variance, from sums of activity around a first mean."""
    average = sums["x"] / sums["n"]
    # Each c(k) and c(0) lack about the same variance of the mean, which the ratio keeps.
    c = [sums[f"c{k}"] / sums[f"n{k}"] - average * sums[f"m{k}"] / sums[f"n{k}"] + average.square() for k in (1, 2)]
    return (2 * c[0] - c[1]) / (sums["xx"] / sums["n"] - average.square())


def _roots(estimate: _Estimate, varies: Tensor) -> Tensor:
    """Computes the roots of shares [N]; NaN for constant neurons and shares that contradict their assumption."""
    known = varies & estimate.share.isfinite() & (estimate.share > _LIMIT * estimate.error)
    roots = torch.full_like(estimate.share, torch.nan)
    roots[known] = _posterior_root(estimate.share[known], estimate.error[known])
    return roots


def _posterior_root(share: Tensor, error: Tensor, steps: int = 200) -> Tensor:
    """Computes the posterior mean of the root of each share [n] under the most likely distribution over neurons."""
    root = torch.linspace(0, 1, 101, dtype=torch.float64)
    distance = (share[:, None] - root.square()) / error.clamp_min(1e-4)[:, None]
    likelihood = torch.exp(-0.5 * (distance.square() - distance.square().amin(1, keepdim=True)))
    prior = torch.full_like(root, 1 / len(root))
    for _ in range(steps):  # expectation maximisation
        posterior = likelihood * prior
        posterior /= posterior.sum(1, keepdim=True)
        prior = posterior.mean(0)
    return posterior @ root
