r"""Gates of a GRU in one pass over memory, compiled by numba. Imported only where training on a CPU begins.

An operation of torch reads and writes all of its operands. Here a part of a row is read once and stays in the first
cache of a core while all operations on it are computed. Gates are rows of [4H, S], in the order n, r, z, q of the
equations of :mod:`synapsnet_pyg.nn.gru`: products with inputs need the first 3H rows, those with states the last 3H.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

_f = np.float32
_NEAR_LOG2 = _f(1.4427)
_LOG2, _LOG2_REST = _f(1.44269502162933349609375), _f(1.925963033500011e-08)
r"""High and low part of :math:`\log_2 e`, and a number near it: with the same one twice, products would be rounded."""
_SHIFT = _f(1.5 * 2**23)
"""A small number plus this one has its nearest integer in the lowest bits."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Returns a function compiled without Python's lock, kept on disk if there is a folder that can be written."""
    # Contracted products and sums change less than a rounding. Nothing else is allowed: NaN and infinity must stay.
    options = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:  # numba found no folder
        return numba.njit(function, **options)


# Loops are small, since the compiler makes vector instructions only of loops with few arrays.


@_compiled
def _sigmoid(x):  # type: ignore[no-untyped-def]
    r"""Returns :math:`1 / (1 + 2^{k + y})` with :math:`k + y = -x \log_2 e`, k an integer and y at most 1/2."""
    x = _f(-87) if x < _f(-87) else x  # a comparison keeps NaN
    x = _f(87) if x > _f(87) else x
    shifted = _SHIFT - x * _NEAR_LOG2
    y = (_SHIFT - shifted) - x * _LOG2 - x * _LOG2_REST
    # Polynomial of 2^y with the smallest relative error, 9e-8.
    power = _f(1.3264727e-3) * y + _f(9.671513e-3)
    power = power * y + _f(5.5507336e-2)
    power = power * y + _f(2.4022242e-1)
    power = power * y + _f(6.931470e-1)
    power = power * y + _f(1)
    bits = np.float32(power).view(np.int32) + (np.float32(shifted).view(np.int32) << np.int32(23))
    return _f(1) / (_f(1) + np.int32(bits).view(np.float32))


@_compiled
def _sigmoid_row(gate, constant):  # type: ignore[no-untyped-def]
    """Replaces a gate by the sigmoid of its sum with a constant."""
    for s in range(len(gate)):
        gate[s] = _sigmoid(gate[s] + constant[s])


@_compiled
def _candidate_row(n, q, r, constant, bias):  # type: ignore[no-untyped-def]
    r"""Adds the bias to q and replaces n by :math:`\tanh(n + c + r q)`."""
    for s in range(len(n)):
        q[s] += bias
        n[s] = _f(2) * _sigmoid(_f(2) * (n[s] + constant[s] + r[s] * q[s])) - _f(1)


@_compiled
def _state_row(after, before, n, z):  # type: ignore[no-untyped-def]
    """Computes the next state."""
    for s in range(len(n)):
        after[s] = n[s] + z[s] * (before[s] - n[s])


@_compiled
def _add_product(total, a, b, factor):  # type: ignore[no-untyped-def]
    """Adds a product of two rows and a number."""
    for s in range(len(total)):
        total[s] += a[s] * b[s] * factor


@_compiled
def _add_product_of_three(total, a, b, c):  # type: ignore[no-untyped-def]
    """Adds a product of three rows."""
    for s in range(len(a)):
        total[s] += a[s] * b[s] * c[s]


@_compiled
def _add(total, a):  # type: ignore[no-untyped-def]
    """Adds a row."""
    for s in range(len(a)):
        total[s] += a[s]


