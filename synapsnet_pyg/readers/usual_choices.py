"""Choices that readers of several formats share: neurons that a format itself rejects, names that it cannot have."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.recording import Selection, literal_blocks


def usual_rows(
    kept: np.ndarray, reason: str, selection: Selection, *, columns: Sequence[str], name: str
) -> tuple[np.ndarray, list[str]]:
    """Returns the rows of the neurons that a format takes for neurons, and a note if some go out.

    Args:
        kept: True for each kept neuron :math:`(N)`.
        reason: What is left out and how to choose, for the note.
        selection: Choices of the user; a ``where`` that names one of the fields replaces this choice.
        columns: Fields by which the format chooses, in lower case.
        name: Name of the recording in messages.

    Raises:
        ValueError: No neuron would be left.
    """
    if selection.chooses(*columns) or kept.all():
        return np.arange(len(kept)), []
    if not kept.any():
        raise ValueError(f"Expected neurons in '{name}' (all {len(kept)} go out: {reason}).")
    return np.flatnonzero(kept), [f"kept {int(kept.sum())} of {len(kept)}: {reason}"]


def counted(entries: Sequence[str] | np.ndarray, empty: str) -> str:
    """Returns how often each text comes, the most frequent first.

    Args:
        entries: Texts.
        empty: Word for an empty text.

    Example:
        >>> counted(["good", "mua", "", "good"], "unsorted")
        '2 good, 1 mua, 1 unsorted'
    """
    numbers = Counter(text or empty for text in texts(entries))
    return shorten([f"{number} {text}" for text, number in numbers.most_common()], 8)


def only_activity(selection: Selection, label: str) -> list[tuple[float, float]]:
    """Returns the excluded blocks of time; raises an error for names in a format that holds activity only.

    Args:
        selection: Choices of the user.
        label: Name of the format, as "a phy folder".

    Raises:
        ValueError: Behaviours, events or intervals are asked for.
    """
    blocks, names = literal_blocks(selection.exclude)
    asked = [*selection.behaviour, *selection.events, *([selection.intervals] if selection.intervals else []), *names]
    if asked:
        raise ValueError(
            f"Expected no names of behaviours, events or intervals for {label}, which holds none (got "
            f"{shorten(asked)}); --exclude START:STOP in seconds works."
        )
    return blocks


def named(name: str | None, present: Sequence[str], usual: Sequence[str], label: str) -> str:
    """Returns the name of the activity: the one asked for, or the first usual one that is present.

    Args:
        name: Name that the user gave. None: the usual one.
        present: Names in the file.
        usual: Names in the order of preference.
        label: Name of the file in messages.

    Raises:
        ValueError: There is no such activity, or none of the usual ones.
    """
    if name is not None:
        if name not in present:
            raise ValueError(f"Expected --activity among {shorten(list(present), 12)} in {label} (got '{name}').")
        return name
    for candidate in usual:
        if candidate in present:
            return candidate
    there = shorten(list(present), 12) or "none"
    raise ValueError(f"Expected activity under one of the names {', '.join(usual)} in {label} (it has {there}).")


def choice_note(chosen: str, present: Sequence[str]) -> str:
    """Returns the note which activity was chosen, and which others are there.

    Example:
        >>> choice_note("F_dff", ["C", "F_dff", "S"])
        'activity F_dff (also there: C, S; --activity for another)'
    """
    others = [name for name in present if name != chosen]
    return f"activity {chosen}" + (f" (also there: {', '.join(others)}; --activity for another)" if others else "")
