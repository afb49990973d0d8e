"""Windows of a session and batches of them, read as views of the recording."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.population_path import recent


class Window(NamedTuple):
    """Batch of B windows of one session, the input of every forecaster.

    The P targets are the bins after each of the last P positions of a window.
    """

    activity: Tensor
    """Activity of L bins, oldest first [B, N, L]."""
    behaviour: Tensor
    """Behaviour in the L bins [B, L, K]."""
    target: Tensor
    """Activity to forecast: the bin after each of the last P positions [B, N, P]."""
    session: str
    """Name of the session."""
    future: Tensor | None = None
    """Activity of the H bins after each of the last P positions [B, N, P, H]; None for H = 1."""
    bin: Tensor | None = None
    """Number of bins between the begin of the segment and the newest bin [B]; None if it is not known."""

    @property
    def ahead(self) -> Tensor:
        """Activity of the H bins after each of the last P positions [B, N, P, H], also for H = 1."""
        return self.target[..., None] if self.future is None else self.future


class Windows:
    r"""M windows of one session with equally many targets.

    A window that starts at bin :math:`s` holds the :math:`L = W + P - 1` bins from :math:`s` on. Its targets are the
    :math:`P` bins from :math:`s + W` on, so that every target has at least :math:`W` bins before it. With
    :math:`P = 1` these are the overlapping windows of the paper (Appendix A.1). With a horizon H above one a window
    also holds the H bins that begin at each target.

    Args:
        session: Session of the windows.
        start: First bin of each window :math:`(M)`.
        window: Number of past bins W that every target has at least.
        targets: Number of targets P in a window.
        target: Time series to forecast :math:`(N, T)`. None: the activity.
        horizon: Number of bins H ahead, counted from the target on.
    """

    def __init__(
        self,
        session: Session,
        start: Tensor,
        window: int,
        targets: int,
        target: Tensor | None = None,
        *,
        horizon: int = 1,
    ) -> None:
        self.session, self.start, self.window, self.targets, self.horizon = session, start, window, targets, horizon
        # Views [T - L + 1, L] of the recording; only the rows of one batch are copied.
        length = window + targets - 1
        self._activity = session.activity.unfold(1, length, 1)
        following = (session.activity if target is None else target)[:, window:]
        self._target = following.unfold(1, targets, 1)
        self._future = following.unfold(1, targets + horizon - 1, 1) if horizon > 1 else None
        self._behaviour = session.behaviour.unfold(0, length, 1)

    def __len__(self) -> int:
        return len(self.start)

    def gather(self, which: Tensor) -> Window:
        """Returns a batch of windows, on the session's device.

        Args:
            which: Numbers of the windows :math:`(B)`, from 0 to M - 1.
        """
        return self.starting(self.begins(which))

    def begins(self, which: Tensor) -> Tensor:
        """Returns the first bin of some windows [B], on the session's device.

        Args:
            which: Numbers of the windows :math:`(B)`, from 0 to M - 1.
        """
        # Without waiting: the step before may still run on the device.
        return self.start[which].to(self._activity.device, non_blocking=True)

    def starting(self, start: Tensor) -> Window:
        """Returns a batch of windows.

        Args:
            start: First bin of each window :math:`(B)`, on the session's device.
        """
        future = None
        if self._future is not None:
            future = self._future[:, start].transpose(0, 1).unfold(2, self.horizon, 1)
        return Window(
            self._activity[:, start].transpose(0, 1),
            self._behaviour[start].transpose(1, 2),
            self._target[:, start].transpose(0, 1),
            self.session.name,
            future,
            bin=start - self._segment_begin(start) + self.window + self.targets - 2,
        )

    def _segment_begin(self, bins: Tensor) -> Tensor:
        """Returns the first bin of the segment of each bin [B]."""
        segment = self.session.segment.to(bins.device)
        return segment[torch.searchsorted(segment[:, 1].contiguous(), bins, right=True), 0]

    def target_bins(self, which: Tensor) -> Tensor:
        """Returns the bins [B, P] that are the targets of some windows.

        Args:
            which: Numbers of the windows :math:`(B)`, from 0 to M - 1.
        """
        return self.start[which][:, None] + self.window + torch.arange(self.targets)

    def __repr__(self) -> str:
        return f"Windows({self.session.name!r}, {len(self)} of {self.window} past bins and {self.targets} targets)"


def windows_of(
    session: Session, window: int = 5, targets: int = 1, first: int | None = None, *, horizon: int = 1
) -> list[Windows]:
    """Returns windows whose targets together are all bins of a session with enough bins before them.

    No window crosses the border of a segment, but for the context that a segment may have before it
    (``Session.context``), whose bins are never targets. Windows follow each other, so
    that each bin is a target once. If the last targets of a segment do not fill a window, this window starts earlier
    and repeats some targets. A segment with fewer targets than ``targets`` gets one window with all of them.

    Args:
        session: Session, or a part of its split.
        window: Number of past bins W before the first target.
        targets: Largest number of targets P in a window.
        first: Position of the first target in each segment, counted from its context on, at least ``window``. Models
            with different windows are compared on the same targets by giving all of them the largest window here.
            None: ``window``.
        horizon: Number of bins H ahead that must lie in the segment, counted from each target on.

    Returns:
        Windows grouped by their number of targets, largest first; empty if every segment is too short.

    Raises:
        ValueError: ``window``, ``targets`` or ``horizon`` is below 1, or ``first`` below ``window``.
    """
    first = window if first is None else first
    if min(window, targets, horizon) < 1 or first < window:
        raise ValueError(
            f"Expected window, targets and horizon >= 1, first >= window (got {window}, {targets}, {horizon}, {first})."
        )
    starts: dict[int, list[Tensor]] = {}
    for (begin, end), context in zip(session.segment.tolist(), session.context.tolist(), strict=True):
        target = max(begin, begin - context + first)
        last = end - horizon + 1  # end of the targets
        available = last - target
        if available > 0:
            P = min(targets, available)
            start = torch.arange(target - window, last - window - P + 1, P)
            if available % P:
                start = torch.cat([start, start.new_tensor([last - window - P])])
            starts.setdefault(P, []).append(start)
    return [
        Windows(session, torch.cat(start), window, P, horizon=horizon)
        for P, start in sorted(starts.items(), reverse=True)
    ]


def contexts(window: Window, length: int) -> Tensor:
    """Returns the newest bins at each of the last P positions [B, N, P, C], oldest first.

    Args:
        window: B windows with P targets each.
        length: Number of bins C.

    Raises:
        ValueError: The windows have fewer past bins.
    """
    P, L = window.target.shape[-1], window.activity.shape[-1]
    if length > L - P + 1:
        raise ValueError(f"Expected windows of at least {length} past bins (got {L - P + 1}).")
    return recent(window.activity, length, P)


def every_window(session: Session, window: int) -> Windows:
    """Returns all windows of a session with one target each.

    Args:
        session: Session, or a part of its split.
        window: Number of past bins W.

    Raises:
        ValueError: No segment is longer than the window.
    """
    groups = windows_of(session, window)
    if not groups:
        raise ValueError(f"Expected a segment of more than {window} bins in session '{session.name}'.")
    return groups[0]


def batches(windows: Windows, batch_size: int = 32) -> Iterator[Window]:
    """Yields all windows in the order of time, a batch at a time.

    Args:
        windows: Windows with equally many targets.
        batch_size: Number of windows in a batch B; the last batch can be smaller.
    """
    for index in torch.arange(len(windows)).split(batch_size):
        yield windows.gather(index)


def spread(windows: Windows, max_windows: int, batch_size: int | None = None) -> Iterator[Window]:
    """Yields at most ``max_windows`` windows, evenly spread over the session, a batch at a time.

    Args:
        windows: Windows with equally many targets.
        max_windows: Largest number of windows; every ceil(M / ``max_windows``)-th of M windows is taken.
        batch_size: Number of windows in a batch B; the last batch can be smaller. None: 64, fewer for a large
            population, whose gradients would take much memory.

    Example:
        >>> windows = every_window(Session(torch.zeros(2, 20), bin_size=0.1), window=5)
        >>> sum(len(window.activity) for window in spread(windows, max_windows=8))  # of 15
        8
    """
    batch_size = batch_size or min(64, max(2**13 // windows.session.num_neurons, 1))
    for index in torch.arange(0, len(windows), -(-len(windows) // max_windows)).split(batch_size):
        yield windows.gather(index)


def mean_over_windows(parts: Sequence[Tensor]) -> Tensor:
    """Returns the mean over all windows of values of N neurons [N], to the last bit that of all parts in one matrix.

    The matrix is made of 256 neurons at a time, since the values of many windows take as much as the recording.

    Args:
        parts: Values of batches of windows :math:`(B, N)`.
    """
    N = parts[0].shape[1]
    starts = range(0, max(N - 255, 1), 256)
    borders = zip(starts, [*starts[1:], N], strict=True)  # the last neurons join the block before
    return torch.cat([torch.cat([part[:, begin:end] for part in parts]).mean(0) for begin, end in borders])


def blocks(session: Session, past: int = 0, longest: int = 4096) -> Iterator[tuple[int, int]]:
    """Yields blocks of bins, all of which have ``past`` bins before them in their segment.

    Args:
        session: Session, or a part of its split.
        past: Number of bins before each bin of a block.
        longest: Largest number of bins in a block, which bounds the memory of a computation on it.

    Yields:
        First bin and end (exclusive) of a block.

    Raises:
        ValueError: No bin has ``past`` bins before it.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, segment=torch.tensor([[0, 5], [5, 6], [6, 9]]))
        >>> list(blocks(session, past=1, longest=3))
        [(1, 4), (4, 5), (7, 9)]
    """
    if not any(end - begin > past for begin, end in session.segment.tolist()):
        raise ValueError(f"Expected a segment of more than {past} bins in session '{session.name}' (all are shorter).")
    for begin, end in session.segment.tolist():
        for start in range(begin + past, end, longest):
            yield start, min(start + longest, end)


class EpochSampler(Sampler[tuple[int, Tensor]]):
    """Random order of batches in which every window occurs once an epoch.

    A batch holds windows of one session. The paper (Appendix A.1) draws a random session for each batch; random order
    of all batches does so too, and uses every window. The order depends on seed and epoch alone, so that training can
    be resumed at any epoch.

    Args:
        windows: Windows of all sessions. A batch is an index into this list and numbers of windows :math:`(B)` there.
        batch_size: Number of windows in a batch B; the last batch of a session can be smaller.
        seed: Seed of the order.
    """

    def __init__(self, windows: Sequence[Windows], batch_size: int = 32, seed: int = 0) -> None:
        self.windows, self.batch_size, self.seed, self.epoch = windows, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(-(-len(windows) // self.batch_size) for windows in self.windows)

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches = [
            (w, batch)
            for w, windows in enumerate(self.windows)
            for batch in torch.randperm(len(windows), generator=generator).split(self.batch_size)
        ]
        for b in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[b]
