import pytest
import torch

from synapsnet_pyg.regression.symmetric_inverse import symmetric_inverse


@pytest.mark.parametrize(("n", "rows"), [(7, 20), (7, 4), (5, 1), (1, 1), (0, 3)])
def test_it_is_the_inverse_or_the_pseudo_inverse(n, rows):
    data = torch.randn(rows, n, dtype=torch.float64)
    products = data.t() @ data
    assert symmetric_inverse(products).numpy() == pytest.approx(torch.linalg.pinv(data.t() @ data).numpy(), rel=1e-6)


def test_equal_signals_share_what_one_would_have():
    products = torch.eye(4, dtype=torch.float64)
    products[2:, 2:] = 1.0  # two of the four are one signal
    assert symmetric_inverse(products)[2:, 2:].numpy() == pytest.approx(0.25)
    assert symmetric_inverse(products)[:2, :2].equal(torch.eye(2, dtype=torch.float64))
