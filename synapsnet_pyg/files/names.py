"""Names of files, and values as texts of messages."""

import hashlib
import os
import re
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

_LONGEST = 120
"""Largest number of bytes of a name, of 255 that disks allow: endings and digits follow."""
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{number}" for device in ("com", "lpt") for number in range(10))}
"""Names that Windows gives to devices, with any ending."""


def file_name(session: str) -> str:
    """Returns the name of a session as the name of a file or folder; other names get other ones.

    Letters, digits and ``-_.`` stay. A name with other characters, of dots alone, that begins with a dot, is very long
    or belongs to a device gets ``_`` in place of these and a few digits of its checksum.

    Example:
        >>> file_name("mouse-3"), file_name("mouse 3"), file_name("..")
        ('mouse-3', 'mouse_3-8b7725', '__-5ec1f7')
    """
    kept = re.sub(r"^\.+|\.+$", lambda dots: "_" * len(dots[0]), label_name(session))
    kept = kept.encode()[:_LONGEST].decode(errors="ignore") or "_"
    if kept == session and kept.partition(".")[0].lower() not in _RESERVED:
        return session
    digest = hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kept}-{digest[:6]}"


def label_name(label: str) -> str:
    """Returns a label of this package as the name of a file or folder; names of sessions need :func:`file_name`.

    Example:
        >>> label_name("synapsnet, window 5")
        'synapsnet__window_5'
    """
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in label)


def session_folder(folder: Path, session: str, sessions: Collection[str]) -> Path:
    """Returns the folder of one session, or that of version 0.2, which did not tell all names apart.

    The older folder counts only if it is there and no other session can have written to it.

    Args:
        folder: Folder of the run.
        session: Name of the session.
        sessions: Names of all sessions of the run.
    """
    older = label_name(session)
    if len(older.encode()) > 255:  # no disk took it
        return folder / file_name(session)
    writers = sum(older in (label_name(other), file_name(other)) for other in sessions)
    path = folder / file_name(session)
    is_older = writers == 1 and older.strip(".") and not path.exists() and (folder / older).is_dir()
    return folder / older if is_older else path


def require_distinct(names: Iterable[str]) -> None:
    """Raises an error if names of sessions are equal or differ in capital letters alone, which some disks overlook.

    Raises:
        ValueError: Two names are the same, or the same but for capital letters.
    """
    known: dict[str, str] = {}
    for name in names:
        if name in known.values():
            raise ValueError(f"Expected sessions of different names ('{name}' comes twice); rename one.")
        other = known.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(
                f"Expected names of sessions that differ in more than capital letters (got '{other}' and '{name}', "
                "whose files many disks take for one); rename one."
            )


def visible(folder: Path, pattern: str) -> list[Path]:
    """Returns the files and folders of a folder that match a pattern, sorted, without hidden ones."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def typed_path(path: str | os.PathLike[str]) -> str:
    """Returns a path as it is typed in a shell, never taken for an option.

    Example:
        >>> typed_path("my data.npz"), typed_path("-old.npz")
        ("'my data.npz'", './-old.npz')
    """
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def shorten(values: list[Any], most: int = 5) -> str:
    """Returns values as a text for a message: at most the first ``most`` of them, and the number of the rest."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
