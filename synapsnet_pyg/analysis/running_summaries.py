"""Summaries of a connectivity that changes in time, updated window by window.

The method ``add`` of a class ``RunningX`` is called for each window. Its ``result`` is then an ``X``.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor


class ConnectivityBatch(NamedTuple):
    """Connectivity in a few windows."""

    bins: Tensor
    """Newest bin of each window; the connectivity is that from this bin to the next: [B]."""
    connectivity: Tensor
    """Weights, ``[b, i, j]`` the effect of j on i: [B, N, N]."""


class Summary(Protocol):
    """Summary of connectivities that are added once each, in the order of time."""

    def add(self, window: int, connectivity: Tensor) -> None:
        """Adds the connectivity [N, N] of a window; windows come in order, counted from 0."""
        ...


def summarise(batches: Iterable[ConnectivityBatch], *summaries: Summary) -> None:
    """Updates several summaries with every window in one pass.

    Args:
        batches: Batches in the order of time, such as a
            :class:`~synapsnet_pyg.analysis.dynamic_connectivity.DynamicConnectivity` or a file of one.
        *summaries: Summaries to update; ``result`` holds the result of each afterwards.

    Example:
        >>> batches = [ConnectivityBatch(torch.tensor([4 + b]), torch.full((1, 2, 2), 0.5 + b)) for b in range(2)]
        >>> moments, traces = RunningMoments(), RunningEdgeTraces(torch.tensor([[0], [1]]), bins=torch.tensor([4, 5]))
        >>> summarise(batches, moments, traces)
        >>> moments.result.mean[1, 0], traces.result.weight
        (tensor(1., dtype=torch.float64), tensor([[0.5000, 1.5000]]))
    """
    for _ in shown_to(batches, *summaries):
        pass


def shown_to(batches: Iterable[ConnectivityBatch], *summaries: Summary) -> Iterator[ConnectivityBatch]:
    """Yields the batches, each after the summaries were updated with its windows.

    Args:
        batches: Batches in the order of time.
        *summaries: Summaries to update.
    """
    window = 0
    for batch in batches:
        for connectivity in batch.connectivity:
            for summary in summaries:
                summary.add(window, connectivity)
            window += 1
        yield batch


class StrongestEdges(NamedTuple):
    """A few edges, strongest first."""

    edge_index: Tensor
    """Sender and receiver: [2, E]."""
    mean: Tensor
    """Mean weight over windows: [E]."""
    deviation: Tensor
    """Standard deviation of the weight over windows: [E]."""


class Moments(NamedTuple):
    """Mean and variance over windows, in float64."""

    mean: Tensor
    """Mean of each weight: [N, N]."""
    variance: Tensor
    """Population variance of each weight: [N, N]."""
    windows: int
    """Number of windows M."""

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of each weight over windows: [N, N]."""
        return self.variance.sqrt()

    def strongest(self, top_k: int, by: Literal["mean", "deviation"] = "mean") -> StrongestEdges:
        """Returns the edges of largest absolute mean weight, or of largest deviation over windows.

        Args:
            top_k: Largest number of edges, 1 or more.
            by: Order of the edges: ``mean``, by absolute mean weight, or ``deviation``, by deviation over windows.

        Raises:
            ValueError: ``top_k`` is below 1 or ``by`` is neither.
        """
        if top_k < 1 or by not in ("mean", "deviation"):
            raise ValueError(f"Expected top_k >= 1, by 'mean' or 'deviation' (got {top_k} and '{by}').")
        N, deviation = len(self.mean), self.deviation
        strength = (self.mean.abs() if by == "mean" else deviation).clone().fill_diagonal_(-1)
        chosen = strength.flatten().topk(min(top_k, N * N - N)).indices
        receiver, sender = chosen // N, chosen % N
        return StrongestEdges(torch.stack([sender, receiver]), self.mean[receiver, sender], deviation[receiver, sender])


