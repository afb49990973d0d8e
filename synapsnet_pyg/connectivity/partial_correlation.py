"""Correlation of two neurons that the other recorded neurons do not explain."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.estimator import Estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks
from synapsnet_pyg.regression.shrinkage import shrink
from synapsnet_pyg.regression.symmetric_inverse import symmetric_inverse


@dataclass(eq=False, kw_only=True)
class PartialCorrelation(Estimator):
    r"""Correlation of two neurons within the same bin, given all other neurons.

    .. math::
        C_{ij} = -\frac{\Theta_{ij}}{\sqrt{\Theta_{ii} \Theta_{jj}}}, \qquad
        \Theta = \big((1 - \rho)\, S + \rho\, \tfrac{\operatorname{tr} S}{N}\, \mathbb 1\big)^{-1}

    with the covariance :math:`S` and the shrinkage :math:`\rho` of least expected error (Ledoit and Wolf). With
    shrinkage the inverse exists and is accurate for short recordings. The connectivity is **symmetric**: it has no
    direction. Its entries lie between -1 and 1; the diagonal is 1, and the pairs of a constant neuron are 0. The
    validation part is not used.

    References:
        Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004.
        Sutera et al., "Simple connectome inference from partial correlation statistics in calcium imaging", 2015.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver, noise = torch.randn(1, 4000), torch.randn(2, 4000)
        >>> session = Session(torch.cat([driver, driver + noise]), bin_size=0.1)  # 0 drives 1 and 2
        >>> PartialCorrelation().fit(session).connectivity_.round(decimals=1).abs()
        tensor([[1.0000, 0.6000, 0.6000],
                [0.6000, 1.0000, 0.0000],
                [0.6000, 0.0000, 1.0000]])
    """

    def _fit(self, train: Session, validation: Session | None) -> None:
        # Constant neurons make it singular; the pseudo-inverse is zero for them.
        precision = symmetric_inverse(shrunk_covariance(train))
        variance = precision.diagonal()
        inverse = torch.where(variance > 0, variance, torch.inf).rsqrt()
        correlation = -inverse[:, None] * precision * inverse
        self.connectivity_ = correlation.fill_diagonal_(1).clamp(-1, 1).float()


def shrunk_covariance(part: Session) -> Tensor:
    """Returns the covariance of the neurons over all segments, shrunk towards a multiple of the identity [N, N].

    Neither the recording nor its products are copied as a whole: the shrinkage needs only the fourth power of the
    length of each bin's activity.

    Args:
        part: Recording or part of one; it is not standardised here.
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
