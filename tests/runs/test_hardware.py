"""Tests of devices and precision of a fit."""

from pathlib import Path

import pytest
import torch

from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs import hardware
from synapsnet_pyg.runs.hardware import PRECISIONS, Hardware
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit
from synapsnet_pyg.simulations.population import simulate_population


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


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [{}, {"connectivity": "low-rank+sparse", "senders": 3}])
def test_half_precision_gives_close_scores(tmp_path: Path, arguments: dict[str, object]) -> None:
    """A fit on the CPU; validation, checkpoint and recurrent state stay in 32 bits."""
    session, scores = simulate_population(600, neurons=30, recorded=12).standardise(), []
    for precision in PRECISIONS:
        torch.manual_seed(0)
        model = SynapsNet([session], **arguments)
        recipe = Recipe(epochs=2, targets=16)
        fit(model, [session], tmp_path / precision, recipe, hardware=Hardware("cpu", precision), progress=False)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        last = (tmp_path / precision / "history.csv").read_text().splitlines()[-1].split(",")
        scores.append([float(value) for value in last[1:4]])
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], rel=0.02)


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
