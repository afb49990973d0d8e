"""Cross-correlation of input currents with activity."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity
from synapsnet_pyg.nn.current_conv import edges_of, sparse_matrix

_BLOCK = 4096
"""Number of bins whose currents are held in memory at a time."""


@dataclass(frozen=True)
class CurrentCorrelation:
    """Correlation of input currents with activity at several delays, D bins at most to either side.

    Attributes:
        delays: Delays in bins, from -D to D; for delays above 0 the current precedes the activity: [2 D + 1].
        seconds: Delays in seconds: [2 D + 1].
        correlation: Correlation from -1 to 1; NaN for neurons with constant activity or current: [N, 2 D + 1].
        mean: Mean over the neurons that have a correlation: [2 D + 1].
        sem: Standard error of that mean; NaN for a single neuron: [2 D + 1].
        peak_delay: Delay of the largest mean, in bins.
    """

    delays: Tensor
    seconds: Tensor
    correlation: Tensor
    mean: Tensor
    sem: Tensor
    peak_delay: int


def current_cross_correlation(session: Session, connectivity: Tensor, max_delay: int = 10) -> CurrentCorrelation:
    r"""Correlates each neuron's input current with its own activity some bins later (figure 4 of SynapsNet).

    .. math::
        I_i(t) = \sum_{j \neq i} C_{ij}\, a_j(t), \qquad
        r_i(d) = \mathrm{corr}_t\big(I_i(t),\; a_i(t + d)\big), \quad d = -D \ldots D

    A current that predicts activity precedes it: the curve peaks at a delay above 0. Weights from a correlation within
    one bin give a peak at 0. Both bins of a pair lie in one segment. Signals that neurons share, such as behaviour,
    lift the whole curve: compare with the weights of
    :func:`shuffle_senders`.

    Args:
        session: Part over which the correlations are computed, such as the test part. A connectivity that was fitted
            to the same bins correlates too well.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i; the diagonal does not count.
        max_delay: Largest delay D in bins, 0 or more.

    Returns:
        Correlations of every neuron and their mean, in float64.

    Raises:
        ValueError: The connectivity has another shape or is not finite, every segment is too short for the delay, or
            no neuron has both activity and current that vary.

    References:
        Delavari, Oruc and Murphy, "SynapsNet", section 3.1 and figure 4.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> drives = torch.randn(1000)
        >>> session = Session(torch.stack([drives, drives.roll(1)]), bin_size=0.1)
        >>> curve = current_cross_correlation(session, torch.tensor([[0.0, 0.0], [1.0, 0.0]]), max_delay=2)
        >>> curve.peak_delay, curve.mean.round(decimals=1).abs()
        (1, tensor([0., 0., 0., 1., 0.], dtype=torch.float64))
    """
    _check(session, connectivity, max_delay)
    delays = torch.arange(-max_delay, max_delay + 1)
    correlation = _correlation(session, connectivity, delays.tolist())
    defined = correlation[~correlation.isnan().any(1)]
    if not len(defined):
        raise ValueError(
            f"Expected a neuron whose activity and input current vary (got none of {session.num_neurons} in session "
            f"'{session.name}'); take more bins or another connectivity."
        )
    mean = defined.mean(0)
    sem = defined.std(0) / len(defined) ** 0.5 if len(defined) > 1 else torch.full_like(mean, torch.nan)
    return CurrentCorrelation(
        delays=delays,
        seconds=delays * session.bin_size,
        correlation=correlation,
        mean=mean,
        sem=sem,
        peak_delay=int(delays[mean.argmax()]),
    )


def shuffle_senders(connectivity: Tensor, seed: int = 0) -> Tensor:
    """Shuffles the senders of every neuron's weights: the null of an input current.

    Args:
        connectivity: Weights :math:`(N, N)`, sparse or not.
        seed: Seed of the order.

    Returns:
        Weights :math:`(N, N)`; each row has its entries in random order, the diagonal is unchanged. Of a sparse matrix
        each entry has a random sender.

    Raises:
        ValueError: The matrix is not square.

    Example:
        >>> shuffle_senders(torch.arange(9.0).view(3, 3), seed=3)
        tensor([[0., 1., 2.],
                [5., 4., 3.],
                [7., 6., 8.]])
    """
    if connectivity.is_sparse:
        return _shuffled_edges(connectivity.coalesce(), seed)
    if connectivity.dim() != 2 or connectivity.shape[0] != connectivity.shape[1]:
        raise ValueError(f"Expected connectivity of shape [N, N] (got {list(connectivity.shape)}).")
    N = len(connectivity)
    others = ~torch.eye(N, dtype=torch.bool, device=connectivity.device)
    order = torch.rand(N, max(N - 1, 0), generator=torch.Generator().manual_seed(seed)).argsort(1)
    result = connectivity.clone()
    result[others] = connectivity[others].view(N, -1).gather(1, order.to(connectivity.device)).flatten()
    return result


def _shuffled_edges(connectivity: Tensor, seed: int) -> Tensor:
    """Gives each weight of a sparse matrix another sender at random."""
    N, receiver = len(connectivity), connectivity.indices()[0]
    moved = torch.randint(1, N, receiver.shape, generator=torch.Generator().manual_seed(seed))
    return sparse_matrix(torch.stack([(receiver + moved) % N, receiver]), connectivity.values(), N)


def _check(session: Session, connectivity: Tensor, max_delay: int) -> None:
    """Raises an error if the connectivity or the delay does not fit the session."""
    check_connectivity(session.num_neurons, connectivity)
    longest = max((end - begin for begin, end in session.segment.tolist()), default=0)
    if max_delay < 0 or longest < max_delay + 2:
        raise ValueError(
            f"Expected max_delay of 0 bins or more, and a segment of max_delay + 2 (got {max_delay}, and {longest} "
            f"bins in the longest of session '{session.name}'); use a smaller max_delay."
        )


def _correlation(session: Session, connectivity: Tensor, delays: list[int]) -> Tensor:
    """Computes the correlation of each neuron at each delay: [N, delays].

    Means and deviations are those of the bins that enter the sum at that delay.
    """
    if connectivity.is_sparse:
        edge_index, weight = edges_of(connectivity.detach().double())
        others = edge_index[0] != edge_index[1]
        weights = sparse_matrix(edge_index[:, others], weight[others], session.num_neurons, ordered=True)
    else:
        weights = connectivity.detach().double().clone().fill_diagonal_(0)
    # Sums of current and activity, of their squares and of their product.
    sums = torch.zeros(5, session.num_neurons, len(delays), dtype=torch.float64)
    count = torch.zeros(len(delays), dtype=torch.float64)
    for begin, end in session.segment.tolist():
        for start in range(begin, end, _BLOCK):
            stop = min(start + _BLOCK, end)
            current = weights @ session.activity[:, start:stop].double()
            for d, delay in enumerate(delays):
                first, last = max(start, begin - delay), min(stop, end - delay)
                if first < last:
                    x = current[:, first - start : last - start]
                    y = session.activity[:, first + delay : last + delay].double()
                    sums[:, :, d] += torch.stack([x.sum(1), y.sum(1), _dot(x, x), _dot(y, y), _dot(x, y)])
                    count[d] += last - first
    mean_x, mean_y, power_x, power_y, product = sums / count
    variance_x, variance_y = power_x - mean_x.square(), power_y - mean_y.square()
    # Variances as small as rounding errors count as zero.
    varies = (variance_x > 1e-14 * power_x) & (variance_y > 1e-14 * power_y)
    r = ((product - mean_x * mean_y) / (variance_x * variance_y).sqrt()).clamp(-1, 1)
    return torch.where(varies, r, torch.nan)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Returns the product of each neuron's two time series, summed over bins."""
    return torch.einsum("nt,nt->n", x, y)
