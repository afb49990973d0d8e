import pytest
import torch

from synapsnet_pyg.nn import fused_gru, gru
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.evaluating import frozen
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
    for forward, given in ((dynamics._plain_forward, mask.t()[:, None]), (dynamics.forward, mask)):
        monkeypatch.setattr(dynamics, "_dropout_mask", lambda _, given=given: given)
        forecast = forward(series, behaviour, embedding, P)
        results.append([forecast, *torch.autograd.grad(forecast.square().sum(), [*series, *dynamics.parameters()])])
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_mask_is_dropout_of_ones(share):
    dynamics = Dynamics(2, K, D, dropout=share)
    torch.manual_seed(0)
    expected = torch.nn.functional.dropout(torch.ones(7, 11), share)
    torch.manual_seed(0)
    assert torch.equal(dynamics._dropout_mask(torch.empty(7, 11)), expected)
    assert dynamics.eval()._dropout_mask(torch.empty(7, 11)) is None


def results(dynamics, given, targets, mask=None):
    """Returns forecast and gradients in training."""
    series, behaviour, embedding = given
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamics, "_dropout_mask", lambda _: mask)
        forecast = dynamics.train()(series, behaviour, embedding, targets)
    leaves = [*series, behaviour, embedding, *dynamics.parameters()]
    return [forecast.detach(), *torch.autograd.grad(forecast.square().sum(), leaves)]


@pytest.mark.parametrize("largest", [0, 2**27])
@pytest.mark.parametrize(("block", "neurons", "targets"), [(2400, 5, 1), (600, 300, P), (500, 1201, L), (1, 3, 1)])
def test_compiled_loops_give_the_numbers_of_torch(monkeypatch, block, neurons, targets, largest):
    monkeypatch.setattr(gru, "_BLOCK", block)
    monkeypatch.setattr(gru, "LARGEST", largest)
    torch.manual_seed(0)
    dynamics = Dynamics(2, K, D, hidden_size=13, dropout=0.5)
    series = [torch.randn(B, neurons, L, requires_grad=True) for _ in range(2)]
    given = series, torch.randn(B, L, K, requires_grad=True), torch.randn(neurons, D, requires_grad=True)
    mask = (torch.rand(13, B * neurons) < 0.5).float() * 2
    assert fused_gru.loops() is not None
    for factors in (mask, None):
        compiled = results(dynamics, given, targets, factors)
        with monkeypatch.context() as patch:
            patch.setattr(fused_gru, "loops", lambda: None)
            plain = results(dynamics, given, targets, factors)
        for one, other in zip(compiled, plain, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6 * float(other.abs().max()))


def test_a_second_gradient_equals_the_first():
    """The first one uses up the states that were kept."""
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0)
    series, behaviour, embedding = inputs(torch.float32)
    forecast = dynamics(series, behaviour, embedding, P).square().sum()
    one, other = (torch.autograd.grad(forecast, list(dynamics.parameters()), retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_frozen_weights_leave_the_gradients_of_the_inputs_as_they_are():
    dynamics = Dynamics(2, K, D, hidden_size=6, dropout=0.0)
    series, behaviour, embedding = inputs(torch.float32)
    series = [values.clone().requires_grad_() for values in series]

    def of_inputs() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(dynamics(series, behaviour, embedding, P).square().sum(), series)

    trained = of_inputs()
    with frozen(dynamics):
        assert all(map(torch.equal, of_inputs(), trained))


def test_what_is_not_finite_stays_visible():
    dynamics = Dynamics(1, 0, 0, hidden_size=6, dropout=0.0)
    series = torch.zeros(1, 9, 4)
    series[0, 4, 2] = torch.nan
    forecast = dynamics([series], torch.zeros(1, 4, 0), torch.zeros(9, 0), 1)
    assert forecast.isnan().flatten().tolist() == [False] * 4 + [True] + [False] * 4


def test_large_inputs_saturate_as_in_torch():
    dynamics = Dynamics(1, 0, 0, hidden_size=6, dropout=0.0)
    series = torch.tensor([-3e30, -1e4, -300.0, 300.0, 1e4, 3e30]).view(1, 6, 1).expand(1, 6, 4)
    given = [series], torch.zeros(1, 4, 0), torch.zeros(6, 0), 1
    torch.testing.assert_close(dynamics(*given), dynamics._plain_forward(*given), rtol=1e-5, atol=1e-6)


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
