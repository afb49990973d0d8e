"""Where the bins of a session lie that have enough past in their own segment."""

from collections.abc import Iterator

from synapsnet_pyg.session import Session


def stretches(session: Session, past: int = 0, longest: int = 4096) -> Iterator[tuple[int, int]]:
    """First bin and end (exclusive) of stretches whose every bin has ``past`` bins before it in its segment.

    Args:
        session: One part of the split.
        past: How many bins before.
        longest: Bins of a stretch at most, so that what is computed from it fits the cache.

    Raises:
        ValueError: No bin has that many before it.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, segment=torch.tensor([[0, 5], [5, 6], [6, 9]]))
        >>> list(stretches(session, past=1, longest=3))
        [(1, 4), (4, 5), (7, 9)]
    """
    if not any(end - begin > past for begin, end in session.segment.tolist()):
        raise ValueError(f"Expected a segment of more than {past} bins in session '{session.name}' (all are shorter).")
    for begin, end in session.segment.tolist():
        for start in range(begin + past, end, longest):
            yield start, min(start + longest, end)
