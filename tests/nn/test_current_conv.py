import subprocess
import sys

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


SUMS = """
import torch
from torch_geometric import EdgeIndex
from synapsnet_pyg import Session, SynapsNet, forecast_session
from synapsnet_pyg.nn.current_conv import CurrentConv

def sums():
    torch.manual_seed(0)
    N = 40
    edges = torch.randint(0, N, (2, 300))
    edges = edges[:, edges[1].argsort()]
    activity, results = torch.randn(3, N, 5), []
    for given in (edges, edges[:, torch.randperm(300)], EdgeIndex(edges, sparse_size=(N, N), sort_order="col")):
        weight = torch.linspace(-1, 1, 300).requires_grad_()
        current = CurrentConv()(activity, given, weight)
        current.square().sum().backward()
        results += [current.detach().flatten(), weight.grad]
    session = Session(torch.randn(N, 60), bin_size=0.1, name="demo")
    model = SynapsNet([session], hidden_size=6, edge_index={"demo": edges})
    for fast in (True, False):
        model.graphs[0].functional_connectivity.fast = fast
        results.append(forecast_session(model, session).forecast.detach().flatten())
    return torch.cat(results)
"""

WITHOUT_SCATTER = f"""
import sys
sys.modules["torch_scatter"] = None  # as if it were not installed
{SUMS}
import torch_geometric.typing
assert not torch_geometric.typing.WITH_TORCH_SCATTER
torch.save(sums(), sys.argv[1])
"""


def test_sums_are_equal_without_torch_scatter(tmp_path):
    """PyG falls back to torch. Where torch-scatter is not installed both are the same."""
    subprocess.run([sys.executable, "-c", WITHOUT_SCATTER, str(tmp_path / "sums.pt")], check=True, timeout=300)
    here = {}
    exec(SUMS, here)
    torch.testing.assert_close(torch.load(tmp_path / "sums.pt", weights_only=True), here["sums"]())
