import torch
from torch_geometric import EdgeIndex

from synapsnet_pyg.nn.current_conv import CurrentConv, dense_current, edges_of


def test_two_neuron_chain():
    # 0 drives 1 with weight 2; 1 drives nobody.
    activity = torch.tensor([[[3.0, 4.0], [5.0, 6.0]]])
    connectivity = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    expected = torch.tensor([[[0.0, 0.0], [6.0, 8.0]]])
    assert torch.equal(dense_current(connectivity, activity), expected)
    edge_index, edge_weight = edges_of(connectivity)
    assert edge_index.tolist() == [[0], [1]]
    assert torch.equal(CurrentConv()(activity, edge_index, edge_weight), expected)


def test_dense_twin_and_sorted_path_equal_the_messages():
    B, N, L = 2, 5, 7
    activity = torch.randn(B, N, L, dtype=torch.float64)
    connectivity = torch.randn(N, N, dtype=torch.float64) * (torch.rand(N, N) < 0.5)
    edge_index, edge_weight = edges_of(connectivity)
    conv = CurrentConv()
    by_message = conv(
        activity, edge_index[:, torch.randperm(edge_index.shape[1])].clone(), torch.zeros(edge_index.shape[1])
    )
    assert by_message.abs().max() == 0
    by_message = conv(activity, edge_index, edge_weight)
    by_segment = conv(activity, EdgeIndex(edge_index, sparse_size=(N, N), sort_order="col"), edge_weight)
    by_hand = torch.einsum("ij,bjl->bil", connectivity, activity)
    for current in (by_message, by_segment, dense_current(connectivity, activity)):
        torch.testing.assert_close(current, by_hand)


def test_gradients_agree():
    activity = torch.randn(2, 5, 3, dtype=torch.float64)
    edge_index, edge_weight = edges_of(torch.randn(5, 5, dtype=torch.float64) * (torch.rand(5, 5) < 0.6))
    dense = torch.zeros(5, 5, dtype=torch.float64)
    dense[edge_index[1], edge_index[0]] = edge_weight
    dense.requires_grad_()
    edge_weight = edge_weight.clone().requires_grad_()
    sorted_edges = EdgeIndex(edge_index, sparse_size=(5, 5), sort_order="col")
    CurrentConv()(activity, sorted_edges, edge_weight).square().sum().backward()
    dense_current(dense, activity).square().sum().backward()
    torch.testing.assert_close(edge_weight.grad, dense.grad[edge_index[1], edge_index[0]])
