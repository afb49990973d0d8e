"""Threads of our own, which sleep while they wait.

The threads of OpenMP, torch's own, spin while they wait for each other. Beside other busy processes two of them are
many times slower than one (``benchmarks/threads.py``). Training and forecasts therefore give torch one thread, and
compute blocks of windows in threads of this file.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import torch

from synapsnet_pyg.nn import memory

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_MOST = 4
"""Largest number of threads: they share Python's interpreter, which hands them their next operations."""
_number: int | None = None
_here = threading.local()


@contextmanager
def threads(number: int | None = None) -> Iterator[None]:
    """Gives torch one thread and :func:`in_threads` several, in a ``with`` statement or as a decorator.

    The memory of one step is kept for the next (:mod:`synapsnet_pyg.nn.memory`).

    Args:
        number: Number of threads of :func:`in_threads`. None: that of the statement around this one; without one, of
            ``OMP_NUM_THREADS`` if it is set, else the number of cores, at most four.
    """
    global _number
    before = torch.get_num_threads(), _number
    _number = number or _number or default_number()
    torch.set_num_threads(1)
    try:
        with memory.reused():
            yield
    finally:
        torch.set_num_threads(before[0])
        _number = before[1]


def default_number() -> int:
    """Returns the number of threads that the user wants, else of cores that this process may use, at most four."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST)


def in_threads(function: Callable[[ItemT], ResultT], items: Sequence[ItemT]) -> list[ResultT]:
    """Returns the results of a function for some items, in their order, computed in threads inside :func:`threads`.

    The function records no gradients.

    Args:
        function: Function of one item. It may write to tensors as long as no other item does so in the same place.
        items: Items.

    Example:
        >>> with threads(2):
        ...     in_threads(lambda power: 2**power, [1, 5, 3])
        [2, 32, 8]
    """
    number, inference = min(_number or 1, len(items)), torch.is_inference_mode_enabled()

    def run(item: ItemT) -> ResultT:
        """Computes one item in the mode of the caller, which each thread has for itself."""
        with torch.inference_mode(inference), torch.no_grad():
            return function(item)

    if number < 2 or getattr(_here, "busy", False):
        return [run(item) for item in items]
    return list(_pool(number, os.getpid()).map(run, items))


@cache
def _pool(number: int, process: int) -> ThreadPoolExecutor:
    """Returns the threads of this process; a forked process has none of its parent's."""
    return ThreadPoolExecutor(number, thread_name_prefix="synapsnet", initializer=_start_thread)


def _start_thread() -> None:
    """Marks a thread: what it computes starts no further threads, neither of ours nor those of MKL's products."""
    _here.busy = True
    torch.set_num_threads(1)  # each thread has this number for itself
