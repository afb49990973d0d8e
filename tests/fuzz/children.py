"""Commands in child processes, with limits on time, memory and output.

A forked child begins where everything is imported already, which makes thousands of inputs a matter of minutes. The end
of an interpreter that holds so much takes seconds; it is run only where a library may crash in it, after writing.
"""

import ctypes
import gc
import os
import pickle
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

MIB = 2**20
MOST_MEMORY = 1024 * MIB
"""Memory that a child may hold beside what was there before it."""
MOST_ADDRESSES = 4096 * MIB
"""Memory that a child may ask for; it gets none beyond, so that the machine of the others stays well."""
MOST_SECONDS = 20.0
"""Time of the processor that a child may take."""
MOST_IDLE = 20.0
"""Time of the clock in which a child may take no time of the processor without waiting for it."""
SLOWEST = 15
"""Time of the clock that a child may take for each second of the processor, on a machine that others use too."""
MOST_OUTPUT = 2048 * MIB
"""Size of a file that a child may write."""

Command = Callable[[], int | None]


@dataclass(frozen=True)
class Outcome:
    """End of a child.

    Attributes:
        status: Exit status; minus the number of the signal that ended it.
        memory: Number of bytes that it held at most, beside those that it began with.
        hung: Whether it was ended because its time was over.
        left: Numbers of processes that it started and that were still there half a minute after it.
    """

    status: int
    out: str
    err: str
    seconds: float
    memory: int = 0
    hung: bool = False
    left: tuple[int, ...] = ()

    @property
    def told(self) -> list[str]:
        """Lines of standard error, without warnings about the data and without progress, of epochs and of jobs."""
        lines = [line for line in self.err.replace("\r", "\n").splitlines() if line.strip()]
        return [line for line in lines if not line.startswith(("warning: ", "expected: ", "epoch ", "runs/"))]


