"""Walk through the elements of MATLAB files before v7.3, ahead of scipy, which believes what they say.

Lengths are compared with the file, and nesting is limited: scipy reads on wherever a length leads, takes memory for
what is claimed, and ends Python where cells lie in cells without end.
"""

import math
import mmap
import os
import struct
import zlib
from pathlib import Path

from synapsnet_pyg.files import require_memory

_DEPTH = 100
"""Largest depth of cells and structs in each other."""

_MOST_EMPTY = 1 << 20
"""Largest number of entries of a text or a struct array without any bytes for them."""

_DEFLATE = 1032
"""Largest number of bytes that one compressed byte can stand for."""

_MATRIX, _COMPRESSED = 14, 15
_COMPLEX = 1 << 11
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17

_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18})
"""Kinds of elements that hold numbers or texts; scipy ends Python at any other."""

_NESTED = (_CELL, _STRUCT, _OBJECT, _FUNCTION, _OPAQUE)

Content = bytes | mmap.mmap
"""Bytes of a file, or of a part that was unpacked."""

_V4_BYTES = (8, 4, 4, 2, 2, 1)
"""Bytes of an entry by the kind of number of a file of v4."""


class _DamagedError(Exception):
    """Reason to refuse a file."""


def survey_matlab(path: Path) -> None:
    """Walks through a MATLAB file of v4, v5, v6 or v7, once for each state of it; other files are not looked at.

    Raises:
        ValueError: A length is wrong, the nesting is endless, or more memory is claimed than is free.
    """
    state = path.stat()
    key = (os.path.realpath(path), state.st_size, state.st_mtime_ns)
    if key not in _known:
        try:
            _survey(path)
            _known[key] = ""
        except _DamagedError as reason:
            _known[key] = str(reason)
    if _known[key]:
        raise ValueError(f"'{path}' is not readable: damaged or made to do harm ({_known[key]}).")


_known: dict[tuple[str, int, int], str] = {}
"""Path, size and time of a file -> reason to refuse it."""


def _survey(path: Path) -> None:
    """Walks through a file of the version that its first bytes tell, as scipy does."""
    with path.open("rb") as file:
        begin = file.read(128)
        if len(begin) < 4 or not any(begin):
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if 0 in begin[:4]:
                _variables_of_v4(content)
            elif len(begin) == 128 and begin[126:128] in (b"IM", b"MI") and begin[124 + (begin[126:] == b"IM")] == 1:
                _variables_of_v5(content, "<" if begin[126:128] == b"IM" else ">", str(path))


def _variables_of_v4(view: Content) -> None:
    """Walks through the variables of a file of v4: a header of five numbers, the name, the entries."""
    order = "<" if struct.unpack_from("<i", view)[0] in range(5000) else ">"
    place = 0
    while place + 20 <= len(view):
        kind, rows, columns, imaginary, name = struct.unpack_from(f"{order}5i", view, place)
        P = kind // 10 % 10
        if kind not in range(5000) or P not in range(len(_V4_BYTES)) or min(rows, columns, name) < 0:
            raise _DamagedError("the header of a variable is none")
        place += 20 + name + rows * columns * _V4_BYTES[P] * (2 if imaginary == 1 else 1)
        if place > len(view):
            raise _DamagedError("a length leads beyond its end")


def _variables_of_v5(view: Content, order: str, label: str) -> None:
    """Walks through the variables of a file of v5 and later; compressed ones are only unpacked if they hold cells."""
    place = 128
    while place + 8 <= len(view):
        kind, length = struct.unpack_from(f"{order}2I", view, place)
        if place + 8 + length > len(view):
            raise _DamagedError("a length leads beyond its end")
        if kind == _COMPRESSED:
            packed = zlib.decompressobj()
            try:
                begin = packed.decompress(view[place + 8 : place + 8 + length], 1 << 16)
                claimed = 8 + struct.unpack_from(f"{order}2I", begin)[1] if len(begin) >= 8 else 0
                if claimed > _DEFLATE * length + (1 << 16):
                    raise _DamagedError("a compressed variable claims more than its bytes can hold")
                if _has_several(begin, order):
                    require_memory(claimed, f"the cells of '{label}'")
                    begin += packed.decompress(packed.unconsumed_tail, max(claimed - len(begin), 1))
                    claimed = len(begin)
            except zlib.error:
                return  # scipy tells it
            _Elements(begin, claimed, order).matrix(0, 0)
        else:
            _Elements(view, place + 8 + length, order).matrix(place, 0)
        place += 8 + length


