"""Prints how far the kernels of a GPU, interpreted on the CPU, are from the definition of the GRU, case by case.

Runs in a process of its own: ``TRITON_INTERPRET=1`` must be set before Triton is imported.
"""

import json

import torch
import triton
import triton.language as tl

from synapsnet_pyg.nn import gru, triton_gru
from synapsnet_pyg.nn.dynamics import Dynamics

CASES = {
    "one-block": {"B": 3, "N": 7, "L": 5, "P": 1, "K": 2, "H": 20, "masked": False},
    "blocks-across-windows": {"B": 5, "N": 13, "L": 7, "P": 3, "K": 3, "H": 40, "masked": True},
    "many-inputs": {"B": 2, "N": 17, "L": 3, "P": 3, "K": 19, "H": 33, "masked": True},
    "full-size": {"B": 1, "N": 35, "L": 4, "P": 2, "K": 0, "H": 64, "masked": False},
    "windows-anew": {"B": 11, "N": 19, "L": 3, "P": 2, "K": 1, "H": 5, "masked": True},
    "half": {"B": 5, "N": 13, "L": 7, "P": 3, "K": 3, "H": 40, "masked": True},
}
"""Name -> sizes of a case."""


@triton.jit
def rounded_product(a, b, HALF: tl.constexpr):
    """The interpreter cannot multiply bfloat16, but can round to it."""
    if HALF:
        a, b = a.to(tl.bfloat16).to(tl.float32), b.to(tl.bfloat16).to(tl.float32)
    return tl.dot(a, b)


def distance(B, N, L, P, K, H, *, masked, half):
    """Largest differences of forecast and gradients, relative to the largest value of each."""
    torch.manual_seed(0)
    dynamics = Dynamics(2, K, 4, hidden_size=H, dropout=0.0)
    series = [torch.randn(B, N, L, requires_grad=True) for _ in range(2)]
    behaviour, embedding = torch.randn(B, L, K, requires_grad=True), torch.randn(N, 4, requires_grad=True)
    mask = (torch.rand(H, B * N) < 0.5).float() * 2 if masked else None
    leaves = [*series, *([behaviour] if K else []), embedding, *dynamics.parameters()]
    weights, results = torch.randn(B, N, P, 1), []
    gru._NodeGRU.apply = lambda inputs, mask, settings, *weights: triton_gru.triton_gru(
        inputs, mask, settings[0], half, *weights
    )
    for forward, given in ((dynamics._plain_forward, mask if mask is None else mask.t()[:, None]),
                           (lambda *a: dynamics._fast_forward(dynamics.sequence, *a), mask)):  # fmt: skip
        dynamics._dropout_mask = lambda _, given=given: given
        forecast = forward(series, behaviour, embedding, P)
        results.append([forecast, *torch.autograd.grad((forecast * weights).sum(), leaves)])
    return [
        float((kernel - plain).detach().abs().max() / plain.detach().abs().max())
        for plain, kernel in zip(*results, strict=True)
    ]


if __name__ == "__main__":
    found, product = {}, triton_gru._product
    for name, sizes in CASES.items():
        triton_gru.LARGEST = 5 * 5 * 3 * 19 * 4 if name == "windows-anew" else 2**30  # four windows
        triton_gru._product = rounded_product if name == "half" else product
        triton_gru._PART = 16  # whole windows, with and without a rest, and parts of a window
        found[name] = distance(**sizes, half=name == "half")
    print(json.dumps(found))
