import pickle

import numpy as np
import pytest
import scipy.io

from synapsnet_pyg.readers.suite2p_rate import frame_rate, rate_in_pickle


class Bomb:
    """An object whose unpickling would fail the test."""

    def __reduce__(self):
        return pytest.fail, ("the pickle was loaded",)


def write_ops(folder, **ops):
    """Settings among others, as Suite2p saves them."""
    folder.mkdir(exist_ok=True, parents=True)
    before = {
        "look_one_level_down": False,
        "save_path": "fs",
        "nplanes": 1,
        "tau": 1.25,
        "filelist": ["a.tif", "b.tif"],
    }
    after = {
        "Ly": 40,
        "meanImg": np.arange(12.0).reshape(3, 4),
        "diameter": [3, 4],
        "date": np.datetime64("2020-01-01"),
    }
    np.save(folder / "ops.npy", before | ops | after, allow_pickle=True)


@pytest.mark.parametrize("rate", [6.0, 30, 300, 70_000, 15.46])
def test_the_rate_is_read_without_loading_the_pickle(tmp_path, rate):
    write_ops(tmp_path, fs=rate, bomb=Bomb(), nframes=1 << 40)
    assert rate_in_pickle(tmp_path / "ops.npy") == rate
    assert frame_rate([tmp_path]) == (rate, "ops.npy")


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_every_protocol_of_pickles(tmp_path, protocol):
    write_ops(tmp_path)
    header = (tmp_path / "ops.npy").read_bytes()[:128]
    ops = np.array({"a": 1, "fs": 7.5, "b": "fs", "c": [2.5]}, dtype=object)
    (tmp_path / "ops.npy").write_bytes(header + pickle.dumps(ops, protocol=protocol))
    assert rate_in_pickle(tmp_path / "ops.npy") == 7.5


def test_no_rate_or_a_doubtful_one_is_none(tmp_path):
    for other in ({}, {"fs": "fast"}, {"fs": None}, {"fs": -1.0}, {"fs": 3.0, "db": {"fs": 4.0}}, {"fs": float("nan")}):
        write_ops(tmp_path, **other)
        assert rate_in_pickle(tmp_path / "ops.npy") is None
    (tmp_path / "ops.npy").write_bytes((tmp_path / "ops.npy").read_bytes()[:150])
    assert rate_in_pickle(tmp_path / "ops.npy") is None
    (tmp_path / "ops.npy").write_text("no array")
    assert frame_rate([tmp_path]) == (None, "")


def test_the_copy_for_matlab_states_the_rate_too(tmp_path):
    plane = tmp_path / "plane0"
    plane.mkdir()
    scipy.io.savemat(plane / "Fall.mat", {"F": np.zeros((2, 9)), "ops": {"fs": 12.5, "tau": 1.0}})
    assert frame_rate([plane]) == (12.5, "Fall.mat")
    (plane / "Fall.mat").write_text("no file of MATLAB")
    assert frame_rate([plane]) == (None, "")


def test_planes_must_agree(tmp_path):
    for number, rate in enumerate((5.0, 5.0, 4.0)):
        write_ops(tmp_path / f"plane{number}", fs=rate)
    assert frame_rate([tmp_path / "plane0", tmp_path / "plane1"]) == (5.0, "ops.npy")
    assert frame_rate([tmp_path / f"plane{number}" for number in range(3)]) == (None, "")
