import pytest
import torch

from synapsnet_pyg.nn.full_precision import full_precision


@pytest.mark.parametrize("half", [False, True])
def test_products_keep_32_bits(half):
    a = torch.full((3, 3), 1 + 2**-10)  # 16 bits would round it to 1
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half), full_precision(a.device):
        assert torch.equal(a @ a, a.double().square().sum(0).float().expand(3, 3))


def test_a_device_without_half_precision_is_left_alone():
    with full_precision(torch.device("meta")):
        assert torch.ones(2, device="meta").dtype == torch.float32
