"""Borders between the training, validation and test part of a session."""

import torch
from torch import Tensor


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
