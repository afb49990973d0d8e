"""Standard errors of mean weights from group to group of neurons."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from synapsnet_pyg.analysis.pairs import divided


class BlockMeans(NamedTuple):
    """Mean weight of each pair of groups with its error, each [G, G] as [receiver, sender]; NaN if undefined."""

    mean: np.ndarray
    """Mean weight over pairs of two different neurons."""
    error: np.ndarray
    """Standard error of the mean."""
    freedom: np.ndarray
    """Degrees of freedom of the error."""

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Returns lower and upper limit of the confidence interval of the mean, by Student's t."""
        half = stdtrit(self.freedom, (1 + level) / 2) * self.error
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> np.ndarray:
        """Probability of a mean at least as far from zero if the true mean is zero, two-sided."""
        with np.errstate(invalid="ignore", divide="ignore"):
            p: np.ndarray = 2 * stdtr(self.freedom, -np.abs(self.mean / self.error))
        return p


def block_means(weight: np.ndarray, label: np.ndarray, error: np.ndarray | None = None) -> BlockMeans:
    r"""Computes the mean weight from group to group of neurons, and a standard error that regards pairs as dependent.

    .. math::
        V^{neurons}_{gh} &= \frac{1}{n^2} \Big( \frac{n_g}{n_g - 1} \sum_{i \in g} u_{i \cdot}^2
            + \frac{n_h}{n_h - 1} \sum_{j \in h} u_{\cdot j}^2 - \sum_{ij} u_{ij}^2 \Big) \\
        V^{measured}_{gh} &= \frac{1}{n^2} \sum_{ij} s_{ij}^2 \cdot D_g D_h, \qquad
        V_{gh} = \max(V^{neurons}_{gh}, V^{measured}_{gh})

    with n pairs of :math:`n_g` receivers and :math:`n_h` senders, u the weight minus the mean of its block, and a dot
    a sum. Pairs with a neuron in common are not independent, for two reasons:

    1. **Neurons differ.** One neuron sends more than another. The first variance regards the neurons as drawn from
       their groups (two-way clusters; within a group, all pairs of one neuron are a cluster). It is at least that of
       independent pairs.
    2. **Measurements share noise.** Effects on the same receiver have the same forecast errors. The second variance is
       that of the standard errors s, times the factors by which shared noise enlarges the variance of a mean over the
       receivers of g (:math:`D_g`) and the senders of h (:math:`D_h`), at least 1. Each factor is pooled over all
       blocks of its group, so that it is known for groups of two neurons.

    A group of one neuron says nothing about other neurons of its kind: the error then is that of this neuron's weights.

    Args:
        weight: Weights [N, N], ``[i, j]`` the effect of j on i; the diagonal is ignored.
        label: 1 where a neuron is in a group, else 0: [N, G].
        error: Standard errors of the weights [N, N]; None: the weights have no errors of measurement.

    References:
        Cameron, Gelbach and Miller (2011), Robust inference with multiway clustering; Aronow, Samii and Assenova
        (2015), Cluster-robust variance estimation for dyadic data; Kish (1965), Survey sampling (design effects).

    Example:
        >>> weight = np.array([[0.0, 0.1, 0.2], [0.5, 0.0, 0.4], [0.7, 0.6, 0.0]])
        >>> result = block_means(weight, np.eye(2)[[0, 0, 1]], np.full((3, 3), 0.1))
        >>> result.mean.round(2).tolist()
        [[0.3, 0.3], [0.65, nan]]
        >>> result.error.round(2).tolist()
        [[0.07, 0.07], [0.07, nan]]
    """
    exists = ~np.eye(len(weight), dtype=bool)
    size, pairs = label.sum(0), _sums(exists.astype(float), label)
    weight = np.where(exists, weight, 0.0)
    mean = divided(_sums(weight, label), pairs)
    variance, freedom = _between_neurons(_centred(weight, mean, label), label, pairs)
    if error is not None:
        error = np.where(exists, error, 0.0)
        squares = _sums(np.square(error), label)
        ratio = np.divide(weight, error, out=np.zeros_like(weight), where=error > 0)
        receivers, senders = _shared_noise(ratio, label, pairs)
        measured = divided(squares * np.outer(receivers, senders), np.square(pairs))
        larger = ~(variance >= measured)
        variance = np.where(larger, measured, variance)
        freedom = np.where(larger, max(len(weight) - len(size), 1), freedom)
    return BlockMeans(mean, np.sqrt(variance), np.where(np.isnan(variance), np.nan, freedom))


