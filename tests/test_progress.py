"""Tests of the progress of long computations."""

import sys
from io import StringIO

import pytest

from synapsnet_pyg import progress
from synapsnet_pyg.progress import counted, on_terminal, steps


class Terminal(StringIO):
    """Text that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Returns a terminal that stands in for standard error."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    return shown


def run_nested() -> list[tuple[str, int]]:
    """Runs a loop within a loop."""
    seen = []
    for name in steps("evaluate", ["monday", "tuesday"]):
        with counted("blocks", 2) as done:
            for block in range(2):
                done()
                seen.append((name, block))
    return seen


EXPECTED = [("monday", 0), ("monday", 1), ("tuesday", 0), ("tuesday", 1)]


def test_a_terminal_shows_loops_within_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with on_terminal():
        assert run_nested() == EXPECTED
        assert list(steps("nothing", [])) == []
        assert progress._shown is not None
        assert progress._shown._bar is None  # the last loop has taken the bars away
    assert "evaluate monday" in terminal.getvalue()
    assert "blocks" in terminal.getvalue()


def test_nothing_is_shown_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    assert run_nested() == EXPECTED  # a terminal, but no command
    log = StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with on_terminal():
        assert run_nested() == EXPECTED  # a command, but no terminal
    assert log.getvalue() == ""
    assert terminal.getvalue() == ""


def test_an_error_takes_the_bars_away(monkeypatch: pytest.MonkeyPatch) -> None:
    open_terminal(monkeypatch)

    def fail() -> None:
        """Fails within a loop."""
        with on_terminal():
            for _ in steps("fail", range(3)):
                raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert progress._shown is None
    assert list(steps("after", range(2))) == [0, 1]
