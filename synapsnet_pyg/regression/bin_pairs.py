"""Inputs and targets of regressions: bins of a recording and the bins before them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session


class BinPairs(NamedTuple):
    """Inputs and targets of n bins."""

    seen: list[Tensor]
    """Activity of each lag before the target, newest first [N, n], or its weighted sum alone."""
    behaviour: Tensor
    """Behaviour of the bin before the target [K, n]."""
    target: Tensor
    """Activity of the bins [N, n]."""


def pairs_of_bins(
    session: Session, lags: int = 1, *, kernel: Tensor | None = None, chunk: int = 4096
) -> Iterator[BinPairs]:
    """Yields the inputs and targets of a regression, those of several short segments together.

    Args:
        session: Session, or a part of its split.
        lags: Number of bins before the target that are inputs.
        kernel: Weights of the last bins, newest last, in place of ``lags``.
        chunk: Number of bins, about: matrices of as many inputs are then read and written once for all of them.

    Raises:
        ValueError: Every segment is too short.
    """
    past = lags if kernel is None else 1
    waiting: list[BinPairs] = []
    found = False
    for begin, end in session.segment.tolist():
        for start in range(begin + past, end, chunk):
            stop = min(start + chunk, end)
            if kernel is None:
                seen = [session.activity[:, start - lag : stop - lag] for lag in range(1, lags + 1)]
            else:
                before = session.activity[:, max(begin, start - len(kernel)) : stop - 1]
                seen = [filtered(before, kernel)[:, start - stop :]]
            behaviour = session.behaviour[start - 1 : stop - 1].t()
            waiting.append(BinPairs(seen, behaviour, session.activity[:, start:stop]))
            found = True
            if sum(pairs.target.shape[1] for pairs in waiting) >= chunk:
                yield joined(waiting)
                waiting = []
    if waiting:
        yield joined(waiting)
    if not found:
        raise ValueError(f"Expected a segment of more than {past} bins in session '{session.name}' (all are shorter).")


def joined(pairs: Sequence[BinPairs]) -> BinPairs:
    """Returns pairs of several pieces of a recording side by side."""
    if len(pairs) == 1:
        return pairs[0]
    seen = [torch.cat(values, dim=1) for values in zip(*(each.seen for each in pairs), strict=True)]
    behaviour, target = (torch.cat(values, dim=1) for values in zip(*(each[1:] for each in pairs), strict=True))
    return BinPairs(seen, behaviour, target)


def filtered(activity: Tensor, kernel: Tensor) -> Tensor:
    """Returns the kernel's weighted sum of the bins up to each one [N, T], scaled where fewer bins come before it.

    Args:
        activity: Activity of bins that follow each other :math:`(N, T)`.
        kernel: Weights of the last bins :math:`(W)`, newest last.
    """
    summed, present = torch.zeros_like(activity), activity.new_zeros(activity.shape[1])
    for age, weight in enumerate(kernel.flip(0).tolist()):
        if weight and age < activity.shape[1]:
            summed[:, age:] += weight * activity[:, : activity.shape[1] - age]
            present[age:] += weight
    return summed * (kernel.sum() / present)
