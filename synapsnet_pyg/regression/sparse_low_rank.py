"""Separation of estimated weights into few edges, a common drive and noise."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.regression.pairs import AllPairs, PairMatrix

FEWEST = 8
"""Fewest neurons for which the parameters of the mixture can be estimated."""


_CLASSES = 4096
"""Number of classes into which many values are sorted by their size."""
_WIDTH = 0.01
"""Width of a class, in standard errors."""
_FEW_PAIRS = 2**18
"""Number of pairs up to which each step of EM has a subspace iteration of its own."""


class Squares(NamedTuple):
    """Squares of many values, those of nearly equal size taken together."""

    square: Tensor
    """Mean square of each class [C], in float64."""
    number: Tensor
    """Number of values of each class [C]."""

    @classmethod
    def of(cls, z: Tensor, weight: Tensor | None = None) -> "Squares":
        """Sorts values into classes; few values have a class each.

        Args:
            z: Values :math:`(M)`.
            weight: Number of values for which each stands :math:`(M)`; None: one.
        """
        if len(z) <= _CLASSES:
            return cls(z.double().square(), torch.ones_like(z).double() if weight is None else weight.double())
        place = (z.abs() / _WIDTH).clamp_max(_CLASSES - 1).int()
        square = z.square() if weight is None else z.square() * weight
        total = torch.bincount(place, square, minlength=_CLASSES).double()
        count = torch.bincount(place, weight, minlength=_CLASSES).double()
        some = count > 0
        return cls(total[some] / count[some], count[some])


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
        return torch.ones_like(z) if self.density == 1 else self._probability(z.square())

    def _probability(self, square: Tensor) -> Tensor:
        """Returns the posterior probability of an edge for squares, which are overwritten."""
        total = self.edge_variance + self.null_variance
        odds = self.density / (1 - self.density) * (self.null_variance / total) ** 0.5
        return square.mul_((1 / self.null_variance - 1 / total) / 2).add_(math.log(odds)).sigmoid_()

    def posterior_mean(self, z: Tensor) -> Tensor:
        """Returns the posterior mean of the edge for each value."""
        return self.shrinkage(z) * z

    def shrinkage(self, z: Tensor) -> Tensor:
        """Returns the ratio of posterior mean and value for each value."""
        return self.edge_probability(z) / (1 + self.null_variance / self.edge_variance)

    def update(self, squares: Squares) -> "EdgeMixture":
        """Returns the mixture after one step of expectation maximisation."""
        p = self._probability(squares.square.clone())
        edge, no_edge = squares.number * p, squares.number * (1 - p)
        null = max(float((no_edge * squares.square).sum() / no_edge.sum().clamp_min(1e-9)), 1e-6)
        total = float((edge * squares.square).sum() / edge.sum().clamp_min(1e-9))
        density = min(max(float(edge.sum() / squares.number.sum()), 1e-4), 0.5)
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
    N, given = len(weights), weights
    weights, error = weights.cpu(), error.cpu()  # the solver of singular vectors is SciPy's
    if N < FEWEST:
        pairs = torch.ones_like(weights).fill_diagonal_(0)
        edges, none = (weights * pairs).to(given), given[:, :0]
        mixture = EdgeMixture(1.0, float("inf"), 1.0)
        return SparseLowRank(edges, pairs.to(given), receivers=none, senders=none.t(), mixture=mixture)
    scale = _rank_one(error)
    z = (weights.double() / scale).fill_diagonal_(0)
    drive = common_drive(PairMatrix(AllPairs(N), z), max_rank=max_rank, iterations=iterations)
    receivers, senders, mixture = drive
    z = z - receivers @ senders
    sender_scale, receiver_scale = scale[:1] / scale[0, 0], scale[:, :1]
    return SparseLowRank(
        edges=(mixture.posterior_mean(z) * scale).fill_diagonal_(0).to(given),
        edge_probability=mixture.edge_probability(z).fill_diagonal_(0).to(given),
        receivers=(receivers * receiver_scale).to(given),
        senders=(senders * sender_scale).to(given),
        mixture=mixture,
    )


class CommonDrive(NamedTuple):
    """Common drive in a matrix of values, with the distribution of what is left."""

    receivers: Tensor
    """Weights [N, k] of the receivers, in the dtype of the values."""
    senders: Tensor
    """Weights [k, N] of the senders, orthonormal."""
    mixture: EdgeMixture
    """Distribution of the values without the drive."""


def common_drive(z: PairMatrix, *, max_rank: int = 8, iterations: int = 40) -> CommonDrive:
    """Finds the common drive in weights over their standard errors, as :func:`sparse_low_rank` describes.

    Steps of EM on the values alternate with steps of subspace iteration on the matrix without edges; of many neurons
    one of the latter follows five of the former. Values of nearly equal size are taken together in EM.

    Args:
        z: Weights divided by their standard errors, of at least :data:`FEWEST` neurons.
        max_rank: Largest rank.
        iterations: Number of EM steps for each rank.
    """
    pairs, values = z.pairs, z.values.float()
    N = pairs.num_neurons
    z = PairMatrix(pairs, values, z.products)
    # Subspace iterations on many values, or as products with vectors, take seconds.
    em_steps = 1 if z.products is None and values.numel() <= _FEW_PAIRS else 5
    mixture = EdgeMixture(density=0.1, edge_variance=10.0, null_variance=1.0)
    receivers, senders = values.new_zeros(N, 0), values.new_zeros(0, N)
    while True:
        for _ in range(iterations // em_steps if len(senders) else 1):
            rest = values - pairs.product(receivers, senders) if len(senders) else values
            squares = Squares.of(*pairs.flat(rest))
            for _ in range(em_steps if len(senders) else 5):
                mixture = mixture.update(squares)
            mean = mixture.posterior_mean(rest)
            if len(senders):
                # The diagonal is unknown. Filled with the low-rank part, it does not change the low-rank part.
                without_edges, own = z.without(mean), (receivers * senders.t()).sum(1, keepdim=True)
                left = without_edges.times(senders.t()) + own * senders.t()
                basis = without_edges.times(left, transposed=True) + own * left
                senders = torch.linalg.qr(basis).Q.t()
                receivers = without_edges.times(senders.t()) + own * senders.t()
        residual, weight = pairs.flat(rest - mean)
        noise = 2 * N**0.5 * _deviation(residual, weight) * (1 + 2 * N ** (-2 / 3))
        added = _leading(z.without(mean), receivers, senders, noise, min(max_rank, N // 4) - len(senders))
        if not len(added):
            return CommonDrive(receivers, senders, mixture)
        senders = torch.cat([senders, added])
        own = (receivers * senders[: receivers.shape[1]].t()).sum(1, keepdim=True)
        receivers = z.without(mean).times(senders.t()) + own * senders.t()


def _deviation(values: Tensor, weight: Tensor | None) -> float:
    """Returns the standard deviation of values, each of which stands for some."""
    if weight is None:
        return float(values.std())
    mean = float((values * weight).sum() / weight.sum())
    return float((weight * (values - mean).square()).sum() / weight.sum()) ** 0.5


def _leading(matrix: PairMatrix, receivers: Tensor, senders: Tensor, noise: float, most: int) -> Tensor:
    """Returns the right singular vectors [k, N] of a matrix minus a low-rank one whose singular values exceed noise."""
    N = len(receivers)
    if most < 1:
        return senders[:0]
    own = (receivers * senders.t()).sum(1, keepdim=True)

    def times(v: Tensor, *, transposed: bool = False) -> Tensor:
        """Returns the matrix minus the low-rank one, both without diagonal, times vectors [N, k]."""
        low_rank = senders.t() @ (receivers.t() @ v) if transposed else receivers @ (senders @ v)
        return matrix.times(v, transposed=transposed) - low_rank + own * v

    if matrix.products is None:
        from scipy.sparse.linalg import LinearOperator, svds  # 26 MB, which most commands do not need

        operator = LinearOperator(
            (N, N),
            matvec=lambda v: times(torch.from_numpy(v).view(N, 1))[:, 0].numpy(),
            rmatvec=lambda v: times(torch.from_numpy(v).view(N, 1), transposed=True)[:, 0].numpy(),
            dtype=np.dtype("float32"),
        )
        start = np.random.default_rng(0).standard_normal(N).astype("float32")
        _, size, axes = svds(operator, k=min(most, N - 2), tol=1e-3, v0=start)
    else:  # subspace iteration, which reads the rows of the products once for many vectors
        basis = torch.randn(N, 2 * most, generator=torch.Generator().manual_seed(0)).to(receivers)
        for _ in range(6):
            basis = torch.linalg.qr(times(times(basis), transposed=True)).Q
        _, size, turned = (part.numpy() for part in torch.linalg.svd(times(basis), full_matrices=False))
        axes = turned @ basis.t().numpy()
    order = np.argsort(-size)[:most]
    return torch.from_numpy(axes[order[size[order] >= noise]].copy())


def _rank_one(error: Tensor) -> Tensor:
    """Returns the nearest product of a factor of each receiver and each sender; dividing by it keeps the rank."""
    log = error.double().clamp_min(1e-3 * float(error.median())).log()  # a silent neuron has weight and error zero
    return (log.mean(1, keepdim=True) + log.mean(0) - log.mean()).exp()
