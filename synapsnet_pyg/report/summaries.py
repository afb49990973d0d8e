"""Tables turned into what figures draw."""

from typing import NamedTuple

import numpy as np

from synapsnet_pyg.analysis.blocks import Blocks
from synapsnet_pyg.analysis.distance import DistanceProfile


class BlockMatrix(NamedTuple):
    """Mean weights from group to group, receivers as rows."""

    groups: list[str]
    weight: np.ndarray
    """NaN where there is no pair: [G, G]."""
    q: np.ndarray
    """[G, G]."""
    marked: np.ndarray
    """Blocks that differ from shuffled labels at a false discovery rate of 5 %: [G, G]."""


def block_matrix_of(blocks: Blocks) -> BlockMatrix:
    """The table as a matrix."""
    table = blocks.table
    groups = list(table["sender"].unique())
    weight, q = (
        table.pivot(index="receiver", columns="sender", values=value).loc[groups, groups].to_numpy(float)
        for value in ("mean_weight", "q")
    )
    return BlockMatrix(groups, weight, q, q <= 0.05)


class Profile(NamedTuple):
    """Mean absolute weight against distance, [M] each."""

    distance: np.ndarray
    weight: np.ndarray
    null_mean: np.ndarray
    null_deviation: np.ndarray


def profile_of(profile: DistanceProfile) -> Profile:
    """The table as curves, each range of distances at its middle."""
    table = profile.table
    middle = (table["nearest"] + table["farthest"]) / 2
    columns = (middle, table["mean_absolute_weight"], table["null_mean"], table["null_deviation"])
    return Profile(*(column.to_numpy(float) for column in columns))


def colour_limit(weight: np.ndarray, quantile: float = 0.995) -> float:
    """Weight of full colour, which a few very strong edges do not decide."""
    size = np.abs(weight[np.isfinite(weight)])
    return float(np.quantile(size, quantile)) or float(size.max()) or 1.0


def every_so_many(order: np.ndarray, most: int = 300) -> np.ndarray:
    """Neurons evenly chosen, so that the picture of a large population stays small."""
    return order[:: -(-len(order) // most)]
