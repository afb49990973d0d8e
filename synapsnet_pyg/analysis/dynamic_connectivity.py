"""Connectivity that changes in time, window by window: summarised or written as it passes by, never held as a whole."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.running_summaries import (
    ConnectivityBatch,
    EdgeCourse,
    EdgeCourses,
    GroupCourse,
    GroupCourses,
    Means,
    Moments,
    RunningMeans,
    RunningMoments,
    summarise,
)
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.models.forecaster import Forecaster

FORMAT = "synapsnet dynamic connectivity"
VERSION = 1

_CHUNK = 2**17
"""Weights that lie together in a file: half a megabyte, so that neither one window nor all of one are dear to read."""


class DynamicConnectivity:
    r"""The connectivity of a fitted model in each window of a session, in the order of time.

    What iterating over it gives are batches of :math:`C(t)` from
    :meth:`~synapsnet_pyg.models.forecaster.Forecaster.connectivity_at`, one for each of the M bins that have a window
    before them and a bin after them in their segment. All N x N x M weights are never held: the methods keep sums, or
    few weights, or write to a file, and each passes once through the recording. Several summaries in one pass, since
    passing costs most: :func:`summarise`.

    Args:
        model: Fitted; it is in evaluation mode for each batch.
        session: One part, such as the training part, standardised as in training. All ``bins`` are bins of this part.
        batch_size: Windows whose connectivity is held at a time; does not change the result.

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

    def __init__(self, model: Forecaster, session: Session, batch_size: int = 32) -> None:
        windows = windows_of(session, model.window)
        if not windows:
            raise ValueError(f"Expected a segment of more than {model.window} bins in session '{session.name}'.")
        self.model, self.session, self.batch_size = model, session, batch_size
        self._windows = windows[0]

    @property
    def num_windows(self) -> int:
        """M."""
        return len(self._windows)

    @property
    def bins(self) -> Tensor:
        """Newest bin that each window sees: [M]."""
        return self._windows.start + self.model.window - 1

    def __iter__(self) -> Iterator[ConnectivityBatch]:
        bins = self.bins
        for which in torch.arange(len(bins)).split(self.batch_size):
            yield ConnectivityBatch(bins[which], self._connectivity(which))

    @torch.no_grad()
    def _connectivity(self, which: Tensor) -> Tensor:
        was_training = self.model.training
        self.model.eval()
        connectivity = self.model.connectivity_at(self._windows.gather(which))
        self.model.train(was_training)
        return connectivity

    def moments(self) -> Moments:
        """Mean and variance over all windows."""
        moments = RunningMoments()
        summarise(self, moments)
        return moments.found

    def by_state(self, state: Tensor) -> Means:
        """Mean over the windows of each state.

        Args:
            state: State of each bin, counted from 0, below 0 for none: :math:`(T)`. A window counts only if all its
                bins, those that it sees and the one that follows, are in one state.

        Raises:
            ValueError: It is not one whole number a bin.
        """
        return self._means(self.window_state(state), int(state.max()) + 1)

    def by_segment(self) -> Means:
        """Mean over the windows of each segment."""
        first = self.session.segment[:, 0].cpu().contiguous()
        return self._means(torch.searchsorted(first, self._windows.start, right=True) - 1, len(first))

    def _means(self, code: Tensor, count: int) -> Means:
        means = RunningMeans(code, max(count, 0))
        summarise(self, means)
        return means.found

    def window_state(self, state: Tensor) -> Tensor:
        """State of each window [M], see :meth:`by_state`; -1 where its bins differ or have none."""
        T = self.session.num_bins
        if state.shape != (T,) or state.is_floating_point() or state.dtype == torch.bool:
            raise ValueError(
                f"Expected a state, a whole number, of each of {T} bins (got {state.dtype} {[*state.shape]})."
            )
        spanned = state.cpu().unfold(0, self.model.window + 1, 1)[self._windows.start]
        return torch.where((spanned == spanned[:, :1]).all(1), spanned[:, 0].clamp(min=-1), -1)

    def course(self, edge_index: Tensor) -> EdgeCourse:
        """Weights of chosen edges over time.

        Args:
            edge_index: Sender and receiver of each edge :math:`(2, E)`, as :meth:`Moments.strongest` tells them.

        Raises:
            ValueError: It is of another shape, or an edge has a neuron that the session has not.
        """
        N = self.session.num_neurons
        whole = edge_index.dim() == 2 and len(edge_index) == 2 and not edge_index.is_floating_point()
        if not whole or not bool(((edge_index >= 0) & (edge_index < N)).all()):
            raise ValueError(
                f"Expected edge_index [2, E], sender and receiver, within 0..{N - 1} (got {list(edge_index.shape)})."
            )
        courses = EdgeCourses(edge_index, self.num_windows)
        summarise(self, courses)
        return EdgeCourse(self.bins, courses.weight)

    def by_group(self, code: Tensor) -> GroupCourse:
        """Mean weight from group to group over time, which needs :math:`M G^2` numbers.

        Args:
            code: Group of each neuron, counted from 0, below 0 for none: :math:`(N)`.

        Raises:
            ValueError: It is not one whole number a neuron, or no neuron has a group.
        """
        N = self.session.num_neurons
        if code.shape != (N,) or code.is_floating_point() or int(code.max()) < 0:
            raise ValueError(
                f"Expected a group, a whole number, of each of {N} neurons, of one at least 0 or more "
                f"(got {code.dtype} {list(code.shape)})."
            )
        courses = GroupCourses(code.cpu(), self.num_windows)
        summarise(self, courses)
        return GroupCourse(self.bins, courses.mean)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all of it to one HDF5 file, wholly or not at all, batch by batch.

        The file holds ``connectivity`` [window, receiver, sender] in float32, packed, ``bins`` and ``neuron_id``, and
        the session's ``name`` and ``bin_size``; :func:`read_dynamic_connectivity` reads it.

        Raises:
            OSError: The folder is missing, not writable or full; what was at ``path`` is untouched.
        """
        M, N = self.num_windows, self.session.num_neurons
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            file.attrs.update(format=FORMAT, version=VERSION, name=self.session.name, bin_size=self.session.bin_size)
            file["bins"] = self.bins.numpy()
            file.create_dataset("neuron_id", data=self.session.neuron_id, dtype=h5py.string_dtype())
            weights = file.create_dataset(
                "connectivity",
                (M, N, N),
                "f4",
                chunks=(max(1, min(M, _CHUNK // N**2)), N, N),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
            done = 0
            for bins, connectivity in self:
                weights[done : done + len(bins)] = connectivity.float().cpu().numpy()
                done += len(bins)

    def __repr__(self) -> str:
        return (
            f"DynamicConnectivity({type(self.model).__name__}, {self.session.name!r}, {self.num_windows} windows of "
            f"{self.session.num_neurons} neurons)"
        )


@dataclass(frozen=True)
class SavedConnectivity:
    """A dynamic connectivity in a file. Iterating over it reads a few windows at a time.

    Attributes:
        path: Of the file.
        name: Of the session.
        bin_size: Duration of one bin in seconds.
        neuron_id: One a neuron, in the order of rows and columns.
        bins: Newest bin that each window saw: [M].
    """

    path: Path
    name: str
    bin_size: float
    neuron_id: list[str]
    bins: Tensor

    def __iter__(self) -> Iterator[ConnectivityBatch]:
        try:
            with h5py.File(self.path, "r") as file:
                weights = file["connectivity"]
                for chunk in range(0, len(self.bins), weights.chunks[0]):
                    which = slice(chunk, chunk + weights.chunks[0])
                    yield ConnectivityBatch(self.bins[which], torch.from_numpy(weights[which]))
        except OSError as error:
            raise _unreadable(self.path, error) from None


def read_dynamic_connectivity(path: str | os.PathLike[str]) -> SavedConnectivity:
    """Opens what :meth:`DynamicConnectivity.save` wrote; weights are read when iterated over. Nothing is unpickled.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is of another kind, cut short or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of a dynamic connectivity (there is no file '{path}').")
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or int(file.attrs["version"]) > VERSION:
                raise ValueError("of another program or a newer version")
            saved = SavedConnectivity(
                path,
                str(file.attrs["name"]),
                float(file.attrs["bin_size"]),
                [neuron.decode("utf-8") for neuron in file["neuron_id"][()]],
                torch.from_numpy(np.asarray(file["bins"][()])),
            )
            shape, N = tuple(file["connectivity"].shape), len(saved.neuron_id)
            if shape != (len(saved.bins), N, N) or file["connectivity"].chunks is None:
                raise ValueError(f"connectivity {list(shape)} for {len(saved.bins)} windows of {N} neurons")
    except (OSError, KeyError, RuntimeError, AttributeError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from None
    return saved


def _unreadable(path: Path, error: Any) -> ValueError:
    reason = " ".join(str(error).split())
    return ValueError(f"'{path}' holds no dynamic connectivity, is cut short or damaged ({reason}); save it anew.")
