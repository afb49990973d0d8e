import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest

from synapsnet_pyg.processes.locks import FILE, held

HOLD = """
import sys, time
from synapsnet_pyg.processes.locks import held
with held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_holds_the_folder(tmp_path, holder):
    with (
        pytest.raises(BlockingIOError, match=rf"in use by '-c .*\(process {holder.pid} on .*, since 20") as told,
        held(tmp_path),
    ):
        pass
    assert str(told.value).endswith("wait until it ends, or choose another folder.")


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / FILE).is_file()  # a leftover that holds up nothing
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_file_of_a_stranger_is_not_written(tmp_path):
    folder, precious = tmp_path / "folder", tmp_path / "precious"
    folder.mkdir()
    precious.write_text("mine")
    (folder / FILE).symlink_to(precious)
    with held(folder):
        assert precious.read_text() == "mine"
    (folder / FILE).unlink(missing_ok=True)
    os.link(precious, folder / FILE)
    with held(folder):
        assert precious.read_text() == "mine"
    assert precious.read_text() == "mine"


def test_what_the_file_says_is_no_terminal_code_and_may_be_damaged(tmp_path, holder):
    told = '{"command": "a\\u001b[2Jb", "process": 1, "host": "h", "since": "s"}'
    for text, shown in ((told, r"'a\?\[2Jb'"), ("[" * 9000, "another command"), ("", "another command")):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(BlockingIOError, match=f"in use by {shown}"), held(tmp_path):
            pass


def test_goes_on_where_there_are_no_locks(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with held(tmp_path), held(tmp_path):
        pass
    monkeypatch.setattr("synapsnet_pyg.processes.locks.fcntl", None)
    with held(tmp_path), held(tmp_path / "missing"):
        pass


def test_many_at_once_hold_a_folder_one_after_the_other(tmp_path):
    """The file is removed by each holder: none may lock a file that has no name any more."""
    code = (
        "import sys, time, os\nfrom synapsnet_pyg.processes.locks import held\n"
        "mark, done = os.path.join(sys.argv[1], 'mark'), 0\n"
        "while done < 150:\n"
        "    try:\n"
        "        with held(sys.argv[1]):\n"
        "            os.mkdir(mark); os.rmdir(mark); done += 1\n"
        "    except BlockingIOError:\n"
        "        time.sleep(0.0005)\n"
    )
    start = time.monotonic()
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0], time.monotonic() - start
    assert not list(tmp_path.iterdir())
