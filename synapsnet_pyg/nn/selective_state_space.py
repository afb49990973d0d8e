"""Layer of a selective state-space model: linear memories whose decay depends on the input."""

import math

import torch
from torch import Tensor


class SelectiveStateSpace(torch.nn.Module):
    r"""Mamba's layer (Gu & Dao 2023, "Mamba: Linear-time sequence modeling with selective state spaces", section 3).

    .. math::
        [v(t), g(t)] &= W_x x(t), \qquad u(t) = \mathrm{silu}\Big(\sum_{l < 4} k_l \odot v(t - l) + c\Big) \\
        \delta(t) &= \mathrm{softplus}\big(W_\delta R u(t) + c_\delta\big), \qquad \beta(t) = W_\beta u(t), \qquad
        \gamma(t) = W_\gamma u(t) \\
        h_{dn}(t) &= e^{-\delta_d(t) A_{dn}}\, h_{dn}(t - 1) + \delta_d(t)\, \beta_n(t)\, u_d(t) \\
        y(t) &= W_y \Big(\big(h(t)\, \gamma(t) + D \odot u(t)\big) \odot \mathrm{silu}(g(t))\Big)

    A channel d has ``state_size`` memories with decays :math:`A_{dn} > 0`, which start at 1, ..., ``state_size``; the
    step :math:`\delta` decides at each bin whether a channel takes its input up (large) or keeps its memories (small).
    The memories start from zero. The layer is causal; the sum runs bin by bin.

    Args:
        size: Size of input and output.
        state_size: Number of memories of a channel.
        kernel_size: Number of bins of the convolution.
        expand: Number of channels for each entry of the input.

    Shapes:
        - **input and output:** :math:`(B, L, \text{size})`

    Example:
        >>> SelectiveStateSpace(6)(torch.randn(2, 9, 6)).shape
        torch.Size([2, 9, 6])
    """

    def __init__(self, size: int, *, state_size: int = 16, kernel_size: int = 4, expand: int = 2) -> None:
        super().__init__()
        channels, rank = expand * size, math.ceil(size / 16)
        self.state_size, self.rank = state_size, rank
        self.enter = torch.nn.Linear(size, 2 * channels, bias=False)
        self.convolution = torch.nn.Conv1d(channels, channels, kernel_size, groups=channels, padding=kernel_size - 1)
        self.select = torch.nn.Linear(channels, rank + 2 * state_size, bias=False)
        self.step = torch.nn.Linear(rank, channels)
        self.log_decay = torch.nn.Parameter(torch.arange(1.0, state_size + 1).log().repeat(channels, 1))
        self.direct = torch.nn.Parameter(torch.ones(channels))
        self.leave = torch.nn.Linear(channels, size, bias=False)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws first steps between 0.001 and 0.1, evenly in the logarithm."""
        torch.nn.init.uniform_(self.step.weight, -(self.rank**-0.5), self.rank**-0.5)
        first = (0.001 * 100 ** torch.rand(len(self.step.bias))).clamp_min(1e-4)
        self.step.bias.copy_(first + torch.log(-torch.expm1(-first)))  # inverse of the softplus

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the output at every bin."""
        values, gate = self.enter(inputs).chunk(2, dim=-1)
        L = values.shape[1]
        values = torch.nn.functional.silu(self.convolution(values.transpose(1, 2))[..., :L].transpose(1, 2))
        step, write, read = self.select(values).split([self.rank, self.state_size, self.state_size], dim=-1)
        step = torch.nn.functional.softplus(self.step(step))  # [B, L, channels]
        kept = torch.exp(-step[..., None] * self.log_decay.exp())  # [B, L, channels, state]
        written = (step * values)[..., None] * write[:, :, None]
        memory, outputs = torch.zeros_like(written[:, 0]), []
        for t in range(L):
            memory = kept[:, t] * memory + written[:, t]
            outputs.append((memory * read[:, t, None]).sum(-1))
        output = torch.stack(outputs, dim=1) + self.direct * values
        left: Tensor = self.leave(output * torch.nn.functional.silu(gate))
        return left
