"""Shares that several processes have in the steps of a training."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.utils.data import Sampler

from synapsnet_pyg.data.windows import EpochSampler


class Share(NamedTuple):
    """Windows that one process computes in a step."""

    group: int
    """Index into the windows of the sampler."""
    rows: Tensor
    """Numbers of the windows there [B]."""
    weight: float
    """Factor of their mean loss; the factors of all processes add to 1. At 0 the windows do not count."""


class ShareSampler(Sampler[Share]):
    r"""Shares of one process in the steps of an epoch.

    A step minimises the weighted mean of the losses of all processes, :math:`\sum_r w_r \mathcal{L}_r`. Either

    - each process has its part of every batch, with the weight of its part in the batch. The steps are then those of
      one process. Or
    - each process has batches of its own sessions, and a step takes one batch of every process with equal weights.
      Towards the end of an epoch some processes may have no batch left. They then get one window of weight 0, because
      all processes make the same number of steps.

    Args:
        batches: Batches of one epoch: those of all processes, or those of this process's sessions.
        rank: Number of this process.
        size: Number of processes.
        lengths: Number of batches of each process; None: the processes share every batch.

    Example:
        >>> import torch
        >>> from synapsnet_pyg.data.session import Session
        >>> from synapsnet_pyg.data.windows import every_window
        >>> windows = [every_window(Session(torch.zeros(2, 12), bin_size=0.1), window=5)]
        >>> [(len(s.rows), s.weight) for s in ShareSampler(EpochSampler(windows, batch_size=7), rank=0, size=2)]
        [(4, 0.5714285714285714)]
    """

    def __init__(
        self, batches: EpochSampler, rank: int = 0, size: int = 1, *, lengths: Sequence[int] | None = None
    ) -> None:
        self.batches, self.rank, self.size, self.lengths = batches, rank, size, lengths

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass."""
        self.batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.batches) if self.lengths is None else max(self.lengths)

    def __iter__(self) -> Iterator[Share]:
        step = 0
        for group, rows in self.batches:
            if self.lengths is None:
                part = rows.tensor_split(self.size)[self.rank]
                yield Share(group, part if len(part) else rows[:1], len(part) / len(rows))
            else:
                yield Share(group, rows, 1 / sum(length > step for length in self.lengths))
            step += 1
        for _ in range(step, len(self)):
            yield Share(group, rows[:1], 0.0)


def owners(loads: Mapping[str, int], size: int) -> dict[str, int]:
    """Returns session name -> number of its process, so that no process has much more to do than another.

    The largest session goes first, each to the process with the least load so far.

    Args:
        loads: Session name -> load.
        size: Number of processes.

    Example:
        >>> owners({"short": 3, "long": 9, "medium": 5}, size=2)
        {'short': 1, 'long': 0, 'medium': 1}
    """
    total, owner = [0] * size, dict.fromkeys(loads, 0)
    for name in sorted(loads, key=lambda name: -loads[name]):
        owner[name] = min(range(size), key=lambda process: total[process])
        total[owner[name]] += loads[name]
    return owner
