"""Endings of commands, most of them as processes of their own."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from commands import refused, run
from helpers import make_session

from synapsnet_pyg.cli.endings import run_to_end

COMMAND = [sys.executable, "-m", "synapsnet_pyg.cli"]
ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ROOT}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("endings") / "s.h5"
    make_session(N=5, T=300, name="s").save(path)
    return path


def start(*words, **options):
    """Starts a command in a process group of its own, as a shell does."""
    words = [*COMMAND, *map(str, words)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
                            start_new_session=True, preexec_fn=usual_signals, **options)  # fmt: skip


def usual_signals():
    """Hears signals that the tests may be told to ignore, as by nohup or in the background of a script."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for(path, process, pattern=""):
    """Waits for a file, or for a file of a folder."""
    latest = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < latest:
        if path.exists() and (not pattern or any(path.rglob(pattern))):
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


def descendants(root):
    """Numbers of the living processes below one."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            parents[int(folder.name)] = int(parent)
    found = {root}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {root}


def are_gone(processes, seconds=8.0):
    """Whether processes end in time."""
    latest = time.monotonic() + seconds
    while (living := [p for p in processes if descendants(p) or alive(p)]) and time.monotonic() < latest:
        time.sleep(0.05)
    return not living


def alive(process):
    """Whether a process runs."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a\nb"), "a b"),
        (MemoryError("Unable to allocate 9 TiB"), "more memory than is free (Unable to allocate 9 TiB); take longer"),
        (RuntimeError("[x] DefaultCPUAllocator: can't allocate memory: you tried"), "more memory than is free"),
        (ImportError("no parquet"), "no parquet; install the extras"),
        (OSError(errno.ENOSPC, "No space left on device"), "Standard output takes no more (No space left on device)."),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "No space left on the disk of '/a/b'; free some"),
        (yaml.YAMLError("bad"), "bad"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "invalid"),
    ],
)
def test_an_error_that_can_be_mended_is_one_line(capsys, error, line):
    def fail():
        raise error

    assert run_to_end("synapsnet x", fail) == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.startswith("synapsnet x: error: ")
    assert told.count("\n") == 1


def test_a_text_that_is_nested_too_deeply_is_one_line_and_a_bug_is_not(capsys):
    assert run_to_end("synapsnet x", lambda: json.loads("[" * 100_000)) == 2
    assert "nested" in capsys.readouterr().err

    def endless():
        endless()

    with pytest.raises(RecursionError):
        run_to_end("synapsnet x", endless)


@pytest.mark.parametrize(
    "text",
    [
        b"a: [1, 2\nb: }",
        b"\xff\xfe\x00",
        b"- 1\n- 2",
        b"[" * 5000,
        b"epochs: *nowhere",
        b"epochs: {a: 1}",
        b"\x00",
        b"epoch: 3",
        b"preset: ",
    ],
)
def test_a_damaged_config_is_one_line(tmp_path, capsys, session, text):
    (tmp_path / "c.yaml").write_bytes(text)
    for words in (("fit", session, "--config"), ("tune", session, "--space")):
        line = refused(capsys, *words, tmp_path / "c.yaml", "--out", tmp_path / "run")
        assert "c.yaml" in line or "--epochs" in line


def test_a_wrong_value_of_a_config_is_told_with_its_file(tmp_path, capsys, session):
    (tmp_path / "c.yaml").write_text("fold: 7/5")
    line = refused(capsys, "fit", session, "--out", tmp_path / "run", "--config", tmp_path / "c.yaml")
    assert line.rstrip().endswith(f"(got 7 of 5) (options of '{tmp_path / 'c.yaml'}').")


