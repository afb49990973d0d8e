from itertools import pairwise

import h5py
import numpy as np
import pytest

from synapsnet_pyg.readers.hdf5_links import elsewhere
from synapsnet_pyg.readers.hdf5_survey import survey


def _result(path):
    return survey(str(path), elsewhere, lambda: None)


def test_sound_files_have_no_reason(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i in range(50):
            file[f"a/b{i}/x"] = np.arange(3.0)
            file[f"a/b{i}"].attrs["unit"] = "s"
        file["again"] = file["a"]
        file["a/up"] = h5py.SoftLink("/")
        file["none"] = h5py.SoftLink("/nowhere")
        file.create_dataset("packed", data=np.zeros((100, 100)), chunks=(10, 10), compression="gzip")
    assert _result(tmp_path / "a.h5") == ("", "")


def test_files_that_are_none_are_left_to_the_reader(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert _result(tmp_path / "a.h5") == ("", "")


def test_deep_nesting(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file
        for _ in range(2000):
            group = group.create_group("g")
    assert "nested more than 100 deep" in _result(tmp_path / "a.h5")[0]


def test_links_that_make_endless_many_paths(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        groups = [file.create_group(f"g{i}") for i in range(40)]
        for upper, lower in pairwise(groups):
            upper["left"] = upper["right"] = lower
        groups[-1]["x"] = np.arange(3.0)
    assert "endless many paths" in _result(tmp_path / "a.h5")[0]


@pytest.mark.parametrize("count", [30, 3000])
def test_every_step_is_news(tmp_path, count):
    steps = []
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for i in range(count):
            file[f"x{i}"] = i
    survey(str(tmp_path / "a.h5"), elsewhere, lambda: steps.append(1))
    assert len(steps) > count
