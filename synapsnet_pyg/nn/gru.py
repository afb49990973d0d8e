"""GRU shared by all neurons, computed a few windows at a time so that states stay in the cache of a CPU."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_BLOCK = 2400
"""Number of sequences computed together; three gates of 40 units then fill about one megabyte, a core's cache."""


def node_gru(
    gru: torch.nn.GRU,
    readout: Tensor,
    series: list[Tensor],
    behaviour: Tensor,
    embedding: Tensor,
    *,
    mask: Tensor | None = None,
    targets: int = 1,
) -> Tensor:
    r"""Computes a single-layer GRU over the inputs [series..., behaviour, embedding] and a linear read-out.

    The result equals that of concatenating all inputs, calling ``gru`` and weighting its last states. The computation
    differs:

    - The embedding is constant over bins, so its part of the gates, :math:`W_E E_i + b`, is computed once.
    - Gates are rows of [3H, sequences], and a few windows are computed at a time. Each step then works on contiguous
      memory in the cache, instead of reading tens of megabytes for each operation. Only the read-out is written to
      main memory.
    - :math:`\tanh x = 2 \sigma(2x) - 1`, since PyTorch's vectorised sigmoid is ten times faster than its tanh.

    Args:
        gru: GRU that holds the weights, in PyTorch's gate order r, z, n.
        readout: Weights :math:`w` of the read-out :math:`(H)`.
        series: Tensors :math:`(B, N, L)` that differ between neurons.
        behaviour: Behaviour :math:`(B, L, K)`.
        embedding: Embeddings :math:`(N, D)`.
        mask: Dropout's factors of the states :math:`(H, B N)`, shared by all targets, or None.
        targets: Number of last states P with a read-out.

    Returns:
        Read-out :math:`w^\top h` of the last P states :math:`(P, B N)`, sequences ordered by window, then neuron.
    """
    (B, L, K), N, H = behaviour.shape, len(embedding), gru.hidden_size
    varying = len(series) + K
    weight_ih, weight_hh, bias_ih, bias_hh = (gru.get_parameter(f"{name}_l0") for name in _WEIGHTS)
    # [L, C, B N]: one row for each input that changes with time.
    inputs = torch.cat(
        [
            *(values.permute(2, 0, 1).reshape(L, 1, B * N) for values in series),
            behaviour.permute(1, 2, 0)[..., None].expand(L, K, B, N).reshape(L, K, B * N),
        ],
        dim=1,
    )
    # The reset gate multiplies the hidden bias of the candidate, which must therefore stay separate.
    bias = bias_ih + torch.cat([bias_hh[: 2 * H], torch.zeros_like(bias_hh[2 * H :])])
    constant = (embedding @ weight_ih[:, varying:].t() + bias).t().contiguous()
    result: Tensor = _NodeGRU.apply(
        inputs,
        mask,
        targets,
        torch.is_grad_enabled(),
        *(constant, weight_ih[:, :varying].contiguous(), weight_hh, bias_hh[2 * H :], readout),
    )
    return result


