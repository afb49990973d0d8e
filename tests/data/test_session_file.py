import h5py
import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_file import is_session_file
from synapsnet_pyg.intake.notes import DataWarning


def by_hand(path, **fields):
    """Writes a session file as earlier versions and other programs do: without a checksum."""
    with h5py.File(path, "w") as file:
        file.attrs.update(format="synapsnet session", version=1, name="demo", bin_size=0.1)
        for key, value in {"activity": np.ones((3, 20), "f4"), **fields}.items():
            file[key] = value
    return path


def test_a_file_of_an_earlier_version_opens_with_a_note(tmp_path):
    path = by_hand(tmp_path / "a.h5", area=["V1", "V1", "LM"])
    assert is_session_file(path)
    with pytest.warns(DataWarning, match=r"a.h5' has no checksum"):
        session = Session.load(path)
    assert session.area == ["V1", "V1", "LM"]
    session.save(path)
    assert is_session_file(path)
    assert Session.load(path).fingerprint == session.fingerprint


def test_a_file_that_was_changed_on_purpose_opens_with_a_note(tmp_path):
    """HDF5 cuts off the checksum when it changes a file."""
    make_session(N=3).save(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.create_dataset("depth", data=np.arange(3.0))
    with pytest.warns(DataWarning, match="no checksum"):
        assert Session.load(tmp_path / "a.h5").depth.tolist() == [0, 1, 2]


def test_zeros_at_the_end_are_told(tmp_path):
    make_session(N=3).save(tmp_path / "a.h5")
    content = bytearray((tmp_path / "a.h5").read_bytes())
    for length in (50, 500):
        (tmp_path / "a.h5").write_bytes(content[:-length] + bytes(length))
        with pytest.raises(ValueError, match=r"a.h5' is damaged"):
            Session.load(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"activity": np.ones((3, 20), int)}, "'activity' of"),
        ({"segment": np.array([[5, 900]])}, "segments in order"),
        ({"edge_index": np.array([[0], [7]])}, "edge_index within 0..2"),
        ({"activity_scale": np.zeros(3), "activity_mean": np.zeros(3)}, "activity_scale above 0"),
        ({"behaviour_mean": np.full(1, np.nan)}, "finite numbers in behaviour_mean"),
        ({"constant": np.zeros(2, bool)}, "3 finite numbers in constant"),
        ({"depth": np.ones(4)}, "3 entries in 'depth'"),
        ({"self": np.ones(3)}, "self"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*no checksum")
def test_each_violation_is_a_line_with_the_name_of_the_file(tmp_path, fields, message):
    path = by_hand(tmp_path / "a.h5", **fields)
    with pytest.raises(ValueError, match=message) as told:
        Session.load(path)
    assert "a.h5" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_standardised_session_comes_back(tmp_path):
    session = make_session(N=3).standardise()
    session.save(tmp_path / "a.h5")
    loaded = Session.load(tmp_path / "a.h5")
    assert torch.equal(loaded.activity_scale, session.activity_scale)
    assert loaded.constant.dtype == torch.bool


def test_a_file_whose_root_is_damaged_is_no_session_file(tmp_path):
    """The header of the root object then is of a kind that HDF5 does not know."""
    path = by_hand(tmp_path / "a.h5")
    content = bytearray(path.read_bytes())
    kinds = set()
    for place in range(0, 800, 2):
        content[place] ^= 255
        path.write_bytes(content)
        content[place] ^= 255
        try:
            with h5py.File(path) as file:
                assert file.attrs is not None
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            kinds.add(type(error))
            assert is_session_file(path) is False
    assert KeyError in kinds