class _Clock:
    """Time of a child: that of the processor, so that a busy machine ends no child that would have ended well."""

    def __init__(self, session: int, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self._start = self._moved = time.monotonic()
        self._used = 0.0

    def is_over(self) -> bool:
        """Tells whether the child took more than its time, or waits for something that does not come."""
        processes, now = _processes(self._session), time.monotonic()
        ticks = sum(sum(map(int, words[11:15])) for words in processes.values())
        used = ticks / os.sysconf("SC_CLK_TCK")
        runs = any(words[0] in "RD" for words in processes.values())
        if runs or used > self._used:
            self._used, self._moved = max(used, self._used), now
        return used > self._seconds or now - self._moved > MOST_IDLE or now - self._start > SLOWEST * self._seconds


class Forked:
    """A child that runs a function; :meth:`wait` gives its outcome."""

    def __init__(
        self, command: Command, *, seconds: float = MOST_SECONDS, folder: Path | None = None, whole: bool = False
    ) -> None:
        self._seconds, self._whole = seconds, whole
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._before, self._start = _resident(), time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.pid = os.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command has its handlers
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self.pid == 0:
            self._be(command, folder)
        self._handle = os.pidfd_open(self.pid)

    def _be(self, command: Command, folder: Path | None) -> None:
        """Becomes the child."""
        status = 1
        try:
            os.setsid()
            os.dup2(self._out.fileno(), 1)
            os.dup2(self._err.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if folder is not None:
                os.chdir(folder)
            _limit(self._seconds, _addresses() + MOST_ADDRESSES)
            status = int(command() or 0)
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            if self._whole:
                ctypes.pythonapi.Py_Exit(status)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def send(self, number: int) -> None:
        """Sends a signal, if the child is still there."""
        signal.pidfd_send_signal(self._handle, number)

    def ends_within(self, seconds: float) -> bool:
        """Tells whether the child ends within some seconds."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def wait(self) -> Outcome:
        """Waits until the child ends, or ends it when its time is over; kills what it left behind."""
        clock, hung = _Clock(self.pid, self._seconds), False
        while not hung and not self.ends_within(0.5):
            hung = clock.is_over()
        if hung:
            os.killpg(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        seconds = time.monotonic() - self._start
        os.close(self._handle)
        left = _ended(self.pid)
        out, err = (_text(file) for file in (self._out, self._err))
        memory = max(0, usage.ru_maxrss * 1024 - self._before)
        return Outcome(os.waitstatus_to_exitcode(status), out, err, seconds, memory, hung, left)


def forked(
    command: Command, *, seconds: float = MOST_SECONDS, folder: Path | None = None, whole: bool = False
) -> Outcome:
    """Runs a function in a forked child, by default in this folder; ``whole`` runs the end of its interpreter too."""
    return Forked(command, seconds=seconds, folder=folder, whole=whole).wait()


def learn(command: Command, path: Path, *, folder: Path | None = None) -> Outcome:
    """Runs a function in a forked child, and adds the names of the modules that it imported to a file."""

    def told() -> int | None:
        status = command()
        with path.open("a") as file:
            file.writelines(f"{name}\n" for name in sys.modules)
        return status

    return forked(told, seconds=300, folder=folder)


def import_learned(path: Path) -> None:
    """Imports the modules that :func:`learn` wrote down, and makes the parser, so that no child need do so."""
    for name in dict.fromkeys(path.read_text().splitlines()):
        if name not in sys.modules and not name.startswith(("__m", "_pytest")):
            with suppress(BaseException):
                import_module(name)
    commands = import_module("synapsnet_pyg.cli.main")
    parser = commands._parser()
    commands._parser = lambda: parser  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()


def synapsnet(*words: object) -> Command:
    """Returns a command line as a function."""

    def command() -> int:
        from synapsnet_pyg.cli.main import main

        return main([str(word) for word in words])

    return command


def fresh(words: Sequence[object], folder: Path, *, seconds: float = 120.0) -> Outcome:
    """Runs a command line in an interpreter of its own, as its entry script does, in a folder."""
    code = "import sys; from synapsnet_pyg.cli.main import main; sys.exit(main())"
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", code, *map(str, words)], cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
            stderr=err, start_new_session=True, preexec_fn=lambda: _limit(seconds, 12 * 1024 * MIB),
        )  # fmt: skip
        clock, hung = _Clock(child.pid, seconds), False
        while child.poll() is None and not (hung := clock.is_over()):
            time.sleep(0.1)
        if hung:
            os.killpg(child.pid, signal.SIGKILL)
        status = child.wait()
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        left = _ended(child.pid)
        return Outcome(
            status,
            _text(out),
            _text(err),
            time.monotonic() - start,
            memory * 1024 if memory > before else 0,
            hung,
            left,
        )


def spread(function: Callable[[Any], Any], items: Sequence[Any], *, jobs: int, seconds: float) -> list[Any]:
    """Applies a function to items in some processes at once; items that do not fit into the time are left out."""
    end = time.monotonic() + seconds
    jobs = max(1, min(jobs, len(items)))
    # A TemporaryDirectory would be removed by the first child that ends.
    folder = Path(tempfile.mkdtemp(prefix="fuzz-results-"))
    workers = {}
    for job in range(jobs):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _work(function, items[job::jobs], end, folder / str(job))
        workers[pid] = folder / str(job)
    results: list[Any] = []
    for pid, path in workers.items():
        _, status = os.waitpid(pid, 0)
        if status:
            raise RuntimeError(f"Expected a harness that ends well (got status {status}; its error stands above).")
        results += pickle.loads(path.read_bytes())
    shutil.rmtree(folder)
    return results


def _work(function: Callable[[Any], Any], items: Sequence[Any], end: float, path: Path) -> None:
    """Becomes one worker of :func:`spread`."""
    status = 1
    try:
        done = []
        for item in items:
            if time.monotonic() > end:
                break
            done.append(function(item))
        path.write_bytes(pickle.dumps(done))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _limit(seconds: float, addresses: int) -> None:
    """Sets the limits of this process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 30, int(seconds) + 60))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))


def _text(file: Any) -> str:
    """Reads the first MiB of an output."""
    file.seek(0)
    return str(file.read(MIB).decode(errors="replace"))


def _pages(column: int) -> int:
    return int(Path("/proc/self/statm").read_text().split()[column]) * resource.getpagesize()


def _addresses() -> int:
    return _pages(0)


def _resident() -> int:
    return _pages(1)


def _ended(session: int, seconds: float = 30.0) -> tuple[int, ...]:
    """Waits until the processes of a session have ended; kills and returns those that have not."""
    end = time.monotonic() + seconds
    while (alive := _members(session)) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    return tuple(alive)


def _members(session: int) -> list[int]:
    """Returns the processes of a session."""
    return list(_processes(session))


def _processes(session: int) -> dict[int, list[str]]:
    """Returns the processes of a session with what the system says of each, from its state on."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == session and words[0] != "Z":
            found[int(entry.name)] = words
    return found
