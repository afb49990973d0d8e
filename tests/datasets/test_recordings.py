import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers import told

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.recordings import LeftOutError, RecordingDataset
from synapsnet_pyg.intake.notes import warn


class Texts(RecordingDataset):
    """Sessions of numbers in text files, for these tests."""

    def __init__(self, root, factor=1.0, sessions=None, processed=None, jobs=1, transform=None):
        self.factor = factor
        super().__init__(root, sessions, processed=processed, jobs=jobs, transform=transform)

    def find(self, root):
        return {path.stem: [path] for path in root.glob("*.txt")}

    def read(self, name, files):
        numbers = np.loadtxt(files[0], ndmin=2)
        if not numbers.any():
            raise LeftOutError("it is all zero")
        if (numbers < 0).any():
            warn("some numbers are negative.")
        return Session.from_arrays(numbers * self.factor, bin_size=0.1, name=name)


@pytest.fixture
def folder(tmp_path):
    for name in ("c", "a", "b"):
        np.savetxt(tmp_path / f"{name}.txt", np.arange(12.0).reshape(3, 4) + ord(name))
    return tmp_path


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.h5")}


def test_sessions_are_read_once_and_by_name(folder):
    dataset = Texts(folder)
    assert dataset.names == ["a", "b", "c"]
    assert [session.name for session in dataset] == ["a", "b", "c"]
    assert len(dataset[1:]) == 2
    before = stamps(folder)
    assert Texts(folder, sessions=["b", "z*"]).names == ["b"]
    assert stamps(folder) == before
    assert "factor=1.0" in repr(dataset)
    doubled = Texts(folder, transform=lambda session: session.num_bins)
    assert doubled[0] == 4


def test_another_argument_never_takes_an_old_file(folder):
    Texts(folder)
    before = stamps(folder)
    doubled = Texts(folder, factor=2.0)
    assert doubled[0].activity.tolist() == (2 * Texts(folder)[0].activity).tolist()
    assert before.items() < stamps(folder).items()


def test_a_changed_file_is_read_anew(folder):
    assert Texts(folder)[0].activity[0, 0] == 97
    time.sleep(0.01)
    np.savetxt(folder / "a.txt", np.ones((2, 5)))
    assert Texts(folder)[0].activity.tolist() == [[1] * 5] * 2


def test_what_was_told_and_left_out_is_told_again(folder):
    np.savetxt(folder / "b.txt", np.zeros((2, 3)))
    np.savetxt(folder / "c.txt", -np.ones((2, 3)))
    for _ in range(2):
        dataset, messages = told(lambda: Texts(folder))
        assert dataset.names == ["a", "c"]
        assert messages == ["b is left out: it is all zero", "c: some numbers are negative."]
    with pytest.raises(ValueError, match="all are left out"):
        told(lambda: Texts(folder, sessions=["b"]))


def test_a_file_that_vanished_or_broke_is_made_again(folder):
    dataset = Texts(folder)
    paths = sorted(folder.rglob("*.h5"))
    paths[0].unlink()
    paths[1].with_suffix(".json").write_text("{")
    paths[2].with_suffix(".json").write_text(json.dumps({"source": []}))
    again = Texts(folder)
    assert [session.num_bins for session in again] == [4, 4, 4]
    assert torch.equal(again[0].activity, dataset[0].activity)


def test_a_session_that_cannot_be_read_is_named_and_the_others_go_on(folder):
    (folder / "b.txt").write_text("one two\n")
    dataset, messages = told(lambda: Texts(folder))
    assert dataset.names == ["a", "c"]
    assert messages[0].startswith("b is left out: could not convert")
    assert not list((folder / "processed").rglob("b.*"))
    (folder / "b.txt").write_text("1 2\n")
    assert Texts(folder).names == ["a", "b", "c"]


def test_nothing_is_left_where_no_session_can_be_read(folder):
    for name in "abc":
        (folder / f"{name}.txt").write_text("one two\n")
    with pytest.raises(ValueError, match=r"Session 'a' cannot be read: could not convert.*2 more"):
        Texts(folder)
    assert not (folder / "processed").exists()


def test_says_what_is_wrong(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="sessions of Texts"):
        Texts(tmp_path / "empty")
    with pytest.raises(ValueError, match="sessions among a, b, c"):
        Texts(folder, sessions=["x"])
    with pytest.raises(ValueError, match="jobs 0"):
        Texts(folder, jobs=0)


SCRIPT = """
import sys, pathlib
sys.path[:0] = {paths!r}
from test_recordings import Texts
if __name__ == "__main__":
    print(*(float(session.activity.sum()) for session in Texts(pathlib.Path({root!r}), jobs={jobs})))
"""


def script(folder, jobs):
    paths = [str(__file__).rsplit("/", 1)[0], str(__file__).rsplit("/", 2)[0]]
    path = folder / "read.py"
    path.write_text(SCRIPT.format(paths=paths, root=str(folder), jobs=jobs))
    return subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_several_processes_make_the_same_files(folder):
    expected = " ".join(str(float(session.activity.sum())) for session in Texts(folder, processed=folder / "own"))
    racing = [script(folder, 1), script(folder, 1), script(folder, 2)]
    for process in racing:
        out, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        assert out.strip() == expected
    assert not [path for path in folder.rglob(".*") if path.is_file()]  # nothing half-written
