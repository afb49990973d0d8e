"""Posterior mean of both effects of each pair of neurons, from the next bin and the same bin."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.quantiles import quartile_deviation
from synapsnet_pyg.regression.pairs import AllPairs, Pairs

_SWAP = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
"""Exchange of the two neurons of a pair."""
_TRIANGLE = tuple(torch.triu_indices(3, 3))
"""Rows and columns of a symmetric matrix [3, 3] that tell it whole."""
_TIMES = torch.tensor([1.0, 2.0, 2.0, 1.0, 2.0, 1.0], dtype=torch.float64)
"""How often each of them occurs in it."""
_MOST = 2**18
"""Largest number of pairs on which the mixture is estimated; of more, as many are drawn at random."""


class _Mixture(NamedTuple):
    """Parameters of the mixture."""

    density: float
    """Share of ordered pairs with an edge."""
    noise: Tensor
    """Variance of the three views without an edge [3]."""
    edge: Tensor
    """Covariance [3, 3] that an edge from the second neuron to the first adds to the views."""

    def covariances(self) -> Tensor:
        """Returns the covariances of pairs with no edge, either edge, and both [4, 3, 3]."""
        none, forth = self.noise.diag(), self.edge
        back = _SWAP @ forth @ _SWAP
        return torch.stack([none, none + forth, none + back, none + forth + back])

    def shares(self) -> Tensor:
        """Returns the shares of pairs with no edge, either edge, and both, edges being independent [4]."""
        d = self.density
        return torch.tensor([(1 - d) ** 2, d * (1 - d), d * (1 - d), d * d], dtype=torch.float64)

    def responsibilities(self, products: Tensor) -> Tensor:
        """Returns the posterior probabilities of the four cases for products of views [6, P]: [4, P]."""
        covariances = self.covariances()
        inverse = torch.linalg.inv(covariances)[:, *_TRIANGLE] * _TIMES
        constant = self.shares().log() - 0.5 * torch.logdet(covariances)
        return torch.softmax(torch.addmm(constant[:, None], inverse, products, alpha=-0.5), dim=0)


def pair_posterior_mean(
    effect: Tensor, same_bin: Tensor, pairs: Pairs | None = None, *, iterations: int = 100
) -> Tensor:
    r"""Computes the posterior mean of every effect from its estimate, that of the reverse edge, and the same bin.

    An edge with a delay below the bin acts in the same bin and in the next. Within the bin the data show that two
    neurons are coupled, but not which one drives the other. For each pair, with estimates divided by their errors,

    .. math::
        x = (z_{ij}, z_{ji}, s_{ij}) \sim \mathcal{N}\big(0,\; \mathrm{diag}(\nu^2) + e_{ij} V + e_{ji} V'\big), \qquad
        e_{ij} \sim \mathrm{Bernoulli}(\pi)

    with V' the matrix V with both neurons exchanged. :math:`V` (of rank 2 at most), :math:`\nu` and :math:`\pi`
    maximise the likelihood (EM), so that the recording itself says how much the same bin tells, from nothing (spikes
    with longer delays) to most (slow frames). The posterior mean of the effect is
    :math:`\sum_e P(e \mid x)\, e_{ij} V_{0 \cdot} \Sigma_e^{-1} x`.

    Args:
        effect: Effects over their standard errors z :math:`(N, N)`.
        same_bin: Symmetric partial correlations within the bin over their standard errors s :math:`(N, N)`.
        pairs: Pairs of these values, if they are not all :math:`(E)`; None: all.
        iterations: Number of EM steps.

    Returns:
        Posterior means :math:`(N, N)` in units of the standard error, zero on the diagonal.

    Example:
        >>> random = torch.Generator().manual_seed(0)
        >>> effect, noise = torch.randn(30, 30, generator=random), torch.randn(30, 30, generator=random)
        >>> effect[3, 5] = 9.0
        >>> mean = pair_posterior_mean(effect, (noise + noise.t()) / 2**0.5)
        >>> bool(mean[3, 5] > 6) and bool(mean[5, 3].abs() < 1)
        True
    """
    pairs = pairs or AllPairs(len(effect))
    one, other = pairs.once()
    views = torch.stack([effect[one], effect[other], same_bin[one]]).double()
    products = views[_TRIANGLE[0]] * views[_TRIANGLE[1]]
    weight = None if pairs.weight is None else pairs.weight[one].double()
    drawn: Tensor | slice = slice(None)
    if views.shape[1] > _MOST:
        drawn = torch.randint(views.shape[1], (_MOST,), generator=torch.Generator().manual_seed(0))
    seen = products[:, drawn], torch.ones(views[0, drawn].shape).double() if weight is None else weight[drawn]
    mixture = _start(views[:, drawn], seen[1])
    for _ in range(iterations if views.shape[1] else 0):
        mixture = _step(mixture, *seen)
    share = mixture.responsibilities(products)
    # Rows: weights of the three views in the effect of the first neuron's edge, of each case, and of the second's.
    inverse, turned = torch.linalg.inv(mixture.covariances()), _SWAP @ mixture.edge @ _SWAP
    mean = torch.zeros_like(effect, dtype=torch.float64)
    mean[one] = sum(share[k] * ((mixture.edge @ inverse[k])[0] @ views) for k in (1, 3))
    mean[other] = sum(share[k] * ((turned @ inverse[k])[1] @ views) for k in (2, 3))
    return mean


def _start(views: Tensor, weight: Tensor) -> _Mixture:
    """Returns the start of EM: noise from the middle of the distribution, an edge's effect from what is beyond it."""
    noise = torch.ones(3, dtype=torch.float64)
    if views.shape[1] >= 20:
        both = torch.cat([views[0], views[1]])
        next_bin, same_bin = (max(1.0, float(quartile_deviation(x.numpy())) ** 2) for x in (both, views[2]))
        noise = torch.tensor([next_bin, next_bin, same_bin], dtype=torch.float64)
    beyond = (views * weight) @ views.t() / max(float(weight.sum()), 1) - noise.diag()
    effect = max(float(beyond[0, 0] + beyond[1, 1]) / 2, 1e-2)
    joint = float(beyond[0, 2] + beyond[1, 2]) / 2
    same = max(float(beyond[2, 2]) / 2, joint**2 / effect, 1e-3)
    edge = torch.tensor([[effect, 0.0, joint], [0.0, 1e-3, 0.0], [joint, 0.0, same]], dtype=torch.float64)
    return _Mixture(0.07, noise, edge / 0.14)


def _step(mixture: _Mixture, products: Tensor, weight: Tensor, prior: float = 5.0) -> _Mixture:
    """Returns the mixture after one step of EM, with a few pseudo-pairs so that few neurons are enough."""
    share = mixture.responsibilities(products) * weight
    none, one, two, both = share.sum(1).tolist()
    moments = torch.zeros(4, 3, 3, dtype=torch.float64)
    moments[:, *_TRIANGLE] = moments[:, *_TRIANGLE[::-1]] = share @ products.t()
    pairs = float(weight.sum())
    density = (one + two + 2 * both + 0.1 * prior) / (2 * pairs + 2 * prior)
    noise = (moments[0].diagonal() + prior) / (none + prior)
    noise[:2] = noise[:2].mean()
    product, count = moments[1] + _SWAP @ moments[2] @ _SWAP, one + two
    beyond = (product + prior * (noise.diag() + mixture.edge)) / (count + prior) - noise.diag()
    value, axes = torch.linalg.eigh((beyond + beyond.t()) / 2)
    value = value.clamp_min(0)
    value[0] = 0  # a third axis would be an effect that neither view of the next bin shares
    edge = (axes * value) @ axes.t()
    edge[0, 0] = edge[0, 0].clamp_min(0.05)
    return _Mixture(min(max(density, 1e-4), 0.5), noise, edge)
