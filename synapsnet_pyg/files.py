"""Folders, files that are written wholly or not at all, and packages that only some functions need."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""Object of JSON, only where JSON is read or written."""


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Makes a folder, and those above it, if it is not there.

    Raises:
        OSError: It cannot be made; the message says why.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "there is a file of that name" if path.is_file() else error.strerror
        raise type(error)(f"Expected a folder '{path}', or a place to make it ({reason}).") from None
    return path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Hands out a temporary path beside ``path`` and moves it there when the block ends well.

    A full disk, an interrupt or an error inside the block leaves whatever was at ``path`` as it was.

    Args:
        path: Where the file shall be. Its folder must exist.

    Raises:
        OSError: The folder is missing, not writable or full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (got '{path.parent}'); make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file name (got the folder '{path}'); name a file in it.")
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes private files; a result is readable as the user's other files are.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_name(session: str) -> str:
    """Returns the name of a session as the name of a file: letters, digits and ``-_.``, the rest as ``_``."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in session)


def shorten(values: list[Any], most: int = 5) -> str:
    """Returns the first few of many values as text, for a message."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"


def optional_import(module: str, extra: str) -> Any:
    """Imports a module of a package that only some functions need.

    Args:
        module: Name of the module, such as ``scipy.sparse``.
        extra: Extra of ``synapsnet_pyg`` that installs it.

    Raises:
        ImportError: The package is not installed; the message has the line of pip that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"Expected {package} to be installed (got: {error}); pip install {package}, or pip install "
            f"'synapsnet_pyg[{extra}]'"
        ) from None


def first_difference(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """Returns the first setting that differs, as ``key then (got now)``; an empty text where all are the same.

    Args:
        now: Settings asked for.
        then: Settings that were kept on disk.
    """
    for key in [*now, *(key for key in then if key not in now)]:
        if now.get(key) != then.get(key):
            return f"{key} {then.get(key)} (got {now.get(key)})"
    return ""
