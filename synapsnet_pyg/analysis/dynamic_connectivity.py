"""Connectivity that changes in time, window by window, with its summaries and files."""

import os
from collections.abc import Iterator

import torch
from torch import Tensor

from synapsnet_pyg.analysis.dynamic_connectivity_file import write_dynamic_connectivity
from synapsnet_pyg.analysis.running_summaries import (
    ConnectivityBatch,
    EdgeTraces,
    GroupTraces,
    Means,
    Moments,
    RunningEdgeTraces,
    RunningGroupTraces,
    RunningMeans,
    RunningMoments,
    Summary,
    shown_to,
    summarise,
)
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, batches, every_window
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.nn.evaluating import evaluating

_MOST_WEIGHTS = 2**22
"""Largest number of weights of the windows that are held in memory at a time, unless one window has more."""


class DynamicConnectivity:
    r"""Connectivity of a fitted model in each window of a session, in the order of time.

    Iterating over it gives batches of :math:`C(t)` from
    :meth:`~synapsnet_pyg.models.forecaster.Forecaster.connectivity_at`, one for each of the M windows that
    a bin of the same segment follows. Memory never holds all N x N x M weights: methods keep sums or few weights, or
    write to a file. Each method passes once through the recording, which takes most of its time;
    :func:`~synapsnet_pyg.analysis.running_summaries.summarise` computes several summaries in one pass.

    Args:
        model: Fitted forecaster; it is in evaluation mode for each batch.
        session: Part of a session, such as the training part, standardised as in training. ``bins`` count from the
            first bin of this part.
        batch_size: Number of windows held in memory at a time; it does not change the result. None: 32, or fewer if
            there are many neurons.

    Raises:
        ValueError: No segment is longer than the window.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> dynamic = DynamicConnectivity(Copy([session]), session)
        >>> dynamic
        DynamicConnectivity(Copy, 'demo', 49 windows of 3 neurons)
        >>> dynamic.moments().mean.diagonal(), dynamic.moments().variance.sum()
        (tensor([1., 1., 1.], dtype=torch.float64), tensor(0., dtype=torch.float64))
    """

    def __init__(self, model: Forecaster, session: Session, batch_size: int | None = None) -> None:
        self.model, self.session = model, session
        self.batch_size = batch_size or min(32, max(1, _MOST_WEIGHTS // session.num_neurons**2))
        self._windows = every_window(session, model.window)

    @property
    def num_windows(self) -> int:
        """Number of windows M."""
        return len(self._windows)

    @property
    def bins(self) -> Tensor:
        """Newest bin of each window: [M]."""
        return self._windows.start + self.model.window - 1

    def __iter__(self) -> Iterator[ConnectivityBatch]:
        windows = batches(self._windows, self.batch_size)
        for bins, window in zip(self.bins.split(self.batch_size), windows, strict=True):
            yield ConnectivityBatch(bins, self._connectivity(window))

    @torch.no_grad()
    def _connectivity(self, window: Window) -> Tensor:
        """Returns the connectivity in a batch of windows [B, N, N]."""
        with evaluating(self.model):
            return self.model.connectivity_at(window)

    def moments(self) -> Moments:
        """Computes mean and variance of each weight over all windows."""
        moments = RunningMoments()
        summarise(self, moments)
        return moments.result

    def by_state(self, state: Tensor) -> Means:
        """Computes the mean connectivity over the windows of each state.

        Args:
            state: State of each bin, counted from 0, below 0 for none: :math:`(T)`. A window counts only if its bins
                and the bin that follows are all in one state.

        Raises:
            ValueError: There is not one whole number for each bin.
        """
        return self._means(self.window_state(state), int(state.max()) + 1)

    def by_segment(self) -> Means:
        """Computes the mean connectivity over the windows of each segment."""
        first = self.session.segment[:, 0].cpu().contiguous()
        return self._means(torch.searchsorted(first, self._windows.start, right=True) - 1, len(first))

    def _means(self, code: Tensor, count: int) -> Means:
        """Computes the mean connectivity over the windows of each code from 0 to ``count - 1``."""
        means = RunningMeans(code, max(count, 0))
        summarise(self, means)
        return means.result

    def window_state(self, state: Tensor) -> Tensor:
        """Returns the state of each window [M], -1 if its bins have different states or none.

        Args:
            state: State of each bin, counted from 0, below 0 for none: :math:`(T)`.

        Raises:
            ValueError: There is not one whole number for each bin.
        """
        T = self.session.num_bins
        if state.shape != (T,) or state.is_floating_point() or state.dtype == torch.bool:
            raise ValueError(
                f"Expected a state, a whole number, of each of {T} bins (got {state.dtype} {[*state.shape]})."
            )
        spanned = state.cpu().unfold(0, self.model.window + 1, 1)[self._windows.start]
        return torch.where((spanned == spanned[:, :1]).all(1), spanned[:, 0].clamp(min=-1), -1)

    def traces(self, edge_index: Tensor) -> EdgeTraces:
        """Collects the weights of chosen edges over time.

        Args:
            edge_index: Sender and receiver of each edge :math:`(2, E)`, such as those of
                :meth:`~synapsnet_pyg.analysis.running_summaries.Moments.strongest`.

        Raises:
            ValueError: ``edge_index`` has another shape, or an edge has a neuron that is not in the session.
        """
        N = self.session.num_neurons
        has_shape = edge_index.dim() == 2 and len(edge_index) == 2 and not edge_index.is_floating_point()
        if not has_shape or not bool(((edge_index >= 0) & (edge_index < N)).all()):
            raise ValueError(
                f"Expected edge_index [2, E], sender and receiver, within 0..{N - 1} (got {list(edge_index.shape)})."
            )
        traces = RunningEdgeTraces(edge_index, self.bins)
        summarise(self, traces)
        return traces.result

    def by_group(self, code: Tensor) -> GroupTraces:
        """Computes the mean weight from group to group over time, :math:`M G^2` numbers.

        Args:
            code: Group of each neuron, counted from 0, below 0 for none: :math:`(N)`.

        Raises:
            ValueError: There is not one whole number for each neuron, or no neuron has a group.
        """
        N = self.session.num_neurons
        if code.shape != (N,) or code.is_floating_point() or int(code.max()) < 0:
            raise ValueError(
                f"Expected a group, a whole number, of each of {N} neurons, with 0 or more for at least one "
                f"(got {code.dtype} {list(code.shape)})."
            )
        traces = RunningGroupTraces(code.cpu(), self.bins)
        summarise(self, traces)
        return traces.result

    def save(self, path: str | os.PathLike[str], *summaries: Summary) -> None:
        """Writes every weight in every window to one HDF5 file, and updates summaries in the same pass.

        :func:`~synapsnet_pyg.analysis.dynamic_connectivity_file.read_dynamic_connectivity` reads the file.

        Args:
            path: Path of the file, in an existing folder.
            *summaries: Summaries to update; ``result`` holds the result of each afterwards.

        Raises:
            OSError: The folder is missing, not writable or full; an older file at ``path`` is unchanged.
        """
        write_dynamic_connectivity(path, self.session, self.bins, shown_to(self, *summaries))

    def __repr__(self) -> str:
        return (
            f"DynamicConnectivity({type(self.model).__name__}, {self.session.name!r}, {self.num_windows} windows of "
            f"{self.session.num_neurons} neurons)"
        )
