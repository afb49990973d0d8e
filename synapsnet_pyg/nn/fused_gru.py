"""Recurrence of the shared GRU and its gradient with loops compiled by numba, the fast twins of those in gru.py."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from synapsnet_pyg.nn import memory

_TILE = 512
"""Smallest number of constants in a row, which repeat from window to window, so that loops are long enough."""


@cache
def loops() -> Any:
    """Returns the module of compiled loops; None without numba."""
    try:
        return import_module("synapsnet_pyg.nn.gate_loops")
    except ImportError:
        return None


def recurrence(
    inputs: Tensor, mask: Tensor | None, weights: Sequence[Tensor], block: slice, result: Tensor, *, keep: bool
) -> tuple[Tensor, ...]:
    """Computes gates and states of a block of S sequences, and adds its read-out to ``result``.

    Args:
        inputs: Inputs of all sequences :math:`(L, C, B N)`.
        mask: Dropout's factors of all sequences :math:`(H, B N)`, or None.
        weights: Constant part of the gates, weights of inputs and states, bias of q, weights of the read-out.
        block: Sequences of the block.
        result: Read-out of all sequences :math:`(P, B N)`, zero before.
        keep: Whether gates and states of all bins are returned; else each bin's overwrite older ones.

    Returns:
        Gates :math:`(L, 4H, S)` in the order n, r, z, q, and states with the inputs below them :math:`(L + 1, H + C,
        S)`.
    """
    constant, weight_x, weight_h, bias_n, readout = weights
    x = inputs[..., block]
    (L, C, S), H, P = x.shape, len(bias_n), len(result)
    kept, states = (L, L + 1) if keep else (1, 2)
    gates, h = memory.take(x, kept, 4 * H, S), memory.take(x, states, H + C, S)
    h[0, :H] = 0
    # One product gives r, z and q from the states, and r and z from the inputs.
    weight = torch.cat([weight_h, torch.cat([weight_x[: 2 * H], weight_x.new_zeros(H, C)])], dim=1)
    weight_n = weight_x[2 * H :]
    blocks, used = _arrays(gates, h), _arrays(_tile(constant, S), bias_n)
    read, compute = _arrays(result, readout, _factors(inputs, mask)), loops().gates
    n, rzq, before, seen = gates[:, :H].unbind(), gates[:, H:].unbind(), h.unbind(), h[:, H:].unbind()
    if keep:
        h[:L, H:] = x
    for t in range(L):
        if not keep:
            seen[t % states].copy_(x[t])
        if t:
            torch.mm(weight_n, seen[t % states], out=n[t % kept])
            torch.mm(weight, before[t % states], out=rzq[t % kept])
        else:  # no product with a state of zeros
            torch.mm(torch.cat([weight_n, weight_x[: 2 * H]]), seen[0], out=gates[0, : 3 * H])
            gates[0, 3 * H :] = 0
        compute((t, max(t - L + P, -1), block.start), blocks, used, read)
    return gates, h


def gradient(
    inputs: Tensor,
    mask: Tensor | None,
    weights: Sequence[Tensor],
    block: slice,
    states: Sequence[Tensor],
    *,
    grads: tuple[Tensor, Tensor],
    of_weights: bool,
) -> tuple[Tensor, ...]:
    """Computes the gradients of a block's inputs and of the weights. Its gates are replaced by their gradients.

    Args:
        inputs: Inputs of all sequences :math:`(L, C, B N)`.
        mask: Dropout's factors of all sequences :math:`(H, B N)`, or None.
        weights: Constant part of the gates, weights of inputs and states, bias of q, weights of the read-out.
        block: Sequences of the block.
        states: Gates and states of :func:`recurrence`.
        grads: Gradients of the read-out of all sequences :math:`(P, B N)`; and of the inputs, to be written.
        of_weights: Whether those of the weights are wanted; they are in training and computed in any case.

    Returns:
        Gradients of the weights.
    """
    constant, weight_x, weight_h, _, readout = weights
    (gates, h), (grad_result, grad_inputs) = states, grads
    (L, rows, S), P, H, N = gates.shape, len(grad_result), len(readout), constant.shape[1]
    grad_h, grad_weight = gates.new_zeros(H, S), gates.new_zeros(rows, h.shape[1])
    weight_nrz = torch.cat([weight_x[2 * H :], weight_x[: 2 * H]]).t()
    width = _windows(constant, S) * N
    total, total_readout = gates.new_zeros(rows, width), gates.new_zeros(H, width)
    blocks, totals, (d,) = _arrays(gates, h), _arrays(total, total_readout), _arrays(grad_h)
    read, compute = _arrays(grad_result, readout, _factors(inputs, mask)), loops().gate_gradients
    nrz, rzq, before, grad_x = (
        values.unbind() for values in (gates[:, : 3 * H], gates[:, H:], h.mT, grad_inputs[..., block])
    )
    for t in reversed(range(L)):
        compute((t, max(t - L + P, -1), block.start), blocks, d, totals, read)
        torch.mm(weight_nrz, nrz[t], out=grad_x[t])
        if t:
            grad_weight.addmm_(gates[t], before[t])
            grad_h.addmm_(weight_h.t(), rzq[t])
        else:
            grad_weight[:, H:].addmm_(gates[0], h[0, H:].t())
    grad_constant = total[: 3 * H].view(3 * H, -1, N).sum(1)
    grad_weight_x = torch.cat([grad_weight[H : 3 * H, H:], grad_weight[:H, H:]])
    return grad_constant, grad_weight_x, grad_weight[H:, :H], total[3 * H :].sum(1), total_readout.sum(1)


def _windows(constant: Tensor, width: int) -> int:
    """Returns the number of windows in a tile of constants [3H, N], for a block of this width."""
    return min(max(_TILE // constant.shape[1], 1), width // constant.shape[1])


def _tile(constant: Tensor, width: int) -> Tensor:
    """Returns constants [3H, N] repeated up to a useful width."""
    windows = _windows(constant, width)
    return constant.contiguous() if windows == 1 else constant.repeat(1, windows)


def _factors(inputs: Tensor, mask: Tensor | None) -> Tensor:
    """Returns dropout's factors, or a row of ones."""
    return inputs.new_ones(1, inputs.shape[2]) if mask is None else mask


def _arrays(*tensors: Tensor) -> tuple[Any, ...]:
    """Returns tensors as arrays of numpy on the same memory."""
    return tuple(tensor.detach().numpy() for tensor in tensors)
