"""A place for a hostile file, and the command that meets it."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Scene:
    """Folder with session.h5, run and plain.npz, and what the file is after.

    Attributes:
        ran: File that hostile code makes.
        secret: File that nobody gave.
    """

    folder: Path
    ran: Path
    secret: Path

    @property
    def evil(self) -> "Evil":
        """An object whose unpickling runs code."""
        return Evil(str(self.ran))

    @property
    def code(self) -> str:
        """Python code that tells that it ran."""
        return f"open({str(self.ran)!r}, 'w').close()\n"


@dataclass(frozen=True)
class Meeting:
    """How the file is met.

    Attributes:
        words: Command line.
        named: Names of which one must stand in the line of a refusal.
        may_load: Whether it is right too that the command ends well.
        fresh: Whether the command needs an interpreter of its own, because it is about what is imported.
        within: Folder in which the command is given.
        read: Function that reads the file, in place of a command.
        hostile: Names of files that may hold the secret, as they were made so.
    """

    words: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    may_load: bool = False
    fresh: bool = False
    within: str = "."
    read: Callable[[], Any] | None = None
    hostile: tuple[str, ...] = ()


class Evil:
    """Object that, unpickled, makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def read_in_python(read: Callable[[], Any]) -> int:
    """Calls a function; warnings, and errors that users are told of, become a line each, as on the command line."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
        try:
            read()
        except (ValueError, OSError, ImportError, FloatingPointError) as error:
            print(" ".join(str(error).split()), file=sys.stderr)
            return 2
    return 0