def _has_several(begin: bytes, order: str) -> bool:
    """Returns True for a matrix that holds others, or several elements of numbers, by its first bytes."""
    flags = struct.unpack_from(f"{order}I", begin, 16)[0] if len(begin) >= 20 else 0
    return flags & 0xFF in (*_NESTED, _SPARSE) or bool(flags & _COMPLEX)


class _Elements:
    """Elements of one variable, walked through in the order in which scipy reads them.

    Args:
        view: Bytes of the variable, or the first of them where it holds no others.
        end: End of the variable.
        order: Order of the bytes, ``<`` or ``>``.
    """

    def __init__(self, view: Content, end: int, order: str) -> None:
        self.view, self.end, self.order = view, end, order

    def numbers(self, place: int, count: int) -> tuple[int, ...]:
        """Returns whole numbers at a place."""
        if place + 4 * count > len(self.view):
            raise _DamagedError("a length leads beyond its end")
        return struct.unpack_from(f"{self.order}{count}i", self.view, place)

    def tag(self, place: int) -> tuple[int, int, int, int]:
        """Returns kind, first byte, length and end of an element; that of at most four bytes lies in its own tag."""
        kind, length = self.numbers(place, 2)
        if kind >> 16 & 0xFFFF:
            return kind & 0xFFFF, place + 4, kind >> 16 & 0xFFFF, place + 8
        length &= 0xFFFFFFFF
        return kind, place + 8, length, place + 8 + length + -length % 8

    def leaf(self, place: int) -> tuple[int, int, int]:
        """Returns first byte, length and end of an element of numbers."""
        kind, start, length, end = self.tag(place)
        if kind not in _NUMBERS:
            raise _DamagedError(f"an element is of the kind {kind}, which there is not")
        if start + length > self.end:
            raise _DamagedError("a length leads beyond its end")
        return start, length, end

    def matrix(self, place: int, depth: int) -> int:
        """Walks through a matrix and what it holds; returns its end."""
        if depth > _DEPTH:
            raise _DamagedError(f"its cells are nested more than {_DEPTH} deep")
        kind, place, length, end = self.tag(place)
        if kind != _MATRIX:
            raise _DamagedError("an element is not what it should be")
        if not length:
            return end
        start, length, place = self.leaf(place)
        flags = self.numbers(start, 1)[0]
        kind = flags & 0xFF
        if kind == _OPAQUE:
            for _ in range(3):
                _, _, place = self.leaf(place)
            return self.matrix(place, depth + 1)
        start, length, place = self.leaf(place)
        shape = self.numbers(start, min(length // 4, 32))
        _, _, place = self.leaf(place)
        if min(shape, default=0) < 0:
            raise _DamagedError("an axis has less than no entries")
        if kind == _FUNCTION:
            return self.matrix(place, depth + 1)
        if kind in _NESTED:
            return self.cells(kind, place, math.prod(shape), depth)
        for _ in range((3 if kind == _SPARSE else 1) + bool(flags & _COMPLEX)):
            if place + 8 > len(self.view):  # of a compressed variable only the first part is unpacked
                break
            _, length, place = self.leaf(place)
            if kind == _CHAR and math.prod(shape) > max(length, _MOST_EMPTY):
                raise _DamagedError(f"a text of shape {list(shape)} has {length} bytes")
        return place

    def cells(self, kind: int, place: int, count: int, depth: int) -> int:
        """Walks through the matrices that a cell array, or the fields of a struct array, hold; returns their end."""
        if kind == _OBJECT:
            _, _, place = self.leaf(place)
        if kind != _CELL:
            start, length, place = self.leaf(place)
            size = self.numbers(start, 1)[0] if length >= 4 else 0
            _, length, place = self.leaf(place)
            fields = length // size if size > 0 else 0
            if not fields and count > _MOST_EMPTY:
                raise _DamagedError(f"{count} structs have no fields")
            count *= fields
        if 8 * count > self.end - place:
            raise _DamagedError(f"{count} cells are claimed, for which it has no bytes")
        for _ in range(count):
            place = self.matrix(place, depth + 1)
        return place
