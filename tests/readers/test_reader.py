import os
from pathlib import Path

import numpy as np
import pytest
from helpers import make_session, told

from synapsnet_pyg.readers.reader import Reader, find_recordings, natural, next_rows, require_path, session_name, walk


class Notes(Reader):
    """Folders with a file called notes.txt, for these tests."""

    name = "notes"
    generic = frozenset({"sorted"})

    def recognises(self, path):
        return (path / "notes.txt").is_file()


class Tables(Reader):
    """Files that end in .tab, for these tests."""

    name = "tables"

    def recognises(self, path):
        return path.suffix == ".tab"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def found(root):
    recordings, messages = told(lambda: find_recordings(root, [Notes(), Tables()]))
    return {name: one.path.relative_to(root).as_posix() for name, one in recordings.items()}, messages


def test_names_are_sorted_as_people_do():
    names = ["b", "plane10", "plane2", "a1b10", "a1b9", "10", "9", ""]
    assert sorted(names, key=natural) == ["", "9", "10", "a1b9", "a1b10", "b", "plane2", "plane10"]


def test_hidden_names_copies_and_sessions_are_no_recordings(tmp_path):
    for name in (
        "a.tab",
        "._a.tab",
        ".git/b.tab",
        "sub/c.tab",
        "c copy.tab",
        "Copy of a.tab",
        "d (1).tab",
        "01 copy/e.tab",
    ):
        touch(tmp_path / name)
    make_session().save(tmp_path / "fit.tab")
    names, messages = found(tmp_path)
    assert names == {"a": "a.tab", "sub-c": "sub/c.tab"}
    assert len(messages) == 4
    assert all("taken for a copy" in message for message in messages)


def test_links_are_followed_once_and_dangling_ones_are_named(tmp_path):
    touch(tmp_path / "store/x/notes.txt")
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "store/x", tmp_path / "data/mouse")
    os.symlink(tmp_path / "data", tmp_path / "data/loop")
    os.symlink(tmp_path / "missing.tab", tmp_path / "data/lost.tab")
    recordings, messages = told(lambda: find_recordings(tmp_path / "data", [Notes(), Tables()]))
    assert list(recordings) == ["mouse"]
    assert len(messages) == 1
    assert "lost.tab' is a link to a file that is not there" in messages[0]
    with pytest.raises(FileNotFoundError, match="datalad get"):
        require_path(tmp_path / "data/lost.tab")
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        find_recordings(tmp_path / "none", [Tables()])


def test_a_second_link_to_a_file_is_left_out(tmp_path):
    touch(tmp_path / "a.tab")
    os.symlink("a.tab", tmp_path / "b.tab")
    names, messages = found(tmp_path)
    assert names == {"a": "a.tab"}
    assert "b.tab' is left out: it is the same file as" in messages[0]


def test_a_folder_that_is_a_recording_is_not_searched_further(tmp_path):
    touch(tmp_path / "m1/sorted/notes.txt")
    touch(tmp_path / "m1/sorted/inner.tab")
    touch(tmp_path / "m2/day 1/sorted/notes.txt")
    assert found(tmp_path)[0] == {"m1": "m1/sorted", "m2-day 1": "m2/day 1/sorted"}
    assert list(find_recordings(tmp_path / "m1/sorted", [Notes()])) == ["m1"]


def test_the_same_name_twice(tmp_path):
    touch(tmp_path / "a/notes.txt")
    touch(tmp_path / "a.tab")
    names, _ = found(tmp_path)
    assert len(names) == 2


def test_names_of_sessions(tmp_path):
    folder = tmp_path / "m1.nwb.zarr"
    folder.mkdir()
    assert session_name(tmp_path, folder, frozenset()) == "m1"
    assert session_name(folder, folder, frozenset()) == "m1"
    file = touch(tmp_path / "sub-1.2.nwb")
    assert session_name(tmp_path, file, frozenset()) == "sub-1.2"
    assert session_name(file, file, frozenset()) == "sub-1.2"


def test_walk_is_in_natural_order(tmp_path):
    for i in (10, 9, 1):
        np.save(tmp_path / f"f{i}.npy", np.zeros(1))
    assert [path.name for path in walk(tmp_path)][1:] == ["f1.npy", "f9.npy", "f10.npy"]


def test_files_that_cannot_be_opened_are_named_and_the_others_go_on(tmp_path):
    (tmp_path / "good.tab").touch()
    (tmp_path / "cut.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    found, messages = told(lambda: find_recordings(tmp_path, [Tables()]))
    assert list(found) == ["good"]
    assert any("cut.hdf5' is left out: it is cut short, or no HDF5 file" in message for message in messages)


def test_a_guessed_rate_is_told(tmp_path):
    rows = dict(next_rows(tmp_path / "a b", "--bin-size 0.05", unknown="--sampling-rate"))
    assert rows["next"] == f"synapsnet convert '{tmp_path}/a b' out.h5 --bin-size 0.05 --sampling-rate 30000"
    assert rows["replace"].startswith("the 30000 by your samples a second: no file states them")
    assert [key for key, _ in next_rows(tmp_path)] == ["next"]
