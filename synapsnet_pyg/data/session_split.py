"""Bins of the training, validation and test part of a session."""

from typing import NamedTuple

import torch
from torch import Tensor

PARTS = ("train", "validation", "test")
"""Names of the parts of a session."""

Bins = slice | Tensor
"""Bins of a session: a range of them, which is viewed, or their numbers, which are copied."""


class PartBins(NamedTuple):
    """Bins of a part, and its segments in them."""

    bins: Tensor
    """Bins of the session, in order :math:`(T)`."""
    segment: Tensor
    """First bin and end of each segment in the part :math:`(S, 2)`."""
    context: Tensor
    """Number of bins before each segment that belong to another part :math:`(S)`."""

    @property
    def selection(self) -> Bins:
        """Bins as a slice where they follow each other, so that tensors are viewed and not copied."""
        if not len(self.bins):
            return slice(0, 0)
        if bool((self.bins.diff() == 1).all()):
            return slice(int(self.bins[0]), int(self.bins[-1]) + 1)
        return self.bins


def bins_within(segment: Tensor, context: Tensor, chosen: Tensor) -> PartBins:
    """Returns the bins of some segments and of their contexts, one segment after the other.

    Args:
        segment: First bin and end (exclusive) of each segment :math:`(S, 2)`.
        context: Number of bins before each segment that belong to it :math:`(S)`.
        chosen: True for the segments to keep :math:`(S)`.

    Example:
        >>> segment, chosen = torch.tensor([[0, 3], [3, 5], [7, 9]]), torch.tensor([False, True, True])
        >>> bins_within(segment, torch.tensor([0, 1, 1]), chosen)
        PartBins(bins=tensor([2, 3, 4, 6, 7, 8]), segment=tensor([[1, 3],
                [4, 6]]), context=tensor([1, 1]))
    """
    begin, end, before = segment[chosen, 0], segment[chosen, 1], context[chosen]
    ranges = [torch.arange(a, b) for a, b in zip((begin - before).tolist(), end.tolist(), strict=True)]
    bins = torch.cat(ranges) if ranges else torch.arange(0)
    stop = (end - begin + before).cumsum(0)
    return PartBins(bins.to(segment.device), torch.stack([stop - (end - begin), stop], dim=1), before)


def check_shares(train: float | None, validation: float | None, test: float | None) -> None:
    """Raises an error unless three shares are positive and add up to one."""
    shares = (train, validation, test)
    if any(share is None or share <= 0 for share in shares) or abs(sum(share or 0 for share in shares) - 1) > 1e-6:
        raise ValueError(f"Expected three positive shares that add up to 1 (got {shares}).")


def split_bins(segment: Tensor, train: float, validation: float) -> tuple[int, int]:
    """Returns the first bin of the validation part and of the test part.

    With three segments or more, each border moves to the nearest border between segments, unless the training part
    would lose half of its share.

    Args:
        segment: First bin and end (exclusive) of each segment, :math:`(S, 2)`, with three bins or more in all.
        train: Share of the bins for training.
        validation: Share of the bins for validation.

    Example:
        >>> split_bins(torch.tensor([[0, 40], [40, 80], [80, 90], [90, 100]]), train=0.8, validation=0.1)
        (80, 90)
        >>> split_bins(torch.tensor([[10, 60], [70, 120]]), train=0.8, validation=0.1)
        (100, 110)
    """
    border = (segment[:, 1] - segment[:, 0]).cumsum(0)  # counting only bins in a segment
    total = int(border[-1])
    first, second = round(total * train), round(total * (train + validation))
    if len(border) >= 3:
        a = int((border[:-2] - first).abs().argmin())
        b = a + 1 + int((border[a + 1 : -1] - second).abs().argmin())
        if border[a] >= first / 2:
            return int(segment[a + 1, 0]), int(segment[b + 1, 0])
    first = min(max(first, 1), total - 2)
    second = min(max(second, first + 1), total - 1)
    return _bin_after(first, segment), _bin_after(second, segment)


def _bin_after(count: int, segment: Tensor) -> int:
    """Returns the bin that has ``count`` bins of segments before it."""
    end = (segment[:, 1] - segment[:, 0]).cumsum(0)
    s = int(torch.searchsorted(end, count, right=True))
    return int(segment[s, 1]) - int(end[s]) + count
