"""Comparison of the connectivity in two conditions: states, halves, sessions or days."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from synapsnet_pyg.analysis.block_differences import block_table
from synapsnet_pyg.analysis.blocks import groups_of
from synapsnet_pyg.analysis.condition_pairs import ConditionPair
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.pattern_agreement import PatternAgreement, pattern_agreement
from synapsnet_pyg.analysis.quantiles import quartile_deviation
from synapsnet_pyg.analysis.refit import Refit, parts_of, refit
from synapsnet_pyg.analysis.student import two_sided_p
from synapsnet_pyg.files import release_memory
from synapsnet_pyg.progress import steps

SHIFTED, ASSIGNED = "shifts of the conditions in time", "random assignment of blocks of time"
"""Names of the two nulls."""

_BLOCK = 50
"""Length of a block of time in bins, if there are no trials."""

_MOST_RESEMBLANCE = 0.2
"""Largest mean squared correlation of conditions and their shifts; it is 1/3 for halves and for regular turns."""


class GlobalTest(NamedTuple):
    """Test of whether two conditions differ at all."""

    mean_square: float
    """Mean square of the differences of all pairs over its expectation without a difference, about 1."""
    null: np.ndarray
    """The same under the null, once for each shift or assignment: [K]."""
    p: float
    """Share of the null with at least this mean square, one-sided, from 1 / (1 + K) to 1."""


@dataclass(frozen=True)
class Comparison:
    """Differences of the connectivity between two conditions.

    Matrices are [N, N]; ``[i, j]`` belongs to the effect of j on i; the diagonal is NaN, as are pairs of which a neuron
    is silent in a condition.

    Attributes:
        names: Names of the two conditions.
        bins: Number of bins of each condition.
        changes: Number of changes from one condition to the other over time.
        null_name: Name of the null: shifts of the conditions in time, or random assignment of blocks of time.
        effect: Effects in each condition, refitted from its bins: [2, N, N].
        error: Standard error of the difference.
        z: Difference in standard errors.
        p_value: Probability of a difference at least as far from zero if there is none, two-sided.
        q_value: Smallest false discovery rate at which the difference is significant (Benjamini and Hochberg).
        null_deviation: Standard deviation of z among the pairs without a difference before correction, at least 1.
        any_difference: Test of whether the conditions differ at all.
        agreement: Agreement of the pattern of effects of both conditions, each fitted by itself.
        plain_agreement: Agreement of the correlations of activity within a bin.
        blocks: Table of differences from group to group; None if neurons were not grouped.
        unlabelled: Number of neurons without a group.
    """

    names: tuple[str, str]
    bins: tuple[int, int]
    changes: int
    null_name: str
    effect: Tensor
    error: Tensor
    z: Tensor
    p_value: Tensor
    q_value: Tensor
    null_deviation: float
    any_difference: GlobalTest
    agreement: PatternAgreement
    plain_agreement: PatternAgreement
    blocks: "pd.DataFrame | None" = field(default=None, repr=False)
    unlabelled: int = 0

    @property
    def difference(self) -> Tensor:
        """Effects in the first condition minus those in the second: [N, N]."""
        return self.effect[0] - self.effect[1]

    def edges(self, rate: float = 0.05) -> Tensor:
        """Returns the pairs that differ significantly, booleans [N, N].

        Args:
            rate: False discovery rate, the expected share of false ones among these pairs.
        """
        return self.q_value.nan_to_num(1.0) <= rate


def compare_conditions(
    pair: ConditionPair,
    *,
    group_by: str | None = None,
    shift: bool | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Comparison:
    r"""Tests whether the connectivity differs between two conditions, for each pair and from group to group.

    .. math::
        D_{ij} = \sum_t w(t)\, r_i(t)\, \tilde a_j(t), \qquad
        s_{ij}^2 = \sum_t w(t)^2\, \frac{r_i(t)^2\, \tilde a_j(t)^2}{1 - h(t)}\, (1 - h_j), \qquad
        z_{ij} = \frac{D_{ij}}{s_{ij}\, n_{ij}\, \nu}

    with r the errors of a least-squares fit to both conditions, :math:`\tilde a` the unique activity of the sender in
    the condition of bin t, and w one over the number of bins in the first condition and minus that in the second
    (:func:`~synapsnet_pyg.analysis.refit.refit`). The fit takes a share h(t) of the variance of the errors, and
    shrinkage a share :math:`h_j` of that of the effects. D is the difference of the effects refitted in each
    condition. No fitted model takes part and the conditions are no input, so a label that a model was told cannot
    decide. For the difference from group to group, the products are averaged over the pairs first, because the errors
    of neurons are correlated.

    The null respects time in one of two ways.

    1. *Shifts.* The conditions are shifted circularly against the recording (Harris 2020). Both keep their own time
       series, however slow, and lose their relation. Trials of equal length are shifted as a whole.
    2. *Assignment.* The bins of each condition are cut into blocks of 50 bins, or into trials, and the blocks are
       assigned to the conditions at random. This is for conditions that change once or a few times, such as halves and
       sessions, or in regular turns, because most of their shifts resemble them. A drift over the recording then counts
       as a difference.

    n is the deviation of z under the null, at least 1, a factor of the receiver times a factor of the sender. For pairs
    of neurons, :math:`\nu` is the deviation of z of most pairs, at least 1 (Efron 2004): a change that all pairs share
    shows in the global test, not in single pairs. The global test compares the mean square of D, over its expectation
    for independent bins, with the null. The p-values of pairs and groups are those of Student's t distribution with the
    kurtosis of the sum over bins.

    Args:
        pair: Conditions of a session: of :func:`~synapsnet_pyg.analysis.condition_pairs.state_pairs`,
            :func:`~synapsnet_pyg.analysis.condition_pairs.halves_pair` or
            :func:`~synapsnet_pyg.analysis.condition_pairs.session_pair`. Behaviours that do not define them are inputs
            of the fits.
        group_by: Field that groups the neurons; None: no table of groups.
        shift: Whether the null shifts the conditions; otherwise it assigns blocks of time. None: it shifts conditions
            if their shifts do not resemble them.
        draws: Number of shifts or assignments, 20 or more; fewer if there are fewer trials to shift by.
        seed: Seed of the null.

    Raises:
        ValueError: A condition has fewer than 100 bins, ``draws`` is below 20, or the field does not fit.

    References:
        White (1980), standard errors for unequal variances; Harris (2020), Nonsense correlations in neuroscience;
        Efron (2004), empirical null.

    Example:
        >>> from synapsnet_pyg.data.session import Session
        >>> _ = torch.manual_seed(1)
        >>> session = Session(torch.randn(4, 2000), bin_size=0.1, area=["V1", "V1", "LM", "LM"]).standardise()
        >>> running = torch.randint(0, 2, (50,)).repeat_interleave(40)
        >>> session.activity[2, 1:] += 0.4 * session.activity[0, :-1] * running[:-1]
        >>> result = compare_conditions(ConditionPair(session, running, ("still", "running")), group_by="area")
        >>> result.edges().nonzero().tolist()  # only neuron 2 hears neuron 0 differently
        [[2, 0]]
        >>> table = result.blocks
        >>> table.loc[table["p_any"].idxmin(), ["sender", "receiver"]].tolist()
        ['V1', 'LM']
    """
    if draws < 20:
        raise ValueError(f"Expected at least 20 draws of the null (got {draws}).")
    groups = None if group_by is None else groups_of(pair.session, group_by, bins=None)
    label = torch.ones(pair.session.num_neurons, 1)  # the first group has all neurons
    if groups is not None:
        label = torch.cat([label, torch.from_numpy(np.eye(len(groups.name) + 1)[groups.code][:, :-1]).float()], dim=1)
    fitted = refit(pair)
    shift = _resemblance(fitted) < _MOST_RESEMBLANCE if shift is None else shift
    contrasts = _contrasts(fitted, shift, draws, torch.Generator().manual_seed(seed))
    under_null = _under_null(fitted, contrasts, label)

    square, fourth = _moments(fitted)
    known = ~fitted.silent.fill_diagonal_(True)
    blocks = None
    if groups is not None:
        mean_square = under_null.mean_square[:, 1:, 1:]
        blocks = block_table(fitted, groups, contrasts, label=label[:, 1:], known=known, mean_square=mean_square)
    bins, changes, effect, alone, plain = fitted.bins, fitted.changes, fitted.effect, fitted.alone, fitted.plain
    del fitted  # its series are as large as several recordings

    error = square.sqrt() * under_null.inflation
    z = (effect[0] - effect[1]) / error
    null_deviation = max(1.0, _central_deviation(z[known]))
    error, z = error * null_deviation, z / null_deviation
    p = two_sided_p(z.numpy(), (fourth / square.square()).numpy())
    p[~known.numpy()] = np.nan
    return Comparison(
        names=pair.names,
        bins=bins,
        changes=changes,
        null_name=SHIFTED if shift else ASSIGNED,
        effect=effect,
        error=_pairs(error, known),
        z=_pairs(z, known),
        p_value=torch.from_numpy(p),
        q_value=torch.from_numpy(benjamini_hochberg(p)),
        null_deviation=null_deviation,
        any_difference=_global_test(under_null.mean_square[:, 0, 0].numpy()),
        agreement=pattern_agreement(*alone, known=known, seed=seed),
        plain_agreement=pattern_agreement(*plain, known=known, seed=seed),
        blocks=blocks,
        unlabelled=0 if groups is None else int((groups.code < 0).sum()),
    )


def _resemblance(fitted: Refit) -> float:
    """Returns the mean squared correlation of the conditions and their shifts by each whole trial, or each bin."""
    spectrum = torch.fft.rfft(fitted.weight.double()).abs().square()
    correlation = torch.fft.irfft(spectrum, len(fitted.weight))[:: fitted.trial]
    return float((correlation[1:] / correlation[0]).square().mean())


def _contrasts(fitted: Refit, shift: bool, draws: int, random: torch.Generator) -> Tensor:
    """Returns the weights of the bins under the null, those of the conditions first: [1 + K, M]."""
    weight, M = fitted.weight, len(fitted.weight)
    if shift:
        trials = M // fitted.trial
        chosen = 1 + torch.randperm(trials - 1, generator=random)[:draws]
        return torch.stack([weight, *(weight.roll(int(k) * fitted.trial) for k in chosen.tolist())])
    block, count = torch.empty(M, dtype=torch.long), 0
    for inside, bins in zip((weight > 0, weight < 0), fitted.bins, strict=True):
        length = fitted.trial if fitted.trial > 1 else min(_BLOCK, bins // 10)
        block[inside] = count + torch.arange(bins) // length
        first_blocks, count = count, int(block[inside].max()) + 1
    return torch.stack([weight, *(_assigned(block, first_blocks, count, random) for _ in range(draws))]).to(weight)


def _assigned(block: Tensor, first: int, count: int, random: torch.Generator) -> Tensor:
    """Returns the weights of the bins [M] if ``first`` of the blocks [M], at random, are the first condition."""
    is_first = (torch.randperm(count, generator=random) < first)[block]
    return torch.where(is_first, 1 / is_first.sum(), -1 / (~is_first).sum())


class _UnderNull(NamedTuple):
    """Differences under the null."""

    inflation: Tensor
    """Deviation of z of each pair under the null, at least 1: [N, N]."""
    mean_square: Tensor
    """Mean square over its expectation, from group to group for each contrast, the first of which is observed:
    [1 + K, G, G]."""


def _under_null(fitted: Refit, contrasts: Tensor, label: Tensor) -> _UnderNull:
    """Computes the differences for each contrast [1 + K, M] and groups with labels [N, G].

    Differences are those of the errors of the common fit, whose expectation is zero in every contrast if the conditions
    do not differ. A sum of squared differences is divided by its expectation for bins that are independent, with a
    variance of their own in each. The fit makes the errors orthogonal to the inputs: where activity varies more in one
    condition, it lies nearer to the effects of that condition, and the differences are smaller than those of shifted
    conditions. The expectation knows this from the part of the contrast that the inputs do not explain.
    """
    parts = _UnitParts(fitted)
    N = len(fitted.errors)
    received = torch.cat([label.t() @ part.squared for part in parts.of(torch.ones_like(fitted.weight))], 1)
    sizes, variance, mean_square = label.t() @ label, torch.zeros(N, N, dtype=torch.float64), []
    pairs = torch.outer(label.sum(0), label.sum(0)) - sizes
    for weight in steps("null", contrasts):
        zeros = fitted.errors.new_zeros
        product, overlap, means = zeros(N, N), zeros(N, len(fitted.inputs)), zeros(2, 2, N)
        for part in parts.of(weight):
            product.addmm_(part.errors, part.sent.t())
            overlap.addmm_(part.sent, part.inputs.t())
            for sign, mean in zip((1, -1), means, strict=True):
                share = (sign * part.weight).clamp_min(0)
                mean += torch.stack([part.errors @ share, part.unique @ share])
        # Means are zero in the observed conditions, and are subtracted in all others too.
        product += torch.outer(*means[1]) - torch.outer(*means[0])
        taken = (overlap.double() @ fitted.taken).div_(len(weight)).to(overlap)
        of_groups, own = zeros(len(received), N), zeros(N)
        for part in parts.of(weight):
            sent = torch.addmm(part.sent, taken, part.inputs, alpha=-1).square_()
            of_groups.addmm_(received[:, part.bins], sent.t())
            own += (part.squared * sent).sum(1)
        expected = of_groups @ label - (label * own[:, None]).t() @ label
        square = product.square_().fill_diagonal_(0)
        mean_square.append((label.t() @ square @ label) / expected.clamp_min(1e-30))
        if len(mean_square) > 1:
            variance.add_(square, alpha=float(pairs[0, 0]) / float(expected[0, 0]))
        release_memory()  # of the arrays of a part, which pile up over hundreds of contrasts
    variance /= len(contrasts) - 1
    receiver, sender = variance.sum(1, keepdim=True) / (N - 1), variance.sum(0, keepdim=True) / (N - 1)
    factor = receiver * sender * (N * (N - 1)) / variance.sum().clamp_min(1e-12)
    return _UnderNull(factor.sqrt().clamp_min(1.0), torch.stack(mean_square).double())


def _global_test(mean_square: np.ndarray) -> GlobalTest:
    """Returns the test of a mean square against those under the null [1 + K], the first of which is observed."""
    observed, null = mean_square[0], mean_square[1:]
    return GlobalTest(float(observed), null, float((1 + (null >= observed).sum()) / (1 + len(null))))


class _Part(NamedTuple):
    """Some bins of a fit."""

    bins: slice
    errors: Tensor
    """Errors of mean square 1 over all bins."""
    squared: Tensor
    """Their squares over the share that stays after the fit."""
    unique: Tensor
    """Unique activity of mean square 1 over all bins."""
    sent: Tensor
    """The same times the weight of each bin."""
    inputs: Tensor
    weight: Tensor


class _UnitParts:
    """Errors and unique activity of mean square 1, some bins at a time; rows of zeros stay.

    Args:
        fitted: Effects in the two conditions.
    """

    def __init__(self, fitted: Refit) -> None:
        self.fitted = fitted
        self.scales = [
            torch.cat([part.square().mean(1, keepdim=True) for part in rows.split(64)]).sqrt().clamp_min(1e-12)
            for rows in (fitted.errors, fitted.unique)
        ]

    def of(self, weight: Tensor) -> Iterator[_Part]:
        """Yields the parts for weights of the bins [M]."""
        fitted, (of_errors, of_unique) = self.fitted, self.scales
        for bins in parts_of(len(weight)):
            errors, unique = fitted.errors[:, bins] / of_errors, fitted.unique[:, bins] / of_unique
            yield _Part(
                bins=bins,
                errors=errors,
                squared=errors.square() / fitted.error_share[bins],
                unique=unique,
                sent=unique * weight[bins],
                inputs=fitted.inputs[:, bins],
                weight=weight[bins],
            )


def _moments(fitted: Refit) -> tuple[Tensor, Tensor]:
    """Returns the variance of the difference of each pair, and the sum of the fourth powers of its parts: [N, N]."""
    (N, M), weight, share = fitted.errors.shape, fitted.weight, fitted.error_share
    parts = parts_of(M)

    def squares(part: slice) -> Tensor:
        """Returns the squares of some bins' parts of the differences."""
        return (fitted.errors[:, part] * weight[part]).square_() / share[part]

    # Fourth powers of weights as small as 1e-5 leave the range of float32.
    largest = torch.stack([squares(part).max() for part in parts]).max().clamp_min(1e-30)
    square, fourth = torch.zeros(2, N, N, dtype=torch.float64)
    for part in parts:  # a few bins, so that float64 is no second recording
        received = (squares(part) / largest).double()
        sent = (fitted.own_unique(part).square_() * fitted.sender_share[:, None]).double()
        square.addmm_(received, sent.t())
        fourth.addmm_(received.square_(), sent.square_().t())
    square.clamp_min_(1e-18 * float(square.max())).mul_(largest.double())
    return square, fourth.mul_(largest.double().square())


def _central_deviation(z: Tensor) -> float:
    """Returns the deviation of a normal distribution with the quartiles of z; 1 for fewer than 20 values."""
    return float(quartile_deviation(z.numpy())) if len(z) >= 20 else 1.0


def _pairs(matrix: Tensor, known: Tensor) -> Tensor:
    """Returns a matrix with NaN for pairs that are not known."""
    return matrix.masked_fill(~known, torch.nan)
