"""Tests of devices and precision of a fit."""

from pathlib import Path

import pytest
import torch

from synapsnet_pyg.runs import hardware
from synapsnet_pyg.runs.hardware import Hardware


def test_a_gpu_is_used_if_there_is_one() -> None:
    assert (Hardware().torch_device.type == "cuda") == torch.cuda.is_available()
    assert Hardware("cpu").torch_device.type == "cpu"


@pytest.mark.parametrize("wrong", [{"device": "tpu"}, {"precision": "16"}, {"devices": 0}, {"nodes": 0}])
def test_impossible_hardware_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Hardware(**wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_missing_gpu_is_told() -> None:
    with pytest.raises(ValueError, match="--device cpu"):
        Hardware("cuda")


def test_free_memory_is_positive() -> None:
    assert 0 < Hardware("cpu").free_memory < float("inf")


@pytest.mark.parametrize(
    ("line", "folder", "limit", "used"),
    [("0::/job/step", "job", "memory.max", "memory.current"),
     ("4:cpu,memory:/job", "memory/job", "memory.limit_in_bytes", "memory.usage_in_bytes")],
)  # fmt: skip
def test_limits_of_control_groups_count(tmp_path: Path, line: str, folder: str, limit: str, used: str) -> None:
    table, group = tmp_path / "cgroup", tmp_path / folder
    table.write_text(f"{line}\n1:name=other:/\n")
    assert hardware._free_in_groups(table, tmp_path) == []
    group.mkdir(parents=True)
    (group / limit).write_text("8000\n")
    (group / used).write_text("5000\n")
    (group / "memory.stat").write_text("anon 2000\ninactive_file 1000\n")
    assert hardware._free_in_groups(table, tmp_path) == [4000]
    (group / limit).write_text("max\n")
    assert hardware._free_in_groups(table, tmp_path) == []
