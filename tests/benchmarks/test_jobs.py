import os
from pathlib import Path

import pytest

from synapsnet_pyg.benchmarks.jobs import run_all


def note(piece: tuple[str, int], threads: int | None = None) -> None:
    """A piece of work: leaves a file that tells who did it."""
    folder, number = piece
    if number == 3:
        os._exit(1)  # as if it were killed
    (Path(folder) / str(number)).write_text(f"{os.getpid()} {threads}")


def test_one_at_a_time_is_done_here(tmp_path):
    told = []
    run_all(note, [(str(tmp_path), n) for n in range(3)], 1, "local", tmp_path, lambda piece: told.append(piece) or "x")
    assert [number for _, number in told] == [0, 1, 2]
    assert (tmp_path / "2").read_text() == f"{os.getpid()} None"


def test_several_at_once_are_processes_and_one_that_dies_stops_no_other(tmp_path):
    told = []
    pieces = [(str(tmp_path), n) for n in range(5)]
    run_all(note, pieces, 2, "local", tmp_path / "jobs", lambda piece: told.append(piece[1]) or "x", hours=0.1)
    assert sorted(told) == list(range(5))
    done = {n: (tmp_path / str(n)).read_text() for n in (0, 1, 2, 4)}
    assert not (tmp_path / "3").exists()
    assert str(os.getpid()) not in {text.split()[0] for text in done.values()}
    assert {text.split()[1] for text in done.values()} == {"1"}


def test_refuses_no_jobs(tmp_path):
    with pytest.raises(ValueError, match="at least 1 job"):
        run_all(note, [], 0, "local", tmp_path, str)