@_compiled
def gates(bin, blocks, weights, read):  # type: ignore[no-untyped-def]
    """Computes gates and the next state of one bin from the products of weights with inputs and with states.

    Args:
        bin: Number of the bin t, of its target, or -1 if it has none, and of the block's first sequence F.
        blocks: Products of the bins :math:`(L, 4H, S)`, of which those of the bin are replaced by n, r, z and q; and
            states before the bins :math:`(L + 1, H + C, S)`, of which the next is written. The number of a bin is
            taken modulo the number of rows.
        weights: Constant part of r, z and n :math:`(3H, T)`, which repeats every T sequences, and bias of q
            :math:`(H)`.
        read: Read-out of all sequences :math:`(P, B N)`, to which is added; its weights :math:`(H)`; and dropout's
            factors :math:`(H, B N)` or :math:`(1, B N)`.
    """
    (t, p, first), (g, h), (constant, bias), (result, readout, mask) = bin, blocks, weights, read
    g, before, after = g[t % len(g)], h[t % len(h)], h[(t + 1) % len(h)]
    H, S, T = len(bias), g.shape[1], constant.shape[1]
    for j in range(H):
        for a in range(0, S, T):
            b = min(a + T, S)
            n, r, z, q = g[j, a:b], g[H + j, a:b], g[2 * H + j, a:b], g[3 * H + j, a:b]
            _sigmoid_row(r, constant[j])
            _sigmoid_row(z, constant[H + j])
            _candidate_row(n, q, r, constant[2 * H + j], bias[j])
            _state_row(after[j, a:b], before[j, a:b], n, z)
            if p >= 0:
                factors = mask[j % len(mask), first + a : first + b]
                _add_product(result[p, first + a : first + b], after[j, a:b], factors, readout[j])


@_compiled
def _gradient_row(d, z, n, before):  # type: ignore[no-untyped-def]
    """Replaces z and n by the gradients of their sums, and the state's gradient d by its part that passes by z."""
    for s in range(len(d)):
        now = d[s] * (_f(1) - z[s])
        passed = d[s] * z[s]
        z_gradient = now * z[s] * (before[s] - n[s])
        n[s] = now * (_f(1) - n[s] * n[s])
        d[s], z[s] = passed, z_gradient


@_compiled
def _reset_gradient_row(q, r, n):  # type: ignore[no-untyped-def]
    """Replaces q and r by the gradients of their sums, given that of n."""
    for s in range(len(q)):
        q_gradient = n[s] * r[s]
        r[s] = q_gradient * q[s] * (_f(1) - r[s])
        q[s] = q_gradient


@_compiled
def gate_gradients(bin, blocks, d, totals, read):  # type: ignore[no-untyped-def]
    """Computes the gradients of the sums inside of the gates of one bin.

    Args:
        bin: Number of the bin t, of its target, or -1 if it has none, and of the block's first sequence F.
        blocks: Gates n, r, z, q of all bins :math:`(L, 4H, S)`, of which those of the bin are replaced by gradients;
            and states before the bins :math:`(L + 1, H + C, S)`.
        d: Gradient of the state after the bin :math:`(H, S)`; it is replaced by its part that passes by z.
        totals: Sums over bins and windows of the gradients of r, z, n and q :math:`(4H, T)` and of the read-out's
            weights :math:`(H, T)`.
        read: Gradients of the read-outs of all sequences :math:`(P, B N)`; their weights :math:`(H)`; and dropout's
            factors :math:`(H, B N)` or :math:`(1, B N)`.
    """
    (t, p, first), (g, h), (total, total_readout), (grad, readout, mask) = bin, blocks, totals, read
    g, before, after = g[t], h[t], h[t + 1]
    H, S, T = len(d), g.shape[1], total.shape[1]
    for j in range(H):
        for a in range(0, S, T):
            b = min(a + T, S)
            n, r, z, q = g[j, a:b], g[H + j, a:b], g[2 * H + j, a:b], g[3 * H + j, a:b]
            if p >= 0:
                factors, outer = mask[j % len(mask), first + a : first + b], grad[p, first + a : first + b]
                _add_product(d[j, a:b], outer, factors, readout[j])
                _add_product_of_three(total_readout[j], outer, factors, after[j, a:b])
            _gradient_row(d[j, a:b], z, n, before[j, a:b])
            _reset_gradient_row(q, r, n)
            _add(total[j], r)
            _add(total[H + j], z)
            _add(total[2 * H + j], n)
            _add(total[3 * H + j], q)
