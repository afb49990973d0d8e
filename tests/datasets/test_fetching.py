import errno
import hashlib
import os
import subprocess
import sys
from urllib.error import HTTPError

import pytest

from synapsnet_pyg.datasets import fetching
from synapsnet_pyg.datasets.fetching import fetch

BODY = bytes(range(256)) * 5000
OTHER = BODY[::-1]
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def begun(server, tmp_path):
    """A download that broke off after 400,000 bytes."""
    server.files["/a.bin"] = BODY
    server.break_after = 400_000
    with pytest.raises(OSError, match="broke off after 400000 of 1280000 bytes; repeat the command"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    assert sorted(os.listdir(tmp_path)) == ["a.bin.part", "a.bin.part.json"]
    server.break_after = None
    return f"{server.url}/a.bin", tmp_path / "a.bin"


def test_goes_on_where_it_broke_off(server, begun):
    url, path = begun
    assert fetch(url, path, size=len(BODY), md5=MD5).read_bytes() == BODY
    assert server.asked[-1] == ("/a.bin", "bytes=400000-")
    count = len(server.asked)
    fetch(url, path, size=len(BODY), md5=MD5)
    assert len(server.asked) == count  # what is there is not fetched again
    assert os.listdir(path.parent) == ["a.bin"]


@pytest.mark.parametrize("conditions", [True, False])
def test_a_file_that_changed_at_the_source_begins_anew(conditions, server, begun):
    url, path = begun
    server.files["/a.bin"], server.version, server.conditions = OTHER, '"2"', conditions
    assert fetch(url, path).read_bytes() == OTHER


@pytest.mark.parametrize("version", [None, 'W/"1"'])
def test_without_a_version_it_begins_anew(version, server, tmp_path):
    server.version = version
    server.files["/a.bin"], server.break_after = BODY, 400_000
    with pytest.raises(OSError, match="broke off"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    server.files["/a.bin"], server.break_after = OTHER, None
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin").read_bytes() == OTHER
    assert server.asked[-1] == ("/a.bin", None)


def test_a_server_without_ranges_begins_anew(server, begun):
    server.ranges = False
    assert fetch(*begun).read_bytes() == BODY


@pytest.mark.parametrize("more", [0, 1, 1000])
def test_a_part_that_is_complete_or_longer_than_the_file(more, server, begun):
    url, path = begun
    path.with_name("a.bin.part").write_bytes(BODY + bytes(more))
    assert fetch(url, path).read_bytes() == BODY
    assert len(server.asked) == (2 if more == 0 else 3)


def test_damaged_notes_begin_anew(server, begun):
    url, path = begun
    path.with_name("a.bin.part.json").write_text("[")
    assert fetch(url, path).read_bytes() == BODY


def test_a_wrong_checksum_is_not_kept(server, tmp_path):
    server.files["/a.bin"] = BODY
    with pytest.raises(ValueError, match="another checksum"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", size=len(BODY), md5="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_is_told(server, tmp_path):
    server.files["/a.bin"] = BODY
    with pytest.raises(ValueError, match=r"Expected 7 bytes at .*there are 1280000"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", size=7)
    assert list(tmp_path.iterdir()) == []


def test_without_a_published_checksum_one_is_kept_and_compared(server, tmp_path):
    server.files["/a.bin"] = BODY
    path = fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin.sha256").read_text() == f"{hashlib.sha256(BODY).hexdigest()}  a.bin\n"
    fetch(f"{server.url}/a.bin", path)
    assert len(server.asked) == 1
    path.write_bytes(OTHER)
    with pytest.raises(ValueError, match=r"a\.bin' with the sha256 checksum .* move it away"):
        fetch(f"{server.url}/a.bin", path)
    with pytest.raises(ValueError, match=r"a\.bin' of 7 bytes \(got 1280000\)"):
        fetch(f"{server.url}/a.bin", path, size=7)


def test_a_file_that_was_fetched_by_hand_is_taken(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(OTHER)
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin").read_bytes() == OTHER
    assert server.asked == []


def test_chunks_end_with_a_mark_and_other_files_have_a_size(server, tmp_path):
    server.files["/a.bin"], server.chunked, server.break_after = BODY, True, 400_000
    with pytest.raises(OSError, match=r"broke off after [0-9]+ bytes"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    server.break_after = None
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin").read_bytes() == BODY
    server.chunked = server.length = False
    with pytest.raises(OSError, match="Expected a server that tells the size"):
        fetch(f"{server.url}/a.bin", tmp_path / "b.bin")
    assert fetch(f"{server.url}/a.bin", tmp_path / "b.bin", size=len(BODY)).read_bytes() == BODY


def test_a_file_that_is_missing_leaves_nothing(server, tmp_path):
    with pytest.raises(HTTPError, match="404"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []


def test_of_two_at_once_the_second_tells_who_fetches(server, tmp_path):
    server.files["/a.bin"] = BODY
    server.wait.clear()
    code = "import pathlib, sys; from synapsnet_pyg.datasets.fetching import fetch; "
    code += "fetch(sys.argv[1], pathlib.Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, f"{server.url}/a.bin", tmp_path / "a.bin"]
    with subprocess.Popen(command) as first:
        notes = tmp_path / "a.bin.part.json"
        while not (notes.exists() and '"version"' in notes.read_text()):
            assert first.poll() is None
        with pytest.raises(BlockingIOError, match=f"process {first.pid} on .* fetches it"):
            fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
        server.wait.set()
        assert first.wait() == 0
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin").read_bytes() == BODY
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.sha256"]


def test_a_full_disk_is_one_line(server, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    server.files["/a.bin"] = BODY
    monkeypatch.setattr(fetching, "_copy", full)
    with pytest.raises(OSError, match=r"No space left on the disk of .*a\.bin"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
