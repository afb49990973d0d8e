"""Divisions of a session into training, validation and test part, and folds of a cross-validation."""

import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import checked_segment, checked_segment_context, checked_segment_part

LONGEST_CONTEXT = 256
"""Largest number of bins before a part that its forecasts may see."""


class Piece(NamedTuple):
    """Bins of one segment that belong to one part."""

    begin: int
    """First bin."""
    end: int
    """End (exclusive)."""
    part: str
    """``train``, ``validation``, ``test`` or an empty text (unused)."""
    context: int = 0
    """Number of bins before the first that its forecasts may see."""


def divided(session: Session, pieces: Sequence[Piece]) -> Session:
    """Returns a session, in the same memory, whose segments are pieces with a part each.

    Args:
        session: Session of any division.
        pieces: Pieces in the order of time; empty ones are left out.

    Raises:
        ValueError: A part has no piece, or the pieces overlap or lie outside the session.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1)
        >>> parts = divided(session, [Piece(0, 4, "train"), Piece(4, 6, "test"), Piece(6, 9, "validation")])
        >>> parts.segment.tolist(), parts.split().validation.num_bins
        ([[0, 4], [4, 6], [6, 9]], 3)
    """
    kept = [piece for piece in pieces if piece.end > piece.begin]
    part = copy(session)
    rows = torch.tensor([(piece.begin, piece.end) for piece in kept]).reshape(-1, 2)
    part.segment = checked_segment(rows, session.num_bins)
    context = checked_segment_context(torch.tensor([piece.context for piece in kept]), part.segment)
    parts = checked_segment_part([piece.part for piece in kept], len(kept))
    part.update({"segment_part": parts, "segment_context": context if any(piece.context for piece in kept) else None})
    return part


def by_segment(session: Session, parts: Sequence[str]) -> Session:
    """Returns a session, in the same memory, with a part for each of its segments.

    Args:
        session: Session of any division.
        parts: Part of each segment: ``train``, ``validation``, ``test`` or an empty text (unused).

    Raises:
        ValueError: There are not as many parts as segments, or a part has no segment.

    Example:
        >>> session = Session(torch.zeros(2, 9), bin_size=0.1, segment=torch.tensor([[0, 3], [3, 6], [6, 9]]))
        >>> by_segment(session, ["test", "train", "validation"]).split().test.segment.tolist()
        [[0, 3]]
    """
    names = checked_segment_part(parts, len(session.segment)) or []
    return divided(session, [Piece(a, b, name) for (a, b), name in zip(session.segment.tolist(), names, strict=True)])


def each_segment(session: Session, pieces: Callable[[int, int], Sequence[Piece]]) -> Session:
    """Returns a session whose segments are all divided in the same way.

    Args:
        session: Session of any division.
        pieces: Function from first bin and end of a segment to its pieces.
    """
    return divided(session, [piece for begin, end in session.segment.tolist() for piece in pieces(begin, end)])


def in_time(session: Session, train: float, validation: float, context: int = 0) -> Session:
    """Returns a session that is cut in time at two shares of its bins, each rounded down.

    Args:
        session: Session of any division.
        train: Share of the bins for training.
        validation: Share of the bins for validation; the remainder is the test part.
        context: Largest number of bins before a part, in the same segment, that its forecasts may see.

    Example:
        >>> parts = in_time(Session(torch.zeros(2, 21), bin_size=0.05), 0.7, 0.15, context=10)
        >>> parts.segment.tolist(), parts.context.tolist()
        ([[0, 14], [14, 17], [17, 21]], [0, 10, 10])
    """
    length = session.segment[:, 1] - session.segment[:, 0]
    total = int(length.sum())
    first, second = int(total * train), int(total * (train + validation))
    pieces, before = [], 0
    for begin, end in session.segment.tolist():
        for part, low, high in (("train", 0, first), ("validation", first, second), ("test", second, total)):
            start = begin + min(max(low - before, 0), end - begin)
            stop = begin + min(max(high - before, 0), end - begin)
            pieces.append(Piece(start, stop, part, 0 if part == "train" else min(context, start - begin)))
        before += end - begin
    return divided(session, pieces)


