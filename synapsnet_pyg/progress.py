"""Progress of long computations on a terminal.

A command calls :func:`on_terminal` once. Inside, every loop over :func:`steps` shows a bar on standard error with the
time left, below the bar of the loop around it. Elsewhere, as in Python, in a log or in tests, nothing is shown.
"""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from synapsnet_pyg.files.texts import plain

ItemT = TypeVar("ItemT")

_shown: "_Bars | None" = None


class _Bars:
    """Bars of loops within each other, on the screen while there is a loop."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._make: Callable[[], Progress] = lambda: Progress(
            *self._columns, console=Console(stderr=True), transient=True
        )
        self._bar: Progress | None = None

    @contextmanager
    def loop(self, label: str, total: int) -> Iterator[Callable[[str], None]]:
        """Shows a bar during a ``with`` statement, which receives a function that advances it."""
        bar = self._bar or self._make()
        if self._bar is None:
            self._bar = bar
            bar.start()
        task = bar.add_task(plain(label), total=total)

        def advance(name: str = "") -> None:
            """Counts one step; the next one has a name."""
            bar.update(task, advance=1, description=plain(f"{label} {name}".strip()))

        try:
            yield advance
        finally:
            bar.remove_task(task)
            if not bar.tasks:
                self.stop()

    def stop(self) -> None:
        """Takes the bars from the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def on_terminal() -> Iterator[None]:
    """Shows the progress of everything inside a ``with`` statement, if standard error is a terminal."""
    global _shown
    before, _shown = _shown, _Bars() if sys.stderr.isatty() else None
    try:
        yield
    finally:  # also after an error, whose message the bars would hide
        if _shown is not None:
            _shown.stop()
        _shown = before


def steps(label: str, items: Collection[ItemT]) -> Iterator[ItemT]:
    """Yields the items of a loop and shows how many are done.

    Args:
        label: What is done, such as ``evaluate``; the items follow it if they are texts.
        items: Items of the loop.

    Example:
        >>> [number**2 for number in steps("square", range(3))]
        [0, 1, 4]
    """
    if _shown is None:
        yield from items
        return
    names = [item if isinstance(item, str) else "" for item in items]
    with _shown.loop(f"{label} {names[0]}".strip() if names else label, len(items)) as advance:
        for item, following in zip(items, [*names[1:], ""], strict=False):
            yield item
            advance(following)


@contextmanager
def counted(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Shows how much is done during a ``with`` statement, which receives a function to be called after each step.

    It serves loops that run in threads.

    Args:
        label: What is done.
        total: Number of steps.

    Example:
        >>> with counted("square", 3) as done:
        ...     for number in range(3):
        ...         done()
    """
    if _shown is None:
        yield lambda: None
        return
    with _shown.loop(label, total) as advance:
        yield lambda: advance("")
