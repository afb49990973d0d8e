import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synapsnet_pyg.processes import children
from synapsnet_pyg.processes.children import PARENT, Child, end_all, obey_parent, pool, together

PARENTS = {
    "child": """
import os, sys, time
from synapsnet_pyg.processes.children import Child
def work(path):
    import os, time
    open(path, "w").write(str(os.getpid()))
    time.sleep(60)
child = Child(work, [sys.argv[1]])
time.sleep(60)
""",
    "pool": """
import sys, time
sys.path.insert(0, sys.argv[2])
import test_children
from synapsnet_pyg.processes.children import pool
if __name__ == "__main__":
    with pool(1) as executor:
        list(executor.map(test_children.note, [sys.argv[1]]))
""",
    "script": """
import os, subprocess, sys, time
from synapsnet_pyg.processes.children import PARENT, obey_parent
if PARENT in os.environ:
    obey_parent()
    open(sys.argv[1], "w").write(str(os.getpid()))
else:
    subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, PARENT: str(os.getpid())})
time.sleep(60)
""",
}


def note(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def add(values, path):
    print("printed")
    Path(path).write_text(str(sum(values)))


def fail(kind):
    raise kind


def where(value):
    if value == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if value == "err":
        raise OSError(28, "full")
    return value, os.getpid(), os.environ.get("WHERE")


def wait_for(condition, seconds=20.0):
    """Whether a condition comes true in time."""
    latest = time.monotonic() + seconds
    while not condition() and time.monotonic() < latest:
        time.sleep(0.02)
    return condition()


def is_alive(process):
    """Whether a process runs; one that has ended and is not yet fetched does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """This file, in the processes that it starts."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    for function in (add, fail, where):
        monkeypatch.setattr(function, "__module__", "test_children")
    monkeypatch.setitem(sys.modules, "test_children", sys.modules[__name__])


def test_a_call_is_done_and_its_output_kept(tmp_path):
    child = Child(add, ([1, 2, 3], str(tmp_path / "sum")), log=tmp_path / "log", environment={"A": "1"})
    assert child.error() is None
    assert child.error() is None
    assert (tmp_path / "sum").read_text() == "6"
    assert (tmp_path / "log").read_text() == "printed\n"


def test_an_error_comes_back_and_an_empty_log_goes(tmp_path):
    class OddError(Exception):  # cannot be pickled
        pass

    for given, expected in ((OSError(28, "full"), OSError), (OddError("strange"), RuntimeError)):
        child = Child(fail, [given], log=tmp_path / "log")
        error = child.error()
        assert isinstance(error, expected)
        assert not (tmp_path / "log").exists()
    assert "OddError: strange" in str(error)


def test_calls_are_done_at_once_the_first_here():
    long = "b" * 10**6  # more than a pipe holds, there and back
    results = together(where, [["a"], [long], ["c"]], environment={"WHERE": "there"})
    assert [value for value, _, _ in results] == ["a", long, "c"]
    assert len({process for _, process, _ in results}) == 3
    assert results[0][1] == os.getpid()
    assert [place for _, _, place in results] == [None, "there", "there"]


@pytest.mark.parametrize(
    ("calls", "expected"), [("a err", OSError), ("err a", OSError), ("a die a", ChildProcessError)]
)
def test_a_call_that_fails_ends_the_others(calls, expected):
    with pytest.raises(expected):
        together(where, [[value] for value in calls.split()], environment={})


def test_a_killed_process_has_no_error_and_others_are_ended(tmp_path):
    several = [Child(note, [str(tmp_path / name)]) for name in "ab"]
    assert wait_for(lambda: all((tmp_path / name).is_file() and (tmp_path / name).read_text() for name in "ab"))
    os.kill(int((tmp_path / "a").read_text()), signal.SIGKILL)
    assert several[0].error() is None
    assert not several[1].is_done()
    start = time.monotonic()
    end_all(several)
    assert several[1].is_done()
    assert time.monotonic() - start < 5
    assert not is_alive(int((tmp_path / "b").read_text()))


@pytest.mark.parametrize("system", [True, False])
@pytest.mark.parametrize("kind", list(PARENTS))
def test_ends_with_its_parent(tmp_path, kind, system):
    code = PARENTS[kind]
    if not system:  # as where the system does not end children
        (tmp_path / "sitecustomize.py").write_text("import sys; sys.platform = 'other'\n")
    script = tmp_path / "parent.py"
    script.write_text(code)
    path = tmp_path / "child"
    here = str(Path(__file__).parent)
    paths = os.pathsep.join(
        [str(tmp_path), here, str(Path(children.__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    )
    parent = subprocess.Popen([sys.executable, script, path, here], env={**os.environ, "PYTHONPATH": paths})
    assert wait_for(lambda: path.is_file() and path.read_text())
    child = int(path.read_text())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    assert wait_for(lambda: not is_alive(child), 5)


def test_starts_import_nothing_from_the_current_folder(tmp_path, monkeypatch):
    for name in ("pickle", "ctypes", "socket", "runpy", "dill", "numexpr"):
        (tmp_path / f"{name}.py").write_text("open('EXECUTED', 'w').write(__name__)\n")
    monkeypatch.chdir(tmp_path)
    assert Child(add, ([1], str(tmp_path / "sum"))).error() is None
    with pool(1) as executor:
        assert executor.submit(abs, -1).result() == 1
    assert not (tmp_path / "EXECUTED").exists()
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_pool_whose_process_was_killed_says_so():
    with pytest.raises(ChildProcessError, match="killed, perhaps for want of memory"), pool(1) as executor:
        executor.submit(os._exit, 1).result()


def test_without_a_parent_nothing_changes(monkeypatch):
    monkeypatch.delenv(PARENT, raising=False)
    obey_parent()
