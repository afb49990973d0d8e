import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synapsnet_pyg.benchmarks.jobs import Workers, errors_of, read_number, read_result, results_of, run_jobs


@dataclass(frozen=True)
class Square:
    """Result: a number and the process that found it."""

    value: int
    process: int
    threads: int

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "process": self.process, "threads": self.threads}


@dataclass(frozen=True)
class SquareJob:
    folder: Path
    number: int
    power: int = 2

    def settings(self) -> dict[str, Any]:
        return {"number": self.number, "power": self.power}

    def run(self) -> Square:
        import torch

        if self.number == 3:
            os._exit(1)  # as if it were killed
        if self.number == 7:
            raise ZeroDivisionError("seven\nis not allowed")
        if self.number == 11:
            raise OSError(errno.ENOSPC, "No space left on device")
        return Square(self.number**self.power, os.getpid(), torch.get_num_threads())

    def read(self, values: dict[str, Any]) -> Square | None:
        return Square(**values) if values["value"] >= 0 else None

    def describe(self, result: Square) -> str:
        return f"square {result.value}"


def jobs(out: Path, numbers, power: int = 2) -> list[SquareJob]:
    return [SquareJob(out / "runs" / str(number), number, power) for number in numbers]


def test_one_at_a_time_is_done_here_and_once(tmp_path, capsys):
    run_jobs(jobs(tmp_path, (0, 1, 2)), tmp_path)
    assert [result.value for _, result in results_of(jobs(tmp_path, (0, 1, 2)))] == [0, 1, 4]
    assert read_result(jobs(tmp_path, [2])[0]).process == os.getpid()
    assert "runs/2: square 4" in capsys.readouterr().err
    stamp = (tmp_path / "runs" / "2" / "result.json").stat().st_mtime_ns
    run_jobs(jobs(tmp_path, (2, 4)), tmp_path)
    assert (tmp_path / "runs" / "2" / "result.json").stat().st_mtime_ns == stamp
    assert "square 4\n" not in capsys.readouterr().err  # done before, so not told again


def test_several_at_once_are_processes_and_one_that_dies_stops_no_other(tmp_path):
    planned = jobs(tmp_path, range(5))
    run_jobs(planned, tmp_path, Workers(2, "local", hours=0.1))
    done = {job.number: result for job, result in results_of(planned)}
    assert sorted(done) == [0, 1, 2, 4]
    assert os.getpid() not in {result.process for result in done.values()}
    assert {result.threads for result in done.values()} == {1}
    assert errors_of(planned) == {str(tmp_path / "runs" / "3"): "killed"}


def test_jobs_that_go_together_share_a_process(tmp_path):
    planned = jobs(tmp_path, (0, 1, 2, 4))
    run_jobs(planned, tmp_path, Workers(2), together=lambda job: job.number % 2)
    process = {job.number: result.process for job, result in results_of(planned)}
    assert process[0] == process[2] == process[4] != process[1]


def test_an_error_is_kept_and_stops_no_other(tmp_path, capsys):
    planned = jobs(tmp_path, (7, 1))
    run_jobs(planned, tmp_path)
    assert list(errors_of(planned).values()) == ["seven is not allowed"]
    assert "ZeroDivisionError" in (tmp_path / "runs" / "7" / "error.txt").read_text()
    assert "runs/7: FAILED: seven is not allowed" in capsys.readouterr().err
    assert len(results_of(planned)) == 1


def test_a_full_disk_stops_all(tmp_path):
    planned = jobs(tmp_path, (1, 11, 2))
    with pytest.raises(OSError, match="No space left"):
        run_jobs(planned, tmp_path)
    assert [result.value for _, result in results_of(planned)] == [1]
    assert "No space left" in errors_of(planned)[str(planned[1].folder)]


def test_results_of_other_settings_are_refused_before_any_work(tmp_path):
    run_jobs(jobs(tmp_path, (1, 2)), tmp_path)
    with pytest.raises(ValueError, match=r"power 2 \(got 3\); choose another --out"):
        run_jobs(jobs(tmp_path, (5, 2), power=3), tmp_path)
    assert not (tmp_path / "runs" / "5").exists()


def test_results_of_version_0_1_0_are_refused(tmp_path):
    (job,) = jobs(tmp_path, [1])
    job.folder.mkdir(parents=True)
    (job.folder / "scores.json").write_text("{}")
    with pytest.raises(ValueError, match=r"version 0\.1\.0; give the same command with another --out"):
        run_jobs([job], tmp_path)


def test_a_result_that_does_not_serve_is_worked_out_anew(tmp_path):
    (job,) = jobs(tmp_path, [2])
    run_jobs([job], tmp_path)
    path = job.folder / "result.json"
    path.write_text(json.dumps({"value": -1, "process": 0, "threads": 1}))
    assert read_result(job) is None
    run_jobs([job], tmp_path)
    assert read_result(job).value == 4


@pytest.mark.parametrize("empty", [["result.json"], ["settings.json"], ["result.json", "settings.json", "error.txt"]])
def test_an_empty_file_is_a_missing_one(tmp_path, empty):
    planned = jobs(tmp_path, [2])
    run_jobs(planned, tmp_path)
    for name in empty:
        (planned[0].folder / name).write_bytes(b"")
    assert list(errors_of(planned).values()) == ["killed"]
    for _ in range(2):
        run_jobs(planned, tmp_path)
        assert [result.value for _, result in results_of(planned)] == [4]


def test_a_file_without_a_number_holds_none(tmp_path):
    for text, number in (("1.5\n", 1.5), ("", None), ("\0\0", None), ("x", None)):
        (tmp_path / "finished").write_text(text)
        assert read_number(tmp_path / "finished") == number
    assert read_number(tmp_path / "nowhere") is None


def test_refuses_no_jobs(tmp_path):
    with pytest.raises(ValueError, match="at least 1 job"):
        run_jobs([], tmp_path, Workers(0))
