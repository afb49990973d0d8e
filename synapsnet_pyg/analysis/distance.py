"""Connectivity against the distance between neurons."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from torch import Tensor

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.null import against_null
from synapsnet_pyg.analysis.pairs import STATISTICS, Ratio, divided, pairs_of, statistic_of
from synapsnet_pyg.analysis.quantiles import quantiles
from synapsnet_pyg.data.session import Session


class DistanceProfile(NamedTuple):
    """Connectivity against the distance between sender and receiver."""

    table: "pd.DataFrame"
    """Table with a row for each range of distances, nearest first."""
    spearman: float
    """Rank correlation of absolute weight and distance over all pairs; negative if weights fall with distance."""
    p: float
    """Two-sided p-value of that correlation, from shuffled positions."""
    unplaced: int
    """Number of neurons that were left out because their position is not known."""
    unit: str = ""
    """Unit of the distances; empty if the recording does not say it."""


def weight_by_distance(
    session: Session,
    connectivity: Tensor,
    *,
    bins: int = 10,
    edge: Tensor | None = None,
    statistic: str = "mean_absolute_weight",
    permutations: int = 1000,
    seed: int = 0,
) -> DistanceProfile:
    r"""Computes statistics of a connectivity in ranges of the distance between sender and receiver.

    The distance is Euclidean, in the unit of the session's ``position``. The null shuffles positions among neurons,
    which keep their weights (Mantel test). A test that treats pairs as independent would give far too small p-values,
    because pairs share neurons.

    Args:
        session: Session of the N neurons, with ``position`` :math:`(N, 2)` or :math:`(N, 3)`.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        bins: Number of ranges, with about equal numbers of pairs.
        edge: Pairs with an edge, booleans :math:`(N, N)`, for ``density`` alone; None: all weights that are not zero.
        statistic: Statistic that is tested: ``mean_weight``, ``mean_absolute_weight``, ``density`` or ``balance``.
        permutations: Number of shuffles of the positions.
        seed: Seed of the shuffles.

    Returns:
        Table of ``nearest`` and ``farthest`` distance, ``pairs``, and the statistics, null, z, p and q as in
        :func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks`; the correlation of absolute weight and distance;
        and the number of neurons that were left out because their position is not finite.

    Raises:
        ValueError: A matrix does not fit the session, fewer than two neurons have a position, or the statistic is
            unknown.

    References:
        Mantel (1967), The detection of disease clustering and a generalized regression approach.

    Example:
        >>> import torch
        >>> places = [[0.0, 0.0], [3.0, 4.0], [0.0, 9.0]]
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, position=torch.tensor(places))
        >>> connectivity = torch.zeros(3, 3)
        >>> connectivity[1, 0] = -2.0
        >>> profile = weight_by_distance(session, connectivity, bins=2, permutations=20)
        >>> profile.table[["nearest", "farthest", "pairs", "mean_weight", "density"]].round(2)
           nearest  farthest  pairs  mean_weight  density
        0      5.0      5.83      4         -0.5     0.25
        1      9.0      9.00      2          0.0     0.00
    """
    pairs, position = pairs_of(session, connectivity, edge), _position(session)
    placed = np.isfinite(position).all(1)
    if placed.sum() < 2:
        raise ValueError(f"Expected the positions of at least 2 neurons (got {placed.sum()}).")
    pairs = pairs.among(placed)
    exists, distance = pairs.exists, cdist(position[placed], position[placed])
    ranges = quantiles(distance[exists], bins)

    def profile(ratio: Ratio, order: np.ndarray) -> np.ndarray:
        """Computes a statistic in each range of distances, with the neurons' weights in another order."""
        numerator, denominator = (
            np.bincount(ranges.code, matrix[np.ix_(order, order)][exists], len(ranges.largest)) for matrix in ratio
        )
        return divided(numerator, denominator)

    weight_rank, distance_rank = _standard_ranks(np.abs(pairs.weight), exists), _standard_ranks(distance, exists)

    def correlation(order: np.ndarray) -> np.ndarray:
        """Computes Spearman's correlation, with the neurons' weights in another order."""
        return np.vdot(weight_rank[np.ix_(order, order)], distance_rank)

    recorded_order = np.arange(len(distance))
    statistics = {name: profile(statistic_of(pairs, name), recorded_order) for name in STATISTICS}
    tested, spearman = statistic_of(pairs, statistic), correlation(recorded_order)
    null = against_null(
        statistics[statistic],
        lambda random: profile(tested, random.permutation(recorded_order)),
        permutations=permutations,
        seed=seed,
    )
    mantel = against_null(
        spearman, lambda random: correlation(random.permutation(recorded_order)), permutations=permutations, seed=seed
    )
    table = pd.DataFrame(
        {
            "nearest": ranges.smallest,
            "farthest": ranges.largest,
            "pairs": np.bincount(ranges.code),
            **statistics,
            **null._asdict(),
            "q": benjamini_hochberg(null.p),
        }
    )
    return DistanceProfile(
        table, float(spearman), float(mantel.p), int((~placed).sum()), session.get("position_unit", "")
    )


def _position(session: Session) -> np.ndarray:
    """Returns the positions of all neurons in float64: [N, 2] or [N, 3]."""
    position = session.neuron_fields.get("position")
    if not isinstance(position, Tensor) or position.dim() != 2:
        known = ", ".join(session.neuron_fields) or "none"
        raise ValueError(f"Expected position [N, 2 or 3] among the fields of the neurons (there are: {known}).")
    return position.double().cpu().numpy()


def _standard_ranks(values: np.ndarray, exists: np.ndarray) -> np.ndarray:
    """Returns ranks over the pairs with mean zero and norm one, whose inner product is a rank correlation."""
    ranks = np.zeros_like(values)
    ranks[exists] = pd.Series(values[exists]).rank().to_numpy()
    ranks[exists] -= ranks[exists].mean()
    return divided(ranks, np.full_like(ranks, np.linalg.norm(ranks)))
