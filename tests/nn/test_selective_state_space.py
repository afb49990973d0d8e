import torch
from torch.nn.functional import silu, softplus

from synapsnet_pyg.nn.selective_state_space import SelectiveStateSpace


def test_is_the_recursion_written_out():
    layer, (B, L, D) = SelectiveStateSpace(6, state_size=3, kernel_size=4, expand=2).double(), (2, 9, 6)
    inputs = torch.randn(B, L, D).double()
    found, channels = layer(inputs), 12
    decay = layer.log_decay.exp()
    for b in range(B):
        values, gate = layer.enter(inputs[b]).chunk(2, dim=-1)
        memory = torch.zeros(channels, 3).double()
        for t in range(L):
            u = torch.zeros(channels).double()
            for d in range(channels):
                past = sum(layer.convolution.weight[d, 0, 3 - k] * values[t - k, d] for k in range(4) if t >= k)
                u[d] = silu(past + layer.convolution.bias[d])
            rank, write, read = layer.select(u).split([1, 3, 3])
            step = softplus(layer.step(rank))
            for d in range(channels):
                for n in range(3):
                    memory[d, n] = torch.exp(-step[d] * decay[d, n]) * memory[d, n] + step[d] * write[n] * u[d]
            y = memory @ read + layer.direct * u
            torch.testing.assert_close(found[b, t], layer.leave(y * silu(gate[t])))


def test_long_steps_forget_and_short_steps_keep():
    layer, inputs = SelectiveStateSpace(6, state_size=3, kernel_size=1).double(), torch.randn(2, 9, 6).double()
    changed = inputs.clone()
    changed[:, 2] += 1
    with torch.no_grad():
        layer.step.weight.zero_()
        layer.step.bias.fill_(40.0)
        torch.testing.assert_close(layer(changed)[:, 3:], layer(inputs)[:, 3:])
        layer.step.bias.fill_(-3.0)
        effect = (layer(changed) - layer(inputs)).abs().sum(-1)
        assert (effect[:, 2:] > 1e-6).all()


def test_first_steps_are_between_a_thousandth_and_a_tenth():
    step = softplus(SelectiveStateSpace(64).step.bias)
    assert 0.00099 < step.min() < 0.002
    assert 0.05 < step.max() < 0.1001


def test_is_causal():
    layer, inputs = SelectiveStateSpace(6, state_size=3), torch.randn(2, 9, 6)
    changed = inputs.clone()
    changed[:, 5] += 1
    before, after = layer(inputs), layer(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] != after[:, 5:]).any(-1).all()
