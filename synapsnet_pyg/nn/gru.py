"""GRU shared by all neurons, computed a few windows at a time so that states stay in the cache of a CPU."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from synapsnet_pyg.nn import fused_gru, memory
from synapsnet_pyg.nn.threads import in_threads

_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_BLOCK = 2400
"""Number of sequences computed together; three gates of 40 units then fill about one megabyte, a core's cache."""
LARGEST = 2**27
"""Largest number of values that are kept for the gradient, half a gigabyte. Of more, blocks are computed again."""


def node_gru(
    gru: torch.nn.GRU,
    readout: Tensor,
    series: list[Tensor],
    behaviour: Tensor,
    embedding: Tensor,
    *,
    mask: Tensor | None = None,
    targets: int = 1,
    half: bool = False,
) -> Tensor:
    r"""Computes a single-layer GRU over the inputs [series..., behaviour, embedding] and a linear read-out.

    The result equals that of concatenating all inputs, calling ``gru`` and weighting its last states. The computation
    differs:

    - The embedding is constant over bins, so its part of the gates, :math:`W_E E_i + b`, is computed once.
    - Gates are rows of [3H, sequences], and a few windows, or a part of a large population, are computed at a time.
      Each step then works on contiguous memory in the cache, instead of reading tens of megabytes for each operation.
      Blocks are computed in threads (:mod:`synapsnet_pyg.nn.threads`). What the gradient needs is kept up to half a
      gigabyte; of more, each block is computed again, so that memory does not grow with the population.
    - :math:`\tanh x = 2 \sigma(2x) - 1`, since PyTorch's vectorised sigmoid is ten times faster than its tanh.
    - In training in single precision, numba computes the gates in one pass over memory
      (:mod:`synapsnet_pyg.nn.fused_gru`), where it is installed. Results then differ by rounding.

    Args:
        gru: GRU that holds the weights, in PyTorch's gate order r, z, n.
        readout: Weights :math:`w` of the read-out :math:`(H)`.
        series: Tensors :math:`(B, N, L)` that differ between neurons.
        behaviour: Behaviour :math:`(B, L, K)`.
        embedding: Embeddings :math:`(N, D)`.
        mask: Dropout's factors of the states :math:`(H, B N)`, shared by all targets, or None.
        targets: Number of last states P with a read-out.
        half: Whether a GPU multiplies in bfloat16; states stay float32.

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
    weights = (constant, weight_ih[:, :varying].contiguous(), weight_hh, bias_hh[2 * H :], readout)
    if inputs.device.type != "cpu":
        from synapsnet_pyg.nn.triton_gru import triton_gru  # needs Triton, which a machine without a GPU may lack

        return triton_gru(inputs, mask, targets, half, *weights)
    result: Tensor = _NodeGRU.apply(inputs, mask, (targets, torch.is_grad_enabled(), _compiled(gru, inputs)), *weights)
    return result


def _compiled(gru: torch.nn.GRU, inputs: Tensor) -> bool:
    """Returns whether compiled loops are used: in training in single precision, if numba is installed.

    Forecasts never use them. They need neither the package nor the time to load it.
    """
    training = gru.training and torch.is_grad_enabled() and inputs.dtype == torch.float32
    return training and fused_gru.loops() is not None


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
    def forward(
        ctx: Any, inputs: Tensor, mask: Tensor | None, settings: tuple[int, bool, bool], *weights: Tensor
    ) -> Tensor:
        """Returns the read-out; keeps gates and states for the gradient if it is wanted and there is room.

        Settings are the number of targets, whether a gradient is wanted, and whether compiled loops are used. Weights
        are c, W_x, W_h, b_n and w of the equations, in this order.
        """
        (targets, wanted, ctx.compiled), (L, _, S), (rows, N) = settings, inputs.shape, weights[0].shape
        keep = wanted and (rows + 2 * rows // 3) * L * S <= LARGEST
        recurrence = fused_gru.recurrence if ctx.compiled else _recurrence
        result = inputs.new_zeros(targets, S)

        def run(block: slice) -> tuple[Tensor, ...]:
            """Computes one block; returns what is kept of it."""
            states = recurrence(inputs, mask, _of(weights, block), block, result, keep=keep)
            if keep:
                return states
            memory.give(*states)
            return ()

        ctx.kept = in_threads(run, _blocks(S, N))
        ctx.save_for_backward(inputs, mask, *weights)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_result: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of all arguments of :meth:`forward`."""
        inputs, mask, *weights = ctx.saved_tensors
        recurrence, gradient = (fused_gru.recurrence, fused_gru.gradient) if ctx.compiled else (_recurrence, _gradient)
        grads, of_weights = (grad_result.contiguous(), torch.empty_like(inputs)), any(ctx.needs_input_grad[3:])
        blocks = _blocks(inputs.shape[2], weights[0].shape[1])
        # Each block's states are used up by its gradient. A second gradient computes them again.
        kept, ctx.kept = ctx.kept, [()] * len(blocks)

        def run(numbered: tuple[int, slice]) -> tuple[Tensor, ...]:
            """Computes the gradients of one block, whose gates and states are computed again if they were not kept."""
            b, block = numbered
            used, states = _of(weights, block), kept[b]
            if not states:
                states = recurrence(inputs, mask, used, block, torch.zeros_like(grad_result), keep=True)
            weight_grads = gradient(inputs, mask, used, block, states, grads=grads, of_weights=of_weights)
            memory.give(*states)
            return weight_grads

        of_blocks = in_threads(run, list(enumerate(blocks)))
        if not of_weights:
            return grads[1], *[None] * (2 + len(weights))
        grad_weights = tuple(torch.zeros_like(values) for values in weights)
        # Always summed in the same order, so that the number of threads does not change the numbers.
        for block, weight_grads in zip(blocks, of_blocks, strict=True):
            for total, grad in zip(_of(grad_weights, block), weight_grads, strict=True):
                total += grad
        return grads[1], None, None, *grad_weights


