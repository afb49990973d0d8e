"""The state from which a fit goes on: what is wrong with its file is told by the file's name."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.models.checkpoint import read_checkpoint
from synapsnet_pyg.runs.run_file import HISTORY

_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError)
"""Errors of torch and Lightning for a state that is not of this model, of its optimizer or of their own."""


def saved_history(path: Path) -> list[Mapping[str, float]]:
    """Reads the rows of the history in a checkpoint of training.

    Args:
        path: Path of ``last.ckpt``.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is no checkpoint, or its history holds no numbers.
    """
    history = read_checkpoint(path).get("history")
    rows = history if isinstance(history, list) else []
    required = HISTORY[:2]  # earlier versions wrote no squared error
    if not rows or not all(isinstance(row, dict) and all(_is_number(row.get(key)) for key in required) for row in rows):
        raise DamagedFileError(
            f"Expected the history of a fit in '{path}' (there is none); fit anew into another folder."
        )
    return rows


@contextmanager
def going_on_from(path: Path, has_begun: Callable[[], bool]) -> Iterator[None]:
    """Turns errors of a ``with`` block that come before the first step into one that names the file of the state.

    Args:
        path: Path of ``last.ckpt``.
        has_begun: Function that returns whether a step was made.

    Raises:
        DamagedFileError: The state in the file is not one of this fit.
    """
    try:
        yield
    except _ERRORS as error:
        if has_begun() or str(path.parent) in str(error) or "memory" in str(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:150]
        raise DamagedFileError(
            f"'{path}' does not hold the state of this fit ({reason}); fit anew into another folder."
        ) from error


def _is_number(value: object) -> bool:
    """Returns whether a value is a number, such as NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool)
