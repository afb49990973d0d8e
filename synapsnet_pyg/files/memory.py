"""Memory that is free, what needs more, and the return of memory."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path


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


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Numbers of the options of ``mallopt`` in the GNU C library."""


def return_freed_memory() -> None:
    """Makes this process return the memory of large arrays to the system when they are freed.

    The GNU C library keeps arrays of up to 32 MB for later ones, in pieces that often fit none of them: several hundred
    megabytes after a few different computations. With other C libraries nothing is done.
    """
    _allocate(at_once=2**22)


def keep_freed_memory() -> None:
    """Makes this process keep the memory of freed arrays for the next ones, which ends :func:`return_freed_memory`.

    Training, whose steps need the same arrays again and again, takes a sixth longer without.
    """
    _allocate(at_once=2**25)


def _allocate(at_once: int) -> None:
    """Sets the number of bytes from which on an array's memory is returned at once; 32 MB is the largest."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(None)
            library.mallopt(_MMAP_THRESHOLD, at_once)
            library.mallopt(_TRIM_THRESHOLD, 2**26)  # kept of the free memory, for smaller arrays


def release_memory() -> None:
    """Returns memory that was freed in small pieces, as by many steps of a network, to the system."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # other C libraries
            ctypes.CDLL(None).malloc_trim(0)
