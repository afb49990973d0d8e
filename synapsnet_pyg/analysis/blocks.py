"""Connectivity from group to group of neurons: areas, cell types, layers, depths."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammaln
from torch import Tensor

from synapsnet_pyg.analysis.block_errors import block_means
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.null import AgainstNull, against_null
from synapsnet_pyg.analysis.pairs import STATISTICS, Ratio, divided, pairs_of, statistic_of
from synapsnet_pyg.analysis.quantiles import quantiles
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity


class Blocks(NamedTuple):
    """Connectivity from group to group."""

    table: "pd.DataFrame"
    """Table with a row for each ordered pair of groups."""
    unlabelled: int
    """Number of neurons that were left out because they have no group."""


def connectivity_blocks(
    session: Session,
    connectivity: Tensor,
    field: str,
    *,
    bins: int | None = None,
    error: Tensor | None = None,
    edge: Tensor | None = None,
    statistic: str = "mean_weight",
    permutations: int = 2000,
    seed: int = 0,
) -> Blocks:
    r"""Computes statistics of a connectivity from group to group, and tests each block against two nulls.

    .. math::
        S_{gh} = \sum_{i \in g} \sum_{j \in h} M_{ij} = (L^\top M L)_{gh}

    with :math:`L_{ig} = 1` if neuron i is in group g. Each statistic is such a sum divided by another one, over the
    pairs of two different neurons. Two questions are asked of each block:

    1. **Zero.** Does its mean weight differ from zero? The error of the mean regards pairs with a neuron in common as
       dependent, because neurons differ and because their measurements share noise
       (:func:`~synapsnet_pyg.analysis.block_errors.block_means`). Effects and errors of
       :func:`~synapsnet_pyg.analysis.significance.edge_significance` are without common drive, as far as it was found.
       An unrecorded input to one group alone may pass for effects within this group, in both tests.
    2. **Labels.** Would any other assignment of the labels give a block like this one? The null shuffles labels among
       the labelled neurons. Groups keep their sizes and neurons keep their weights. A block may differ from zero
       because all weights do; then only the first test finds it. The tail of the null is extrapolated
       (:func:`~synapsnet_pyg.analysis.null.against_null`), because with 121 blocks the smallest p-value must be far
       below 0.05 / 121. No p-value is below one in the number of different assignments.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        field: Field that groups the neurons, a text or a number each: ``area``, ``layer``, ``position_z``. An empty
            text or NaN is no group.
        bins: Number of quantiles, for a field of numbers; None: each number is a group.
        error: Standard errors of the weights :math:`(N, N)`, NaN where there is none; None: weights were not measured
            with errors.
        edge: Pairs with an edge, booleans :math:`(N, N)`, for ``density`` alone; None: all weights that are not zero.
        statistic: Statistic compared with shuffled labels: ``mean_weight``, ``mean_absolute_weight``, ``density`` or
            ``balance``. The test against zero is always of the mean weight.
        permutations: Number of shuffles of the labels; the tail is extrapolated from 500 on.
        seed: Seed of the shuffles.

    Returns:
        Table of

        =========================  ===========================================================================
        sender, receiver           groups, in order
        pairs                      number of pairs of two different neurons
        mean_weight                mean over these pairs, edge or not
        error                      standard error of the mean weight
        low, high                  95 % confidence interval of the mean weight, over neurons
        p_zero, q_zero             test of the mean weight against zero, two-sided, and its false discovery rate
        mean_absolute_weight       mean over these pairs, edge or not
        density                    share of the pairs that are edges
        balance                    share of the absolute weight that is positive, NaN where there is none
        null_mean, null_deviation  statistic under shuffled labels
        z                          statistic minus null mean, in null deviations
        p_labels, q_labels         test of the statistic against shuffled labels, two-sided, and its false discovery
                                   rate
        =========================  ===========================================================================

        and the number of neurons without a group. False discovery rates are over the table (Benjamini-Hochberg).

    Raises:
        ValueError: A matrix does not fit the session, the field is not there or has nothing to group by, or the
            statistic is unknown.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(4, 9), bin_size=0.1, area=["V1", "V1", "LM", ""])
        >>> connectivity = torch.zeros(4, 4)
        >>> connectivity[2, 0] = 0.5  # a neuron of V1 drives one of LM
        >>> blocks = connectivity_blocks(session, connectivity, "area", permutations=20)
        >>> blocks.table[["sender", "receiver", "pairs", "mean_weight"]]
          sender receiver  pairs  mean_weight
        0     LM       LM      0          NaN
        1     LM       V1      2         0.00
        2     V1       LM      2         0.25
        3     V1       V1      2         0.00
        >>> blocks.unlabelled
        1
    """
    pairs, groups = pairs_of(session, connectivity, edge), groups_of(session, field, bins)
    labelled = groups.code >= 0
    pairs = pairs.among(labelled)
    label = np.eye(len(groups.name))[groups.code[labelled]]
    sender, receiver = np.divmod(np.arange(len(groups.name) ** 2), len(groups.name))
    tested = statistic_of(pairs, statistic)
    statistics = {name: _block_ratio(statistic_of(pairs, name), label) for name in STATISTICS}
    means = block_means(pairs.weight, label, _errors(session, error, labelled))
    low, high = means.interval()
    p_zero = means.p_value.T.ravel()
    null = _against_shuffled_labels(statistics[statistic], tested, label, permutations=permutations, seed=seed)
    table = pd.DataFrame(
        {
            "sender": groups.name[sender],
            "receiver": groups.name[receiver],
            "pairs": _block_sum(pairs.exists.astype(float), label).astype(int),
            "mean_weight": statistics.pop("mean_weight"),
            "error": means.error.T.ravel(),
            "low": low.T.ravel(),
            "high": high.T.ravel(),
            "p_zero": p_zero,
            "q_zero": benjamini_hochberg(p_zero),
            **statistics,
            "null_mean": null.null_mean,
            "null_deviation": null.null_deviation,
            "z": null.z,
            "p_labels": null.p,
            "q_labels": benjamini_hochberg(null.p),
        }
    )
    return Blocks(table, int((~labelled).sum()))


def _errors(session: Session, error: Tensor | None, labelled: np.ndarray) -> np.ndarray | None:
    """Returns standard errors of the weights among labelled neurons, 0 where there is none."""
    if error is None:
        return None
    known = error.nan_to_num()
    check_connectivity(session.num_neurons, known)
    errors: np.ndarray = known.detach().cpu().double().numpy()[np.ix_(labelled, labelled)]
    return errors


def _against_shuffled_labels(
    observed: np.ndarray, tested: Ratio, label: np.ndarray, *, permutations: int, seed: int
) -> AgainstNull:
    """Compares a statistic of each pair of groups with shuffles of the labels, in the order of the table's rows."""
    shuffles = _shuffles(tested, label, np.random.default_rng(seed))
    null = against_null(observed, lambda random: next(shuffles), permutations=permutations, seed=seed, tail=True)
    smallest = 1 / _assignments(label.sum(0))
    return null._replace(p=np.maximum(null.p, np.minimum(smallest, 1.0)))


