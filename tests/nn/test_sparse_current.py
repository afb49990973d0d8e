import pytest
import torch

from synapsnet_pyg.nn.current_conv import CurrentConv, edges_of
from synapsnet_pyg.nn.functional_connectivity import FunctionalConnectivity
from synapsnet_pyg.nn.sparse_current import sorted_edges, sparse_current

B, N, L = 3, 7, 4


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_messages_gradients_included(density, dtype):
    edge_index, edge_weight = edges_of(torch.randn(N, N, dtype=dtype) * (torch.rand(N, N) < density))
    activity, seen = torch.randn(B, N, L, dtype=dtype), torch.randn(B, N, L, dtype=dtype)
    results = []
    for compute in (
        lambda w, a: CurrentConv()(a, edge_index, w),
        lambda w, a: sparse_current(sorted_edges(edge_index, N), w, a),
    ):
        weight, values = edge_weight.clone().requires_grad_(), activity.clone().requires_grad_()
        current = compute(weight, values)
        results.append([current, *torch.autograd.grad((current * seen).sum(), [weight, values])])
    for message, product in zip(*results, strict=True):
        torch.testing.assert_close(product, message)


def test_no_gradient_is_computed_that_nobody_asked_for():
    edge_index, edge_weight = edges_of(torch.randn(N, N, dtype=torch.float64))
    activity = torch.randn(B, N, L, dtype=torch.float64, requires_grad=True)
    current = sparse_current(sorted_edges(edge_index, N), edge_weight, activity)
    (grad,) = torch.autograd.grad(current.sum(), activity)
    dense = torch.zeros(N, N, dtype=torch.float64).index_put((edge_index[1], edge_index[0]), edge_weight)
    torch.testing.assert_close(grad, dense.sum(0)[None, :, None].expand(B, N, L))


def test_edges_in_any_order_and_twice_have_one_weight_each():
    graph = FunctionalConnectivity(4, torch.tensor([[2, 0, 3, 0, 1], [1, 3, 1, 3, 1]]))
    assert graph.edges.tolist() == [[2, 3, 0], [1, 1, 3]]  # 1 -> 1 is no edge
    activity = torch.randn(2, 4, 5)
    fast = graph(activity)
    graph.fast = False
    torch.testing.assert_close(fast, graph(activity))
    torch.testing.assert_close(fast, torch.einsum("ij,bjl->bil", graph.matrix(), activity))
