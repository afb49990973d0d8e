"""Folders, and files that are written completely or not at all."""

import errno
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from synapsnet_pyg.processes.signals import held_back

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEFTOVER = ".part"
"""Ending of the hidden folder that holds a file until it is complete."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_swept: set[Path] = set()
"""Folders in which this process has looked for what killed commands left."""


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
def atomic_path(path: str | os.PathLike[str], *, new: bool = False) -> Iterator[Path]:
    """Gives a ``with`` block a temporary path, and moves the file to ``path`` if the block ends without an error.

    A full disk, an interrupt or an error leaves an older file at ``path`` unchanged. The contents are on the disk
    before the name is. The new file keeps the permissions of the older one; of a symbolic link, the file that it points
    to is replaced. The file lies in a hidden folder until it is complete; one that a killed command left is removed.

    Args:
        path: Path of the file; its folder must exist.
        new: Whether to keep an older file, and raise an error. Of several processes, one alone makes the file.

    Raises:
        FileExistsError: The file is there already and should be new.
        OSError: The folder is missing, not writable or full, or an older file is read-only.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (got '{path.parent}'); make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file name (got the folder '{path}'); name a file in it.")
    target = Path(os.path.realpath(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"Expected a file that may be replaced ('{path}' is read-only); choose another name.")
    with hidden_folder(target, path) as folder, room(path):
        temporary = folder / target.name
        temporary.touch()
        with suppress(FileNotFoundError):
            temporary.chmod(target.stat().st_mode)
        yield temporary
        _sync(temporary)
        if new:
            _name_new(temporary, target)
        else:
            os.replace(temporary, target)
        _sync(target.parent)


@contextmanager
def atomic_stream(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Gives a ``with`` block a binary file, which gets the name ``path`` if the block ends without an error.

    It is for libraries that end badly or say nothing when the disk is full (HDF5, :func:`torch.save`): the file takes
    all that they write, and the error comes at the end of the block.

    Args:
        path: Path of the file; its folder must exist.

    Raises:
        OSError: As in :func:`atomic_path`.
    """
    with atomic_path(path) as temporary, _late_interrupts(), temporary.open("w+b", buffering=0) as raw:
        stream = _LateErrors(raw)
        yield stream  # type: ignore[misc]
        stream.check()


@contextmanager
def _late_interrupts() -> Iterator[None]:
    """Raises at its end an interrupt that came while HDF5 wrote: HDF5 swallows it, and the write that it fell into."""
    swallowed, hook = [], sys.unraisablehook

    def show(unraisable: Any) -> None:
        """Remembers an interrupt."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            swallowed.append(True)
        hook(unraisable)

    sys.unraisablehook = show
    try:
        yield
    finally:
        sys.unraisablehook = hook
    if swallowed:
        raise KeyboardInterrupt


@contextmanager
def room(path: str | os.PathLike[str]) -> Iterator[None]:
    """Tells that the disk is full, whatever error a library makes of that.

    Args:
        path: Path of a file that the block writes; its folder must exist.

    Raises:
        OSError: The disk has no space left.
    """
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in _NO_ROOM or (number is None and shutil.disk_usage(Path(path).parent).free < 2**16):
            message = f"No space left on the disk of '{path}'; free some and give the same command again."
            raise _full(message, number or errno.ENOSPC) from None
        raise


def require_disk_space(folder: Path, needed: int) -> None:
    """Raises an error if a folder takes no files, or its disk has too little space for checkpoints.

    Args:
        folder: Folder, which exists.
        needed: Number of bytes.

    Raises:
        OSError: The folder is not writable, or less space is free.
    """
    with hidden_folder(folder / "room", folder):
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise _full(
            f"Expected {_megabytes(needed)} of free disk for the checkpoints in '{folder}' (got {_megabytes(free)}); "
            "free some space or choose another folder."
        )


def is_full(error: BaseException) -> bool:
    """Returns True for the error of a disk that takes no more."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def _full(message: str, number: int = errno.ENOSPC) -> OSError:
    """Returns the error of a disk that takes no more, whose text is the message."""
    error = OSError(message)
    error.errno = number
    return error


def _megabytes(count: int) -> str:
    """Returns a number of bytes in MB, with decimals if there are few."""
    return f"{count / 1e6:.{0 if count >= 1e7 else 3}f} MB"


class _LateErrors(io.RawIOBase):
    """File that keeps what its disk does not take, and raises the error when it is asked.

    HDF5 swallows errors, or ends the process, in calls that no caller sees.
    """

    def __init__(self, file: Any) -> None:
        self._file, self._place, self._kept = file, 0, dict[int, bytes]()
        self._error: OSError | None = None

    def check(self) -> None:
        """Raises the first error of a write.

        Raises:
            OSError: The disk did not take what was written.
        """
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation("Every write passes through Python.")

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end()}[whence]
        self._place = base + offset
        return self._place

    def truncate(self, size: int | None = None) -> int:
        size = self._place if size is None else size
        self._try(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        if not self.closed:
            self._try(self._file.flush)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self._file.seek(self._place)
        count = self._file.readinto(view)
        for start, kept in self._kept.items():  # in the order of writing
            first, last = max(start, self._place), min(start + len(kept), self._place + len(view))
            if first < last:
                view[first - self._place : last - self._place] = kept[first - start : last - start]
                count = max(count, last - self._place)
        self._place += count
        return count

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._try(lambda: self._write(view))
        if self._error is not None:
            self._kept.pop(self._place, None)
            self._kept[self._place] = bytes(view)
        self._place += len(view)
        return len(view)

    def _write(self, view: memoryview) -> None:
        """Writes all bytes at the present place."""
        self._file.seek(self._place)
        written = 0
        while written < len(view):
            written += self._file.write(view[written:])

    def _end(self) -> int:
        """Returns the number of bytes of the file, with those that the disk did not take."""
        end = self._file.seek(0, os.SEEK_END)
        return max([end, *(start + len(kept) for start, kept in self._kept.items())])

    def _try(self, action: Callable[[], Any]) -> None:
        """Does something with the file, unless it failed before."""
        if self._error is None:
            try:
                action()
            except OSError as error:
                self._error = error


@contextmanager
def hidden_folder(target: Path, shown: Path | None = None) -> Iterator[Path]:
    """Makes a hidden folder beside a file for the time of a ``with`` block; it is locked as long as its process lives.

    Args:
        target: Path of the file, whose folder exists; the hidden folder is named after it.
        shown: Path of the file in messages; None: the same.

    Raises:
        OSError: The folder takes no files, or its disk is full.
    """
    sweep(target.parent)
    folder = handle = None
    try:
        with held_back():  # an interrupt in between would leave the folder
            folder = _new_hidden(target, shown or target)
            handle = _lock(folder)
        yield folder
    finally:
        with held_back():
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if handle is not None:
                os.close(handle)


def _new_hidden(target: Path, shown: Path) -> Path:
    """Makes a hidden folder beside a file, which messages show by another path."""
    try:
        with room(target):
            return Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}-", suffix=LEFTOVER, dir=target.parent))
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        raise type(error)(f"Expected to write '{shown}' (its folder takes no files: {error.strerror}).") from None


def sweep(folder: Path) -> None:
    """Removes what killed commands left in a folder, once in each process.

    Writing a file into the folder does so too. A command that finds its files there already writes none.

    Args:
        folder: Folder, which may be missing.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError):
        for entry in [entry for entry in os.scandir(folder) if entry.name.endswith(LEFTOVER)]:
            if not entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
                continue
            handle = _lock(Path(entry.path))
            # Another process may have made its folder just now, and not locked it yet.
            if handle is not None and time.time() - entry.stat().st_mtime > 1.0:
                shutil.rmtree(entry.path, ignore_errors=True)
            if handle is not None:
                os.close(handle)


def _name_new(temporary: Path, target: Path) -> None:
    """Gives a file a name that no other file has."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # disks without hard links
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(temporary, target)


def _lock(folder: Path) -> int | None:
    """Locks a folder until the handle that is returned is closed; None if that cannot be done."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sync(path: Path) -> None:
    """Waits until the contents of a file, or the names in a folder, are on the disk."""
    with suppress(PermissionError, IsADirectoryError):  # some systems open no folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # disks that know no sync
                raise
        finally:
            os.close(handle)
