import pytest
import torch
from helpers import close

from synapsnet_pyg.nn.functional_connectivity import PENALTIES, FunctionalConnectivity, absolute_sum


def test_no_self_connections_unless_wanted():
    activity = torch.randn(2, 5, 3)
    layer = FunctionalConnectivity(5)
    assert layer.matrix().diagonal().abs().max() == 0
    layer(activity).square().sum().backward()
    assert layer.weight.grad.diagonal().abs().max() == 0
    assert FunctionalConnectivity(5, self_connections=True).matrix().diagonal().abs().min() > 0


def test_given_edges_equal_the_dense_graph_with_the_rest_zero():
    edges = torch.tensor([[3, 0, 2, 2, 0, 1], [1, 1, 0, 2, 1, 4]])  # unsorted, one twice, one self-connection
    sparse = FunctionalConnectivity(5, edges)
    assert sparse.weight.shape == (4,)
    dense = FunctionalConnectivity(5)
    dense.weight.data = sparse.matrix().detach()
    activity = torch.randn(2, 5, 7)
    torch.testing.assert_close(sparse(activity), dense(activity))
    assert {(j, i) for i, j in sparse.matrix().nonzero().tolist()} == {(3, 1), (0, 1), (2, 0), (1, 4)}
    assert FunctionalConnectivity(5, edges, self_connections=True).weight.shape == (5,)


def test_refuses_edges_outside_the_population():
    with pytest.raises(ValueError, match=r"neurons 0\.\.4"):
        FunctionalConnectivity(5, torch.tensor([[0], [5]]))


def test_penalties_agree_with_oracle(oracle):
    reference = oracle("gru_window.npz")
    A = torch.from_numpy(reference["connectivity"]).double()
    compared = 0
    for name, penalty in PENALTIES.items():
        weight = A.clone().requires_grad_()
        value = penalty(weight)
        assert value.item() == pytest.approx(float(reference[f"penalty/{name}"]), rel=1e-12)
        if f"penalty/grad_{name}" in reference:
            value.backward()
            assert close(weight.grad, reference[f"penalty/grad_{name}"], 1e-10)
            compared += 1
    assert compared


def test_absolute_sum():
    assert absolute_sum(torch.tensor([1.0, -2.0])) == 3
