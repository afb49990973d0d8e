"""Where windows start, and how batches of them are drawn. The recording itself is never copied."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

from synapsnet_pyg.data.session import Session


class Window(NamedTuple):
    """A batch of windows of one session, what every forecaster is called with.

    For each of the last P positions the target is the bin that follows that position.
    """

    activity: Tensor
    """What was seen, oldest first: [B, N, L]."""
    behaviour: Tensor
    """The same bins of what all neurons share: [B, L, K]."""
    target: Tensor
    """What came next: [B, N, P]."""
    session: str
    """Name of the session that the windows were cut from."""


class Windows:
    r"""All windows of one shape in one session.

    A window that starts at bin :math:`s` holds the :math:`L = W + P - 1` bins from :math:`s` on and forecasts the
    :math:`P` bins from :math:`s + W` on, so that every target has at least :math:`W` bins before it. With
    :math:`P = 1` these are the overlapping windows of the paper (Appendix A.1).

    Args:
        session: Where they are cut from.
        start: First bin of each window :math:`(M)`.
        window: W, the number of past bins that every target has at least.
        targets: P, the number of targets in a window.
        target: What is forecast where it is not the activity itself, :math:`(N, T)`.
    """

    def __init__(
        self, session: Session, start: Tensor, window: int, targets: int, target: Tensor | None = None
    ) -> None:
        self.session, self.start, self.window, self.targets = session, start, window, targets
        # [T - L + 1, L] views: gathering rows of these is the only copy ever made, and it is one batch.
        length = window + targets - 1
        self._activity = session.activity.unfold(1, length, 1)
        self._target = (session.activity if target is None else target)[:, window:].unfold(1, targets, 1)
        self._behaviour = session.behaviour.unfold(0, length, 1)

    def __len__(self) -> int:
        return len(self.start)

    def gather(self, which: Tensor) -> Window:
        """The windows numbered ``which`` (B), on the session's device."""
        start = self.start[which].to(self._activity.device)
        return Window(
            self._activity[:, start].transpose(0, 1),
            self._behaviour[start].transpose(1, 2),
            self._target[:, start].transpose(0, 1),
            self.session.name,
        )

    def target_bins(self, which: Tensor) -> Tensor:
        """The bins that these windows forecast: [B, P]."""
        return self.start[which][:, None] + self.window + torch.arange(self.targets)

    def __repr__(self) -> str:
        return f"Windows({self.session.name!r}, {len(self)} of {self.window} past bins and {self.targets} targets)"


def windows_of(session: Session, window: int = 5, targets: int = 1, first: int | None = None) -> list[Windows]:
    """Cuts a session into windows that together have every possible bin as a target.

    No window crosses the border of a segment. Targets are laid out one after the other; where the last ones of a
    segment do not fill a window, that window is moved back, so that some targets stand in two windows. A segment
    shorter than a window gets one window with fewer targets, which is why there can be several shapes.

    Args:
        session: One part of the split.
        window: W, past bins before the first target.
        targets: P, targets in a window where the segment has as many.
        first: Position in its segment of the first target, at least ``window``, for comparing models that need
            different numbers of past bins on the same targets; None: ``window``.

    Returns:
        One entry for each number of targets that occurs; empty where every segment is too short.

    Raises:
        ValueError: ``window`` or ``targets`` is below 1, or ``first`` below ``window``.
    """
    first = window if first is None else first
    if window < 1 or targets < 1 or first < window:
        raise ValueError(f"Expected window and targets >= 1, first >= window (got {window}, {targets}, {first}).")
    starts: dict[int, list[Tensor]] = {}
    for begin, end in session.segment.tolist():
        available = end - begin - first
        if available > 0:
            P = min(targets, available)
            start = torch.arange(begin + first - window, end - window - P + 1, P)
            if available % P:
                start = torch.cat([start, start.new_tensor([end - window - P])])
            starts.setdefault(P, []).append(start)
    return [Windows(session, torch.cat(start), window, P) for P, start in sorted(starts.items(), reverse=True)]


def every_window(session: Session, window: int) -> Windows:
    """Returns all windows of a session that forecast one bin each.

    Args:
        session: One part of the split.
        window: Number of past bins W.

    Raises:
        ValueError: No segment is longer than the window.
    """
    shapes = windows_of(session, window)
    if not shapes:
        raise ValueError(f"Expected a segment of more than {window} bins in session '{session.name}'.")
    return shapes[0]


def batches(windows: Windows, batch_size: int = 32) -> Iterator[Window]:
    """Yields all windows in the order of time, a batch at a time.

    Args:
        windows: Windows of one shape.
        batch_size: Number of windows in a batch B; the last batch can be smaller.
    """
    for chosen in torch.arange(len(windows)).split(batch_size):
        yield windows.gather(chosen)


def spread(windows: Windows, max_windows: int, batch_size: int = 64) -> Iterator[Window]:
    """Yields at most ``max_windows`` windows, evenly spread over the session, a batch at a time.

    Args:
        windows: Windows of one shape.
        max_windows: Largest number of windows; of M windows every ceil(M / ``max_windows``)-th is taken.
        batch_size: Number of windows in a batch B; the last batch can be smaller.

    Example:
        >>> windows = every_window(Session(torch.zeros(2, 20), bin_size=0.1), window=5)
        >>> sum(len(window.activity) for window in spread(windows, max_windows=8))  # of 15
        8
    """
    for chosen in torch.arange(0, len(windows), -(-len(windows) // max_windows)).split(batch_size):
        yield windows.gather(chosen)


def blocks(session: Session, past: int = 0, longest: int = 4096) -> Iterator[tuple[int, int]]:
    """Yields first bin and end (exclusive) of blocks whose every bin has ``past`` bins before it in its segment.

    Args:
        session: One part of the split.
        past: Number of bins before each bin of a block.
        longest: Largest number of bins in a block, so that what is computed from it fits the cache.

    Raises:
        ValueError: No bin has that many before it.

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
    """Every window once an epoch, in batches of one session each, in an order that only (seed, epoch) decides.

    The paper (Appendix A.1) draws a random session for each batch and takes all its windows from there; going through
    all batches in random order does that and leaves no window out. Since nothing but the epoch's number is needed to
    draw the same order again, a run can be continued at any epoch.

    Args:
        windows: All that is trained on.
        batch_size: B; the last batch of a session can be smaller.
        seed: Together with the epoch decides the order.
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
