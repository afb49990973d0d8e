import math

import torch

from synapsnet_pyg.nn.perceiver import Perceiver, RotaryAttention, turn


def test_attention_is_the_sum_written_out():
    """With complex numbers for pairs of dimensions: logits and values turn with the time between two tokens."""
    layer = RotaryAttention(6, heads=3, head_size=8, longest_period=20.0).double()
    receivers, senders = torch.randn(2, 4, 6).double(), torch.randn(2, 5, 6).double()
    time, sender_time = torch.tensor([0.0, 1.5, 4.0, 9.0]).double(), torch.arange(5.0).double()
    found = layer(receivers, senders, time, sender_time)
    omega = [2 * math.pi / 0.02, 2 * math.pi / (0.02 * 1000**0.5), 0.0, 0.0]
    torch.testing.assert_close(layer.frequency, torch.tensor(omega).double(), rtol=1e-5, atol=0)
    query, (key, value) = (
        layer.query(layer.norm_receivers(receivers)),
        (map_(layer.norm_senders(senders)) for map_ in (layer.key, layer.value)),
    )
    for b in range(2):
        for i in range(4):
            read = []
            for h in range(3):
                part = slice(8 * h, 8 * h + 8)
                q, ks, vs = (torch.view_as_complex(x[b, ..., part].unflatten(-1, (4, 2))) for x in (query, key, value))
                turned = [torch.exp(1j * layer.frequency * (sender_time[j] - time[i])) for j in range(5)]
                logits = torch.stack([(q[i].conj() * turned[j] * ks[j]).real.sum() / math.sqrt(8) for j in range(5)])
                weights = logits.softmax(0)
                read.append(torch.view_as_real(sum(weights[j] * turned[j] * vs[j] for j in range(5))).flatten())
            torch.testing.assert_close(found[b, i], layer.output(torch.cat(read)))


def test_only_the_time_between_tokens_counts():
    layer = RotaryAttention(6, heads=2, head_size=8).double()
    tokens, time = torch.randn(2, 5, 6).double(), torch.rand(5).double()
    torch.testing.assert_close(layer(tokens, tokens, time, time), layer(tokens, tokens, time + 3, time + 3))
    assert not torch.allclose(layer(tokens, tokens, time, time), layer(tokens, tokens, 2 * time, 2 * time))
    still = RotaryAttention(6, heads=2, head_size=8, turn_values=False).double()
    still.load_state_dict(layer.state_dict())
    at_once = torch.zeros(5).double()
    torch.testing.assert_close(still(tokens, tokens, at_once, at_once), layer(tokens, tokens, at_once, at_once))


def test_turning_keeps_lengths():
    tokens, angle = torch.randn(3, 5, 6), torch.randn(5, 3)
    torch.testing.assert_close(turn(tokens, angle).norm(dim=-1), tokens.norm(dim=-1))
    torch.testing.assert_close(turn(turn(tokens, angle), -angle), tokens)


def test_the_order_of_inputs_does_not_matter_and_queries_do_not_see_each_other():
    perceiver = Perceiver(6, num_latents=3, heads=2, head_size=8).eval()
    inputs, time = torch.randn(2, 7, 6), torch.arange(7.0)
    queries, end = torch.randn(4, 6), torch.full((4,), 7.0)
    output, order = perceiver(inputs, time, queries, end, 7), torch.randperm(7)
    torch.testing.assert_close(perceiver(inputs[:, order], time[order], queries, end, 7), output)
    torch.testing.assert_close(perceiver(inputs, time, queries[1:3], end[1:3], 7), output[:, 1:3])
    assert not torch.allclose(perceiver(inputs[:, order], time, queries, end, 7), output)
