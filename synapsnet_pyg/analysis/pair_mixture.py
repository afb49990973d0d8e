"""Posterior mean of both effects of each pair of neurons, from the next bin and the same bin."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.quantiles import quartile_deviation

_SWAP = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
"""Exchange of the two neurons of a pair."""


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

    def responsibilities(self, views: Tensor) -> Tensor:
        """Returns the posterior probabilities of the four cases for views [P, 3]: [P, 4]."""
        covariances = self.covariances()
        inverse = torch.linalg.inv(covariances)
        exponent = torch.einsum("pa,kab,pb->pk", views, inverse, views)
        return torch.softmax(self.shares().log() - 0.5 * torch.logdet(covariances) - 0.5 * exponent, dim=1)


def pair_posterior_mean(effect: Tensor, same_bin: Tensor, *, iterations: int = 100) -> Tensor:
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
    N = len(effect)
    first, second = torch.triu_indices(N, N, 1)
    views = torch.stack([effect[first, second], effect[second, first], same_bin[first, second]], 1).double()
    mixture = _start(views)
    for _ in range(iterations if len(views) else 0):
        mixture = _step(mixture, views)
    covariances, share = mixture.covariances(), mixture.responsibilities(views)
    solved = torch.einsum("kab,pb->pka", torch.linalg.inv(covariances), views)
    forth, back = mixture.edge, _SWAP @ mixture.edge @ _SWAP
    mean = torch.zeros(N, N, dtype=torch.float64)
    mean[first, second] = (share[:, [1, 3]] * (solved[:, [1, 3]] @ forth[0])).sum(1)
    mean[second, first] = (share[:, [2, 3]] * (solved[:, [2, 3]] @ back[1])).sum(1)
    return mean


def _start(views: Tensor) -> _Mixture:
    """Returns the start of EM: noise from the middle of the distribution, an edge's effect from what is beyond it."""
    noise = torch.ones(3, dtype=torch.float64)
    if len(views) >= 20:
        both = torch.cat([views[:, 0], views[:, 1]])
        next_bin, same_bin = (max(1.0, float(quartile_deviation(x.numpy())) ** 2) for x in (both, views[:, 2]))
        noise = torch.tensor([next_bin, next_bin, same_bin], dtype=torch.float64)
    beyond = views.t() @ views / max(len(views), 1) - noise.diag()
    effect = max(float(beyond[0, 0] + beyond[1, 1]) / 2, 1e-2)
    joint = float(beyond[0, 2] + beyond[1, 2]) / 2
    same = max(float(beyond[2, 2]) / 2, joint**2 / effect, 1e-3)
    edge = torch.tensor([[effect, 0.0, joint], [0.0, 1e-3, 0.0], [joint, 0.0, same]], dtype=torch.float64)
    return _Mixture(0.07, noise, edge / 0.14)


def _step(mixture: _Mixture, views: Tensor, prior: float = 5.0) -> _Mixture:
    """Returns the mixture after one step of EM, with a few pseudo-pairs so that few neurons are enough."""
    share = mixture.responsibilities(views)
    one, two, both = share[:, 1], share[:, 2], share[:, 3]
    density = float((one + two + 2 * both).sum() + 0.1 * prior) / (2 * len(views) + 2 * prior)
    none = share[:, 0]
    square = torch.einsum("p,pa->a", none, views.square()) + prior
    noise = square / (none.sum() + prior)
    noise[:2] = noise[:2].mean()
    turned = views @ _SWAP
    product = torch.einsum("p,pa,pb->ab", one, views, views) + torch.einsum("p,pa,pb->ab", two, turned, turned)
    count = one.sum() + two.sum()
    beyond = (product + prior * (noise.diag() + mixture.edge)) / (count + prior) - noise.diag()
    value, axes = torch.linalg.eigh((beyond + beyond.t()) / 2)
    value = value.clamp_min(0)
    value[0] = 0  # a third axis would be an effect that neither view of the next bin shares
    edge = (axes * value) @ axes.t()
    edge[0, 0] = edge[0, 0].clamp_min(0.05)
    return _Mixture(min(max(density, 1e-4), 0.5), noise, edge)
