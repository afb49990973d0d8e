"""Lagged correlation: who is active before whom."""

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks


def lagged_correlation(session: Session, *, lag: int = 1) -> Tensor:
    r"""Correlates every neuron with every other some bins earlier, the simplest functional connectivity.

    .. math::
        C_{ij} = \mathrm{corr}\big(a_i(t),\; a_j(t - d)\big)

    over the training part. No pair of bins crosses a segment's border. At lag 0 the matrix is symmetric and its
    diagonal 1.

    Args:
        session: A recording.
        lag: :math:`d`, in bins.

    Returns:
        :math:`(N, N)`, from -1 to 1; 0 where a neuron is constant.

    Raises:
        ValueError: The lag is negative, or every segment is too short for it.

    References:
        Delavari, Oruc and Murphy, "SynapsNet", section 3.2 (there the anchor of connectivity recovery).

    Example:
        >>> _ = torch.manual_seed(0)
        >>> drives = torch.randn(1000).round()
        >>> session = Session(torch.stack([drives, drives.roll(1)]), bin_size=0.1)
        >>> lagged_correlation(session, lag=1).round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
    """
    return correlate(session.standardise().split().train, lag).float()


def correlate(part: Session, lag: int) -> Tensor:
    """The same over all segments of a part, each end of the pairs with its own mean and deviation: [N, N], float64.

    Args:
        part: As it is: neither standardised nor split here.
        lag: In bins.

    Raises:
        ValueError: As above.
    """
    if lag < 0:
        raise ValueError(f"Expected a lag of 0 bins or more (got {lag}); a negative one is the transpose of its like.")
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
    # What rounding leaves of a constant neuron is no variation.
    varies = variance > 1e-14 * powers / count
    inverse = torch.where(varies, variance, torch.inf).rsqrt()
    covariance = products / count - torch.outer(*means)
    return (inverse[0, :, None] * covariance * inverse[1]).clamp(-1, 1)
