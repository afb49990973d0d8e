"""Reciprocity: share of the edges, and of the weight, in both directions."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from synapsnet_pyg.analysis.null import against_null
from synapsnet_pyg.analysis.pairs import pairs_of
from synapsnet_pyg.data.session import Session

_BLOCK = 256
"""Rows and columns of a matrix that are compared at a time."""
_USES = 8
"""Number of shuffles from one order."""


def reciprocity(
    session: Session, connectivity: Tensor, *, edge: Tensor | None = None, permutations: int = 1000, seed: int = 0
) -> "pd.DataFrame":
    r"""Computes the share of edges with an edge in the opposite direction, and that of the absolute weight.

    .. math::
        r = \frac{\sum_{i \ne j} \min(|w_{ij}|, |w_{ji}|)}{\sum_{i \ne j} |w_{ij}|}

    For edges the weights are 1 and 0. The null shuffles the senders of each receiver: each neuron receives the same
    weights, from other neurons. All receivers have one random order of senders, from which each begins at a random
    place. Any two weights then meet as in orders of their own, so that mean and deviation of r are the same. Eight
    shuffles share an order: given any order, places alone make the mean of r what it is.

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge: Pairs with an edge, booleans :math:`(N, N)`, for the row ``edges`` alone; None: all weights that are not
            zero.
        permutations: Number of shuffles.
        seed: Seed of the shuffles.

    Returns:
        Table with rows ``edges`` and ``weights``, columns ``of``, ``reciprocity`` (0 to 1, NaN where there are
        none), ``null_mean``, ``null_deviation``, ``z`` and ``p`` (two-sided).

    Raises:
        ValueError: A matrix does not fit the session.

    References:
        Squartini, Picciolo, Ruzzenenti and Garlaschelli (2013), Reciprocity of weighted networks.

    Example:
        >>> import torch
        >>> connectivity = torch.tensor([[0.0, 3.0, 0.0], [-1.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
        >>> table = reciprocity(Session(torch.zeros(3, 9), bin_size=0.1), connectivity, permutations=20)
        >>> table[["of", "reciprocity"]]
                of  reciprocity
        0    edges     0.666667
        1  weights     0.250000
    """
    pairs = pairs_of(session, connectivity, edge)
    matrices = [pairs.edge, np.abs(pairs.weight).astype(np.float32)]
    totals = [matrix.sum(dtype=np.float64) for matrix in matrices]
    shuffles = [_OtherSenders(matrix) for matrix in matrices]

    def shares(of: Iterable[np.ndarray]) -> np.ndarray:
        """Returns the reciprocal share of both strengths, NaN where there is none."""
        both_ways = zip(of, totals, strict=True)
        return np.array([_mutual(matrix) / total if total > 0 else np.nan for matrix, total in both_ways])

    observed = shares(matrices)
    null = against_null(
        observed,
        lambda random: shares(shuffle(random) for shuffle in shuffles),
        permutations=permutations,
        seed=seed,
    )
    return pd.DataFrame({"of": ["edges", "weights"], "reciprocity": observed, **null._asdict()})


def _mutual(strength: np.ndarray) -> float:
    """Returns the sum over pairs of the smaller strength of both directions; the diagonal is zero."""
    total, N = 0.0, len(strength)
    for a in range(0, N, _BLOCK):  # blocks that stay in the cache, those above the diagonal alone
        for b in range(a, N, _BLOCK):
            forth, back = strength[a : a + _BLOCK, b : b + _BLOCK], strength[b : b + _BLOCK, a : a + _BLOCK].T
            total += (1 if a == b else 2) * float(np.minimum(forth, back).sum(dtype=np.float64))
    return total


class _OtherSenders:
    """Shuffles of the entries of each row, without the diagonal: a random order, begun at a random place of each row.

    All shuffles are made in the same memory: new memory takes longer than the shuffle. An order serves for several
    shuffles, which do not depend on each other given any order.
    """

    def __init__(self, strength: np.ndarray) -> None:
        N = len(strength)
        self._entries = _off_diagonal(strength).reshape(N, N - 1)
        self._twice = np.empty((N, 2 * (N - 1)), strength.dtype)
        self._shuffled = np.zeros_like(strength)
        self._uses = 0

    def __call__(self, random: np.random.Generator) -> np.ndarray:
        """Returns the next shuffle, in place of the last."""
        N = len(self._shuffled)
        if N < 2:
            return self._shuffled
        if self._uses % _USES == 0:
            first, second = self._twice[:, : N - 1], self._twice[:, N - 1 :]
            np.take(self._entries, random.permutation(N - 1), axis=1, out=first, mode="clip")
            second[:] = first
        self._uses += 1
        begun_at = sliding_window_view(self._twice, N - 1, axis=1)[np.arange(N), random.integers(N - 1, size=N)]
        _off_diagonal(self._shuffled)[:] = begun_at.reshape(N - 1, N)
        return self._shuffled


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Returns a view of all entries but the diagonal, row by row [N - 1, N]: each N + 1 entries end on the diagonal."""
    N = len(matrix)
    return matrix.reshape(-1)[1:].reshape(N - 1, N + 1)[:, :-1]
