"""Tests of devices and precision of a fit."""

import pytest
import torch

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