class RunningMoments:
    r"""Mean and variance of each weight over windows.

    .. math::
        \mu \leftarrow \mu + \frac{C_m - \mu}{m}, \qquad S \leftarrow S + (C_m - \mu_{old})(C_m - \mu_{new})

    This recursion loses no digits if a weight varies little about a large mean.

    References:
        Welford (1962), Note on a method for calculating corrected sums of squares and products.
    """

    def __init__(self) -> None:
        self._windows = 0

    def add(self, window: int, connectivity: Tensor) -> None:
        """Adds the connectivity [N, N] of a window."""
        if not self._windows:
            self._mean = torch.zeros_like(connectivity, dtype=torch.float64)
            self._squares = torch.zeros_like(self._mean)
        self._windows += 1
        difference = connectivity - self._mean
        self._mean.add_(difference, alpha=1 / self._windows)
        self._squares.addcmul_(difference, connectivity - self._mean)

    @property
    def result(self) -> Moments:
        """Moments over the windows added so far, at least one."""
        return Moments(self._mean.cpu(), (self._squares / self._windows).cpu(), self._windows)


class Means(NamedTuple):
    """Mean connectivity over the windows of each of S states or segments."""

    mean: Tensor
    """Mean weights in float64, NaN for a state or segment without a window: [S, N, N]."""
    windows: Tensor
    """Number of windows of each state or segment: [S]."""


class RunningMeans:
    """Mean connectivity over the windows of each of several states or segments.

    Args:
        code: State or segment of each window, counted from 0, below 0 for none: :math:`(M)`.
        count: Number of states or segments S.
    """

    def __init__(self, code: Tensor, count: int) -> None:
        self._code, self._count = code.tolist(), count
        self._windows = torch.bincount(code[code >= 0], minlength=count)

    def add(self, window: int, connectivity: Tensor) -> None:
        """Adds the connectivity [N, N] of a window."""
        if window == 0:
            self._total = connectivity.new_zeros(self._count, *connectivity.shape, dtype=torch.float64)
        if self._code[window] >= 0:
            self._total[self._code[window]].add_(connectivity)

    @property
    def result(self) -> Means:
        """Means over all windows."""
        return Means(self._total.cpu() / self._windows[:, None, None], self._windows)


class EdgeTraces(NamedTuple):
    """Weights of chosen edges over time."""

    bins: Tensor
    """Newest bin of each window: [M]."""
    weight: Tensor
    """Weight of each edge in each window, in float32: [E, M]."""


class RunningEdgeTraces:
    """Weights of chosen edges over time.

    Args:
        edge_index: Sender and receiver of each edge :math:`(2, E)`.
        bins: Newest bin of each window :math:`(M)`.
    """

    def __init__(self, edge_index: Tensor, bins: Tensor) -> None:
        self._sender, self._receiver = edge_index
        self._bins, self._weight = bins, torch.empty(edge_index.shape[1], len(bins))

    def add(self, window: int, connectivity: Tensor) -> None:
        """Adds the connectivity [N, N] of a window."""
        self._weight[:, window] = connectivity[self._receiver, self._sender]

    @property
    def result(self) -> EdgeTraces:
        """Traces over all windows."""
        return EdgeTraces(self._bins, self._weight)


class GroupTraces(NamedTuple):
    """Mean weight from group to group of neurons over time."""

    bins: Tensor
    """Newest bin of each window: [M]."""
    mean: Tensor
    """Mean effect ``[m, g, h]`` of a neuron in group h on one in group g, NaN where there is no pair: [M, G, G]."""


class RunningGroupTraces:
    r"""Mean weight from group to group of neurons over time.

    .. math::
        S_{gh}(m) = \Big\langle C_{ij}(m) \Big\rangle_{i \in g,\; j \in h,\; i \ne j}

    Args:
        code: Group of each neuron, counted from 0, below 0 for none: :math:`(N)`.
        bins: Newest bin of each window :math:`(M)`.
    """

    def __init__(self, code: Tensor, bins: Tensor) -> None:
        G = int(code.max()) + 1
        self._label = torch.nn.functional.one_hot(code.clamp(min=0), G).double() * (code >= 0)[:, None]
        size = self._label.sum(0)
        self._pairs = torch.outer(size, size) - size.diag()
        self._bins, self._mean = bins, torch.empty(len(bins), G, G, dtype=torch.float64)

    def add(self, window: int, connectivity: Tensor) -> None:
        """Adds the connectivity [N, N] of a window."""
        self._label = self._label.to(connectivity.device)
        # A copy in any case, because all summaries receive the same tensor.
        others = connectivity.to(torch.float64, copy=True).fill_diagonal_(0)
        self._mean[window] = (self._label.t() @ others @ self._label).cpu() / self._pairs

    @property
    def result(self) -> GroupTraces:
        """Traces over all windows."""
        return GroupTraces(self._bins, self._mean)
