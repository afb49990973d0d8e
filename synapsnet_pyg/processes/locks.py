"""Locks of folders: one command at a time writes into a run, and a second one tells who does."""

import json
import os
import shlex
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE = ".synapsnet.lock"
"""Name of the file that is locked, which tells host, process, command and start."""

_BUSY = (BlockingIOError, PermissionError)
"""Errors of a lock that another process has."""


@contextmanager
def held(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Holds a folder for a ``with`` block, so that no other command writes into it at the same time.

    The lock ends with its process, however that ends. Where a disk or a system knows no locks, the block runs without.

    Args:
        folder: Path of the folder, which exists.

    Raises:
        BlockingIOError: Another command holds the folder; the message tells which.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, held(folder):
        ...     os.listdir(folder)
        ['.synapsnet.lock']
    """
    path = Path(folder) / FILE
    handle = _lock(path)
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                path.unlink()
            os.close(handle)


def _lock(path: Path) -> int | None:
    """Returns the handle of a file that this process has locked; None where there are no locks."""
    if fcntl is None:
        return None
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError:  # a folder that takes no files tells so when the command writes
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except _BUSY:
            holder = _holder(handle)
            os.close(handle)
            raise BlockingIOError(
                f"'{path.parent}' is in use by {holder}; wait until it ends, or choose another folder."
            ) from None
        except OSError:  # disks without locks
            os.close(handle)
            return None
        if _is(handle, path):
            _tell(handle)
            return handle
        os.close(handle)  # its holder has just removed it


def _is(handle: int, path: Path) -> bool:
    """Returns whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _tell(handle: int) -> None:
    """Writes who holds the lock; on a full disk the lock holds without."""
    status = os.fstat(handle)
    if status.st_nlink > 1 or not stat.S_ISREG(status.st_mode):  # not a file of ours: its contents stay
        return
    values = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(values).encode(), 0)


def _holder(handle: int) -> str:
    """Returns in words who holds a lock."""
    try:
        values = json.loads(os.pread(handle, 4096, 0))
        told = f"'{values['command']}' (process {values['process']} on {values['host']}, since {values['since']})"
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        return "another command"
    return "".join(c if c.isprintable() else "?" for c in told)
