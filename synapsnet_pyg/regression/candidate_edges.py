"""Candidates for edges of a large population, by a streamed lagged covariance."""

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.threads import in_threads
from synapsnet_pyg.regression.principal_axes import principal_axes


def candidate_edges(train: Session, number: int = 300, *, latents: int = 8, lags: int = 5) -> Tensor:
    r"""Returns the pairs with the largest lagged covariance, as candidates for edges.

    .. math::
        s_{ij} = \Big| \frac{1}{T} \sum_t r_i(t + 1)\, \tilde a_j(t) \Big|

    with what is left of the receiver after a regression on its own last bins, latents and behaviour, r, and of the
    sender after one on latents and behaviour, both with variance one. Latents are the first principal components. The
    covariance is computed in blocks of receivers and only the largest entries of each row are kept.

    Args:
        train: Training part, standardised.
        number: Number of senders of each receiver.
        latents: Number of principal components.
        lags: Number of the receiver's own last bins.

    Returns:
        Edges :math:`(2, E)`, sorted by receiver, then by sender.

    Raises:
        ValueError: No segment has more bins than ``lags``.
    """
    N = train.num_neurons
    number, latents = min(number, N - 1), min(latents, N // 4)
    axes = principal_axes(train, latents)
    bins = [torch.arange(begin + lags, end) for begin, end in train.segment.tolist() if end - begin > lags]
    if not bins:
        raise ValueError(f"Expected a segment of more than {lags} bins in session '{train.name}' (all are shorter).")
    now = torch.cat(bins).to(train.activity.device)
    common = torch.cat([axes @ train.activity[:, now - 1], train.behaviour[now - 1].t()])
    common = torch.linalg.qr((common - common.mean(1, keepdim=True)).t()).Q.t()
    sent = _scaled(_without(train.activity[:, now - 1], common))
    blocks = torch.arange(N).split(512)

    def screen(receivers: Tensor) -> Tensor:
        """Returns the senders of some receivers [b, number], in ascending order."""
        left = _without(train.activity[receivers][:, now], common)
        own = torch.stack([_without(train.activity[receivers][:, now - lag], common) for lag in range(1, lags + 1)], 1)
        gram = own @ own.transpose(1, 2)
        gram.diagonal(dim1=1, dim2=2).add_(1e-6 * len(now))
        weights = torch.linalg.solve(gram, own @ left[..., None])
        covariance = _scaled(left - (weights.transpose(1, 2) @ own)[:, 0]) @ sent.t()
        covariance = covariance.abs_()
        covariance[torch.arange(len(receivers)), receivers] = -1.0
        return covariance.topk(number, dim=1).indices.sort(dim=1).values

    senders = torch.cat(in_threads(screen, blocks))
    return torch.stack([senders.flatten(), torch.arange(N, device=senders.device).repeat_interleave(number)])


def _without(series: Tensor, common: Tensor) -> Tensor:
    """Takes from series [..., T], in place, their means and their projections on orthonormal rows [q, T]."""
    series -= series.mean(-1, keepdim=True)
    flat = series.view(-1, series.shape[-1])
    flat.addmm_(flat @ common.t(), common, alpha=-1)
    return series


def _scaled(series: Tensor) -> Tensor:
    """Divides series [n, T], in place, by their norms; a constant series is zero."""
    return series.div_(series.norm(dim=1, keepdim=True).clamp_min(1e-6))
