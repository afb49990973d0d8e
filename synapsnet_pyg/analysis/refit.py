"""Least squares refitted in each of two conditions of a recording."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.condition_pairs import ConditionPair
from synapsnet_pyg.files import release_memory
from synapsnet_pyg.regression.shrinkage import shrink
from synapsnet_pyg.regression.symmetric_inverse import symmetric_inverse

FEWEST_BINS = 100
"""Smallest number of bins of a condition."""

_PART = 512
"""Number of bins that are computed together: series of all bins would each take as much memory as the recording."""

_MOST_LAGS = 3
"""Largest number of bins before a target whose activity is known."""

_BINS_FOR_AN_INPUT = 20
"""Number of bins of the smaller condition for each input that allows a further lag."""


@dataclass(frozen=True)
class Refit:
    """Least-squares effects between N neurons in two conditions, and the M bins that they come from.

    Matrices are [receiver, sender].

    Attributes:
        effect: Effects in each condition, shrunk towards those of both together: [2, N, N].
        alone: Effects in each condition, from its bins alone, shrunk towards zero: [2, N, N].
        plain: Correlation of the neurons in one bin, in each condition: [2, N, N].
        inputs: Inputs, with mean zero in each condition: [U, M].
        taken: The fit takes ``u(t) @ taken @ u(s) / M`` of the error of bin s out of that of bin t: [U, U].
        errors: Errors of the effects of both conditions together, in each bin: [N, M].
        unique: Unique activity of each sender, over both conditions: [N, M].
        own: Inverse covariance of the inputs in each condition, rows of the senders: [2, N, U].
        weight: One over the number of bins for the first condition, minus that for the second: [M].
        error_share: Share of the variance of each bin's error that stays after the fit: [M].
        sender_share: Share of the variance of a sender's effects that stays after shrinkage: [N].
        trial: Number of bins of each trial if there are 20 trials or more of equal length, else 1.
    """

    effect: Tensor
    alone: Tensor
    plain: Tensor
    inputs: Tensor
    taken: Tensor
    errors: Tensor
    unique: Tensor
    own: Tensor
    weight: Tensor
    error_share: Tensor
    sender_share: Tensor
    trial: int

    @property
    def bins(self) -> tuple[int, int]:
        """Number of bins of each condition."""
        return int((self.weight > 0).sum()), int((self.weight < 0).sum())

    @property
    def changes(self) -> int:
        """Number of changes from one condition to the other over time."""
        return int((self.weight[1:].sign() != self.weight[:-1].sign()).sum())

    @property
    def silent(self) -> Tensor:
        """Pairs of which a neuron does not vary in one of the conditions, booleans [N, N]."""
        constant = self.plain.diagonal(dim1=1, dim2=2).eq(0).any(0)
        return constant[:, None] | constant

    def own_unique(self, part: slice) -> Tensor:
        """Returns the unique activity of each sender in some bins, among the bins of its condition: [N, P]."""
        first, second = self.own @ self.inputs[:, part]
        return torch.where(self.weight[part] > 0, first, second)


def refit(pair: ConditionPair) -> Refit:
    r"""Fits the effects between neurons in each of two conditions.

    .. math::
        r(t) = a(t + 1) - C\, u(t), \qquad
        C_s = C + \frac{1}{T_s} \sum_{t \in s} r(t)\, \big(\Sigma_s^{-1} u(t)\big)^\top

    with :math:`u = [a(t); b(t); a(t - 1); \ldots]` the inputs, :math:`\Sigma_s` their covariance in condition s, and
    :math:`C` the effects of both conditions together. Inputs and targets have mean zero in each condition, so a
    condition that changes the mean activity alone changes no effect. For a covariance that is not shrunk, :math:`C_s`
    is the least-squares estimate of condition s by itself. Each covariance is shrunk by an amount that depends on the
    number of bins (Ledoit and Wolf 2004); then :math:`C_s` is shrunk towards :math:`C`, and differences of the
    conditions towards zero.

    Earlier bins of the activity are inputs if the smaller condition has at least 20 bins for each input.

    Args:
        pair: Conditions of a session. A bin counts if the bin that follows is of the same condition and segment.
            Behaviours that define the conditions are no inputs.

    Raises:
        ValueError: A condition has fewer than 100 bins.

    Example:
        >>> from synapsnet_pyg.data.session import Session
        >>> session = Session(torch.randn(3, 1000), bin_size=0.1).standardise()
        >>> session.activity[1, 1:] += 0.5 * session.activity[0, :-1] * (torch.arange(999) < 500)
        >>> fitted = refit(ConditionPair(session, (torch.arange(1000) >= 500).long(), ("first", "second")))
        >>> fitted.effect[:, 1, 0].abs() > 0.25  # neuron 0 drives neuron 1 in the first half, by about 0.5
        tensor([ True, False])
    """
    session, condition, names, without = pair
    N = session.num_neurons
    bins = _bins(pair, lags=1)
    counts = [int((condition[bins] == s).sum()) for s in (0, 1)]
    for s, count in enumerate(counts):
        if count < FEWEST_BINS:
            raise ValueError(
                f"Expected at least {FEWEST_BINS} bins in '{names[s]}' whose next bin is in it too (session "
                f"'{session.name}' has {count}); take a longer recording, shorter bins or another threshold."
            )
    behaviours = [k for k, name in enumerate(session.behaviour_name) if name not in without]
    lags = min(_MOST_LAGS, max(1, (min(counts) // _BINS_FOR_AN_INPUT - len(behaviours)) // N))
    bins = _bins(pair, lags)
    inputs = torch.cat(
        [
            session.activity[:, bins],
            session.behaviour[bins][:, behaviours].t(),
            *(session.activity[:, bins - lag] for lag in range(1, lags)),
        ]
    )
    target, is_in = session.activity[:, bins + 1], [condition[bins] == s for s in (0, 1)]
    inputs, target = _centred(inputs, is_in), _centred(target, is_in)
    fits = _fits(inputs, target, is_in)
    release_memory()
    errors = target.addmm_(fits.common.to(inputs), inputs, alpha=-1)  # in the memory of the targets
    taken, weight = fits.taken.to(inputs), inputs.new_empty(len(bins))
    explained = [((taken @ inputs[:, part]) * inputs[:, part]).sum(0) for part in parts_of(len(bins))]
    for sign, inside in zip((1, -1), is_in, strict=True):
        weight[inside] = sign / inside.sum()
    return Refit(
        effect=fits.effect,
        alone=fits.alone,
        plain=fits.plain,
        inputs=inputs,
        taken=fits.taken,
        errors=errors,
        unique=fits.precision[:N].to(inputs) @ inputs,
        own=fits.own,
        weight=weight,
        error_share=(1 - torch.cat(explained) / len(bins)).clamp_min(0.05),
        sender_share=fits.sender_share,
        trial=_trial(session.segment, bins),
    )


def parts_of(bins: int) -> list[slice]:
    """Returns the parts of a number of bins that are computed one after the other."""
    return [slice(start, start + _PART) for start in range(0, bins, _PART)]


def _bins(pair: ConditionPair, lags: int) -> Tensor:
    """Returns the bins that count [M]: the next bin is in the same condition, and so many bins are in the segment."""
    firsts = [(start + lags - 1, stop - 1) for start, stop in pair.session.segment.tolist()]
    inside = torch.cat([torch.arange(first, max(first, last)) for first, last in firsts])
    now, following = pair.condition[inside], pair.condition[inside + 1]
    return inside[(now >= 0) & (now == following)]


def _centred(rows: Tensor, is_in: list[Tensor]) -> Tensor:
    """Takes the mean in each condition out of rows [R, M]; returns them."""
    for part in rows.split(64):  # in their own memory, and few at a time
        for inside in is_in:
            part[:, inside] -= part[:, inside].mean(1, keepdim=True)
    return rows


class _Fits(NamedTuple):
    """Fits to the bins of both conditions together, and of each; as in :class:`Refit` what has its name there."""

    common: Tensor
    """Effects of all inputs in both conditions together: [N, U]."""
    precision: Tensor
    """Inverse covariance of the inputs over both conditions: [U, U]."""
    taken: Tensor
    effect: Tensor
    alone: Tensor
    plain: Tensor
    own: Tensor
    sender_share: Tensor


def _fits(inputs: Tensor, target: Tensor, is_in: list[Tensor]) -> _Fits:
    """Fits targets [N, M] by inputs [U, M] in two conditions, each some of the bins, booleans [M].

    All of it follows from mean products, so that no series but these is held.
    """
    (U, M), N = inputs.shape, len(target)
    counts, lengths = [int(inside.sum()) for inside in is_in], inputs.norm(dim=0).double()
    first, second = (_products(inputs, target, inside) for inside in is_in)
    covariance, both = (torch.lerp(second[k], first[k], counts[0] / M) for k in (0, 1))
    precision = _precision(covariance, lengths)
    common = both @ precision
    # The fit takes the share h = 2 u'Pu - u'PSPu of the variance of an error, with P the shrunk inverse of S.
    taken = 2 * precision - precision @ covariance @ precision
    effect, (alone, plain) = covariance.new_empty(2, N, N), inputs.new_empty(2, 2, N, N)
    own, overlap, square = inputs.new_empty(2, N, U), torch.zeros_like(common), common.new_zeros(N)
    for s, (inside, count) in enumerate(zip(is_in, counts, strict=True)):
        of_inputs, of_both, of_targets = (first, second)[s]
        unique = _precision(of_inputs, lengths[inside])[:N]
        effect[s] = common[:, :N] + (of_both - common @ of_inputs) @ unique.t()
        alone[s], plain[s], own[s] = of_both @ unique.t(), _correlation(of_targets), unique
        weighted = unique @ of_inputs
        overlap += (1 - 2 * s) * weighted
        square += (weighted * unique).sum(1) / count
    lost = ((overlap @ taken) * overlap).sum(1) / M / square.clamp_min(1e-30)
    return _Fits(
        common=common,
        precision=precision,
        taken=taken,
        effect=effect,
        alone=alone,
        plain=plain,
        own=own,
        sender_share=(1 - lost).clamp_min(0.05).to(inputs),
    )


class _Products(NamedTuple):
    """Mean products of centred rows over the bins of a condition, in float64."""

    inputs: Tensor
    """Covariance of the inputs: [U, U]."""
    both: Tensor
    """Covariance of targets and inputs: [N, U]."""
    targets: Tensor
    """Covariance of the targets: [N, N]."""


def _products(inputs: Tensor, targets: Tensor, inside: Tensor) -> _Products:
    """Computes the mean products of inputs [U, M] and targets [N, M] over the bins of a condition, booleans [M]."""
    U, N, count = len(inputs), len(targets), int(inside.sum())
    sums = _Products(*(inputs.new_zeros(rows, of, dtype=torch.float64) for rows, of in ((U, U), (N, U), (N, N))))
    for part in parts_of(len(inside)):
        here, there = inputs[:, part][:, inside[part]], targets[:, part][:, inside[part]]
        for total, (left, right) in zip(sums, ((here, here), (there, here), (there, there)), strict=True):
            total += (left @ right.t()).double()
    return _Products(*(total.div_(count) for total in sums))


def _precision(covariance: Tensor, lengths: Tensor) -> Tensor:
    """Returns the inverse of a covariance [U, U], shrunk by the lengths of the inputs in each bin [M]."""
    shrunk = shrink(covariance, float(lengths.pow(4).mean()), len(lengths))
    return symmetric_inverse(shrunk + 1e-6 * torch.eye(len(covariance)).to(covariance))


def _correlation(covariance: Tensor) -> Tensor:
    """Returns correlations of rows with a covariance [N, N], 0 for a constant row."""
    deviation = covariance.diagonal().sqrt()
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp_min(1e-30), 0.0)
    return covariance * torch.outer(scale, scale)


def _trial(segments: Tensor, bins: Tensor) -> int:
    """Returns the number of bins of each segment if 20 or more have bins and all of these have equally many, else 1."""
    segment = torch.searchsorted(segments[:, 1].contiguous(), bins, right=True)
    _, counts = segment.unique_consecutive(return_counts=True)
    return int(counts[0]) if len(counts) >= 20 and bool((counts == counts[0]).all()) else 1
