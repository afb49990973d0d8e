"""Shrinkage of covariances and of coefficients."""

import torch
from torch import Tensor


def shrink(covariance: Tensor, fourth_power: float, bins: int) -> Tensor:
    """A covariance drawn towards a multiple of the identity, as far as least expected error asks (Ledoit and Wolf).

    Args:
        covariance: Over so many bins :math:`(N, N)`.
        fourth_power: Of the length of a bin's vector, mean over bins.
        bins: How many.
    """
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    target = covariance.trace() / len(covariance) * identity
    distance = float((covariance - target).square().sum())
    error = (fourth_power - float(covariance.square().sum())) / bins
    shrinkage = min(error / distance, 1.0) if distance > 0 else 0.0
    return (1 - shrinkage) * covariance + shrinkage * target


def soft_threshold(coefficients: Tensor, share: float) -> Tensor:
    """Weights between neurons closer to zero by a threshold, at most to zero.

    Args:
        coefficients: :math:`(N, N + K)`: the neurons first, then what stays as it is.
        share: Of the pairs that come to zero: the threshold is the largest weight among the smallest of this share.

    Example:
        >>> soft_threshold(torch.tensor([[0.1, -0.5, 0.1], [0.2, 0.1, 0.1]]), 0.5)
        tensor([[ 0.1000, -0.3000,  0.1000],
                [ 0.0000,  0.1000,  0.1000]])
    """
    N = len(coefficients)
    pairs = ~torch.eye(N, dtype=torch.bool, device=coefficients.device)
    size = coefficients[:, :N].abs()
    smallest = round(share * int(pairs.sum()))
    # Not torch.quantile, which refuses more than 16 million.
    threshold = size[pairs].kthvalue(smallest).values if smallest else 0.0
    shrunk = coefficients[:, :N].sign() * (size - threshold).clamp_min(0)
    return torch.cat([torch.where(pairs, shrunk, coefficients[:, :N]), coefficients[:, N:]], dim=1)
