"""Ordered pairs of a receiver and a sender, and statistics over many pairs."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity


class Pairs(NamedTuple):
    """Pairs of two different neurons; the diagonal of both matrices is zero."""

    weight: np.ndarray
    """Weights in float64, ``[i, j]`` the effect of j on i: [N, N]."""
    edge: np.ndarray
    """Pairs with an edge, booleans: [N, N]."""

    @property
    def exists(self) -> np.ndarray:
        """Pairs of two different neurons: true off the diagonal: [N, N]."""
        return ~np.eye(len(self.weight), dtype=bool)

    def among(self, chosen: np.ndarray) -> "Pairs":
        """Returns the pairs among some of the neurons, given as booleans [N]."""
        return Pairs(self.weight[np.ix_(chosen, chosen)], self.edge[np.ix_(chosen, chosen)])


def pairs_of(session: Session, connectivity: Tensor, edge: Tensor | None = None) -> Pairs:
    """Returns the pairs of a session's neurons.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge: Pairs with an edge, booleans :math:`(N, N)`; None: all weights that are not zero.

    Raises:
        ValueError: A matrix does not fit the session.
    """
    check_connectivity(session.num_neurons, connectivity)
    edge = (connectivity != 0) if edge is None else edge
    if edge.shape != connectivity.shape or edge.dtype != torch.bool:
        raise ValueError(
            f"Expected edges as booleans of shape {list(connectivity.shape)} (got {edge.dtype} {list(edge.shape)}); "
            "strongest(connectivity, top_k=500) != 0 selects 500 edges."
        )
    weight = connectivity.detach().cpu().double().numpy().copy()
    np.fill_diagonal(weight, 0)
    different = ~np.eye(len(weight), dtype=bool)
    return Pairs(weight, edge.cpu().numpy() & different)


class Ratio(NamedTuple):
    """Statistic of many pairs: sum of one matrix [N, N] over the pairs, divided by the sum of another."""

    numerator: np.ndarray
    denominator: np.ndarray


STATISTICS: dict[str, Callable[[Pairs], Ratio]] = {
    "mean_weight": lambda pairs: Ratio(pairs.weight, pairs.exists),
    "mean_absolute_weight": lambda pairs: Ratio(np.abs(pairs.weight), pairs.exists),
    "density": lambda pairs: Ratio(pairs.edge, pairs.exists),
    "balance": lambda pairs: Ratio(pairs.weight.clip(min=0), np.abs(pairs.weight)),
}
"""Statistics of many pairs: mean weight, mean absolute weight, share of pairs with an edge, and share of the absolute
weight that is positive (1: all excitation, 0: all inhibition)."""


def statistic_of(pairs: Pairs, name: str) -> Ratio:
    """Returns one of :data:`STATISTICS` as a ratio.

    Args:
        pairs: Pairs of neurons.
        name: Name of the statistic.

    Raises:
        ValueError: There is no statistic of that name.
    """
    if name not in STATISTICS:
        raise ValueError(f"Expected a statistic among {', '.join(STATISTICS)} (got '{name}').")
    numerator, denominator = STATISTICS[name](pairs)
    return Ratio(numerator.astype(float), denominator.astype(float))


def divided(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divides elementwise; NaN if the denominator is not above zero."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