def _recurrence(
    inputs: Tensor, mask: Tensor | None, weights: Sequence[Tensor], block: slice, result: Tensor, *, keep: bool
) -> tuple[Tensor, ...]:
    """Computes gates, candidates q and states of a block, and writes its read-out.

    Args:
        inputs: Inputs of all sequences :math:`(L, C, B N)`.
        mask: Dropout's factors of all sequences :math:`(H, B N)`, or None.
        weights: c, with the columns of the block's neurons, W_x, W_h, b_n and w of the equations.
        block: Sequences of the block.
        result: Read-out of all sequences :math:`(P, B N)`, to be written.
        keep: Whether gates and states of all bins are returned; else each bin's overwrite older ones.
    """
    constant, weight_x, weight_h, bias_n, readout = weights
    x, P = inputs[..., block], len(result)
    L, _, width = x.shape
    H, N = len(constant) // 3, constant.shape[1]
    weight_rz, weight_n, bias_n = weight_h[: 2 * H], weight_h[2 * H :], bias_n[:, None]
    kept, states = (L, L + 1) if keep else (1, 2)
    gates, q, h = (memory.take(x, *shape, width) for shape in ((kept, 3 * H), (kept, H), (states, H)))
    h[0] = 0
    weight_y = _masked(readout, mask, block)
    for t in range(L):
        before, after = h[t % states], h[(t + 1) % states]
        g = torch.mm(weight_x, x[t], out=gates[t % kept])
        g.view(3 * H, -1, N).add_(constant[:, None])
        candidate, rz = q[t % kept], g[: 2 * H]
        if t:
            torch.addmm(bias_n, weight_n, before, out=candidate)
            rz.addmm_(weight_rz, before)
        else:  # no product with a state of zeros
            candidate.copy_(bias_n)
        rz.sigmoid_()
        n = g[2 * H :].addcmul_(rz[:H], candidate).mul_(2).sigmoid_().mul_(2).sub_(1)
        torch.lerp(n, before, rz[H:], out=after)
        if t >= L - P:
            result[t - L + P, block] = (after * weight_y).sum(0)
    return gates, q, h


