"""Separation of estimated weights into few edges, a common drive and noise."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Tensor

FEWEST = 8
"""Fewest neurons for which the parameters of the mixture can be estimated."""


class EdgeMixture(NamedTuple):
    """Mixture of two normal distributions for weights divided by their standard errors: null weights and edges."""

    density: float
    """Share of the pairs that have an edge."""
    edge_variance: float
    """Variance of the true weights of edges."""
    null_variance: float
    """Variance of weights without an edge. It is 1 if the standard errors are right, and larger with other sources of
    variance, such as neurons that were not recorded."""

    def edge_probability(self, z: Tensor) -> Tensor:
        """Returns the posterior probability of an edge for each value."""
        if self.density == 1:
            return torch.ones_like(z)
        total = self.edge_variance + self.null_variance
        odds = self.density / (1 - self.density) * (self.null_variance / total) ** 0.5
        return torch.sigmoid(torch.log(torch.tensor(odds)) + z.square() * (1 / self.null_variance - 1 / total) / 2)

    def posterior_mean(self, z: Tensor) -> Tensor:
        """Returns the posterior mean of the edge for each value."""
        return self.shrinkage(z) * z

    def shrinkage(self, z: Tensor) -> Tensor:
        """Returns the ratio of posterior mean and value for each value."""
        return self.edge_probability(z) / (1 + self.null_variance / self.edge_variance)

    def update(self, z: Tensor) -> "EdgeMixture":
        """Returns the mixture after one step of expectation maximisation on the values."""
        p, square = self.edge_probability(z), z.square()
        null = max(float(((1 - p) * square).sum() / (1 - p).sum().clamp_min(1e-9)), 1e-6)
        total = float((p * square).sum() / p.sum().clamp_min(1e-9))
        density = min(max(float(p.mean()), 1e-4), 0.5)
        return EdgeMixture(density, max(total - null, 1e-2 * null), null)

    def update_from_largest(self, z: Tensor, pairs: int) -> "EdgeMixture":
        r"""Returns the mixture of all pairs after one step of expectation maximisation on the largest values alone.

        Null weights among the largest are extreme ones. Taken for all there are, they would hide that true edges stand
        out. The other pairs, not seen, lie below the threshold c that as many null weights exceed as are seen. Of a
        normal distribution with deviation s

        .. math::
            P(|z| < c) = 2 \Phi(c / s) - 1, \qquad
            \langle z^2 \,|\, |z| < c \rangle = s^2 \Big(1 - \frac{2 (c / s)\, \varphi(c / s)}{P(|z| < c)}\Big)

        lies there. The null variance is at least 1, that of weights divided by right standard errors.

        Args:
            z: Weights of the pairs with the largest values, divided by their standard errors.
            pairs: Number of all pairs.
        """
        p, square, hidden = self.edge_probability(z), z.square(), pairs - len(z)
        nulls = (1 - self.density) * pairs
        seen = min(max((len(z) - float(p.sum())) / nulls, 1e-9), 1 - 1e-9)
        threshold = NormalDist(sigma=self.null_variance**0.5).inv_cdf(1 - seen / 2)
        null_below, null_square = _below(threshold, self.null_variance)
        edge_below, edge_square = _below(threshold, self.edge_variance + self.null_variance)
        joint = self.density * edge_below
        hidden_edges = hidden * joint / max(joint + (1 - self.density) * null_below, 1e-12)
        edges = float(p.sum()) + hidden_edges
        total = (float((p * square).sum()) + hidden_edges * edge_square) / max(edges, 1e-9)
        null = (float(((1 - p) * square).sum()) + (hidden - hidden_edges) * null_square) / max(pairs - edges, 1e-9)
        null = max(null, 1.0)
        return EdgeMixture(min(max(edges / pairs, 1e-6), 0.5), max(total - null, 1e-2 * null), null)


def _below(threshold: float, variance: float) -> tuple[float, float]:
    """Returns the share of a normal distribution within a threshold of zero, and the mean square there."""
    normal, u = NormalDist(), threshold / variance**0.5
    share = max(2 * normal.cdf(u) - 1, 1e-12)
    return share, max(variance * (1 - 2 * u * normal.pdf(u) / share), 0.0)


@dataclass(frozen=True)
class SparseLowRank:
    """Edges and common drive in a matrix of weights."""

    edges: Tensor
    """Posterior mean of every edge [N, N]; zero on the diagonal."""
    edge_probability: Tensor
    """Posterior probability of every edge [N, N]; zero on the diagonal."""
    receivers: Tensor
    """Weights [N, k] with which neurons receive the k latents of the common drive."""
    senders: Tensor
    """Weights [k, N] with which neurons send to the latents; ``receivers @ senders`` is the common drive."""
    mixture: EdgeMixture
    """Distribution of the weights divided by their standard errors, without the common drive."""


def sparse_low_rank(weights: Tensor, error: Tensor, *, max_rank: int = 8, iterations: int = 40) -> SparseLowRank:
    r"""Separates estimated weights into edges, a common drive and noise by empirical Bayes.

    .. math::
        \hat C_{ij} / s_{ij} = H_{ij} + e_{ij} + \varepsilon_{ij}, \qquad
        e_{ij} \sim (1 - \pi)\, \delta_0 + \pi\, \mathcal{N}(0, \tau^2), \qquad
        \varepsilon_{ij} \sim \mathcal{N}(0, \nu^2)

    with a common drive H of low rank. Edges are few and have no common pattern. An unobserved drive changes nearly all
    estimated weights, by a matrix of low rank. Standard errors are known up to their scale. :math:`\pi, \tau, \nu`
    maximise the likelihood (EM). The rank of H rises as long as the largest singular value of the residual exceeds the
    largest expected from noise (Marchenko and Pastur). No parameter is set by hand.

    Args:
        weights: Estimated weights :math:`\hat C` :math:`(N, N)`; the diagonal, a neuron's own past, is ignored.
        error: Standard errors s :math:`(N, N)`, above 0.
        max_rank: Largest rank of H.
        iterations: Number of EM steps for each rank.

    Returns:
        Edges and drive in the scale of ``weights``. For fewer than :data:`FEWEST` neurons every pair counts as an edge
        with its weight, since the mixture cannot be estimated.

    References:
        Johnstone and Silverman 2004 (empirical Bayes for sparse means); Efron 2004 (estimated scale of the null);
        Candès, Li, Ma and Wright 2011 (identifiability of sparse and low-rank parts).

    Example:
        >>> _ = torch.manual_seed(0)
        >>> weights = torch.randn(20, 20)
        >>> weights[3, 5] = 12.0
        >>> separated = sparse_low_rank(weights, torch.ones(20, 20))
        >>> bool(separated.edge_probability[3, 5] > 0.99)
        True
    """
    N = len(weights)
    if N < FEWEST:
        pairs = torch.ones_like(weights).fill_diagonal_(0)
        return SparseLowRank(weights * pairs, pairs, weights[:, :0], weights[:0], EdgeMixture(1.0, float("inf"), 1.0))
    scale = _rank_one(error)
    z = (weights.double() / scale).fill_diagonal_(0)
    off = ~torch.eye(N, dtype=torch.bool, device=z.device)
    mixture = EdgeMixture(density=0.1, edge_variance=10.0, null_variance=1.0)
    receivers, senders = z.new_zeros(N, 0), z.new_zeros(0, N)
    while True:
        for _ in range(iterations if len(senders) else 5):
            low_rank = receivers @ senders
            mixture = mixture.update((z - low_rank)[off])
            # The diagonal is unknown. Filled with the low-rank part, it does not change the low-rank part.
            rest = torch.where(off, z - mixture.posterior_mean(z - low_rank), low_rank)
            if len(senders):
                senders = torch.linalg.qr((senders @ rest.t() @ rest).t()).Q.t()
                receivers = rest @ senders.t()
        residual = torch.where(off, rest - receivers @ senders, 0.0)
        _, size, axes = torch.linalg.svd(residual)
        noise = 2 * N**0.5 * float(residual[off].std()) * (1 + 2 * N ** (-2 / 3))
        if len(senders) == min(max_rank, N // 4) or float(size[0]) < noise:
            break
        senders = torch.cat([senders, axes[:1]])
        receivers = torch.cat([receivers, residual @ axes[:1].t()], dim=1)
    z = z - receivers @ senders
    sender_scale, receiver_scale = scale[:1] / scale[0, 0], scale[:, :1]
    return SparseLowRank(
        edges=(mixture.posterior_mean(z) * scale).fill_diagonal_(0).to(weights),
        edge_probability=mixture.edge_probability(z).fill_diagonal_(0).to(weights),
        receivers=(receivers * receiver_scale).to(weights),
        senders=(senders * sender_scale).to(weights),
        mixture=mixture,
    )


def _rank_one(error: Tensor) -> Tensor:
    """Returns the nearest product of a factor of each receiver and each sender; dividing by it keeps the rank."""
    log = error.double().clamp_min(1e-3 * float(error.median())).log()  # a silent neuron has weight and error zero
    return (log.mean(1, keepdim=True) + log.mean(0) - log.mean()).exp()
