"""Frame rate of an output folder of Suite2p, found without loading its pickles."""

import pickletools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.readers.matlab_survey import survey_matlab

_TEXT_OPCODES = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
"""Opcodes of a pickle that hold a text."""

_NUMBER_OPCODES = frozenset({"BINFLOAT", "FLOAT", "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1"})
"""Opcodes of a pickle that hold a number."""

_MEMO_OPCODES = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})
"""Opcodes that keep the text before them for later, and may stand between a key and its value."""

_RECALL_OPCODES = frozenset({"GET", "BINGET", "LONG_BINGET"})
"""Opcodes that stand for a text that was kept."""


def frame_rate(planes: list[Path]) -> tuple[float | None, str]:
    """Returns the frames a second of the planes of one recording, and the name of the file that states it.

    Args:
        planes: Folders of the planes.

    Returns:
        None and an empty text if no file states a rate that can be read, or if planes differ.
    """
    found: dict[float, str] = {}
    for plane in planes:
        rate, source = next(_stated(plane), (None, ""))
        if rate is not None:
            found.setdefault(rate, source)
    return next(iter(found.items())) if len(found) == 1 else (None, "")


def rate_in_pickle(path: Path, key: str = "fs") -> float | None:
    """Returns the number behind a key in the pickled dictionary of a ``.npy`` file, without unpickling.

    A pickle is a program that builds objects. Its instructions are listed here (by ``pickletools.genops``), never
    run: the number is the one that the instruction after the text ``fs`` holds.

    Args:
        path: Path of the file.
        key: Key of the number.

    Returns:
        None if there is no such number, or several that differ.
    """
    found: set[float] = set()
    with path.open("rb") as file, suppress(ValueError, EOFError, OverflowError, IndexError, MemoryError):
        major, _ = np.lib.format.read_magic(file)
        file.seek(8)
        file.seek(int.from_bytes(file.read(2 if major == 1 else 4), "little"), 1)
        after_key, kept, places = False, 0, set()
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name in _TEXT_OPCODES:
                after_key = argument == key
            elif opcode.name in _MEMO_OPCODES:
                places |= {kept if opcode.name == "MEMOIZE" else argument} if after_key else set()
                kept += 1
            elif opcode.name in _RECALL_OPCODES:
                after_key = argument in places
            else:
                if after_key and argument is not None and opcode.name in _NUMBER_OPCODES:
                    found.add(float(argument))
                after_key = False
    return _only_rate(found)


def _stated(plane: Path) -> Iterator[tuple[float, str]]:
    """Yields the rates that the files of a plane, and of the folder above, state."""
    if (plane / "ops.npy").is_file() and (rate := rate_in_pickle(plane / "ops.npy")):
        yield rate, "ops.npy"
    for path in (plane / "Fall.mat", plane.parent / "Fall.mat"):
        if path.is_file() and (rate := _rate_in_matlab(path)):
            yield rate, path.name


def _rate_in_matlab(path: Path) -> float | None:
    """Returns ``ops.fs`` of a file of MATLAB, of which nothing else is read."""
    with suppress(Exception):  # scipy has errors of many kinds; another file may state the rate
        survey_matlab(path)
        ops: Any = optional_import("scipy.io", "lab").loadmat(path, variable_names=["ops"], squeeze_me=True)["ops"]
        return _only_rate({float(ops["fs"].item())})
    return None


def _only_rate(rates: set[float]) -> float | None:
    """Returns the rate if there is one only, and it can be one."""
    rate = next(iter(rates)) if len(rates) == 1 else float("nan")
    return rate if np.isfinite(rate) and rate > 0 else None