class _NodeGRU(torch.autograd.Function):
    r"""Recurrence of the GRU and its gradient.

    With :math:`g = W_x x + c + [W_h h]_{rz}` the gates are

    .. math::
        r &= \sigma(g_r), \quad z = \sigma(g_z), \quad q = U_n h + b_n, \quad n = \tanh(g_n + r q) \\
        h' &= (1 - z) n + z h, \quad y = w^\top (m \odot h')

    and, for a gradient :math:`d` of :math:`h'`,

    .. math::
        dg_n &= d (1 - z)(1 - n^2), \quad dg_z = d (1 - z) z (h - n), \quad dq = dg_n r, \quad
        dg_r = dq\, q (1 - r) \\
        dh &= d z + W_h^\top [dg_r, dg_z, dq]
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, mask: Tensor | None, targets: int, keep: bool, *weights: Tensor) -> Tensor:
        """Returns the read-out; keeps gates and states for the gradient if ``keep``.

        Weights are c, W_x, W_h, b_n and w of the equations, in this order.
        """
        constant, weight_x, weight_h, bias_n, readout = weights
        L, _, S = inputs.shape
        H, N = len(constant) // 3, constant.shape[1]
        weight_rz, weight_n, bias_n = weight_h[: 2 * H], weight_h[2 * H :], bias_n[:, None]
        result = inputs.new_empty(targets, S)
        saved = []
        for block in _blocks(S, N):
            x, weight_y = inputs[..., block], _masked(readout, mask, block)
            width = x.shape[-1]
            # Without a backward pass each bin's gates and states overwrite older ones.
            kept, states = (L, L + 1) if keep else (1, 2)
            gates, q, h = x.new_empty(kept, 3 * H, width), x.new_empty(kept, H, width), x.new_empty(states, H, width)
            h[0] = 0
            for t in range(L):
                before, after = h[t % states], h[(t + 1) % states]
                g = torch.mm(weight_x, x[t], out=gates[t % kept])
                g.view(3 * H, -1, N).add_(constant[:, None])
                candidate = torch.addmm(bias_n, weight_n, before, out=q[t % kept])
                rz = g[: 2 * H].addmm_(weight_rz, before).sigmoid_()
                n = g[2 * H :].addcmul_(rz[:H], candidate).mul_(2).sigmoid_().mul_(2).sub_(1)
                torch.lerp(n, before, rz[H:], out=after)
                if t >= L - targets:
                    result[t - L + targets, block] = (after * weight_y).sum(0)
            if keep:
                saved += [gates, q, h]
        ctx.save_for_backward(*(inputs, constant, weight_x, weight_h, readout, mask), *saved)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_result: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of all arguments of :meth:`forward`."""
        inputs, constant, weight_x, weight_h, readout, mask, *saved = ctx.saved_tensors
        (L, _, S), (rows, N), P = inputs.shape, constant.shape, len(grad_result)
        H = rows // 3
        grad_inputs, grad_constant = torch.empty_like(inputs), torch.zeros_like(constant)
        grad_weight_x, grad_weight_h = torch.zeros_like(weight_x), torch.zeros_like(weight_h)
        grad_bias_n, grad_readout = inputs.new_zeros(H), torch.zeros_like(readout)
        for b, block in enumerate(_blocks(S, N)):
            x, weight_y = inputs[..., block], _masked(readout, mask, block)
            gates, q, h = saved[3 * b : 3 * b + 3]
            width = x.shape[-1]
            grad_gates, grad_h, grad_y = x.new_empty(3 * H, width), x.new_zeros(H, width), x.new_zeros(H, width)
            grad_gates_h, sum_gates = torch.empty_like(grad_gates), torch.zeros_like(grad_gates)
            for t in reversed(range(L)):
                if t >= L - P:
                    grad_out = grad_result[t - L + P, block]
                    grad_h.addcmul_(weight_y, grad_out)
                    grad_y.addcmul_(h[t + 1], grad_out)
                r, z, n = gates[t].split(H)
                grad_n = torch.mul(grad_h, 1 - z, out=grad_gates[2 * H :])
                torch.mul(grad_n, z, out=grad_gates[H : 2 * H]).mul_(h[t] - n)
                grad_n.addcmul_(grad_n * n, n, value=-1)
                grad_q = torch.mul(grad_n, r, out=grad_gates_h[2 * H :])
                grad_r = torch.mul(grad_q, q[t], out=grad_gates[:H])
                grad_r.addcmul_(grad_r, r, value=-1)
                grad_gates_h[: 2 * H] = grad_gates[: 2 * H]

                sum_gates += grad_gates
                grad_bias_n += grad_q.sum(1)
                grad_weight_x.addmm_(grad_gates, x[t].t())
                grad_weight_h.addmm_(grad_gates_h, h[t].t())
                torch.mm(weight_x.t(), grad_gates, out=grad_inputs[t, :, block])
                grad_h = grad_h.mul_(z).addmm_(weight_h.t(), grad_gates_h)
            grad_constant += sum_gates.view(3 * H, -1, N).sum(1)
            grad_readout += (grad_y if mask is None else grad_y * mask[:, block]).sum(1)
        grad_weights = (grad_constant, grad_weight_x, grad_weight_h, grad_bias_n, grad_readout)
        return grad_inputs, None, None, None, *grad_weights


def _masked(readout: Tensor, mask: Tensor | None, block: slice) -> Tensor:
    """Returns the read-out weights of a block's sequences times dropout's factors [H, width], or [H, 1] without."""
    return readout[:, None] if mask is None else readout[:, None] * mask[:, block]


def _blocks(sequences: int, neurons: int) -> list[slice]:
    """Returns blocks of whole windows, each of at most :data:`_BLOCK` sequences where possible."""
    step = max(1, _BLOCK // neurons) * neurons
    return [slice(start, min(start + step, sequences)) for start in range(0, sequences, step)]
