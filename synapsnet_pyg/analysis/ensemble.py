"""Agreement of fits from several seeds."""

from typing import NamedTuple

import torch
from torch import Tensor


class Ensemble(NamedTuple):
    """Connectivity of the same session from fits with several seeds."""

    mean: Tensor
    """[N, N]."""
    deviation: Tensor
    """Between seeds [N, N]."""
    sign_agreement: Tensor
    """Share of the seeds that agree with the sign of the mean [N, N]."""


def ensemble(connectivities: list[Tensor]) -> Ensemble:
    """Brings together what fits with several seeds found.

    Args:
        connectivities: At least two of one shape [N, N].

    Raises:
        ValueError: There are fewer, or shapes differ.
    """
    if len(connectivities) < 2 or len({tuple(one.shape) for one in connectivities}) > 1:
        raise ValueError(
            f"Expected at least two connectivities of one shape (got {[list(c.shape) for c in connectivities]})."
        )
    stacked = torch.stack([one.detach().cpu() for one in connectivities])
    mean = stacked.mean(0)
    return Ensemble(mean, stacked.std(0), (stacked.sign() == mean.sign()).float().mean(0))
