"""Partial correlation: what two neurons share that no other recorded neuron explains."""

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks
from synapsnet_pyg.regression.shrinkage import shrink


def partial_correlation(session: Session) -> Tensor:
    r"""Correlates each two neurons within the same bin, given all the others.

    .. math::
        C_{ij} = -\frac{\Theta_{ij}}{\sqrt{\Theta_{ii} \Theta_{jj}}}, \qquad
        \Theta = \big((1 - \rho)\, S + \rho\, \tfrac{\operatorname{tr} S}{N}\, \mathbb 1\big)^{-1}

    with :math:`S` the covariance over the training part and :math:`\rho` the shrinkage of least expected error
    (Ledoit and Wolf), which makes the inverse exist and worth having for short recordings.

    The matrix is **symmetric**: it says who belongs together, not who drives whom.

    Args:
        session: A recording.

    Returns:
        :math:`(N, N)`, from -1 to 1, diagonal 1; 0 where a neuron is constant.

    Raises:
        ValueError: The session is too short to be split.

    References:
        Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
        Sutera et al., "Simple connectome inference from partial correlation statistics in calcium imaging", 2015.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> drives, noise = torch.randn(1, 4000), torch.randn(2, 4000)
        >>> session = Session(torch.cat([drives, drives + noise]), bin_size=0.1)  # 0 drives 1 and 2
        >>> partial_correlation(session).round(decimals=1).abs()
        tensor([[1.0000, 0.6000, 0.6000],
                [0.6000, 1.0000, 0.0000],
                [0.6000, 0.0000, 1.0000]])
    """
    # The pseudo-inverse leaves neurons at zero that never vary.
    precision = torch.linalg.pinv(shrunk_covariance(session.standardise().split().train), hermitian=True)
    variance = precision.diagonal()
    inverse = torch.where(variance > 0, variance, torch.inf).rsqrt()
    return (-inverse[:, None] * precision * inverse).fill_diagonal_(1).clamp(-1, 1).float()


def shrunk_covariance(part: Session) -> Tensor:
    """Covariance of the neurons over all segments of a part, shrunk towards a multiple of the identity: [N, N].

    Neither the recording nor its products are copied as a whole: the shrinkage needs only the fourth power of the
    length of each bin's activity.

    Args:
        part: As it is: neither standardised nor split here.
    """
    N = part.num_neurons
    zeros, bins = part.activity.new_zeros, sum(stop - start for start, stop in blocks(part))
    mean, covariance, fourth_power = zeros(N, dtype=torch.float64), zeros(N, N, dtype=torch.float64), 0.0
    for start, stop in blocks(part):
        mean += part.activity[:, start:stop].double().sum(1) / bins
    for start, stop in blocks(part):
        centred = part.activity[:, start:stop].double() - mean[:, None]
        covariance.addmm_(centred, centred.t())
        fourth_power += float(centred.square().sum(0).square().sum())
    return shrink(covariance / bins, fourth_power / bins, bins)
