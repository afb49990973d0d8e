"""Connectivity from group to group of neurons: areas, cell types, layers, depths."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.null import against_null
from synapsnet_pyg.analysis.pairs import STATISTICS, Ratio, divided, pairs_of, statistic_of
from synapsnet_pyg.analysis.quantiles import quantiles
from synapsnet_pyg.data.session import Session


class Blocks(NamedTuple):
    """Connectivity from group to group."""

    table: pd.DataFrame
    """Table with a row for each ordered pair of groups."""
    unlabelled: int
    """Number of neurons that were left out because they have no group."""


def connectivity_blocks(
    session: Session,
    connectivity: Tensor,
    field: str,
    *,
    bins: int | None = None,
    edge: Tensor | None = None,
    statistic: str = "mean_weight",
    permutations: int = 1000,
    seed: int = 0,
) -> Blocks:
    r"""Computes statistics of a connectivity from group to group, and tests one of them against shuffled labels.

    .. math::
        S_{gh} = \sum_{i \in g} \sum_{j \in h} M_{ij} = (L^\top M L)_{gh}

    with :math:`L_{ig} = 1` if neuron i is in group g. Each statistic is such a sum divided by another one, over the
    pairs of two different neurons. The null shuffles labels among the labelled neurons. Groups keep their sizes and
    neurons keep their weights.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        field: Field that groups the neurons, a text or a number each: ``area``, ``layer``, ``position_z``. An empty
            text or NaN is no group.
        bins: Number of quantiles, for a field of numbers; None: each number is a group.
        edge: Pairs with an edge, booleans :math:`(N, N)`, for ``density`` alone; None: all weights that are not zero.
        statistic: Statistic that is tested: ``mean_weight``, ``mean_absolute_weight``, ``density`` or ``balance``.
        permutations: Number of shuffles of the labels.
        seed: Seed of the shuffles.

    Returns:
        Table of

        =========================  ===========================================================================
        sender, receiver           groups, in order
        pairs                      number of pairs of two different neurons
        mean_weight                mean over these pairs, edge or not
        mean_absolute_weight       mean over these pairs, edge or not
        density                    share of the pairs that are edges
        balance                    share of the absolute weight that is positive, NaN where there is none
        null_mean, null_deviation  tested statistic under shuffled labels
        z, p                       tested statistic against them, p two-sided
        q                          false discovery rate over the table (Benjamini-Hochberg)
        =========================  ===========================================================================

        and the number of neurons without a group.

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
    statistics = {name: _block_ratio(statistic_of(pairs, name), label) for name in STATISTICS}
    tested = statistic_of(pairs, statistic)
    null = against_null(
        statistics[statistic],
        lambda random: _block_ratio(tested, random.permutation(label)),
        permutations=permutations,
        seed=seed,
    )
    table = pd.DataFrame(
        {
            "sender": groups.name[sender],
            "receiver": groups.name[receiver],
            "pairs": _block_sum(pairs.exists.astype(float), label).astype(int),
            **statistics,
            **null._asdict(),
            "q": benjamini_hochberg(null.p),
        }
    )
    return Blocks(table, int((~labelled).sum()))


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
        raise ValueError(f"Expected a field of the neurons (got '{field}', there are: {known}); give it to Session.")
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
