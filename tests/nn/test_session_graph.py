import pytest
import torch

from synapsnet_pyg.nn.functional_connectivity import frobenius
from synapsnet_pyg.nn.session_graph import SessionGraph

B, N, L, K, P = 2, 5, 7, 3, 4


def inputs():
    return torch.randn(B, N, L), torch.randn(B, L, K)


def test_current_is_that_of_the_modulated_weights():
    activity, behaviour = inputs()
    graph = SessionGraph(N, K, modulation=True)
    torch.testing.assert_close(graph.current(activity, behaviour), graph.matrix() @ activity)
    for parameter in graph.modulation.parameters():
        torch.nn.init.normal_(parameter)
    receiving, sending = graph.gains(behaviour)
    at_the_end = receiving[:, :, None] * graph.matrix() * sending[:, None]
    expected = (at_the_end @ activity[..., -1:])[..., 0]
    torch.testing.assert_close(graph.current(activity, behaviour)[..., -1], expected)


def test_common_drive_is_received_but_no_current():
    activity, behaviour = inputs()
    graph = SessionGraph(N, K, latents=2)
    graph.common_drive.set(torch.ones(N, 1), torch.full((1, N), 0.5))
    current = graph.current(activity, behaviour)
    drive = 0.5 * activity.sum(1, keepdim=True)
    torch.testing.assert_close(graph.received(activity, current), current + drive)


def test_direct_forecast_is_the_linear_paths():
    activity, behaviour = inputs()
    graph = SessionGraph(N, K, window=3)
    for parameter in graph.linear_path.parameters():
        torch.nn.init.normal_(parameter)
    received = graph.received(activity, graph.current(activity, behaviour))
    direct = graph.direct(activity, received, behaviour, P)
    assert direct.shape == (B, N, P, 1)
    assert torch.equal(direct, graph.linear_path(activity, received, behaviour, P))
    assert SessionGraph(N, K, linear_path=False).direct(activity, received, behaviour, P) == 0


def test_parts_that_are_left_out():
    activity, behaviour = inputs()
    graph = SessionGraph(N, K, use_connectivity=False, modulation=True, penalty_weight=1.0)
    assert graph.functional_connectivity is graph.modulation is graph.common_drive is None
    assert graph.current(activity, behaviour) is graph.received(activity, None) is graph.gains(behaviour) is None
    assert graph.penalty() == 0
    with pytest.raises(ValueError, match="with functional connectivity"):
        graph.matrix()


def test_penalty_multiplies_each_weight_by_its_scale():
    graph = SessionGraph(N, norm=frobenius, penalty_weight=0.5)
    scale = torch.rand(N, N)
    graph.functional_connectivity.set_weights(graph.matrix().detach(), scale)
    torch.testing.assert_close(graph.penalty(), 0.5 * (graph.matrix() * scale).norm())
    assert SessionGraph(N).penalty() == 0


@pytest.mark.parametrize("edges", [None, torch.tensor([[0, 1, 4], [2, 3, 2]])])
def test_without_edge_leaves_the_graph_as_it_is(edges):
    graph = SessionGraph(N, edge_index=edges)
    before = graph.matrix().detach().clone()
    mask = torch.zeros(N, N)
    mask[2, 4] = 1
    kept = graph.without_edges(mask)
    assert torch.equal(graph.matrix(), before)
    before[2, 4] = 0
    assert torch.equal(kept, before)
    with pytest.raises(ValueError, match=rf"mask of edges \[{N}, {N}\]"):
        graph.without_edges(mask[1:])
    mask[1, 1] = 1
    with pytest.raises(ValueError, match="got 1 -> 1"):
        graph.without_edges(mask)


@pytest.mark.parametrize(
    ("edges", "held", "kept", "odds"), [(0.0, 0.3, 0.3, 0.0), (1.0, 0.3, 1.0, 1.0), (0.25, 0.6, 0.7, 0.1)]
)
def test_training_begins_with_what_holds(edges, held, kept, odds):
    graph = SessionGraph(5, num_behaviours=2, window=3, components=4)
    assert graph.population_path is not None
    assert graph.linear_path is not None
    population, behaviour = torch.randn_like(graph.population_path.weight), torch.randn(5, 1, 6)
    graph.population_path.weight.copy_(population)
    graph.linear_path.behaviour = behaviour.clone()
    graph.edge_share.fill_(edges)
    graph.held_share.fill_(held)
    graph.begin_training()
    torch.testing.assert_close(graph.population_path.weight, kept * population)
    torch.testing.assert_close(graph.linear_path.behaviour, kept * behaviour)
    assert float(graph.edge_odds()) == pytest.approx(odds)
