"""Differences of the connectivity from group to group between two conditions."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import gammaincc
from torch import Tensor

from synapsnet_pyg.analysis.blocks import Groups
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.refit import Refit, parts_of
from synapsnet_pyg.analysis.student import half_width, two_sided_p


def block_table(
    fitted: Refit, groups: Groups, contrasts: Tensor, *, label: Tensor, known: Tensor, mean_square: Tensor
) -> "pd.DataFrame":
    """Computes the differences from group to group, with two tests.

    The first test is of the mean difference over pairs. Its standard error is that of the mean of the pairs' products
    in each bin, because the errors of neurons are correlated, and is corrected for slow signals like that of a pair
    (:func:`~synapsnet_pyg.analysis.comparison.compare_conditions`). The second test is of the mean square difference
    over pairs, which also shows changes that cancel in the mean. Its p-value is that of the gamma distribution with
    mean and variance of the null.

    Args:
        fitted: Fits of both conditions.
        groups: Groups of the neurons.
        contrasts: Weights of the bins under the null, those of the conditions first :math:`(1 + K, M)`.
        label: 1 if a neuron is in a group :math:`(N, G)`.
        known: Pairs that count, booleans :math:`(N, N)`.
        mean_square: Mean square over its expectation, from group to group for each contrast :math:`(1 + K, G, G)`.

    Returns:
        Table of

        ======================  ==============================================================================
        sender, receiver        groups, in order
        pairs                   number of pairs of two different neurons
        mean_a, mean_b          mean effect over these pairs in each condition
        difference, low, high   difference of the means, with its 95 % interval
        z, p, q                 test of the difference, two-sided; q over the table (Benjamini-Hochberg)
        mean_square             mean square difference over its expectation without any, about 1
        p_any, q_any            test of the mean square, one-sided
        ======================  ==============================================================================
    """
    pairs = (label.t() @ known.to(label) @ label).double()
    means = [
        (label.t().double() @ matrix.masked_fill(~known, 0.0) @ label.double()) / pairs.clamp_min(1)
        for matrix in fitted.effect
    ]
    square, fourth = torch.zeros_like(pairs), torch.zeros_like(pairs)
    variance = torch.zeros_like(pairs)
    of_spread, of_all = _group_series(fitted, label)
    for h in range(len(pairs)):
        observed, common = of_spread.products(h), of_all.products(h)
        scaled = observed.double() / pairs[:, h, None].clamp_min(1)
        square[:, h], fourth[:, h] = scaled.square().sum(1), scaled.pow(4).sum(1)
        under_null, expected = common @ contrasts[1:].t(), common.square() @ contrasts[1:].square().t()
        variance[:, h] = (under_null.square() / expected.clamp_min(1e-30)).double().mean(1)
    receiver, sender = variance.mean(1, keepdim=True), variance.mean(0, keepdim=True)
    inflation = (receiver * sender / variance.mean().clamp_min(1e-12)).sqrt().clamp_min(1.0)
    error, excess = square.sqrt() * inflation, fourth / square.square().clamp_min(1e-300)
    empty = (pairs == 0) | (square == 0)

    def column(matrix: Tensor) -> np.ndarray:
        """Returns a matrix [receiver, sender] as a column, NaN for pairs of groups without neurons."""
        return matrix.masked_fill(empty, torch.nan).t().reshape(-1).numpy()

    difference, error_column, excess_column = column(means[0] - means[1]), column(error), column(excess)
    width = half_width(error_column, excess_column)
    p, p_any = two_sided_p(difference / error_column, excess_column), column(_gamma_p(mean_square))
    G = len(groups.name)
    return pd.DataFrame(
        {
            "sender": np.repeat(groups.name, G),
            "receiver": np.tile(groups.name, G),
            "pairs": pairs.t().reshape(-1).long().numpy(),
            "mean_a": column(means[0]),
            "mean_b": column(means[1]),
            "difference": difference,
            "low": difference - width,
            "high": difference + width,
            "z": difference / error_column,
            "p": p,
            "q": benjamini_hochberg(p),
            "mean_square": column(mean_square[0]),
            "p_any": p_any,
            "q_any": benjamini_hochberg(p_any),
        }
    )


class _GroupSeries(NamedTuple):
    """Sums over the neurons of each group in each bin: [G, M]."""

    received: Tensor
    """Of errors."""
    sent: Tensor
    """Of unique activity."""
    own: Tensor
    """Of the product of both of each neuron."""

    def products(self, sender: int) -> Tensor:
        """Returns the sums over pairs of two neurons, the sender in one group, for each group of receivers: [G, M]."""
        products = self.received * self.sent[sender]
        products[sender] -= self.own[sender]
        return products


def _group_series(fitted: Refit, label: Tensor) -> tuple[_GroupSeries, _GroupSeries]:
    """Returns series of groups with labels [N, G].

    The products of the first have the variance of the difference; the second are of both conditions together.
    """
    G, M = label.shape[1], len(fitted.weight)
    of_spread, of_all = (_GroupSeries(*label.new_zeros(3, G, M)) for _ in range(2))
    for part in parts_of(M):  # neurons in all bins would take as much memory as the recording
        errors = fitted.errors[:, part]
        spread = errors * fitted.weight[part] / fitted.error_share[part].sqrt()
        own_unique = fitted.own_unique(part) * fitted.sender_share.sqrt()[:, None]
        for series, received, sent in ((of_spread, spread, own_unique), (of_all, errors, fitted.unique[:, part])):
            for total, rows in zip(series, (received, sent, received * sent), strict=True):
                total[:, part] = label.t() @ rows
    return of_spread, of_all


def _gamma_p(mean_square: Tensor) -> Tensor:
    """Returns p-values of mean squares under gamma distributions with mean and variance of the null [1 + K, G, G]."""
    observed, null = mean_square[0], mean_square[1:]
    mean, variance = null.mean(0).clamp_min(1e-30), null.var(0).clamp_min(1e-30)
    return torch.from_numpy(gammaincc((mean.square() / variance).numpy(), (observed * mean / variance).numpy()))
