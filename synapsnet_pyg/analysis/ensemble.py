"""Agreement of fits from several seeds."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.nn.current_conv import sparse_like


class Ensemble(NamedTuple):
    """Connectivity of one session over fits with several seeds."""

    mean: Tensor
    """Mean over seeds: [N, N]."""
    deviation: Tensor
    """Standard deviation over seeds: [N, N]."""
    sign_agreement: Tensor
    """Share of the seeds with the sign of the mean: [N, N]."""


def ensemble(connectivities: list[Tensor]) -> Ensemble:
    """Computes mean, deviation and sign agreement over fits of one session.

    Args:
        connectivities: Connectivity of each fit, two or more of one shape :math:`(N, N)`; sparse ones have the same
            edges.

    Raises:
        ValueError: There are fewer than two connectivities, or their shapes or edges differ.

    Example:
        >>> ensemble([torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 3.0]])]).mean
        tensor([[1., 2.]])
    """
    if len(connectivities) < 2 or len({tuple(matrix.shape) for matrix in connectivities}) > 1:
        shapes = [list(matrix.shape) for matrix in connectivities]
        raise ValueError(f"Expected at least two connectivities of one shape (got {shapes}).")
    if connectivities[0].is_sparse:
        sparse = [matrix.detach().cpu().coalesce() for matrix in connectivities]
        if any(not torch.equal(matrix.indices(), sparse[0].indices()) for matrix in sparse):
            raise ValueError("Expected sparse connectivities with the same edges (got others); fit the same sessions.")
        return Ensemble(*(sparse_like(sparse[0], values) for values in ensemble([m.values() for m in sparse])))
    stacked = torch.stack([matrix.detach().cpu() for matrix in connectivities])
    mean = stacked.mean(0)
    return Ensemble(mean, stacked.std(0), (stacked.sign() == mean.sign()).float().mean(0))
