"""Program that looks at HDF5 files in a process of its own, since damaged ones can end or hang the HDF5 library.

It opens every group, data set and attribute once, walks the chunks of data sets, and reads small ones. Errors of h5py
are no reason to refuse a file: the reader meets them too, and tells which part is damaged. A reason is what a reader
would not survive: the end of this process by a signal, a loop without an end, nesting without an end.
"""

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import h5py

SILENCE = 2.0
"""Seconds of the processor without news after which this process ends itself; waiting for a slow disk counts not."""

WAIT = 100.0
"""Seconds without news, whatever for, after which this process ends itself."""

MEMORY = 768 << 20
"""Number of bytes that this process may take to look at a file, beside four times the size of the file."""

_MOST_MEMORY = 1 << 32
"""Number of bytes that it may take in all."""

_NO_MEMORY = ("memory allocation failed", "unable to allocate", "can't allocate")
"""Words of the HDF5 library for want of memory, such as for a text whose length is damaged."""

_BUDGET = 8.0
"""Seconds after which the rest of a large file is left to its reader."""

_DEPTH = 100
"""Largest depth of groups."""

_MOST_PATHS = 100
"""Largest number of paths for each object, by links to groups that hold links to groups."""

_SMALL = 1 << 18
"""Largest number of bytes of a data set that is read."""

_MOST_CHUNKS = 100_000
"""Largest number of chunks of a data set that are looked at."""


class _TooMuchError(Exception):
    """Reason to refuse a file."""


def survey(path: str, elsewhere: Callable[[Any, str], str], news: Callable[[], None]) -> tuple[str, str]:
    """Returns why a file is not to be opened, and which file outside of its folder it leads to; empty texts for none.

    Args:
        path: File.
        elsewhere: Function that returns the file outside that an object leads to, given the object and ``path``.
        news: Function that is called after every step.
    """
    whole = _Survey(path, elsewhere, news)
    try:
        with h5py.File(path, "r") as file:
            news()
            whole.group(file, 0)
    except _TooMuchError as reason:
        return str(reason), ""
    except MemoryError:
        return f"a part of it takes more than {MEMORY >> 20} MiB, far more than the whole file", ""
    except Exception:  # no HDF5, cut short: the reader says so
        return "", whole.outside
    return "", whole.outside


class _Survey:
    """Walk through one file."""

    def __init__(self, path: str, elsewhere: Callable[[Any, str], str], news: Callable[[], None]) -> None:
        self.path, self.elsewhere, self.news, self.end = path, elsewhere, news, time.monotonic() + _BUDGET
        self.paths: dict[Any, int] = {}
        self.outside = ""
        self.chunks = 0

    def group(self, group: h5py.Group, depth: int) -> int:
        """Looks at a group and what lies below; returns the number of paths that lead through it."""
        place = h5py.h5o.get_info(group.id)
        key = (place.fileno, place.addr)
        if key in self.paths or time.monotonic() > self.end:
            return self.paths.get(key, 1)
        if depth > _DEPTH:
            raise _TooMuchError(f"its groups are nested more than {_DEPTH} deep")
        self.paths[key] = 0  # a link to a group above leads to no further paths
        self.attributes(group)
        total = 1
        for name in _names(group):
            self.news()
            try:
                total += self.link(group, name, depth)
            except (_TooMuchError, MemoryError):
                raise
            except Exception as error:  # the reader meets it too
                _require_memory(error)
                continue
            if total > 10_000 + _MOST_PATHS * len(self.paths):
                raise _TooMuchError("its groups hold links to each other that make endless many paths")
        self.paths[key] = total
        return total

    def link(self, group: h5py.Group, name: str, depth: int) -> int:
        """Looks at what a link leads to; returns the number of paths."""
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            target = os.path.join(os.path.dirname(group.file.filename), link.filename)
            if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
                raise _TooMuchError(f"its link '{name}' leads to '{target}', which is no file")
        item = group[name]
        if found := self.elsewhere(item, self.path):
            self.outside = self.outside or f"'{item.name}' in '{found}'"
            return 1
        if isinstance(item, h5py.Group):
            return self.group(item, depth + 1)
        if isinstance(item, h5py.Dataset):
            self.data_set(item)
        return 1

    def data_set(self, data: h5py.Dataset) -> None:
        """Looks at header, attributes and chunks of a data set, and reads it if it is small."""
        self.attributes(data)
        if data.shape is None:
            return
        if data.chunks and data.id.get_space_status() != h5py.h5d.SPACE_STATUS_NOT_ALLOCATED:
            self.chunks = 0
            data.id.chunk_iter(self.chunk)
        self.news()
        if data.size * data.dtype.itemsize <= _SMALL and not data.is_virtual:
            data[()]

    def chunk(self, _: Any) -> bool | None:
        """Counts a chunk; True ends the walk."""
        self.chunks += 1
        if self.chunks % 1000 == 0:
            self.news()
        return True if self.chunks > _MOST_CHUNKS else None

    def attributes(self, item: Any) -> None:
        """Reads the attributes of an object."""
        for name in _names(item.attrs):
            try:
                item.attrs[name]
            except MemoryError:
                raise
            except Exception as error:  # the reader meets it too
                _require_memory(error)
                continue


def _require_memory(error: Exception) -> None:
    """Raises a MemoryError for an error of the HDF5 library that is one."""
    if any(words in str(error) for words in _NO_MEMORY):
        raise MemoryError(str(error)) from None


def _names(mapping: Any) -> Iterator[str]:
    """Yields the names in a group, or of attributes; damaged ones have none."""
    try:
        yield from list(mapping)
    except MemoryError:
        raise
    except Exception:  # the reader meets it too
        return


def _news() -> None:
    """Puts off the end of this process."""
    signal.setitimer(signal.ITIMER_PROF, SILENCE)
    signal.setitimer(signal.ITIMER_REAL, WAIT)


def _limit(path: str) -> int:
    """Returns the number of bytes of addresses that this process may have to look at a file."""
    try:
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        return min(_MOST_MEMORY, taken + MEMORY + 4 * os.path.getsize(path))
    except (OSError, ValueError):  # no such file on other systems
        return _MOST_MEMORY


def main(elsewhere: Callable[[Any, str], str]) -> None:
    """Answers each line of the standard input, a path in JSON, by a line with the result of its survey, in JSON."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the reader ends this process by the end of the standard input
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        _news()
        path = json.loads(line)
        resource.setrlimit(resource.RLIMIT_AS, (_limit(path), resource.getrlimit(resource.RLIMIT_AS)[1]))
        print(json.dumps(survey(path, elsewhere, _news)), flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
