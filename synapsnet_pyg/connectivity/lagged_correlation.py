"""Correlation between each neuron and the activity of all others some bins earlier."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.estimator import Estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks


@dataclass(eq=False, kw_only=True)
class LaggedCorrelation(Estimator):
    r"""Correlation between each neuron and the activity of all others some bins earlier.

    .. math::
        C_{ij} = \mathrm{corr}\big(a_i(t),\; a_j(t - d)\big)

    This is the simplest functional connectivity. No pair of bins crosses a segment's border. At lag 0 the matrix is
    symmetric and its diagonal 1. The entries of a constant neuron are 0. The validation part is not used.

    Args:
        lag: Number of bins :math:`d`.

    Raises:
        ValueError: The lag is negative. From ``fit``: every segment is too short for it.

    References:
        Delavari, Oruc and Murphy, "SynapsNet", section 3.2 (there the anchor of connectivity recovery).

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.randn(1000).round()
        >>> session = Session(torch.stack([driver, driver.roll(1)]), bin_size=0.1)
        >>> LaggedCorrelation(lag=1).fit(session).connectivity_.round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
    """

    lag: int = 1

    def __post_init__(self) -> None:
        _check_lag(self.lag)

    def _fit(self, train: Session, validation: Session | None) -> None:
        self.connectivity_ = correlate(train, self.lag).float()


def correlate(part: Session, lag: int) -> Tensor:
    """Computes the lagged correlation of all pairs of neurons over all segments.

    The bins at the two ends of the lag have a mean and a deviation each.

    Args:
        part: Recording or part of one; it is not standardised here.
        lag: Number of bins.

    Returns:
        Correlations [N, N] in float64.

    Raises:
        ValueError: The lag is negative, or every segment is too short for it.
    """
    _check_lag(lag)
    N = part.num_neurons
    zeros, count = part.activity.new_zeros, 0
    sums, powers = zeros(2, N, dtype=torch.float64), zeros(2, N, dtype=torch.float64)
    products = zeros(N, N, dtype=torch.float64)
    for start, stop in blocks(part, lag):
        now = part.activity[:, start:stop].double()
        before = part.activity[:, start - lag : stop - lag].double()
        count += stop - start
        sums += torch.stack([now.sum(1), before.sum(1)])
        powers += torch.stack([now.square().sum(1), before.square().sum(1)])
        products.addmm_(now, before.t())
    means = sums / count
    variance = powers / count - means.square()
    # A constant neuron's variance is zero up to rounding.
    varies = variance > 1e-14 * powers / count
    inverse = torch.where(varies, variance, torch.inf).rsqrt()
    covariance = products / count - torch.outer(*means)
    return (inverse[0, :, None] * covariance * inverse[1]).clamp(-1, 1)


def _check_lag(lag: int) -> None:
    """Raises an error for a negative lag."""
    if lag < 0:
        raise ValueError(f"Expected a lag of 0 bins or more (got {lag}); use the transpose of lag {-lag} instead.")
