"""Child processes: each does one call of Python, in silence, and ends with its parent, whatever ends that."""

import ctypes
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.files.writing import room
from synapsnet_pyg.processes.late_imports import import_late
from synapsnet_pyg.processes.signals import ending_signals, without_interrupts
from synapsnet_pyg.progress import steps

ResultT = TypeVar("ResultT")

PARENT = "SYNAPSNET_PARENT"
"""Variable of the environment with the number of the process with which another one ends."""

_PATIENCE = 10.0
"""Seconds in which a process that is to end can clean its files."""


class Child:
    """Process that does one call.

    It receives no signals of the terminal: its parent ends it. Its imports are those of the parent, without the current
    folder.

    Args:
        function: Function to call. It may be defined anywhere: the process receives it by cloudpickle.
        arguments: Arguments of the call.
        log: File for the output; None: that of this process.
        environment: Variables of the environment that differ from those of this process.

    Raises:
        ImportError: cloudpickle is not installed.
        OSError: The log cannot be written.
    """

    def __init__(
        self,
        function: Callable[..., object],
        arguments: Sequence[Any] = (),
        *,
        log: Path | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        call = optional_import("cloudpickle", "train").dumps((function, tuple(arguments)))
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        is_main = threading.current_thread() is threading.main_thread()  # the end of another thread would end the child
        command = [sys.executable, "-P", "-m", "synapsnet_pyg.processes.children", str(os.getpid() if is_main else 0)]
        self._log, self._answer = log, b""
        output = None
        if log is not None:
            with room(log):
                output = log.open("wb")
        try:
            with without_interrupts():
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    env={**os.environ, "PYTHONPATH": paths, **environment},
                )
        finally:
            if output is not None:
                output.close()
        self._talk = threading.Thread(target=self._exchange, args=(call,), daemon=True)
        self._talk.start()

    def _exchange(self, call: bytes) -> None:
        """Sends the call, which the process reads after its imports, and receives the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.write(call)
            self._process.stdin.flush()
        self._answer = self._process.stdout.read()

    def is_done(self) -> bool:
        """Returns whether the process has ended."""
        return self._process.poll() is not None

    def error(self) -> Exception | None:
        """Returns the error of the call, after the process has ended; None without one, or if the process was killed.

        An empty log is removed.
        """
        error, _ = self._wait() or (None, None)
        return error

    def result(self) -> Any:
        """Returns the result of the call, after the process has ended.

        Raises:
            ChildProcessError: The process was killed.
            Exception: The error of the call.
        """
        answer = self._wait()
        if answer is None:
            raise ChildProcessError("A process was killed, perhaps for want of memory; set OMP_NUM_THREADS=1.")
        error, result = answer
        if error is not None:
            raise error
        return result

    def _wait(self) -> tuple[Exception | None, Any] | None:
        """Waits for the end of the process; returns error and result of the call, None if it was killed."""
        self._process.wait()
        self._talk.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            self._process.stdout.close()
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            if self._log is not None and self._log.is_file() and not self._log.stat().st_size:
                self._log.unlink()
        answer: tuple[Exception | None, Any] | None = None
        with suppress(EOFError, pickle.UnpicklingError):  # killed, perhaps while it answered
            answer = pickle.loads(self._answer)
        return answer

    def terminate(self) -> None:
        """Asks the process to clean its files and end."""
        self._process.terminate()

    def kill_after(self, seconds: float) -> None:
        """Waits for the end of the process, and kills it after some seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.error()


def end_all(children: Sequence[Child]) -> None:
    """Ends processes: each can clean its files, and is killed after a few seconds."""
    for child in children:
        child.terminate()
    latest = time.monotonic() + _PATIENCE
    for child in children:
        child.kill_after(max(0.0, latest - time.monotonic()))


def together(
    function: Callable[..., ResultT], calls: Sequence[Sequence[Any]], *, environment: Mapping[str, str]
) -> list[ResultT]:
    """Calls a function several times at once: the first time in this process, and each other time in a new one.

    Args:
        function: Function to call.
        calls: Arguments of each call.
        environment: Variables of the environment of the new processes that differ from those of this process.

    Returns:
        Results of the calls, in their order.

    Raises:
        ChildProcessError: A process was killed.
        Exception: The error of a call.
    """
    children: list[Child] = []
    try:
        children += [Child(function, call, environment=environment) for call in calls[1:]]
        return [function(*calls[0]), *(child.result() for child in steps("other processes", children))]
    finally:
        end_all(children)


@contextmanager
def pool(number: int) -> Iterator[ProcessPoolExecutor]:
    """Gives a ``with`` block a number of processes for many short calls; they end with the block and with this process.

    Args:
        number: Number of processes.

    Raises:
        ChildProcessError: A process was killed.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"  # the start of a process imports nothing from the current folder
    try:
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(number, context, initializer=_end_with_pool, initargs=(os.getpid(),))
        try:
            yield executor
        except BaseException as error:
            for process in multiprocessing.active_children():
                process.terminate()
            if isinstance(error, BrokenProcessPool):
                raise ChildProcessError("A process was killed, perhaps for want of memory; use fewer --jobs.") from None
            raise
        finally:
            executor.shutdown(cancel_futures=True)
    finally:
        os.environ.pop("PYTHONSAFEPATH")
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def obey_parent() -> None:
    """Ends this process with the one that the environment names as its parent, if it names one."""
    parent = int(os.environ.pop(PARENT, "0"))
    if not parent:
        return
    _end_by_system(parent)

    def orphaned() -> None:
        """Waits until the parent has ended."""
        while os.getppid() == parent:
            time.sleep(1.0)

    _end_after(orphaned)


def _end_with_pool(parent: int) -> None:
    """Ends a process of a pool with its parent."""
    _end_by_system(parent)
    process = multiprocessing.parent_process()
    assert process is not None
    sentinel = process.sentinel
    _end_after(lambda: wait([sentinel]))


def _end_by_system(parent: int) -> None:
    """Lets the system kill this process at the end of its parent; only Linux can."""
    if parent and sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def _end_after(waiting: Callable[[], object]) -> None:
    """Ends this process when a call returns, in a thread."""

    def watch() -> None:
        """Waits, and ends the process."""
        waiting()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _main() -> None:
    """Does the call that comes by standard input, and writes its error to standard output."""
    _end_by_system(int(sys.argv[1]))
    told = os.dup(1)
    os.dup2(2, 1)  # what the call prints is output, never a result
    import_late()
    with ending_signals() as ending:
        try:
            gc.disable()
            function, arguments = pickle.load(sys.stdin.buffer)
            gc.freeze()  # modules are no garbage: every look at all of their objects takes a third of a second
            gc.enable()
            _end_after(lambda: os.read(0, 1))  # nothing more is sent: it returns when the parent has ended
            answer = pickle.dumps((None, function(*arguments)))
        except KeyboardInterrupt:
            os._exit(ending.status)
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = _pickled(error)
        sys.stderr.flush()
        with os.fdopen(told, "wb") as stream:
            stream.write(answer)


def _pickled(error: Exception) -> bytes:
    """Returns an error as bytes; of one that cannot be pickled its text."""
    try:
        answer = pickle.dumps((error, None))
        pickle.loads(answer)
    except Exception:  # classes may do anything when they are pickled
        answer = pickle.dumps((RuntimeError(f"{type(error).__name__}: {error}"), None))
    return answer


if __name__ == "__main__":
    _main()
