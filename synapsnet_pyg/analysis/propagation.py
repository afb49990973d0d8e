"""Agreement of scores of neuron pairs with measured signal propagation: which neuron, stimulated, moves which other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from synapsnet_pyg.analysis.null import against_null
from synapsnet_pyg.metrics import area_under_curve, ranks


@dataclass(frozen=True)
class MeasuredPropagation:
    """Measured responses of neurons to the stimulation of others.

    Args:
        neuron_id: Names of the K neurons.
        responds: Responses :math:`(K, K)`, ``[i, j]`` 1 if i responds to stimulation of j, 0 if not, NaN if not
            observed.

    Raises:
        ValueError: The matrix does not fit the names.
    """

    neuron_id: Sequence[str]
    responds: np.ndarray

    def __post_init__(self) -> None:
        """Raises an error if the matrix does not fit the names."""
        K = len(self.neuron_id)
        if self.responds.shape != (K, K):
            raise ValueError(f"Expected responses [{K}, {K}] of {K} neurons (got {list(self.responds.shape)}).")

    def rows(self, neuron_id: Sequence[str]) -> tuple[list[int], list[int]]:
        """Returns the rows of the neurons that both know: among the given ones, and here."""
        place = {neuron: row for row, neuron in enumerate(self.neuron_id)}
        known = [(row, place[neuron]) for row, neuron in enumerate(neuron_id) if neuron in place]
        return [row for row, _ in known], [row for _, row in known]


@dataclass(frozen=True)
class PropagationAgreement:
    """Agreement of scores with measured propagation, as AUROC; chance is 0.5.

    Attributes:
        each: AUROC of each session [S], over its observed pairs.
        mean: AUROC of the mean over sessions, for pairs that enough sessions have.
        error: Standard error of ``mean`` over sessions, from bootstrap samples of sessions.
        samples: AUROC of each bootstrap sample [R]; those of two scores are of the same samples and can be subtracted.
        p_value: Two-sided p-value of ``mean`` from shuffles of the neurons' names in every session.
        pairs: Number of pairs of ``mean``.
        responding: Number of them that respond.
    """

    each: np.ndarray
    mean: float
    error: float
    samples: np.ndarray
    p_value: float
    pairs: int
    responding: int

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of 95 %: the mean and 1.96 standard errors on both sides."""
        return self.mean - 1.96 * self.error, self.mean + 1.96 * self.error

    def advantage(self, other: "PropagationAgreement") -> tuple[float, float]:
        """Returns the difference to another score, and its standard error from the same bootstrap samples."""
        return self.mean - other.mean, float((self.samples - other.samples).std(ddof=1))