def _gradient(
    inputs: Tensor,
    mask: Tensor | None,
    weights: Sequence[Tensor],
    block: slice,
    states: Sequence[Tensor],
    *,
    grads: tuple[Tensor, Tensor],
    of_weights: bool,
) -> tuple[Tensor, ...]:
    """Computes the gradients of a block's inputs and of the weights.

    Args:
        inputs: Inputs of all sequences :math:`(L, C, B N)`.
        mask: Dropout's factors of all sequences :math:`(H, B N)`, or None.
        weights: c, with the columns of the block's neurons, W_x, W_h, b_n and w of the equations.
        block: Sequences of the block.
        states: Gates, candidates and states of :func:`_recurrence`.
        grads: Gradients of the read-out of all sequences :math:`(P, B N)`, and of the inputs, to be written.
        of_weights: Whether those of the weights are wanted.

    Returns:
        Gradients of the weights, none unless they are wanted.
    """
    constant, weight_x, weight_h, _, readout = weights
    (gates, q, h), (grad_result, grad_inputs), weight_y = states, grads, _masked(readout, mask, block)
    x, P = inputs[..., block], len(grad_result)
    L, _, width = x.shape
    H, N = len(constant) // 3, constant.shape[1]
    grad_bias_n = x.new_zeros(H)
    grad_weight_x, grad_weight_h = torch.zeros_like(weight_x), torch.zeros_like(weight_h)
    grad_gates, grad_h, grad_y = x.new_empty(3 * H, width), x.new_zeros(H, width), x.new_zeros(H, width)
    grad_gates_h, sum_gates = torch.empty_like(grad_gates), torch.zeros_like(grad_gates)
    for t in reversed(range(L)):
        if t >= L - P:
            grad_out = grad_result[t - L + P, block]
            grad_h.addcmul_(weight_y, grad_out)
            if of_weights:
                grad_y.addcmul_(h[t + 1], grad_out)
        r, z, n = gates[t].split(H)
        grad_n = torch.mul(grad_h, 1 - z, out=grad_gates[2 * H :])
        torch.mul(grad_n, z, out=grad_gates[H : 2 * H]).mul_(h[t] - n)
        grad_n.addcmul_(grad_n * n, n, value=-1)
        grad_q = torch.mul(grad_n, r, out=grad_gates_h[2 * H :])
        grad_r = torch.mul(grad_q, q[t], out=grad_gates[:H])
        grad_r.addcmul_(grad_r, r, value=-1)
        grad_gates_h[: 2 * H] = grad_gates[: 2 * H]

        if of_weights:
            sum_gates += grad_gates
            grad_bias_n += grad_q.sum(1)
            grad_weight_x.addmm_(grad_gates, x[t].t())
            if t:
                grad_weight_h.addmm_(grad_gates_h, h[t].t())
        torch.mm(weight_x.t(), grad_gates, out=grad_inputs[t, :, block])
        if t:
            grad_h = grad_h.mul_(z).addmm_(weight_h.t(), grad_gates_h)
    if not of_weights:
        return ()
    grad_constant = sum_gates.view(3 * H, -1, N).sum(1)
    grad_readout = (grad_y if mask is None else grad_y * mask[:, block]).sum(1)
    return grad_constant, grad_weight_x, grad_weight_h, grad_bias_n, grad_readout


def _of(weights: Sequence[Tensor], block: slice) -> tuple[Tensor, ...]:
    """Returns the weights with the columns of c that belong to the neurons of a block."""
    constant, *others = weights
    first = block.start % constant.shape[1]
    return constant[:, first : first + block.stop - block.start], *others


def _masked(readout: Tensor, mask: Tensor | None, block: slice) -> Tensor:
    """Returns the read-out weights of a block's sequences times dropout's factors [H, S], or [H, 1] without."""
    return readout[:, None] if mask is None else readout[:, None] * mask[:, block]


def _blocks(sequences: int, neurons: int) -> list[slice]:
    """Returns blocks of at most :data:`_BLOCK` sequences: whole windows, or parts of a window with more neurons."""
    if neurons <= _BLOCK:
        step = _BLOCK // neurons * neurons
        return [slice(start, min(start + step, sequences)) for start in range(0, sequences, step)]
    step = -(-neurons // -(-neurons // _BLOCK))  # parts of nearly equal size
    return [
        slice(window + start, window + min(start + step, neurons))
        for window in range(0, sequences, neurons)
        for start in range(0, neurons, step)
    ]
