"""Summaries of a connectivity that changes in time, updated window by window."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor


class ConnectivityBatch(NamedTuple):
    """The connectivity in a few windows."""

    bins: Tensor
    """Newest bin that each window saw; its connectivity carries that bin to the next: [B]."""
    connectivity: Tensor
    """``[b, i, j]`` is the effect of j on i: [B, N, N]."""


class Summary(Protocol):
    """What is kept of connectivities that pass by once."""

    def add(self, window: int, connectivity: Tensor) -> None:
        """Takes in the connectivity [N, N] of one window; windows come in order, counted from 0."""
        ...


def summarise(batches: Iterable[ConnectivityBatch], *summaries: Summary) -> None:
    """Makes several summaries in one pass.

    Args:
        batches: A :class:`DynamicConnectivity` or what :func:`read_dynamic_connectivity` reads.
        *summaries: Each is shown every window; what they found is then asked of them.

    Example:
        >>> halves = [ConnectivityBatch(torch.tensor([4 + b]), torch.full((1, 2, 2), 0.5 + b)) for b in range(2)]
        >>> moments, rises = RunningMoments(), EdgeCourses(torch.tensor([[0], [1]]), windows=2)
        >>> summarise(halves, moments, rises)
        >>> moments.found.mean[1, 0], rises.weight
        (tensor(1., dtype=torch.float64), tensor([[0.5000, 1.5000]]))
    """
    each = (connectivity for batch in batches for connectivity in batch.connectivity)
    for window, connectivity in enumerate(each):
        for summary in summaries:
            summary.add(window, connectivity)


class StrongestEdges(NamedTuple):
    """A few edges, strongest first."""

    edge_index: Tensor
    """Sender and receiver: [2, E]."""
    mean: Tensor
    """Weight over all windows: [E]."""
    deviation: Tensor
    """Of the weight over windows: [E]."""


class Moments(NamedTuple):
    """Mean and variance over windows, in float64."""

    mean: Tensor
    """[N, N]."""
    variance: Tensor
    """Population variance: [N, N]."""
    windows: int
    """M."""

    @property
    def deviation(self) -> Tensor:
        """How far each weight changes in time: [N, N]."""
        return self.variance.sqrt()

    def strongest(self, top_k: int, by: Literal["mean", "deviation"] = "mean") -> StrongestEdges:
        """The edges between two different neurons that matter, or change, most.

        Args:
            top_k: How many; all if there are fewer.
            by: ``mean``: of the largest absolute mean weight; ``deviation``: of the largest deviation over windows.

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

    which loses no digits where a weight varies little about a large mean.

    References:
        Welford (1962), Note on a method for calculating corrected sums of squares and products.
    """

    def __init__(self) -> None:
        self._windows = 0

    def add(self, window: int, connectivity: Tensor) -> None:
        """See :class:`Summary`."""
        if not self._windows:
            self._mean = torch.zeros_like(connectivity, dtype=torch.float64)
            self._squares = torch.zeros_like(self._mean)
        self._windows += 1
        difference = connectivity - self._mean
        self._mean.add_(difference, alpha=1 / self._windows)
        self._squares.addcmul_(difference, connectivity - self._mean)

    @property
    def found(self) -> Moments:
        """Of the windows so far, at least one."""
        return Moments(self._mean.cpu(), (self._squares / self._windows).cpu(), self._windows)


class Means(NamedTuple):
    """Mean connectivity over the windows of each of S states or segments."""

    mean: Tensor
    """In float64, NaN where there is no window: [S, N, N]."""
    windows: Tensor
    """How many each has: [S]."""


class RunningMeans:
    """Mean connectivity over the windows of each of several states or segments.

    Args:
        code: Which of them each window is in, below 0 for none: :math:`(M)`.
        count: S, how many there are.
    """

    def __init__(self, code: Tensor, count: int) -> None:
        self._code, self._count = code.tolist(), count
        self._windows = torch.bincount(code[code >= 0], minlength=count)

    def add(self, window: int, connectivity: Tensor) -> None:
        """See :class:`Summary`."""
        if window == 0:
            self._total = connectivity.new_zeros(self._count, *connectivity.shape, dtype=torch.float64)
        if self._code[window] >= 0:
            self._total[self._code[window]].add_(connectivity)

    @property
    def found(self) -> Means:
        """Of all windows."""
        return Means(self._total.cpu() / self._windows[:, None, None], self._windows)


class EdgeCourses:
    """Weights of chosen edges over time.

    Args:
        edge_index: Sender and receiver of each edge :math:`(2, E)`.
        windows: M.
    """

    def __init__(self, edge_index: Tensor, windows: int) -> None:
        self._sender, self._receiver = edge_index
        self.weight = torch.empty(edge_index.shape[1], windows)
        """In float32: [E, M]."""

    def add(self, window: int, connectivity: Tensor) -> None:
        """See :class:`Summary`."""
        self.weight[:, window] = connectivity[self._receiver, self._sender]


class GroupCourses:
    r"""Mean weight from group to group of neurons over time.

    .. math::
        S_{gh}(m) = \Big\langle C_{ij}(m) \Big\rangle_{i \in g,\; j \in h,\; i \ne j}

    Args:
        code: Group of each neuron, counted from 0, below 0 for none: :math:`(N)`.
        windows: M.
    """

    def __init__(self, code: Tensor, windows: int) -> None:
        G = int(code.max()) + 1
        self._label = torch.nn.functional.one_hot(code.clamp(min=0), G).double() * (code >= 0)[:, None]
        size = self._label.sum(0)
        self.pairs = torch.outer(size, size) - size.diag()
        """Pairs of two different neurons: [G, G]."""
        self.mean = torch.empty(windows, G, G, dtype=torch.float64)
        """``[m, g, h]`` is the mean effect of a neuron in h on one in g, NaN where no pair is: [M, G, G]."""

    def add(self, window: int, connectivity: Tensor) -> None:
        """See :class:`Summary`."""
        self._label = self._label.to(connectivity.device)
        # A copy either way: what passes by belongs to all summaries.
        others = connectivity.to(torch.float64, copy=True).fill_diagonal_(0)
        self.mean[window] = (self._label.t() @ others @ self._label).cpu() / self.pairs


class EdgeCourse(NamedTuple):
    """Chosen edges over time."""

    bins: Tensor
    """[M]."""
    weight: Tensor
    """[E, M]."""


class GroupCourse(NamedTuple):
    """A connectivity from group to group over time."""

    bins: Tensor
    """[M]."""
    mean: Tensor
    """``[m, g, h]`` is the mean effect of a neuron in h on one in g, NaN where no pair is: [M, G, G]."""
