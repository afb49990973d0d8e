"""Folders, atomic writing of files, texts of messages and imports of optional packages."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""Object of JSON, only where JSON is read or written."""


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Makes a folder and its parents, if they do not exist.

    Args:
        path: Path of the folder.

    Raises:
        OSError: The folder cannot be made; the message gives the reason.
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
    """Gives a ``with`` block a temporary path, and moves the file to ``path`` if the block ends without an error.

    A full disk, an interrupt or an error leaves an older file at ``path`` unchanged.

    Args:
        path: Path of the file; its folder must exist.

    Raises:
        OSError: The folder is missing, not writable or full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (got '{path.parent}'); make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file name (got the folder '{path}'); name a file in it.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise type(error)(f"Expected to write '{path}' (its folder takes no files: {error.strerror}).") from None
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes private files; the result gets the permissions of the user's other files.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_name(session: str) -> str:
    """Returns the name of a session as a file name: letters, digits and ``-_.`` stay, the rest becomes ``_``."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in session)


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


def require_memory(needed: int, label: str) -> None:
    """Raises an error if an array would not fit into the memory that is free.

    Args:
        needed: Number of bytes.
        label: Description of the array in the message.

    Raises:
        ValueError: Less memory is free, or allowed to this process.
    """
    free = free_memory()
    if needed > free:
        raise ValueError(
            f"Expected {label} to fit into memory (they need {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are "
            "free); take longer bins, fewer neurons or a part of the time."
        )


def require_disk_space(folder: Path, needed: int) -> None:
    """Raises an error if a folder takes no files, or its disk has too little space for checkpoints.

    Args:
        folder: Folder, which exists.
        needed: Number of bytes.

    Raises:
        OSError: The folder is not writable, or less space is free.
    """
    with atomic_path(folder / ".room") as temporary:
        temporary.write_bytes(b"x")
    (folder / ".room").unlink()
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(
            f"Expected {needed / 1e6:.0f} MB of free disk for the checkpoints in '{folder}' (got {free / 1e6:.0f} MB); "
            "free some space or choose another folder."
        )


def free_memory() -> float:
    """Returns the number of bytes that this process may still take; infinity if the system does not say."""
    free = float("inf")
    with suppress(OSError, ValueError, StopIteration, ImportError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024.0 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    with suppress(OSError, ValueError, ImportError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            free = min(free, limit - pages * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        free = min(free, limit - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    return free


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
    """Returns the first setting that differs, as the text ``key then (got now)``; an empty text without a difference.

    Args:
        now: Settings of this call.
        then: Settings saved on disk.
    """
    for key in [*now, *(key for key in then if key not in now)]:
        if now.get(key) != then.get(key):
            return f"{key} {then.get(key)} (got {now.get(key)})"
    return ""
