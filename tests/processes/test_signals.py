import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from synapsnet_pyg.processes.signals import ending_signals, held_back, renew, without_interrupts


@pytest.fixture(autouse=True)
def heard():
    """Signals are heard here even if the tests run in the background or under nohup, which ignore them."""
    heard = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_is_an_interrupt_with_a_status_of_its_own(number, status, reason):
    before = signal.getsignal(number)
    with ending_signals() as ending:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        signal.raise_signal(number)  # once more at once is the same
        signal.raise_signal(signal.SIGTERM)
    assert (ending.status, ending.reason) == (status, reason)
    assert signal.getsignal(number) == before


def test_ignored_signals_stay_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_signals() as ending:
            signal.raise_signal(signal.SIGHUP)
        assert ending.number is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_come_back_after_those_of_a_library():
    renew()  # outside of a command nothing changes
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with ending_signals() as ending:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        renew()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert ending.status == 143


def test_other_threads_change_nothing():
    seen = []

    def work():
        with ending_signals() as ending:
            seen.append((ending.number, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, signal.SIG_DFL)]


class Swallowing:
    """Object whose end no code can see, as a callback of a library."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


def test_an_interrupt_that_was_swallowed_comes_again():
    with ending_signals() as ending:
        thing = Swallowing()
        del thing
        with pytest.raises(KeyboardInterrupt):
            time.sleep(5)
    assert ending.status == 143


def test_processes_that_start_here_hear_nothing_of_the_terminal():
    code = "import time; print('on', flush=True); time.sleep(0.5)"
    with without_interrupts():
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(process.pid, number)
    assert process.wait() == 0
    process.stdout.close()
    with pytest.raises(KeyboardInterrupt), without_interrupts():
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_what_is_held():
    done = []

    def signalled():
        with held_back():
            with held_back():
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("after")

    def failing():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            raise ValueError

    with ending_signals() as ending, pytest.raises(KeyboardInterrupt):
        signalled()
    assert (done, ending.number) == (["inner", "outer"], signal.SIGTERM)
    with held_back():  # without a command there is nothing to hold
        done.append("alone")
    with ending_signals(), pytest.raises(KeyboardInterrupt):
        failing()
    with ending_signals(), held_back():
        done.append("quiet")
    assert done[2:] == ["alone", "quiet"]
