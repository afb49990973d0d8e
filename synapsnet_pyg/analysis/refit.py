"""Least squares refitted in each of two conditions of a recording."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.analysis.condition_pairs import ConditionPair
from synapsnet_pyg.regression.shrinkage import shrink

FEWEST_BINS = 100
"""Smallest number of bins of a condition."""

_PART = 2048
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
        own_unique: Unique activity of each sender, among the bins of its condition: [N, M].
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
    own_unique: Tensor
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
    inputs, target, counts = _centred(inputs, is_in), _centred(target, is_in), [int(inside.sum()) for inside in is_in]

    M, precision = len(bins), _precision(inputs)
    common = (target @ inputs.t()).double() @ precision / M
    # The fit takes the share h = 2 u'Pu - u'PSPu of the variance of an error, with P the shrunk inverse of S.
    taken = 2 * precision - precision @ (inputs @ inputs.t()).double() @ precision / M
    own_unique, weight = inputs.new_empty(N, M), inputs.new_empty(M)
    alone, plain = [], []
    for s, (inside, count) in enumerate(zip(is_in, counts, strict=True)):
        of_inputs, of_target = inputs[:, inside], target[:, inside]
        unique = _precision(of_inputs)[:N].to(of_inputs) @ of_inputs
        own_unique[:, inside], weight[inside] = unique, (1 - 2 * s) / count
        alone.append((of_target @ unique.t()).double() / count)
        plain.append(_correlation(of_target))
    del of_inputs, of_target, unique
    errors = target.addmm_(common.to(inputs), inputs, alpha=-1)  # in the memory of the targets
    effect = [
        common[:, :N] + (errors[:, inside] @ own_unique[:, inside].t()).double() / count
        for inside, count in zip(is_in, counts, strict=True)
    ]
    overlap, square, explained = inputs.new_zeros(N, len(inputs)), inputs.new_zeros(N), []
    for part in parts_of(M):
        weighted, known = own_unique[:, part] * weight[part], inputs[:, part]
        overlap.addmm_(weighted, known.t())
        square += weighted.square().sum(1)
        explained.append(((taken.to(inputs) @ known) * known).sum(0))
    overlap = overlap.double()
    lost = ((overlap @ taken) * overlap).sum(1) / M / square.double().clamp_min(1e-30)
    return Refit(
        effect=torch.stack(effect),
        alone=torch.stack(alone),
        plain=torch.stack(plain),
        inputs=inputs,
        taken=taken,
        errors=errors,
        unique=precision[:N].to(inputs) @ inputs,
        own_unique=own_unique,
        weight=weight,
        error_share=(1 - torch.cat(explained) / M).clamp_min(0.05),
        sender_share=(1 - lost).clamp_min(0.05).to(inputs),
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


def _precision(inputs: Tensor) -> Tensor:
    """Returns the inverse of the shrunk covariance of centred inputs [U, U], in float64."""
    U, M = inputs.shape
    covariance = (inputs @ inputs.t()).double() / M
    fourth_power = float(inputs.square().sum(0).double().square().mean())
    identity = torch.eye(U, dtype=torch.float64, device=inputs.device)
    return torch.linalg.inv(shrink(covariance, fourth_power, M) + 1e-6 * identity)


def _correlation(rows: Tensor) -> Tensor:
    """Returns correlations of centred rows [N, N], 0 for a constant row."""
    length = rows.norm(dim=1, keepdim=True)
    scaled = torch.where(length > 1e-6 * rows.shape[1] ** 0.5, rows / length.clamp_min(1e-30), 0.0)
    return (scaled @ scaled.t()).double()


def _trial(segments: Tensor, bins: Tensor) -> int:
    """Returns the number of bins of each segment if 20 or more have bins and all of these have equally many, else 1."""
    segment = torch.searchsorted(segments[:, 1].contiguous(), bins, right=True)
    _, counts = segment.unique_consecutive(return_counts=True)
    return int(counts[0]) if len(counts) >= 20 and bool((counts == counts[0]).all()) else 1
