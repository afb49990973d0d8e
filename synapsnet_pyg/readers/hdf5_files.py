"""HDF5 files of other programs: looked at in a process of its own before they are opened."""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.files import require_memory

_BEGIN = b"\x89HDF\r\n\x1a\n"
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from hdf5_links import elsewhere; "
    "from hdf5_survey import main; main(elsewhere)"
)
"""Program of the other process, which knows nothing of this package."""

LEFT_OUT = ", outside of it, which is not opened; copy both into one folder and link by name"
"""Words on a file outside of the folder."""

_MOST_ZEROS = 1 << 30
"""Number of bytes from which a data set must be stored to a part."""
_LEAST_PART = 1e-4
"""Part of the bytes of a large data set that a file holds; no compression of recordings reaches less."""


def open_hdf5(path: str | os.PathLike[str], *, parts: bool = False) -> h5py.File:
    """Opens an HDF5 file for reading, after a look at it in another process.

    Args:
        path: File.
        parts: Whether the caller leaves out what lies outside of the file's folder (by
            :func:`~synapsnet_pyg.readers.hdf5_links.elsewhere`); else the whole file is refused for it.

    Raises:
        OSError: It is no HDF5 file, or cut short.
        ValueError: It would end, or never leave, the HDF5 library, or it leads out of its folder.
    """
    survey_hdf5(path, parts=parts)
    return h5py.File(path, "r")


def survey_hdf5(path: str | os.PathLike[str], *, parts: bool = False) -> None:
    """Looks at a file in another process, once for each state of it, if it is HDF5.

    Args:
        path: File.
        parts: Whether the caller leaves out what lies outside of the file's folder.

    Raises:
        ValueError: It would end, or never leave, the HDF5 library, or it leads out of its folder.
    """
    path = Path(path)
    if not path.is_file() or not is_hdf5(path):
        return
    state = path.stat()
    key = (os.path.realpath(path), state.st_size, state.st_mtime_ns)
    if key not in _known:
        _known[key] = _surveyor.survey(path)
    refusal, outside = _known[key]
    if refusal:
        raise ValueError(f"'{path}' is not readable: damaged or made to do harm ({refusal}).")
    if outside and not parts:
        raise ValueError(f"Expected the contents of '{path}' in its own folder (got {outside}{LEFT_OUT}).")


def is_hdf5(path: Path) -> bool:
    """Returns True if a file begins as HDF5 does, after an empty or a MATLAB header; nothing else is read."""
    with suppress(OSError), path.open("rb") as file:
        size, place = path.stat().st_size, 0
        while place + 8 <= size:
            file.seek(place)
            if file.read(8) == _BEGIN:
                return True
            place = max(2 * place, 512)
    return False


def require_stored(data: Any, label: str, *, whole: bool = True) -> None:
    """Raises an error if the entries of a data set do not fit into memory, or only few of them are in the file.

    Args:
        data: Data set of h5py.
        label: Description of it in the message.
        whole: Whether all entries are to be in memory at once.

    Raises:
        ValueError: More memory is needed than is free, or a small file claims a large shape.
    """
    size = int(np.prod(data.shape or (), dtype=object)) * data.dtype.itemsize
    if whole:
        require_memory(size, f"{label} of shape {list(data.shape or ())}")
    if size < _MOST_ZEROS or data.is_virtual or data.external:
        return
    stored = data.id.get_storage_size()
    if stored < _LEAST_PART * size:
        raise ValueError(
            f"Expected the entries of {label} in the file (its shape {list(data.shape)} takes {size / 2**30:.1f} GiB, "
            f"of which it holds {stored} bytes)."
        )


class _Surveyor:
    """Process that looks at files, started with the first one and again after each one that ended it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.owner, self.lock = 0, threading.Lock()

    def survey(self, path: Path) -> tuple[str, str]:
        """Returns why a file is not to be opened, and a file outside of its folder; empty texts without a process."""
        with self.lock:
            # Another one after a fork, and where something else ended it between two files.
            if self.process is None or self.owner != os.getpid() or self.process.poll() is not None:
                self._start()
            process = self.process
            if process is None or process.stdin is None or process.stdout is None:
                return "", ""
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(os.path.abspath(path)) + "\n")
                process.stdin.flush()
            if answer := process.stdout.readline():
                refusal, outside = json.loads(answer)
                return refusal, outside
            self.process, code = None, process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    pipe.close()
            return _words(code), ""

    def _start(self) -> None:
        """Starts the process, away from the current folder and its modules."""
        if self.process is not None and self.owner == os.getpid():
            self.process.communicate()
        self.process, self.owner = None, os.getpid()
        if sys.platform == "win32":  # no limits for a process there
            return
        path = [place for place in sys.path if place and os.path.abspath(place) != os.getcwd()]
        # This folder comes last, so that none of its modules hides one of a library.
        path.append(str(Path(__file__).parent))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None and self.owner == os.getpid():
            self.process.communicate()


def _words(code: int) -> str:
    """Returns the reason to refuse a file at which the other process ended; an empty text if it never looked at it."""
    if code in (-signal.SIGPROF, -signal.SIGALRM):
        return "the HDF5 library does not come to an end with it"
    if code >= 0 or code in (-signal.SIGTERM, -signal.SIGINT):  # h5py cannot be imported, or a user ended it
        return ""
    return f"it ends the HDF5 library by {signal.Signals(-code).name}"


_known: dict[tuple[str, int, int], tuple[str, str]] = {}
"""Path, size and time of a file -> reason to refuse it, and a file outside of its folder."""

_surveyor = _Surveyor()
atexit.register(_surveyor.close)
