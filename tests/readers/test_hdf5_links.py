import os

import h5py
import numpy as np
import pytest

from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.hdf5_files import open_hdf5
from synapsnet_pyg.readers.hdf5_links import is_below, outside
from synapsnet_pyg.readers.nwb_groups import open_nwb

VALUES = np.arange(24.0).reshape(4, 6)


def _external(file, target):
    file["spikes"] = h5py.ExternalLink(target / "other.h5", "/x")


def _relative(file, target):
    file["spikes"] = h5py.ExternalLink(os.path.relpath(target / "other.h5", os.path.dirname(file.filename)), "/x")


def _through_a_soft_link(file, target):
    file["group"] = h5py.ExternalLink(target / "other.h5", "/")
    file["spikes"] = h5py.SoftLink("/group/x")


def _virtual(file, target):
    layout = h5py.VirtualLayout((4, 6), "f8")
    layout[:] = h5py.VirtualSource(target / "other.h5", "x", (4, 6))
    file.create_virtual_dataset("spikes", layout)


def _stored(file, target):
    file.create_dataset("spikes", (4, 6), "f8", external=[(str(target / "raw.bin"), 0, 192)])


@pytest.fixture
def places(tmp_path):
    """A folder of the user, and one of somebody else, with the same numbers in both."""
    for place in (tmp_path / "mine" / "below", tmp_path / "theirs"):
        place.mkdir(parents=True)
        (place / "raw.bin").write_bytes(VALUES.tobytes())
        with h5py.File(place / "other.h5", "w") as file:
            file["x"] = VALUES
    return tmp_path / "mine", tmp_path / "theirs"


@pytest.mark.parametrize("kind", [_external, _relative, _through_a_soft_link, _virtual, _stored])
def test_only_files_in_the_folder_are_used(places, kind):
    mine, theirs = places
    for name, target in (("inside", mine / "below"), ("outside", theirs)):
        with h5py.File(mine / f"{name}.h5", "w") as file:
            kind(file, target)
            file["own"] = np.eye(3)
    with ArrayFile(mine / "inside.h5") as file:
        assert file.get("spikes").tolist() == VALUES.tolist()
    with ArrayFile(mine / "outside.h5") as file:
        assert file.get("own").shape == (3, 3)
        with pytest.raises(ValueError, match=r"theirs/\w+\.\w+', outside of it, which is not opened"):
            file.get("spikes")
    open_hdf5(mine / "inside.h5").close()
    with pytest.raises(ValueError, match=r"Expected the contents of '.*outside.h5' in its own folder"):
        open_hdf5(mine / "outside.h5")


@pytest.mark.parametrize("kind", [_external, _virtual, _stored])
def test_arrays_of_nwb_are_not_read_from_elsewhere(places, kind):
    mine, theirs = places
    with h5py.File(mine / "a.nwb", "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        kind(file, theirs)
    root = open_nwb(mine / "a.nwb")
    assert root.get("spikes") is None
    assert "theirs" in root.remark()


def test_a_link_to_a_device_is_not_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink("pipe", "/x")
    with pytest.raises(ValueError, match="which is no file"):
        open_hdf5(tmp_path / "a.h5")


def test_storage_is_followed_to_the_end_of_symbolic_links(places):
    mine, theirs = places
    (mine / "raw.bin").symlink_to(theirs / "raw.bin")
    (mine / "other.h5").symlink_to(theirs / "other.h5")
    home = str(mine / "a.h5")
    assert outside("raw.bin", home, home, resolved=True).endswith("raw.bin")
    assert outside("other.h5", home, home) == ""  # data sets of datalad are links


def test_the_current_folder_is_another_one(places, monkeypatch):
    mine, theirs = places
    monkeypatch.chdir(theirs)
    assert outside("other.h5", str(mine / "a.h5"), str(mine / "a.h5")) == str(theirs / "other.h5")


def test_a_name_that_begins_alike_is_another_folder():
    assert not is_below("/data-of-others/a.h5", "/data/a.h5")
