import pytest
import torch

from synapsnet_pyg.nn import dynamics as dynamics_file
from synapsnet_pyg.nn import gru
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.nn.transformer import Transformer

B, N, L, K, D, P = 3, 5, 7, 2, 4, 3


def inputs(dtype=torch.float64):
    series = [torch.randn(B, N, L, dtype=dtype, requires_grad=True) for _ in range(2)]
    behaviour = torch.randn(B, L, K, dtype=dtype, requires_grad=True)
    embedding = torch.randn(N, D, dtype=dtype, requires_grad=True)
    return series, behaviour, embedding


@pytest.mark.parametrize("block", [1, N - 2, 2 * N, 10_000])
@pytest.mark.parametrize("targets", [1, P, L])
@pytest.mark.parametrize("largest", [0, 2**27])
def test_fast_gru_equals_its_definition_gradients_included(monkeypatch, block, targets, largest):
    monkeypatch.setattr(gru, "_BLOCK", block)
    monkeypatch.setattr(gru, "LARGEST", largest)
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0).double()
    series, behaviour, embedding = inputs()
    leaves = [*series, behaviour, embedding, *dynamics.parameters()]
    weights = torch.randn(B, N, targets, 1, dtype=torch.float64)
    results = []
    for forward in (dynamics._plain_forward, lambda *a: dynamics._fast_forward(dynamics.sequence, *a)):
        forecast = forward(series, behaviour, embedding, targets)
        results.append([forecast, *torch.autograd.grad((forecast * weights).sum(), leaves)])
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("largest", [0, 2**27])
def test_the_number_of_threads_does_not_change_a_bit(monkeypatch, largest):
    monkeypatch.setattr(gru, "_BLOCK", 2)
    monkeypatch.setattr(gru, "LARGEST", largest)
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0)
    series, behaviour, embedding = inputs(torch.float32)
    results = []
    for number in (1, 2, 3):
        with threads(number):
            forecast = dynamics(series, behaviour, embedding, P)
            results.append([forecast, *torch.autograd.grad(forecast.square().sum(), [*series, *dynamics.parameters()])])
    for one, *others in zip(*results, strict=True):
        assert all(torch.equal(one, other) for other in others)


@pytest.mark.parametrize("training", [False, True])
def test_gates_are_kept_only_where_there_is_room(monkeypatch, training):
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0).train(training)
    series, behaviour, embedding = inputs(torch.float32)
    saved = []
    for room in (5 * 6 * L * B * N, 5 * 6 * L * B * N - 1):  # three gates, candidate and state of 6 units
        monkeypatch.setattr(gru, "LARGEST", room)
        forecast = dynamics(series, behaviour, embedding, P)
        node = next(node for node in nodes(forecast.grad_fn) if hasattr(node, "kept"))
        saved.append(sum(tensor.numel() for block in node.kept for tensor in block))
    assert saved[0] >= 5 * 6 * L * B * N
    assert saved[1] == 0


def nodes(root):
    """Yields all nodes of a graph of gradients."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [following for following, _ in node.next_functions if following is not None]


def test_fast_gru_drops_the_same_states(monkeypatch):
    """With one mask given to both ways, the results and gradients are the same."""
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.5).double()
    series, behaviour, embedding = inputs()
    mask = (torch.rand(6, B * N) < 0.5).double() * 2
    results = []
    monkeypatch.setattr(dynamics, "_dropout_mask", lambda _: mask.t()[:, None])
    monkeypatch.setattr(dynamics_file, "dropout_factors", lambda *_, **__: mask)
    for forward in (dynamics._plain_forward, dynamics.forward):
        forecast = forward(series, behaviour, embedding, P)
        results.append([forecast, *torch.autograd.grad(forecast.square().sum(), [*series, *dynamics.parameters()])])
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-12)


def test_fast_gru_without_gradients():
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0).double()
    args = (*inputs(), P)
    with torch.no_grad():
        torch.testing.assert_close(dynamics(*args), dynamics._plain_forward(*args))


def test_fast_gru_in_single_precision():
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0)
    series, behaviour, embedding = inputs(torch.float32)
    plain = dynamics._plain_forward(series, behaviour, embedding, P)
    torch.testing.assert_close(dynamics(series, behaviour, embedding, P), plain, rtol=0, atol=2e-6)


def test_parts_may_be_missing():
    series, behaviour, embedding = inputs()
    for used in (series[:1], []):
        dynamics = Dynamics(len(used), 0, D, hidden_size=6, dropout=0.0).double()
        args = (used, behaviour[..., :0], embedding, P)
        torch.testing.assert_close(dynamics(*args), dynamics._plain_forward(*args))
    with pytest.raises(ValueError, match="at least one input"):
        Dynamics(0, 0, 0)


@pytest.mark.parametrize("sequence", [torch.nn.GRU, torch.nn.LSTM, torch.nn.RNN, Transformer])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_dropout_draws_one_mask_a_window_and_neuron(sequence, num_layers):
    dynamics = Dynamics(2, K, D, hidden_size=6, num_layers=num_layers, sequence=sequence, dropout=0.5)
    series, behaviour, embedding = inputs(torch.float32)
    args = (series, behaviour, embedding, P)
    assert not torch.equal(dynamics(*args), dynamics(*args))
    dynamics.eval()
    assert torch.equal(dynamics(*args), dynamics(*args))
