"""Ridge regression whose small weights are taken for noise."""

from collections.abc import Sequence

import torch
from torch import Tensor

from synapsnet_pyg.models.least_squares import moments
from synapsnet_pyg.session import Session


def soft_ridge(
    session: Session, *, ridges: Sequence[float] | None = None, shares: Sequence[float] | None = None
) -> Tensor:
    r"""Shrinks the weights of a ridge regression towards zero, and the small ones to zero.

    .. math::
        C_{ij} \leftarrow \operatorname{sign}(C_{ij}) \max(|C_{ij}| - \theta, 0) \quad (i \neq j)

    after :func:`~synapsnet_pyg.connectivity.ridge_var.ridge_var`: where connectivity is sparse, most small weights are
    noise. Ridge and threshold are those of the smallest squared error on the validation part, which is worked out from
    moments: no bin is forecast. What a neuron adds to itself, and the behaviour, stay as they are.

    The forecast forgives small wrong weights more than it does shrunk large ones, so that the threshold comes out
    lower than the truth would have it: on the simulated population a tenth to a sixth of the pairs go, where nine
    tenths are none.

    Args:
        session: A recording.
        ridges: Candidates for the ridge; None: decades from 1 to 1e6.
        shares: Candidates for the threshold: the share of the pairs of neurons that it takes, from 0 (ridge alone) to 1
            (no connection at all). None: steps of 5 %.

    Returns:
        :math:`(N, N)`: standardised activity of the receiver per standardised activity of the sender.

    Raises:
        ValueError: A part has no segment of two bins.

    References:
        Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994.
    """
    split = session.standardise().split()
    seen, held_out = moments(split.train), moments(split.validation)
    N = session.num_neurons
    ridges = [10.0**k for k in range(7)] if ridges is None else ridges
    shares = torch.linspace(0, 1, 21).tolist() if shares is None else shares
    best, smallest = seen.yu, torch.inf
    for ridge in ridges:
        coefficients, _ = seen.solution(ridge)
        for share in shares:
            shrunk = soft_threshold(coefficients, share)
            error = held_out.squared_error(shrunk, seen.y - shrunk @ seen.u)
            if error < smallest:
                best, smallest = shrunk, error
    return best[:, :N].float()


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
