import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from synapsnet_pyg.files import atomic_path, atomic_stream, make_folder, writing
from synapsnet_pyg.files.hdf5 import atomic_hdf5
from synapsnet_pyg.processes.signals import ending_signals


def write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def test_a_file_is_written_wholly_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "first")
    assert path.read_text() == "first"

    def interrupted():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_replaces_none(tmp_path, monkeypatch, links):
    if not links:  # as on disks without hard links

        def none(*_):
            raise PermissionError("no links")

        monkeypatch.setattr(os, "link", none)
    with atomic_path(tmp_path / "a", new=True) as temporary:
        temporary.write_text("first")
    with pytest.raises(FileExistsError), atomic_path(tmp_path / "a", new=True) as temporary:
        temporary.write_text("second")
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_needs_a_folder_and_a_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="an existing folder"), atomic_path(tmp_path / "no" / "a.txt"):
        pass
    with pytest.raises(IsADirectoryError, match="a file name"), atomic_path(tmp_path):
        pass


def test_a_folder_is_made_unless_a_file_is_there(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="there is a file of that name"):
        make_folder(tmp_path / "file")


def test_permissions_and_links_of_the_user_stay(tmp_path):
    path, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    write(make_folder(path.parent) / "a.txt", "old")
    path.chmod(0o600)
    link.symlink_to(path)
    write(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_file_has_the_permissions_of_other_files(tmp_path):
    write(tmp_path / "a.txt", "")
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


KILLED = """
import os, signal, sys
from synapsnet_pyg.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_command_left_is_removed_and_never_seen(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.h5"], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.h5-")
    assert left.name.endswith(".part")
    assert not list(tmp_path.glob("*.h5"))
    os.utime(left, (0, 0))
    with atomic_path(tmp_path / "b.h5") as held:
        os.utime(held.parent, (0, 0))
        writing._swept.clear()
        write(tmp_path / "c.h5", "")  # a file that another block is writing stays
        assert held.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"b.h5", "c.h5"}


class Full:
    """Disk with room for a number of bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)


@pytest.fixture
def full(monkeypatch):
    """Makes a disk full after a number of bytes."""
    late_errors = writing._LateErrors
    return lambda room: monkeypatch.setattr(writing, "_LateErrors", lambda file: late_errors(Full(file, room)))


@pytest.mark.parametrize("room", [0, 500, 2000, 9000, 30000])
@pytest.mark.parametrize("kind", ["hdf5", "torch"])
def test_a_full_disk_is_told_and_the_old_file_stays(tmp_path, full, room, kind):
    path, values = tmp_path / "a", np.random.default_rng(0).normal(size=(40, 300))
    path.write_text("old")
    full(room)

    def fill():
        if kind == "torch":
            with atomic_stream(path) as stream:
                torch.save({"values": torch.from_numpy(values)}, stream)
        else:
            with atomic_hdf5(path, "synapsnet test") as (file, _):
                file.attrs["name"] = "x"
                for number, rows in enumerate(np.split(values, 4)):
                    file.create_dataset(str(number), data=rows, compression="gzip")

    with pytest.raises(OSError, match=r"No space left on the disk of '.*a'; free some") as told:
        fill()
    assert told.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_stream_reads_what_the_disk_did_not_take(tmp_path):
    with (tmp_path / "a").open("w+b", buffering=0) as raw:
        stream = writing._LateErrors(Full(raw, 10))
        stream.write(b"0123456789")
        stream.write(b"abcdef")
        stream.seek(8)
        stream.write(b"XY")
        stream.seek(6)
        assert stream.read(6) == b"67XYab"
        assert stream.seek(0, os.SEEK_END) == 16
        with pytest.raises(OSError, match="No space"):
            stream.check()


class Dying:
    """Raises an interrupt where no caller can catch it, as one in a call back of HDF5."""

    def __del__(self):
        raise KeyboardInterrupt


def test_an_interrupt_that_nobody_could_catch_leaves_the_old_file(tmp_path, monkeypatch):
    path, seen = tmp_path / "s.h5", []
    path.write_bytes(b"old")
    monkeypatch.setattr(sys, "unraisablehook", seen.append)

    def save():
        with atomic_stream(path) as stream:
            stream.write(b"new")
            Dying()

    with pytest.raises(KeyboardInterrupt):
        save()
    assert [found.exc_type for found in seen] == [KeyboardInterrupt]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.h5"]
    with atomic_stream(path) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("place", ["mkdtemp", "_lock", "rmtree"])
def test_an_interrupt_leaves_no_hidden_folder(tmp_path, monkeypatch, place):
    """It comes while the folder is made, locked or removed."""
    owner = {"mkdtemp": writing.tempfile, "_lock": writing, "rmtree": writing.shutil}[place]
    function = getattr(owner, place)

    def interrupted(*arguments, **options):
        result = function(*arguments, **options) if place == "mkdtemp" else None
        signal.raise_signal(signal.SIGTERM)
        return result if place == "mkdtemp" else function(*arguments, **options)

    monkeypatch.setattr(owner, place, interrupted)
    with ending_signals(), pytest.raises(KeyboardInterrupt), writing.hidden_folder(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())
