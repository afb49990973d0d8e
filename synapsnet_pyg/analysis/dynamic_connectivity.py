"""Connectivity that changes in time, window by window: summarised or written as it passes by, never held as a whole."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import h5py
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.atomic import atomic_path
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.session import Session
from synapsnet_pyg.windows import cut

FORMAT = "synapsnet dynamic connectivity"
VERSION = 1

_CHUNK = 2**17
"""Weights that lie together in a file: half a megabyte, so that neither one window nor all of one are dear to read."""


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
        >>> from synapsnet_pyg.models.forecaster import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> dynamic = DynamicConnectivity(Copy([session]), session)
        >>> dynamic
        DynamicConnectivity(Copy, 'demo', 49 windows of 3 neurons)
        >>> dynamic.moments().mean.diagonal(), dynamic.moments().variance.sum()
        (tensor([1., 1., 1.], dtype=torch.float64), tensor(0., dtype=torch.float64))
    """

    def __init__(self, model: Forecaster, session: Session, batch_size: int = 32) -> None:
        windows = cut(session, model.window)
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
