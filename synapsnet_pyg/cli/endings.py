"""Endings of a command: every one that a user or a machine causes is one line on standard error and an exit status."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from synapsnet_pyg.files import say
from synapsnet_pyg.processes.children import obey_parent
from synapsnet_pyg.processes.signals import Ending, ending_signals

_PARSERS = ("json", "yaml", "jsonargparse")
"""Packages that give up on a text whose values are nested too deeply."""

_NO_MEMORY = ("DefaultCPUAllocator: can't allocate", "CUDA out of memory", "std::bad_alloc")
"""Beginnings of errors of torch for want of memory."""

_NO_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)
"""Errors of a standard output that is full, closed, or a terminal that is gone."""


def run_to_end(called: str, action: Callable[[], None], again: str | None = None) -> int:
    """Runs a command and returns its exit status.

    The status is 0, 2 for an error that a user can mend, 130 for an interrupt, 143 for SIGTERM and 129 for SIGHUP.

    Args:
        called: Name of the command in its messages.
        action: Function that runs it.
        again: Option with which the same command goes on after an interrupt, or an empty text; None: it begins anew.

    Raises:
        Exception: The command failed by a fault of this package.
        SystemExit: The command ends itself, as for ``--help``.
    """
    obey_parent()
    with ending_signals() as ending:
        try:
            _open_streams()
            try:
                action()
            finally:
                if sys.exc_info()[0] in (None, SystemExit):
                    sys.stdout.flush()
            return 0
        except BrokenPipeError:  # 'synapsnet ... | head' is no error
            _discard_output()
            return 0
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("SYNAPSNET_TRACEBACK"):
                raise
            if ending.number is not None or isinstance(error, KeyboardInterrupt):
                _print_line(f"{called}: {_interrupt(ending, again)}")
                return ending.status
            line = _line(error)
            if line is None:
                raise
            _print_line(f"{called}: error: {' '.join(line.split())}")
            return 2


def _interrupt(ending: Ending, again: str | None) -> str:
    """Returns what ended a command, and how it goes on."""
    hint = (
        "" if again is None else f"; the same command{again and ' with ' + again} continues after the last whole epoch"
    )
    return f"{ending.reason}{hint}"


def _line(error: BaseException) -> str | None:
    """Returns an error as a line; None for a bug, which shows its traceback."""
    if isinstance(error, ImportError):
        return f"{error}{'' if 'pip install' in str(error) else '; install the extras [train,viz]'}"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _is_memory(error)):
        detail = f" ({error})" if str(error) else ""
        return f"Expected more memory than is free{detail}; take longer bins, fewer neurons or a part of the recording."
    if isinstance(error, RecursionError) and _package(error.__traceback__) in _PARSERS:
        return "Expected values that are not nested this deeply; is a file damaged?"
    if isinstance(error, OSError):
        return _disk_line(error)
    return str(error) if isinstance(error, _input_errors()) else None


def _disk_line(error: OSError) -> str:
    """Returns an error of the system as a line."""
    if not str(error).startswith("[Errno"):
        return str(error)
    if error.filename is None and error.errno in _NO_OUTPUT:  # all files are written where their names are told
        _discard_output()
        return f"Standard output takes no more ({error.strerror})."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"No space left on the disk of '{error.filename}'; free some and give the same command again."
    return str(error)


def _input_errors() -> tuple[type[Exception], ...]:
    """Returns the errors that wrong input causes. Any other error is a bug and shows its traceback."""
    errors: list[type[Exception]] = [ValueError, FloatingPointError]
    for module, name in (
        ("synapsnet_pyg.data.session_checks", "WrongTypeError"),
        ("synapsnet_pyg.benchmarks.jobs", "JobsFailed"),
        ("yaml", "YAMLError"),
    ):
        imported = sys.modules.get(module)  # a module that is not imported has raised no error
        errors += [getattr(imported, name)] if imported else []
    return tuple(errors)


def _is_memory(error: RuntimeError) -> bool:
    """Returns whether an error of torch says that memory is short."""
    return any(text in str(error) for text in _NO_MEMORY)


def _package(place: TracebackType | None) -> str:
    """Returns the name of the package in which an error was raised."""
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return "" if place is None else str(place.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _print_line(line: str) -> None:
    """Prints a line on standard error, unless that takes nothing."""
    with suppress(OSError, ValueError):
        say(line, file=sys.stderr, flush=True)


def _open_streams() -> None:
    """Opens what a caller has closed: else the first file that a command opens would be its standard output.

    Standard output then takes nothing, as when it is closed, so that results are not lost in silence.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)  # takes the lowest free number
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 (stays open)


def _discard_output() -> None:
    """Lets standard output take all that is still to be written, so that the end of Python says nothing of it."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
