"""Agreement of a connectivity with wiring from electron microscopy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from synapsnet_pyg.analysis.null import against_null
from synapsnet_pyg.metrics import ranks


class Agreement(NamedTuple):
    """Agreement of absolute weights with wiring, in columns AUROC, Spearman and partial Spearman."""

    each: np.ndarray
    """Scores of every session: [S, 3]. AUROC: probability that a connected pair has a larger weight than an unconnected
    pair; chance is 0.5. Spearman: rank correlation of weights and counts. Partial: rank correlation given the distance,
    NaN without distances."""
    each_p: np.ndarray
    """Two-sided p-value of each score: [S, 3]."""
    mean: np.ndarray
    """Mean over sessions: [3]."""
    mean_p: np.ndarray
    """Two-sided p-value of each mean, from shuffles of every session: [3]."""


def wiring_agreement(
    connectivities: Sequence[Tensor],
    wirings: Sequence[np.ndarray],
    distances: Sequence[np.ndarray] | None = None,
    *,
    permutations: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Compares connectivities with wiring, neuron by neuron.

    The null permutes the neurons of the connectivity and keeps the entries of both matrices, so that strong neurons and
    dense rows alone give no agreement.

    Args:
        connectivities: Weights of each session :math:`(N, N)`, ``[i, j]`` the effect of j on i; scores use
            absolute weights, because counts of synapses have no sign.
        wirings: Counts or strengths of synapses between the same neurons :math:`(N, N)`, [receiver, sender], not
            negative, 0 for none.
        distances: Distances between the same neurons :math:`(N, N)`; None: no partial correlation.
        permutations: Number of permutations of the neurons.
        seed: Seed of the permutations.

    Raises:
        ValueError: The numbers of matrices or their shapes differ.

    Example:
        >>> import torch
        >>> wiring = np.random.default_rng(0).poisson(0.5, (12, 12))
        >>> wiring_agreement([torch.from_numpy(2.0 * wiring)], [wiring], permutations=99).mean[:2].round(3).tolist()
        [1.0, 1.0]
    """
    shapes = {len(connectivities), len(wirings), len(wirings if distances is None else distances)}
    pairs = list(zip(connectivities, wirings, strict=False))
    if len(shapes) > 1 or any(tuple(c.shape) != w.shape for c, w in pairs):
        raise ValueError(
            "Expected one wiring (and distances) of the same shape for each connectivity (got "
            f"{[list(c.shape) for c in connectivities]} and {[list(w.shape) for w in wirings]})."
        )
    weights = [_ranks(np.abs(matrix.detach().cpu().double().numpy())) for matrix in connectivities]
    synapses = [_ranks(np.asarray(counts, dtype=float)) for counts in wirings]
    distance_ranks = (
        [None] * len(weights) if distances is None else [_ranks(np.asarray(d, dtype=float)) for d in distances]
    )

    def scores(ranked: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the scores of every session, and their mean: [S + 1, 3]."""
        each = np.stack([_scores(*matrices) for matrices in zip(ranked, synapses, distance_ranks, strict=True)])
        return np.vstack([each, each.mean(0)])

    observed = scores(weights)
    p = against_null(
        observed, lambda random: scores([_permuted(w, random) for w in weights]), permutations=permutations, seed=seed
    ).p
    return Agreement(observed[:-1], p[:-1], observed[-1], p[-1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Returns ranks of the entries off the diagonal, from 0 to 1; ties share their average."""
    off = ~np.eye(len(values), dtype=bool)
    ranked = np.zeros(values.shape)
    ranked[off] = ranks(values[off]) / off.sum()
    return ranked


def _scores(weight: np.ndarray, wiring: np.ndarray, distance: np.ndarray | None) -> np.ndarray:
    """Returns AUROC, Spearman and partial Spearman of ranked matrices: [3]."""
    off = ~np.eye(len(weight), dtype=bool)
    weight, wiring = weight[off], wiring[off]
    edge = wiring > wiring.min()
    # AUROC follows from the difference of mean ranks.
    auroc = 0.5 + weight[edge].mean() - weight[~edge].mean()
    if distance is None:
        return np.array([auroc, np.corrcoef(weight, wiring)[0, 1], np.nan])
    r = np.corrcoef([weight, wiring, distance[off]])
    partial = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    return np.array([auroc, r[0, 1], partial])


def _permuted(matrix: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Permutes the neurons of a matrix."""
    order = random.permutation(len(matrix))
    return matrix[np.ix_(order, order)]
