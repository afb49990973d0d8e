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
    except own:
        raise
    except (ImportError, BrokenPipeError):
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
        if isinstance(error, _BUGS) and _is_own(error):
            raise
        says, text = _says(error, path), _plain(str(error))
        if not says and not text.startswith("Expected "):
            raise ValueError(_line(path, error)) from error
        if says and text == str(error):
            raise
        kind = type(error) if isinstance(error, ValueError | TypeError) else ValueError
        raise kind(text if says else f"'{path}': {text}") from error


def _says(error: Exception, path: str | Path) -> bool:
    """Returns True for an error that names the recording, as those of this package do."""
    is_usual = isinstance(error, ValueError | TypeError | OSError) and not isinstance(error, UnicodeError)
    return is_usual and Path(path).name in str(error)


def _plain(text: str) -> str:
    """Returns a text in one line, without characters that no terminal shows, such as those in a damaged name."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _is_own(error: Exception) -> bool:
    """Returns True for an error that a line of this package raised itself."""
    *_, (last, _) = walk_tb(error.__traceback__)
    return str(last.f_globals.get("__name__", "")).startswith(f"{__package__.partition('.')[0]}.")


def _line(path: str | Path, error: Exception) -> str:
    """Returns the line on a library's error, of its first words."""
    words = _plain(str(error))
    kind = "" if isinstance(error, ValueError | OSError) and words else type(error).__name__
    reason = ": ".join(part for part in (kind, words) if part)
    reason = reason.rstrip(".") if len(reason) <= _MOST else f"{reason[:_MOST]}..."
    return f"'{path}' is not readable: damaged or of another kind ({reason})."
