"""Blocks of consecutive bins, the units that are resampled or left out where bins depend on each other."""

import torch
from torch import Tensor


def block_length(series: Tensor, least: int = 1) -> int:
    r"""Returns the length of blocks that are nearly independent of each other.

    The length is twice the first lag at which the autocorrelation of a series is not larger than chance,
    :math:`2 / \sqrt M`, at least :math:`M^{1/3}` and ``least``, and at most a tenth of the series.

    Args:
        series: Time series :math:`(S, M)`, such as the score of each bin for S models; the longest length counts.
        least: Smallest length, such as the window of a model.

    Example:
        >>> block_length(torch.tensor([[1.0, -1.0] * 50]), least=7)
        10
        >>> block_length(torch.ones(1, 1000))
        10
    """
    M = series.shape[1]
    centred = series - series.mean(1, keepdim=True)
    power = centred.square().mean(1).clamp_min(1e-300)
    lasting = torch.ones(len(series), dtype=torch.bool)
    lag = 0
    while bool(lasting.any()) and lag < M // 20:
        lag += 1
        rho = (centred[:, lag:] * centred[:, : M - lag]).sum(1) / M / power
        lasting &= rho.abs() > 2 / M**0.5
    return max(1, min(max(2 * lag, round(M ** (1 / 3)), least), M // 10))


def time_blocks(bins: Tensor, segment: Tensor, length: int) -> Tensor:
    """Returns the block of each bin, numbers [M] from 0.

    A segment is divided into blocks of about equal length. Segments shorter than a block are joined, whole.

    Args:
        bins: Indices of the bins in the session, ascending :math:`(M)`.
        segment: First bin and end of each segment :math:`(S, 2)`.
        length: Length of a block, about.

    Example:
        >>> time_blocks(torch.arange(2, 10), torch.tensor([[0, 8], [8, 10]]), length=3).tolist()
        [0, 0, 0, 1, 1, 1, 2, 2]
        >>> time_blocks(torch.tensor([1, 3, 5, 7]), torch.tensor([[0, 2], [2, 4], [4, 6], [6, 8]]), length=2).tolist()
        [0, 0, 1, 1]
    """
    counts = torch.bincount(torch.searchsorted(segment[:, 1].contiguous(), bins, right=True)).tolist()
    sizes: list[int] = []
    filled = True  # the last block takes no further segment
    for count in counts:
        if not count:
            continue
        pieces = max(1, round(count / length))
        for k in range(pieces):
            size = count * (k + 1) // pieces - count * k // pieces
            if filled or pieces > 1:
                sizes.append(size)
            else:
                sizes[-1] += size
            filled = pieces > 1 or sizes[-1] >= length
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes, dtype=torch.long))


def block_sums(values: Tensor, block: Tensor) -> Tensor:
    """Returns the sums of values [N, M] over each of the B blocks [M]: [N, B] in float64."""
    sums = torch.zeros(len(values), int(block.max()) + 1, dtype=torch.float64)
    return sums.index_add_(1, block, values.double())