def _shuffles(tested: Ratio, label: np.ndarray, random: np.random.Generator, many: int = 16) -> Iterator[np.ndarray]:
    """Yields the statistic [G * G] under shuffled labels, without end; ``many`` shuffles share one matrix product."""
    N, G = label.shape

    def sums(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Returns the sums over each pair of groups for labels [S, N, G]: [S, sender, receiver]."""
        of_senders = (values @ labels.transpose(1, 0, 2).reshape(N, -1)).reshape(N, -1, G).transpose(1, 2, 0)
        return of_senders @ labels

    pairs = np.outer(label.sum(0), label.sum(0)) - np.diag(label.sum(0))
    counts_pairs = bool((tested.denominator == ~np.eye(N, dtype=bool)).all())  # these do not depend on the labels
    while True:
        labels = np.stack([random.permutation(label) for _ in range(many)])
        numerator = sums(tested.numerator, labels)
        denominator = np.broadcast_to(pairs, numerator.shape) if counts_pairs else sums(tested.denominator, labels)
        yield from divided(numerator, denominator).reshape(many, -1)


def _assignments(size: np.ndarray) -> np.ndarray:
    """Returns the number of ways to choose the neurons of each pair of groups, in the order of the table's rows."""
    total = size.sum()
    sender, receiver = np.meshgrid(size, size, indexing="ij")
    others = np.where(np.eye(len(size), dtype=bool), 0, receiver)  # one group within itself is chosen once
    ways = _log_choose(total, sender) + _log_choose(total - sender, others)
    return np.exp(np.minimum(ways, 600)).ravel()


def _log_choose(total: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the number of subsets of a size."""
    logarithm: np.ndarray = gammaln(total + 1) - gammaln(chosen + 1) - gammaln(total - chosen + 1)
    return logarithm


class Groups(NamedTuple):
    """Groups of neurons."""

    name: np.ndarray
    """Names of the groups in sorted order: [G]."""
    code: np.ndarray
    """Index of each neuron's group in ``name``, -1 for none: [N]."""


def groups_of(session: Session, field: str, bins: int | None) -> Groups:
    """Groups a session's neurons by a field.

    Args:
        session: Session of the N neurons.
        field: Field that groups the neurons, a text or a number each.
        bins: Number of quantiles, for a field of numbers; None: each number is a group.

    Raises:
        ValueError: There is no such field, it is empty, or ``bins`` is given for a field of texts.
    """
    columns = session.neuron_columns
    if field not in columns:
        known = ", ".join(columns) or "none"
        raise ValueError(
            f"Expected a field of the neurons (got '{field}', there are: {known}); fields such as "
            "areas come with the recording when it is converted ('synapsnet inspect' shows them)."
        )
    values = np.array(columns[field])
    is_text = values.dtype.kind == "U"
    has_label = values != "" if is_text else np.isfinite(values)
    if not has_label.any():
        raise ValueError(f"Expected a '{field}' of at least one neuron (got none).")
    if is_text and bins is not None:
        raise ValueError(f"Expected a field of numbers for {bins} quantiles (got texts in '{field}'); leave bins out.")
    code = np.full(len(values), -1)
    if bins is None:
        name, code[has_label] = np.unique(values[has_label], return_inverse=True)
    else:
        classes = quantiles(values[has_label].astype(float), bins)
        name = np.array([f"{low:g} to {high:g}" for low, high in zip(classes.smallest, classes.largest, strict=True)])
        code[has_label] = classes.code
    return Groups(name, code)


def _block_sum(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Sums a matrix [receiver, sender] over each pair of groups, in the order of the table's rows: [G * G]."""
    return (label.T @ values @ label).T.ravel()


def _block_ratio(ratio: Ratio, label: np.ndarray) -> np.ndarray:
    """Returns a statistic of each pair of groups, in the order of the table's rows: [G * G]."""
    return divided(_block_sum(ratio.numerator, label), _block_sum(ratio.denominator, label))
