import torch

from synapsnet_pyg.nn.instance_norm import InstanceNorm


def test_normalises_each_neuron_of_each_window_and_back():
    norm, context = InstanceNorm(3), 4 * torch.randn(2, 5, 3, 7) + 2
    with torch.no_grad():
        norm.gain.copy_(torch.tensor([[1.0], [2.0], [0.5]]))
        norm.bias.copy_(torch.tensor([[0.0], [-1.0], [3.0]]))
    normalised, statistics = norm(context)
    torch.testing.assert_close(normalised.mean(-1), norm.bias[:, 0].expand(2, 5, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std(-1, correction=0), norm.gain[:, 0].expand(2, 5, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm.reverse(normalised, statistics), context)


def test_what_stands_between_sees_neither_level_nor_scale():
    norm, context = InstanceNorm(3), torch.randn(2, 3, 7)
    first, first_statistics = norm(context)
    second, statistics = norm(10 * context + 5)
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        norm.reverse(second[..., :2], statistics), 10 * norm.reverse(first[..., :2], first_statistics) + 5
    )


def test_a_constant_context_has_a_derivative():
    context = torch.ones(1, 2, 4, requires_grad=True)
    InstanceNorm(2)(context)[0].sum().backward()
    assert context.grad.isfinite().all()
