"""Principal axes of a population of any size."""

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session

_LARGEST = 2500
"""Largest number of neurons whose covariance [N, N] is computed; of more, subspace iteration finds the first axes."""


def principal_axes(part: Session, components: int) -> Tensor:
    """Computes the first principal axes of the activity [k, N]; its mean is taken as zero.

    Of large populations subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) finds them from products
    with the activity, always from the same random start.

    Args:
        part: Part of a session, standardised.
        components: Number of axes k, at most N.
    """
    chunks = [chunk for begin, end in part.segment.tolist() for chunk in part.activity[:, begin:end].split(4096, dim=1)]
    if part.num_neurons <= _LARGEST:
        covariance = torch.zeros(part.num_neurons, part.num_neurons, dtype=torch.float64, device=part.activity.device)
        for chunk in chunks:
            covariance.addmm_(chunk.double(), chunk.double().t())
        return torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :components].t().to(part.activity)
    wider = min(components + 16, part.num_neurons)
    axes = torch.randn(part.num_neurons, wider, generator=torch.Generator().manual_seed(0)).to(part.activity)
    for _ in range(8):
        axes = torch.linalg.qr(sum((chunk @ (chunk.t() @ axes) for chunk in chunks), torch.zeros_like(axes))).Q
    projected = sum(((axes.t() @ chunk) @ (axes.t() @ chunk).t() for chunk in chunks), axes.new_zeros(wider, wider))
    turned = torch.linalg.eigh(projected.double()).eigenvectors.flip(1)[:, :components]
    return (axes @ turned.to(axes)).t().contiguous()
