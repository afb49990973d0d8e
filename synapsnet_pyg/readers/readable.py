"""One line for every failure of a library that reads files of other programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

_BUGS = (AssertionError, NameError, NotImplementedError)
"""Errors that no file causes where they are raised by this package's own lines."""

_MOST = 200
"""Largest number of characters of a library's own words."""


@contextmanager
def readable(path: str | Path, *, own: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns errors of a block that reads a recording into one line that names it.

    Errors that do so already stay as they are, and so do missing packages and files, and bugs of this package.

    Args:
        path: File or folder of the recording.
        own: Further errors that stay as they are.

    Raises:
        ValueError: The block raised an error; its ``__cause__`` is that error.

    Example:
        >>> with readable("m.mat"):
        ...     {}["spikes"]
        Traceback (most recent call last):
        ...
        ValueError: 'm.mat' is not readable: damaged or of another kind (KeyError: 'spikes').
    """
    try:
        yield
    except (ImportError, BrokenPipeError, *own):
        raise
    except OSError as error:
        if error.filename is not None or _says(error, path):
            raise
        raise ValueError(_line(path, error)) from error
    except MemoryError as error:
        raise ValueError(
            f"Expected '{path}' to fit into memory (it does not); take longer bins, fewer neurons or less time."
        ) from error
    except Exception as error:
        if _says(error, path) or (isinstance(error, _BUGS) and _is_own(error)):
            raise
        if str(error).startswith("Expected "):
            raise type(error)(f"'{path}': {error}") from error
        raise ValueError(_line(path, error)) from error


def _says(error: Exception, path: str | Path) -> bool:
    """Returns True for an error in this package's words that names the recording."""
    text = str(error)
    return isinstance(error, ValueError | TypeError | OSError) and bool(text) and Path(path).name in text


def _is_own(error: Exception) -> bool:
    """Returns True for an error that a line of this package raised itself."""
    *_, (last, _) = walk_tb(error.__traceback__)
    return str(last.f_globals.get("__name__", "")).startswith(f"{__package__.partition('.')[0]}.")


def _line(path: str | Path, error: Exception) -> str:
    """Returns the line on a library's error, of its first words."""
    words = " ".join(str(error).split())
    kind = "" if isinstance(error, ValueError | OSError) and words else type(error).__name__
    reason = ": ".join(part for part in (kind, words) if part)
    reason = reason if len(reason) <= _MOST else f"{reason[:_MOST]}..."
    return f"'{path}' is not readable: damaged or of another kind ({reason.rstrip('.')})."
