"""Ridge regression whose small weights are taken for noise."""

from collections.abc import Sequence

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import moments
from synapsnet_pyg.regression.shrinkage import soft_threshold


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
