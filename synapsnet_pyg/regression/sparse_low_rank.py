"""Estimated weights taken apart: few edges, a common drive, and noise."""

from typing import NamedTuple

import torch
from torch import Tensor

FEWEST = 8
"""Neurons whose weights have a law that can be told."""


class TwoGroups(NamedTuple):
    """Law of weights in units of their standard errors: nearly all null, a few edges."""

    density: float
    """Share of the pairs that have an edge."""
    edge_variance: float
    """Of true weights."""
    null_variance: float
    """Of weights without an edge: 1 where the error is told rightly, more where something else (such as neurons nobody
    recorded) spreads them."""

    def probability(self, z: Tensor) -> Tensor:
        """Of an edge, at every value."""
        if self.density == 1:
            return torch.ones_like(z)
        total = self.edge_variance + self.null_variance
        odds = self.density / (1 - self.density) * (self.null_variance / total) ** 0.5
        return torch.sigmoid(torch.log(torch.tensor(odds)) + z.square() * (1 / self.null_variance - 1 / total) / 2)

    def expected(self, z: Tensor) -> Tensor:
        """Weight of the edge, at every value."""
        return self.shrinkage(z) * z

    def shrinkage(self, z: Tensor) -> Tensor:
        """Share of a weight that is believed, at every value."""
        return self.probability(z) / (1 + self.null_variance / self.edge_variance)

    def update(self, z: Tensor) -> "TwoGroups":
        """One step of EM."""
        p, square = self.probability(z), z.square()
        null = float(((1 - p) * square).sum() / (1 - p).sum().clamp_min(1e-9))
        total = float((p * square).sum() / p.sum().clamp_min(1e-9))
        density = min(max(float(p.mean()), 1e-4), 0.5)
        return TwoGroups(density, max(total - null, 1e-2 * null), max(null, 1e-6))


class SparseLowRank(NamedTuple):
    """What :func:`sparse_low_rank` finds in a matrix of weights."""

    edges: Tensor
    """Expected weight of every edge given the data [N, N]; zero on the diagonal."""
    probability: Tensor
    """That there is an edge at all [N, N]; zero on the diagonal."""
    load: Tensor
    """Of the common drive [N, k]: how strongly each neuron hears each latent."""
    read: Tensor
    """[k, N]: how each latent is read from the population; ``load @ read`` is its part of the weights."""
    law: TwoGroups
    """Of the weights in units of their standard errors, the common drive taken out."""


def sparse_low_rank(weights: Tensor, error: Tensor, max_rank: int = 8, iterations: int = 40) -> SparseLowRank:
    r"""Takes estimated weights apart by empirical Bayes.

    .. math::
        \hat C_{ij} / s_{ij} = H_{ij} + e_{ij} + \varepsilon_{ij}, \qquad
        e_{ij} \sim (1 - \pi)\, \delta_0 + \pi\, \mathcal{N}(0, \tau^2), \qquad
        \varepsilon_{ij} \sim \mathcal{N}(0, \nu^2)

    with a common drive H of low rank. Edges are few and point anywhere; what an unseen drive leaves in estimated
    weights is in nearly all of them and of low rank; and the errors are known up to their scale.
    :math:`\pi, \tau, \nu` are those of largest likelihood (EM), and H takes one rank more as long as the largest
    singular value of what is left lies above the edge of those of noise (Marchenko and Pastur). Nothing is set by hand.

    Args:
        weights: :math:`\hat C` :math:`(N, N)`; the diagonal, a neuron's own past, is not looked at.
        error: Their standard errors s :math:`(N, N)`, above 0.
        max_rank: Of H.
        iterations: Of EM for each rank.

    Returns:
        All in the unit of ``weights``. Of fewer than :data:`FEWEST` neurons no law can be told: every pair then counts
        as an edge with its weight.

    References:
        Johnstone and Silverman 2004 (empirical Bayes for sparse means); Efron 2004 (the null's scale is estimated);
        Candès, Li, Ma and Wright 2011 (sparse and low-rank parts can be told apart).
    """
    N = len(weights)
    if N < FEWEST:
        pairs = torch.ones_like(weights).fill_diagonal_(0)
        return SparseLowRank(weights * pairs, pairs, weights[:, :0], weights[:0], TwoGroups(1.0, float("inf"), 1.0))
    scale = _rank_one(error)
    z = (weights.double() / scale).fill_diagonal_(0)
    off = ~torch.eye(N, dtype=torch.bool, device=z.device)
    mixture = TwoGroups(density=0.1, edge_variance=10.0, null_variance=1.0)
    load, read = z.new_zeros(N, 0), z.new_zeros(0, N)
    while True:
        for _ in range(iterations if len(read) else 5):
            low_rank = load @ read
            mixture = mixture.update((z - low_rank)[off])
            # What the diagonal would be nobody knows: the low rank's own guess does not disturb it.
            rest = torch.where(off, z - mixture.expected(z - low_rank), low_rank)
            if len(read):
                read = torch.linalg.qr((read @ rest.t() @ rest).t()).Q.t()
                load = rest @ read.t()
        left = torch.where(off, rest - load @ read, 0.0)
        _, size, axes = torch.linalg.svd(left)
        noise = 2 * N**0.5 * float(left[off].std()) * (1 + 2 * N ** (-2 / 3))
        if len(read) == min(max_rank, N // 4) or float(size[0]) < noise:
            break
        read = torch.cat([read, axes[:1]])
        load = torch.cat([load, left @ axes[:1].t()], dim=1)
    z = z - load @ read
    sender, receiver = scale[:1] / scale[0, 0], scale[:, :1]
    return SparseLowRank(
        (mixture.expected(z) * scale).fill_diagonal_(0).to(weights),
        mixture.probability(z).fill_diagonal_(0).to(weights),
        (load * receiver).to(weights),
        (read * sender).to(weights),
        mixture,
    )


def _rank_one(error: Tensor) -> Tensor:
    """The nearest product of a factor of the receiver and one of the sender, which division by keeps low rank low."""
    log = error.double().clamp_min(1e-3 * float(error.median())).log()  # a silent neuron has neither weight nor error
    return (log.mean(1, keepdim=True) + log.mean(0) - log.mean()).exp()