@pytest.mark.parametrize(("redirect", "reason"), [(">/dev/full", "No space left"), (">&-", "Bad file descriptor")])
def test_standard_output_that_takes_nothing_is_told(session, redirect, reason):
    done = subprocess.run(["sh", "-c", f'"$@" {redirect}', "sh", *COMMAND, "inspect", str(session)],
                          stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Standard output takes no more" in done.stderr
    assert reason in done.stderr


def test_nothing_is_imported_from_the_current_folder(tmp_path, session):
    for name in ("dill", "numexpr", "yaml", "h5py", "socket", "tqdm", "pandas", "sitecustomize", "evil", "bottleneck"):
        (tmp_path / f"{name}.py").write_text("open('EXECUTED', 'a').write(__name__)\n")
    done = subprocess.run([*COMMAND, "inspect", str(session)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "EXECUTED").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_fit_with_one_line_and_clean_files_and_resume_goes_on(tmp_path, session, number):
    out = tmp_path / "run"
    words = ["fit", session, "--out", out, "--model", "gru", "--epochs", "9999", "--resume"]
    process = start(*words)
    wait_for(out / "last.ckpt", process)
    os.killpg(process.pid, number)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    last = [line for line in told.splitlines() if not line.startswith("epoch")]
    assert len(last) == 1, told
    assert last[0].endswith("; the same command with --resume continues after the last whole epoch")
    assert not list(out.rglob(".*"))


def test_one_command_line_survives_every_kill(tmp_path, session, capsys):
    """Killed before anything was begun, before the first epoch, and after the end."""
    for model in ("synapsnet", "gru", "var1"):
        out = tmp_path / model
        words = ["fit", session, "--out", out, "--model", model, "--preset", "fast", "--epochs", "1", "--resume"]
        assert run(capsys, *words)[0] == 0
        whole = {path.relative_to(out): path.read_bytes() for path in out.rglob("best.ckpt")}
        record = (out / "run.json").read_bytes()
        for path in [path for path in out.rglob("*") if path.is_file() and path.name != "run.json"]:
            path.unlink()
        assert run(capsys, *words)[0] == 0  # between run.json and the first checkpoint
        assert run(capsys, *words)[0] == 0  # after the end
        assert (out / "run.json").read_bytes() == record
        assert {path.relative_to(out): path.read_bytes() for path in out.rglob("best.ckpt")} == whole
        (out / "run.json").unlink()
        assert "holds a fit without its run.json" in refused(capsys, *words)
        assert "holds a fit without its run.json" in refused(capsys, *words[:-1])
        assert not (out / "run.json").exists()
    adapted = ["adapt", tmp_path / "synapsnet", session, "--out", tmp_path / "adapted", "--epochs", "1", "--resume"]
    assert run(capsys, *["fit", session, "--out", tmp_path / "again", "--preset", "fast", "--epochs", "1"])[0] == 0
    adapted[1] = tmp_path / "again"
    for _ in range(2):
        assert run(capsys, *adapted)[0] == 0


def test_of_two_fits_in_one_folder_one_goes_on(tmp_path, session):
    words = ["fit", session, "--out", tmp_path / "run", "--preset", "fast", "--epochs", "40"]
    both = [start(*words), start(*words)]
    told = [process.communicate(timeout=300)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], told
    refusal = next(text for process, text in zip(both, told, strict=True) if process.returncode)
    assert "in use by" in refusal or "holds a run already" in refusal
    assert refusal.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize(
    "words",
    [
        ["benchmark", "forecasting", "--models", "gru,rnn", "--epochs", "9999", "--jobs", "2"],
        ["tune", "--model", "gru", "--epochs", "9999", "--jobs", "2"],
        ["fit", "--epochs", "9999", "--devices", "2", "--device", "cpu"],
    ],
    ids=lambda words: words[0],
)
def test_children_end_with_their_command(tmp_path, session, words, number):
    out = tmp_path / "out"
    split = 2 if words[0] == "benchmark" else 1
    process = start(*words[:split], session, *words[split:], "--out", out)
    wait_for(out, process, "last.ckpt")
    children = descendants(process.pid)
    assert len(children) >= (1 if words[0] == "fit" else 2)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert are_gone(children)
    assert "Traceback" not in told
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert not list(out.rglob(".*"))
        assert len([line for line in told.splitlines() if line.startswith("synapsnet")]) == 1, told
