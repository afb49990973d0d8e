"""Shrinkage of covariances and of coefficients."""

import torch
from torch import Tensor


def shrink(covariance: Tensor, fourth_power: float, bins: int, *, largest: float = 1.0) -> Tensor:
    r"""Shrinks a covariance towards a multiple of the identity, with the least expected error (Ledoit and Wolf).

    .. math::
        (1 - \rho)\, S + \rho\, M, \qquad M = \tfrac{\operatorname{tr} S}{N}\, \mathbb 1, \qquad
        \rho = \min\Big(\rho_{max}, \frac{\langle \|x\|^4 \rangle - \|S\|^2}{T\, \|S - M\|^2}\Big)

    Args:
        covariance: Covariance S, a mean over bins :math:`(N, N)`.
        fourth_power: Fourth power of the length of the centred vector x, mean over bins.
        bins: Number of bins T.
        largest: Largest share :math:`\rho_{max}` of the multiple of the identity.

    References:
        Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.

    Example:
        >>> shrink(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), fourth_power=18.0, bins=8)
        tensor([[2.0000, 0.5000],
                [0.5000, 2.0000]])
    """
    target = covariance.trace() / len(covariance)
    difference = covariance.clone()
    difference.diagonal().sub_(target)
    distance = float(difference.square_().sum())
    del difference  # as large as what follows
    error = (fourth_power - float(covariance.square().sum())) / bins
    shrinkage = min(error / distance, largest) if distance > 0 else 0.0
    result = (1 - shrinkage) * covariance
    result.diagonal().add_(shrinkage * target)
    return result


def soft_threshold(coefficients: Tensor, share: float) -> Tensor:
    """Moves weights between neurons towards zero by a threshold, at most to zero.

    Args:
        coefficients: Weights :math:`(N, N + K)`, neurons first; the diagonal and the last K columns are kept.
        share: Share of the pairs that become zero. The threshold is the largest absolute weight among these.

    Example:
        >>> soft_threshold(torch.tensor([[0.1, -0.5, 0.1], [0.2, 0.1, 0.1]]), 0.5)
        tensor([[ 0.1000, -0.3000,  0.1000],
                [ 0.0000,  0.1000,  0.1000]])
    """
    N = len(coefficients)
    pairs = ~torch.eye(N, dtype=torch.bool, device=coefficients.device)
    size = coefficients[:, :N].abs()
    smallest = round(share * int(pairs.sum()))
    # torch.quantile refuses more than 16 million values.
    threshold = size[pairs].kthvalue(smallest).values if smallest else 0.0
    shrunk = coefficients[:, :N].sign() * (size - threshold).clamp_min(0)
    return torch.cat([torch.where(pairs, shrunk, coefficients[:, :N]), coefficients[:, N:]], dim=1)