@dataclass(frozen=True)
class Fold:
    """One of several divisions of a session, whose test parts together are the session.

    Blocks in time: the bins are cut into K blocks of the same length. Block k is the test part, the block before it
    (before the first: the last) the validation part, and the others are the training part. With ten blocks the last
    fold is 80/10/10 in time. Between training and another part, and between validation and test part, a gap of bins
    belongs to no part, so that no training bin is near a test bin; the gap is taken from the training or validation
    part. Trials: whole segments at random, by seed 0, in K groups in place of blocks, without gaps.

    Args:
        number: Number of the fold, from 1 to K.
        folds: Number of folds K, 3 or more.
        trials: Whether whole segments are drawn in place of blocks in time.
        gap: Number of bins between two parts; None: the context of the protocol.

    Raises:
        ValueError: A number is out of range.
    """

    number: int
    folds: int
    trials: bool = False
    gap: int | None = None

    def __post_init__(self) -> None:
        if self.folds < 3 or not 1 <= self.number <= self.folds:
            raise ValueError(
                f"Expected at least 3 folds (training, validation, test), and a fold from 1 to their number (got "
                f"{self.number} of {self.folds})."
            )

    @classmethod
    def of(cls, text: str) -> "Fold":
        """Reads a fold such as ``2/5`` (blocks in time), ``2/5 gap 48`` or ``2/5 trials``.

        Raises:
            ValueError: The text is no fold, or a number is out of range.

        Example:
            >>> Fold.of("2/5 gap 48")
            Fold(number=2, folds=5, trials=False, gap=48)
        """
        found = re.fullmatch(r"(\d+)/(\d+)(?:( trials)| gap (\d+))?", text)
        if found is None:
            raise ValueError(f"Expected a fold such as 2/5, 2/5 gap 48 or 2/5 trials (got '{text}').")
        number, folds, trials, gap = found.groups()
        return cls(int(number), int(folds), trials is not None, None if gap is None else int(gap))

    def __str__(self) -> str:
        end = " trials" if self.trials else "" if self.gap is None else f" gap {self.gap}"
        return f"{self.number}/{self.folds}{end}"

    def divide(self, session: Session, gap: int) -> Session:
        """Returns a session with the parts of this fold.

        Args:
            session: Session of any division.
            gap: Number of bins between two parts if the fold has no gap of its own.

        Raises:
            ValueError: The session has fewer trials than folds, or blocks that are not longer than the gap.
        """
        return self._trials(session) if self.trials else self._blocks(session, gap if self.gap is None else self.gap)

    @property
    def _validation(self) -> int:
        """Number of the block or group before that of the test part."""
        return (self.number - 2) % self.folds + 1

    def _trials(self, session: Session) -> Session:
        """Draws whole segments."""
        S = len(session.segment)
        if self.folds > S:
            raise ValueError(
                f"Expected at least as many segments as folds (session '{session.name}' has {S} for {self.folds} "
                "folds); use fewer folds, or blocks in time."
            )
        group = torch.randperm(S, generator=torch.Generator().manual_seed(0)) % self.folds + 1
        names = {self.number: "test", self._validation: "validation"}
        return by_segment(session, [names.get(g, "train") for g in group.tolist()])

    def _blocks(self, session: Session, gap: int) -> Session:
        """Cuts the bins into blocks, and leaves gaps."""
        length = session.segment[:, 1] - session.segment[:, 0]
        total = int(length.sum())
        if total // self.folds <= 2 * gap + 1:
            raise ValueError(
                f"Expected blocks of more than {2 * gap + 1} bins, two contexts and a bin (session '{session.name}' "
                f"has {total} bins for {self.folds} folds); use fewer folds or a shorter context."
            )
        where = torch.cat([torch.arange(a, b) for a, b in session.segment.tolist()])
        rank = torch.zeros(session.num_bins, dtype=torch.long)  # 0 unused, 1 training, 2 validation, 3 test
        block = torch.arange(total) * self.folds // total + 1
        rank[where] = 1 + (block == self._validation).long() + 2 * (block == self.number).long()
        # A bin gives way if a bin of a higher rank, or of validation to a training bin, is within the gap.
        reach = torch.nn.functional.max_pool1d(rank[None].float(), 2 * gap + 1, stride=1, padding=gap)[0].long()
        rank[reach > rank] = 0
        parts, pieces = ("", "train", "validation", "test"), []
        for begin, end in session.segment.tolist():
            here, lengths = rank[begin:end].unique_consecutive(return_counts=True)
            stops = begin + lengths.cumsum(0)
            pieces += [
                Piece(stop - count, stop, parts[r])
                for r, count, stop in zip(here.tolist(), lengths.tolist(), stops.tolist(), strict=True)
            ]
        return divided(session, pieces)
