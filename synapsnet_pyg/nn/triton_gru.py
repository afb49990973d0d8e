r"""Kernels of a GPU for the GRU shared by all neurons: the equations of :mod:`synapsnet_pyg.nn.gru`, one pass each.

A program computes all bins of some sequences. Weights, gates and states stay on the chip. Forward, gates and states are
written once for the gradient; backward, they are read once and the gradients of the gates written, from which products
of whole matrices give the gradients of inputs and weights. Nothing is added atomically: two runs give equal bits.

Compiled for an H100, kernels that compute gates anew or sum the gradients of weights on the chip need more than its
registers and memory hold; these do not. Of large populations that would take more than four gigabytes for gates and
states, windows are computed anew, some at a time.

Products have three parts in TF32, which together are as exact as float32. With ``half`` their factors are bfloat16;
gates, states and sums stay float32.

Kernels run on the CPU by Triton's interpreter, for tests: ``TRITON_INTERPRET=1`` must be set before this import.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

LARGEST_SIZE = 64
"""Largest number of units: of more, the weights do not fit on the chip."""
LARGEST_INPUTS = 32
"""Largest number of varying inputs."""
SHARED = 160 * 1024
"""Memory of the chip in bytes that the largest sizes need."""
CAPABILITIES = ((8, 0), (9, 0), (10, 0), (10, 3))
"""Compute capabilities of the cards that have it: A100, H100, B200 and B300; others have 99 kilobytes."""
LARGEST = 2**30
"""Largest number of values that are kept for the gradient."""
_SEQUENCES = 16
"""Number of sequences of a program, as many as the rows of a product of tensor cores."""
_WARPS = 8
_PART = 1024
"""Length of a part of a product of long rows."""


@triton.jit
def _product(a: tl.tensor, b: tl.tensor, HALF: tl.constexpr) -> tl.tensor:
    """Returns the product of two matrices."""
    return tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16)) if HALF else tl.dot(a, b, input_precision="tf32x3")


@triton.jit
def _tile(start: tl.tensor, columns: tl.tensor, rows: tl.tensor, width: tl.tensor, inside: tl.tensor) -> tl.tensor:
    """Loads columns of a matrix, whose rows have a width, transposed: [columns, rows], zero where not ``inside``."""
    return tl.load(start + rows[None, :] * width + columns[:, None], mask=inside, other=0.0)


@triton.jit
def _weight(start: tl.tensor, rows: tl.tensor, columns: tl.tensor, R: tl.tensor, C: tl.tensor) -> tl.tensor:
    """Loads a matrix [R, C], filled up with zeros."""
    inside = (rows[:, None] < R) & (columns[None, :] < C)
    return tl.load(start + rows[:, None] * C + columns[None, :], mask=inside, other=0.0)


@triton.jit
def _forward(  # noqa: PLR0917
    inputs: tl.tensor, mask: tl.tensor, constant: tl.tensor, weight_x: tl.tensor, weight_h: tl.tensor,
    bias_n: tl.tensor, readout: tl.tensor, gates: tl.tensor, states: tl.tensor, result: tl.tensor,
    S: tl.tensor, N: tl.tensor, L: tl.tensor, P: tl.tensor, C: tl.tensor, H: tl.tensor,
    UNITS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr,
    MASKED: tl.constexpr, KEEP: tl.constexpr, HALF: tl.constexpr,
) -> None:  # fmt: skip
    """Computes the read-out [P, S]; with ``KEEP`` also r, z, n and q [L, 4H, S] and the states [L, H, S]."""
    sequence = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    neuron, real = sequence % N, sequence < S
    unit, column = tl.arange(0, UNITS), tl.arange(0, COLUMNS)
    inside, fed = real[:, None] & (unit[None, :] < H), real[:, None] & (column[None, :] < C)
    x_r = tl.trans(_weight(weight_x, unit, column, H, C))
    x_z = tl.trans(_weight(weight_x + H * C, unit, column, H, C))
    x_n = tl.trans(_weight(weight_x + 2 * H * C, unit, column, H, C))
    h_r = tl.trans(_weight(weight_h, unit, unit, H, H))
    h_z = tl.trans(_weight(weight_h + H * H, unit, unit, H, H))
    h_n = tl.trans(_weight(weight_h + 2 * H * H, unit, unit, H, H))
    c_r = _tile(constant, neuron, unit, N, inside)
    c_z = _tile(constant + H * N, neuron, unit, N, inside)
    c_n = _tile(constant + 2 * H * N, neuron, unit, N, inside)
    b_n = tl.load(bias_n + unit, mask=unit < H, other=0.0)[None, :]
    shown = tl.load(readout + unit, mask=unit < H, other=0.0)[None, :]
    if MASKED:
        shown = shown * _tile(mask, sequence, unit, S, inside)
    h = tl.zeros((BLOCK, UNITS), tl.float32)
    for step in range(L):
        t = tl.cast(step, tl.int64)
        x = _tile(inputs + t * C * S, sequence, column, S, fed)
        r = tl.sigmoid(c_r + _product(x, x_r, HALF) + _product(h, h_r, HALF))
        z = tl.sigmoid(c_z + _product(x, x_z, HALF) + _product(h, h_z, HALF))
        q = b_n + _product(h, h_n, HALF)
        n = 2 * tl.sigmoid(2 * (c_n + _product(x, x_n, HALF) + r * q)) - 1
        h = n + z * (h - n)
        if KEEP:
            at = gates + (t * 4 * H + unit[None, :]) * S + sequence[:, None]
            tl.store(at, r, mask=inside)
            tl.store(at + H * S, z, mask=inside)
            tl.store(at + 2 * H * S, n, mask=inside)
            tl.store(at + 3 * H * S, q, mask=inside)
            tl.store(states + (t * H + unit[None, :]) * S + sequence[:, None], h, mask=inside)
        if step >= L - P:
            tl.store(result + (t - L + P) * S + sequence, tl.sum(h * shown, 1), mask=real)


@triton.jit
def _backward(  # noqa: PLR0917
    mask: tl.tensor, weight_h: tl.tensor, readout: tl.tensor, gates: tl.tensor, states: tl.tensor,
    grad_result: tl.tensor, grad_gates: tl.tensor, S: tl.tensor, L: tl.tensor, P: tl.tensor, H: tl.tensor,
    UNITS: tl.constexpr, BLOCK: tl.constexpr, MASKED: tl.constexpr, HALF: tl.constexpr,
) -> None:  # fmt: skip
    """Computes the gradients of r, z, n and q before their nonlinearities [L, 4H, S]."""
    sequence = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real, unit = sequence < S, tl.arange(0, UNITS)
    inside = real[:, None] & (unit[None, :] < H)
    h_r = _weight(weight_h, unit, unit, H, H)
    h_z = _weight(weight_h + H * H, unit, unit, H, H)
    h_n = _weight(weight_h + 2 * H * H, unit, unit, H, H)
    shown = tl.load(readout + unit, mask=unit < H, other=0.0)[None, :]
    if MASKED:
        shown = shown * _tile(mask, sequence, unit, S, inside)
    grad = tl.zeros((BLOCK, UNITS), tl.float32)
    for back in range(L):
        t = tl.cast(L - 1 - back, tl.int64)
        # Compared as vectors, since the interpreter knows no mask made of a single number.
        later, read = t > tl.zeros_like(sequence), t >= L - P + tl.zeros_like(sequence)
        at = (t * 4 * H + unit[None, :]) * S + sequence[:, None]
        r = tl.load(gates + at, mask=inside, other=0.0)
        z = tl.load(gates + at + H * S, mask=inside, other=0.0)
        n = tl.load(gates + at + 2 * H * S, mask=inside, other=0.0)
        q = tl.load(gates + at + 3 * H * S, mask=inside, other=0.0)
        before = _tile(states + (t - 1) * H * S, sequence, unit, S, inside & later[:, None])
        grad_out = tl.load(grad_result + (t - L + P) * S + sequence, mask=real & read, other=0.0)
        grad += shown * grad_out[:, None]
        d_n = grad * (1 - z)
        d_z = d_n * z * (before - n)
        d_n = d_n * (1 - n * n)
        d_q = d_n * r
        d_r = d_q * q * (1 - r)
        tl.store(grad_gates + at, d_r, mask=inside)
        tl.store(grad_gates + at + H * S, d_z, mask=inside)
        tl.store(grad_gates + at + 2 * H * S, d_n, mask=inside)
        tl.store(grad_gates + at + 3 * H * S, d_q, mask=inside)
        grad = grad * z + _product(d_r, h_r, HALF) + _product(d_z, h_z, HALF) + _product(d_q, h_n, HALF)


class _TritonGRU(torch.autograd.Function):
    """Recurrence of the GRU and its gradient on a GPU."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, mask: Tensor | None, targets: int, half: bool, *weights: Tensor) -> Tensor:
        """Returns the read-out; keeps gates and states for the gradient if one is needed and there is room."""
        L, _, S = inputs.shape
        keep = any(ctx.needs_input_grad) and 5 * weights[0].shape[0] // 3 * L * S <= LARGEST
        result, *kept = _run(inputs, mask, weights, targets, half=half, keep=keep)
        ctx.half = half
        ctx.save_for_backward(inputs, mask, *weights, *kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_result: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of all arguments of :meth:`forward`."""
        inputs, mask, *saved = ctx.saved_tensors
        weights, kept = saved[:5], saved[5:]
        if kept:
            grads = _gradients(inputs, mask, weights, kept, grad_result, half=ctx.half)
            return grads[0], None, None, None, *grads[1:]
        (L, _, S), (rows, N) = inputs.shape, weights[0].shape
        width = max(LARGEST // (5 * rows // 3 * L) // N, 1) * N  # whole windows
        of_inputs, total = [], [torch.zeros_like(values) for values in weights]
        for block in (slice(start, start + width) for start in range(0, S, width)):
            x, factors = inputs[..., block].contiguous(), None if mask is None else mask[..., block].contiguous()
            _, *kept_here = _run(x, factors, weights, len(grad_result), half=ctx.half, keep=True)
            of_x, *of_weights = _gradients(x, factors, weights, kept_here, grad_result[:, block], half=ctx.half)
            of_inputs.append(of_x)
            total = [one + other for one, other in zip(total, of_weights, strict=True)]
        return torch.cat(of_inputs, dim=2), None, None, None, *total


def _run(
    inputs: Tensor, mask: Tensor | None, weights: Sequence[Tensor], targets: int, *, half: bool, keep: bool
) -> tuple[Tensor, ...]:
    """Returns the read-out [P, S]; if ``keep``, also gates r, z, n and q [L, 4H, S] and states [L, H, S]."""
    constant, weight_x, weight_h, bias_n, readout = weights
    (L, C, S), N, H = inputs.shape, constant.shape[1], len(readout)
    result = inputs.new_empty(targets, S)
    kept = (inputs.new_empty(L, 4 * H, S), inputs.new_empty(L, H, S)) if keep else ()
    gates, states = kept or (inputs, inputs)
    _forward[(triton.cdiv(S, _SEQUENCES),)](
        inputs=inputs, mask=inputs if mask is None else mask, constant=constant, weight_x=weight_x, weight_h=weight_h,
        bias_n=bias_n, readout=readout, gates=gates, states=states, result=result,
        S=S, N=N, L=L, P=targets, C=C, H=H, UNITS=_size(H), COLUMNS=_size(C), BLOCK=_SEQUENCES,
        MASKED=mask is not None, KEEP=keep, HALF=half, num_warps=_WARPS, enable_fp_fusion=True,
    )  # fmt: skip
    return result, *kept


def _gradients(
    inputs: Tensor, mask: Tensor | None, weights: Sequence[Tensor], kept: Sequence[Tensor], grad_result: Tensor,
    *, half: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Returns the gradients of inputs [L, C, S] and weights."""
    (constant, weight_x, weight_h, _, readout), (gates, states) = weights, kept
    (L, _, S), (rows, N), P, H = inputs.shape, constant.shape, len(grad_result), len(readout)
    grad_result, grad_gates = grad_result.contiguous(), torch.empty_like(gates)
    _backward[(triton.cdiv(S, _SEQUENCES),)](
        mask=inputs if mask is None else mask, weight_h=weight_h, readout=readout, gates=gates, states=states,
        grad_result=grad_result, grad_gates=grad_gates, S=S, L=L, P=P, H=H,
        UNITS=_size(H), BLOCK=_SEQUENCES, MASKED=mask is not None, HALF=half, num_warps=_WARPS, enable_fp_fusion=True,
    )  # fmt: skip
    of_inputs, of_candidate = grad_gates[:, :rows], grad_gates[:, rows:]
    seen = torch.cat([torch.cat([torch.zeros_like(states[:1]), states[:-1]]), inputs], 1)  # the first state is zero
    of_weights = _summed_products(grad_gates, seen, N)
    shown = (states[L - P :] * grad_result[:, None]).sum(0)
    return (
        torch.bmm(weight_x.t().expand(L, -1, -1), of_inputs),
        of_inputs.sum(0).view(rows, -1, N).sum(1),
        of_weights[:rows, H:],
        torch.cat([of_weights[: 2 * H, :H], of_weights[rows:, :H]]),
        of_candidate.sum(2).sum(0),  # many times as fast as over both at once
        (shown if mask is None else shown * mask).sum(1),
    )


def _summed_products(one: Tensor, other: Tensor, neurons: int) -> Tensor:
    """Returns the sum over bins and sequences of products of rows [R, C].

    Libraries give a small product of long rows to few processors, ten times slower than one of parts of the rows.

    Args:
        one: Values :math:`(L, R, S)`.
        other: Values :math:`(L, C, S)`.
        neurons: Number of neurons N; parts are whole windows, unless one is longer.
    """
    (L, R, S), C = one.shape, other.shape[1]
    width = max(_PART // neurons, 1) * neurons if neurons <= _PART else _PART
    count, rest = divmod(S, width)
    parts = one.new_empty(L, count + (rest > 0), R, C)
    for a, b, part in zip(one, other, parts, strict=True):
        first, second = (rows[:, : S - rest].unflatten(1, (count, width)) for rows in (a, b))
        torch.bmm(first.transpose(0, 1), second.permute(1, 2, 0), out=part[:count])
        if rest:
            torch.mm(a[:, S - rest :], b[:, S - rest :].t(), out=part[count])
    return parts.sum((0, 1))


def _size(number: int) -> int:
    """Returns the next power of two, at least 16, the least number of columns of a product of tensor cores."""
    return max(triton.next_power_of_2(number), 16)


def triton_gru(inputs: Tensor, mask: Tensor | None, targets: int, half: bool, *weights: Tensor) -> Tensor:
    """Computes the recurrence of :func:`~synapsnet_pyg.nn.gru.node_gru` on a GPU.

    Args:
        inputs: Inputs that change with time :math:`(L, C, S)`, of S sequences, ordered by window, then neuron.
        mask: Dropout's factors of the states :math:`(H, S)`, or None.
        targets: Number of last states P with a read-out.
        half: Whether the factors of products are bfloat16.
        weights: Constant part of the gates :math:`(3H, N)`, input weights :math:`(3H, C)`, recurrent weights
            :math:`(3H, H)`, hidden bias of the candidate :math:`(H)` and read-out :math:`(H)`.

    Returns:
        Read-out of the last P states :math:`(P, S)`.
    """
    factors = None if mask is None else mask.contiguous()
    used = (values.contiguous() for values in weights)
    result: Tensor = _TritonGRU.apply(inputs.contiguous(), factors, targets, half, *used)
    return result
