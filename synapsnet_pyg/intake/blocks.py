"""Blocks of time: parts of a recording with a start and a stop."""

import numpy as np
from numpy.typing import ArrayLike

from synapsnet_pyg.intake.notes import warn

Blocks = list[tuple[float, float]]
"""Blocks of time in seconds, (start, stop), in order of their starts."""


def blocks_of(start: ArrayLike, stop: ArrayLike, label: str) -> Blocks:
    """Returns blocks from starts and stops, sorted; rows without a duration above zero are left out with a warning.

    Args:
        start: Start of each block in seconds.
        stop: Stop of each block in seconds.
        label: Name of the table in messages.

    Raises:
        ValueError: There are not as many starts as stops.

    Example:
        >>> blocks_of([5, 0], [6, 2], "trials")
        [(0.0, 2.0), (5.0, 6.0)]
    """
    first, last = (np.asarray(values, dtype=np.float64).ravel() for values in (start, stop))
    if len(first) != len(last):
        raise ValueError(f"Expected as many starts as stops in {label} (got {len(first)} and {len(last)}).")
    good = np.isfinite(first) & np.isfinite(last) & (last > first)
    if not good.all():
        warn(f"{int((~good).sum())} of {len(good)} rows of {label} have no start before their stop and are left out.")
    return sorted(zip(first[good].tolist(), last[good].tolist(), strict=True))


def merged(blocks: Blocks, gap: float = 0.0) -> Blocks:
    """Joins blocks that overlap or are at most ``gap`` seconds apart."""
    joined: Blocks = []
    for start, stop in sorted(blocks):
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def apart(blocks: Blocks) -> Blocks:
    """Returns blocks without their overlaps; blocks that only touch are not joined."""
    separate: Blocks = []
    for start, stop in sorted(blocks):
        start = max(start, separate[-1][1]) if separate else start
        if start < stop:
            separate.append((start, stop))
    return separate


def without(blocks: Blocks, bad: Blocks) -> Blocks:
    """Returns the parts of blocks that lie outside bad blocks.

    Example:
        >>> without([(0, 10)], [(2, 3), (9, 12)])
        [(0, 2), (3, 9)]
    """
    for begin, end in merged(bad):
        blocks = [
            piece
            for start, stop in blocks
            for piece in ((start, min(stop, begin)), (max(start, end), stop))
            if piece[0] < piece[1]
        ]
    return blocks


def within(blocks: Blocks, outer: Blocks) -> Blocks:
    """Returns the parts of blocks that lie inside other blocks.

    Example:
        >>> within([(0, 4), (5, 9)], [(3, 6)])
        [(3, 4), (5, 6)]
    """
    return [
        (max(start, a), min(stop, b))
        for start, stop in blocks
        for a, b in merged(outer)
        if max(start, a) < min(stop, b)
    ]


def duration(blocks: Blocks) -> float:
    """Returns the sum of the blocks' durations in seconds."""
    return float(sum(stop - start for start, stop in blocks))
