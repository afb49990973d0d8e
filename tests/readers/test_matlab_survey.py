import struct
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from synapsnet_pyg.readers.matlab_survey import survey_matlab

HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def _element(kind, content):
    return struct.pack("<2I", kind, len(content)) + content + bytes(-len(content) % 8)


def _matrix(kind, content, shape=(1, 1), flags=0):
    head = _element(6, struct.pack("<2I", kind | flags, 0)) + _element(5, struct.pack("<2i", *shape))
    return _element(14, head + _element(1, b"s") + content)


def _nested(depth):
    inner = _matrix(6, _element(9, bytes(8)))
    for _ in range(depth):
        inner = _matrix(1, inner)
    return inner


def _packed(content):
    packed = zlib.compress(content)
    return struct.pack("<2I", 15, len(packed)) + packed


HOSTILE = {
    "nested": _nested(3000),
    "nested and packed": _packed(_nested(300)),
    "many cells": _matrix(1, b"", (2**20, 2**20)),
    "many structs": _matrix(2, _element(5, struct.pack("<i", 8)) + _element(1, b""), (2**15, 2**15)),
    "length beyond the end": struct.pack("<2I", 14, 2**32 - 8) + bytes(200),
    "length inside": _matrix(6, struct.pack("<2I", 9, 2**31) + bytes(8)),
    "text without characters": _matrix(4, _element(16, b""), (2**15, 2**15)),
    "kind that there is not": _matrix(6, _element(8, bytes(8))),
    "kind of a second part": _packed(_matrix(6, _element(9, bytes(80_000)) + _element(99, bytes(8)), flags=1 << 11)),
    "less than nothing": _matrix(1, b"", (-1, 2)),
    "packed claim": _packed(_matrix(6, struct.pack("<2I", 9, 2**32 - 8) + bytes(100_000))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(tmp_path, kind):
    (tmp_path / "a.mat").write_bytes(HEAD + HOSTILE[kind])
    for _ in range(2):  # the reason is kept
        with pytest.raises(ValueError, match=r"'.*a.mat' is not readable: damaged or made to do harm"):
            survey_matlab(tmp_path / "a.mat")


@pytest.mark.parametrize("rows", [-100, 10**6])
def test_files_of_the_fourth_version(tmp_path, rows):
    (tmp_path / "a.mat").write_bytes(struct.pack("<5i", 0, rows, 1000, 0, 2) + b"s\0" + bytes(1000))
    with pytest.raises(ValueError, match="is not readable"):
        survey_matlab(tmp_path / "a.mat")


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}], ids=str)
def test_sound_files_pass(tmp_path, options):
    random = np.random.default_rng(0)
    numbers = {"a": random.random((30, 500)), "s": scipy.sparse.csc_matrix(np.eye(5)), "t": np.array(["one", "three"])}
    cells = np.array([np.zeros((0, 0)), "x", np.eye(3, dtype=complex), np.array([True])], dtype=object)
    if "format" not in options:
        structs = np.zeros((2, 3), dtype=[("f", object), ("g", object)])
        numbers |= {"c": cells, "z": np.ones(20_000, dtype=complex), "u": np.arange(5, dtype="u1")}
        numbers |= {"d": {"e": {"c": cells}}, "structs": structs}
    scipy.io.savemat(tmp_path / "a.mat", numbers, **options)
    survey_matlab(tmp_path / "a.mat")


@pytest.mark.parametrize("content", [b"", b"abc", bytes(500), b"no file of MATLAB" * 40])
def test_other_files_are_left_to_scipy(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    survey_matlab(tmp_path / "a.mat")