def _sums(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Sums a matrix [receiver, sender] over each pair of groups: [G, G]."""
    sums: np.ndarray = label.T @ values @ label
    return sums


def _centred(values: np.ndarray, mean: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns a matrix [N, N] minus the mean of each block, 0 on the diagonal."""
    centred: np.ndarray = values - label @ np.nan_to_num(mean) @ label.T
    np.fill_diagonal(centred, 0)
    return centred


def _between_neurons(centred: np.ndarray, label: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns variance and degrees of freedom of each block's mean [G, G] if neurons are drawn from their groups."""
    size = label.sum(0)
    of_receiver, of_sender = centred @ label, label.T @ centred
    single = divided(size, size - 1) * (size > 1)  # NaN for a group of one neuron
    with np.errstate(invalid="ignore", divide="ignore"):
        receivers = single[:, None] * (label.T @ np.square(of_receiver)) / np.square(pairs)
        senders = single * (np.square(of_sender) @ label) / np.square(pairs)
        independent = _sums(np.square(centred), label) / np.square(pairs)
        within = np.arange(len(size))
        both = of_receiver + of_sender.T
        receivers[within, within] = single * (label * np.square(both)).sum(0) / np.square(pairs[within, within])
        mutual = _sums(np.square(centred + centred.T), label)[within, within] / 2
        overlap = independent.copy()
        overlap[within, within] = mutual / np.square(pairs[within, within])
        senders[within, within] = 0.0
        floor = independent * pairs / (pairs - 1)
        known_receivers, known_senders = np.nan_to_num(receivers), np.nan_to_num(senders)
        variance = np.maximum(known_receivers + known_senders - overlap, floor)
        one_sided = np.isnan(receivers) | np.isnan(senders)
        variance = np.where(one_sided, known_receivers + known_senders, variance)
        variance = np.where((pairs <= 2) | ~(variance > 0), np.nan, variance)
        freedom = np.square(known_receivers + known_senders) / (
            np.square(known_receivers) / (size[:, None] - 1).clip(1) + np.square(known_senders) / (size - 1).clip(1)
        )
    return variance, freedom


def _shared_noise(ratio: np.ndarray, label: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns factors [G] of the variance of a mean over a group's receivers, and over its senders, at least 1.

    Each factor compares the variance of sums over a group with that of independent entries, pooled over the blocks of
    the group. Block means are subtracted, so that true differences between blocks do not count as noise.

    Args:
        ratio: Weight over standard error [N, N].
        label: Groups of the neurons [N, G].
        pairs: Number of pairs of each block [G, G].
    """
    size = label.sum(0)
    centred = _centred(ratio, divided(_sums(ratio, label), pairs), label)
    squares = _sums(np.square(centred), label)
    of_receivers = np.square(label.T @ centred) @ label  # [G, G] as [receiver, sender], like all matrices here
    of_senders = label.T @ np.square(centred @ label)
    within = np.eye(len(size), dtype=bool)
    use = np.outer(size > 1, size > 1) & ~within
    if not use.any():
        use = within & (size > 2)
    receivers, senders = np.ones_like(size), np.ones_like(size)
    for _ in range(5):
        # Without its mean, a block loses a share of the variance of its sums, which depends on both factors.
        lost_receivers, lost_senders = (np.minimum(f / size, 0.8) for f in (receivers, senders))
        independent = squares / (1 - np.outer(lost_receivers, lost_senders))
        senders, receivers = (
            np.clip(np.nan_to_num(divided((sums * use).sum(axis), (expected * use).sum(axis)), nan=1.0), 1.0, size)
            for sums, expected, axis in (
                (of_senders, independent * (1 - lost_receivers[:, None]), 0),
                (of_receivers, independent * (1 - lost_senders), 1),
            )
        )
    return receivers, senders