def propagation_agreement(
    scores: Sequence[Tensor],
    neuron_ids: Sequence[Sequence[str]],
    measured: MeasuredPropagation,
    *,
    least: int = 3,
    ranked: bool = True,
    samples: int = 1000,
    permutations: int = 200,
    seed: int = 0,
) -> PropagationAgreement:
    """Compares absolute scores of pairs with measured propagation, in each session and in the mean over sessions.

    A bootstrap sample of S sessions has fewer different ones and so a lower AUROC of the mean. The interval is
    therefore the mean with the deviation of the samples on both sides, not their percentiles.

    Args:
        scores: Scores of each session :math:`(N, N)`, ``[i, j]`` of the effect of j on i.
        neuron_ids: Names of the neurons of each session [N]; neurons that were not measured are left out.
        measured: Measured responses.
        least: Smallest number of sessions with a pair for the mean.
        ranked: Whether absolute scores are replaced by their ranks within each session before the mean, so that no
            session weighs more than another; False: the mean is of absolute scores.
        samples: Number of bootstrap samples of sessions, 2 or more.
        permutations: Number of shuffles of names, 1 or more.
        seed: Seed of samples and shuffles.

    Raises:
        ValueError: The numbers of sessions or neurons differ, or no measured pair is in enough sessions.

    Example:
        >>> import torch
        >>> responds = np.random.default_rng(0).uniform(size=(9, 9)) < 0.3
        >>> names = list("abcdefghi")
        >>> measured = MeasuredPropagation(names, responds.astype(float))
        >>> found = propagation_agreement([torch.from_numpy(3.0 * responds)] * 3, [names] * 3, measured)
        >>> found.mean, found.pairs, found.p_value < 0.01
        (1.0, 72, True)
    """
    sizes = [len(ids) for ids in neuron_ids]
    if [list(matrix.shape) for matrix in scores] != [[N, N] for N in sizes]:
        raise ValueError(
            f"Expected a matrix of scores for the neurons of each session, of {sizes} neurons (got "
            f"{[list(matrix.shape) for matrix in scores]})."
        )
    rows = [measured.rows(ids) for ids in neuron_ids]
    own = [
        np.abs(matrix.detach().cpu().double().numpy()[np.ix_(r, r)])
        for matrix, (r, _) in zip(scores, rows, strict=True)
    ]
    places = [place for _, place in rows]
    responds = measured.responds.astype(float).copy()
    np.fill_diagonal(responds, np.nan)

    def placed(matrices: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the scores of every session at the rows of the measured neurons [S, K, K], NaN elsewhere."""
        wide = np.full((len(matrices), *responds.shape), np.nan)
        for session, place, matrix in zip(wide, places, matrices, strict=True):
            session[np.ix_(place, place)] = _ranked(matrix) if ranked else matrix
        return wide

    wide = placed(own)
    kept = ((~np.isnan(wide)).sum(0) >= least) & ~np.isnan(responds)
    truth = responds[kept] > 0
    if truth.all() or not truth.any():
        raise ValueError(
            f"Expected measured pairs with and without response in at least {least} sessions (got {len(truth)} pairs, "
            f"{int(truth.sum())} with response)."
        )
    random = np.random.default_rng(seed)
    drawn = [np.bincount(random.integers(0, len(own), len(own)), minlength=len(own)) for _ in range(samples)]
    values = wide[:, kept]
    sampled = np.array([_mean_score(values, truth, times) for times in drawn])
    once = np.ones(len(own))
    mean = _mean_score(values, truth, once)
    null = against_null(
        np.array(mean),
        lambda random: np.array(_mean_score(placed([_shuffled(m, random) for m in own])[:, kept], truth, once)),
        permutations=permutations,
        seed=seed,
    )
    each = [_auroc(session, responds) for session in wide]
    return PropagationAgreement(
        each=np.array(each),
        mean=mean,
        error=float(sampled.std(ddof=1)),
        samples=sampled,
        p_value=float(null.p),
        pairs=len(truth),
        responding=int(truth.sum()),
    )


def _ranked(matrix: np.ndarray) -> np.ndarray:
    """Returns the ranks of the entries off the diagonal, from 0 to 1."""
    off = ~np.eye(len(matrix), dtype=bool)
    result = np.full(matrix.shape, np.nan)
    result[off] = ranks(matrix[off]) / off.sum()
    return result


def _mean_score(values: np.ndarray, truth: np.ndarray, times: np.ndarray) -> float:
    """Returns the AUROC of the mean over sessions [S, P], each counted some times; a pair that none has is left out."""
    present = ~np.isnan(values)
    weight = times @ present
    total = times @ np.where(present, values, 0)
    known = weight > 0
    return area_under_curve(total[known] / weight[known], truth[known])


def _auroc(session: np.ndarray, responds: np.ndarray) -> float:
    """Returns the AUROC of one session; NaN if its pairs all respond or none does."""
    known = ~np.isnan(session) & ~np.isnan(responds)
    return area_under_curve(session[known], responds[known] > 0)


def _shuffled(matrix: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Permutes the neurons of a matrix."""
    order = random.permutation(len(matrix))
    return matrix[np.ix_(order, order)]
