"""Signals that end a command: files are closed and child processes ended, as after an interrupt from the keyboard."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_NUMBERS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # not on Windows

_AGAIN = 1.0
"""Seconds in which further signals count as the same: a terminal that closes sends several."""


class Ending:
    """Signal that ends a command.

    Attributes:
        number: Number of the first signal; None as long as there was none.
        handled: Numbers of the signals that are handled.
        held: Number of blocks of :func:`held_back` that the main thread is in.
        is_late: Whether one of them is to raise KeyboardInterrupt at its end.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.handled: list[int] = []
        self.held, self.is_late = 0, False
        self._last = -_AGAIN

    @property
    def status(self) -> int:
        """Exit status of a command that a signal ended: 130 for an interrupt, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + (self.number or signal.SIGINT)

    @property
    def reason(self) -> str:
        """Reason in words: interrupted, or ended by the name of the signal."""
        if self.number in (None, signal.SIGINT):
            return "interrupted"
        return f"ended by {signal.Signals(self.number or 0).name}"

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raises KeyboardInterrupt in the main thread, or lets :func:`held_back` raise it at its end."""
        self.number = number if self.number is None else self.number
        before, self._last = self._last, time.monotonic()
        if self._last - before >= _AGAIN:
            if self.held:
                self.is_late = True
            else:
                raise KeyboardInterrupt

    def repeat(self) -> None:
        """Sends the signal once more, in a moment: a library swallowed the error."""
        self._last = -_AGAIN
        timer = threading.Timer(0.1, os.kill, (os.getpid(), self.number))
        timer.daemon = True
        timer.start()


_active: Ending | None = None


@contextmanager
def ending_signals() -> Iterator[Ending]:
    """Turns SIGINT, SIGTERM and SIGHUP into KeyboardInterrupt in a ``with`` block, which receives the signal.

    A signal that is ignored, as SIGHUP is by ``nohup``, stays ignored. Outside the main thread nothing changes.
    """
    global _active
    ending, outer, hook = Ending(), _active, sys.unraisablehook
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _NUMBERS}
    ending.handled = [number for number in _NUMBERS if before[number] not in (signal.SIG_IGN, None)]
    _active, sys.unraisablehook = ending, _repeating(ending, hook)
    try:
        renew()
        yield ending
    finally:
        for number in ending.handled:
            signal.signal(number, before[number])
        _active, sys.unraisablehook = outer, hook


def renew() -> None:
    """Puts the handlers of :func:`ending_signals` back in place, after a library has put its own there."""
    if _active is not None and threading.current_thread() is threading.main_thread():
        for number in _active.handled:
            signal.signal(number, _active.handle)


@contextmanager
def held_back() -> Iterator[None]:
    """Holds KeyboardInterrupt back until the end of a short ``with`` block, which makes or removes something whole."""
    ending = _active if threading.current_thread() is threading.main_thread() else None
    if ending is None:
        yield
        return
    ending.held += 1
    try:
        yield
    finally:
        ending.held -= 1
        if ending.is_late and not ending.held:
            ending.is_late = False
            raise KeyboardInterrupt


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Holds signals of the terminal back in a ``with`` block; processes that are started there never receive them.

    Their parent receives them after the block, and ends its processes.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _repeating(ending: Ending, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns a hook for errors that no code can catch, as in a callback of HDF5, which repeats an interrupt."""

    def show(unraisable: Any) -> None:
        """Repeats an interrupt, hides what it leaves half done, and shows other errors."""
        if ending.number is None:
            hook(unraisable)
        elif issubclass(unraisable.exc_type, KeyboardInterrupt):
            ending.repeat()

    return show
