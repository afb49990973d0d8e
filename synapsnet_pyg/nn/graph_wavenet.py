"""Network of Graph WaveNet, with gated dilated convolutions in time and diffusion on a learned graph."""

from collections.abc import Sequence

import torch
from torch import Tensor


class AdaptiveAdjacency(torch.nn.Module):
    r"""Graph computed from two learned embeddings of each neuron.

    .. math::
        S = \mathrm{softmax}\big(\mathrm{relu}(E_1 E_2)\big) \text{ over columns}

    Rows are senders and sum to one; columns are receivers. A connectivity is the transpose.

    Args:
        num_neurons: Number of neurons N.
        rank: Number of columns of E1 and of rows of E2.
        support: Given graph :math:`(N, N)`, from whose singular value decomposition the embeddings start. None: they
            start from standard normal numbers.
    """

    def __init__(self, num_neurons: int, rank: int = 10, *, support: Tensor | None = None) -> None:
        super().__init__()
        self.senders = torch.nn.Parameter(torch.empty(num_neurons, rank))
        self.receivers = torch.nn.Parameter(torch.empty(rank, num_neurons))
        torch.nn.init.normal_(self.senders)
        torch.nn.init.normal_(self.receivers)
        if support is not None:
            U, s, V = torch.linalg.svd(support)
            k = min(rank, len(s))
            with torch.no_grad():
                self.senders[:, :k] = U[:, :k] * s[:k].sqrt()
                self.receivers[:k] = s[:k].sqrt()[:, None] * V[:k]

    def forward(self) -> Tensor:
        """Returns the graph S [N, N]."""
        return torch.softmax(torch.relu(self.senders @ self.receivers), dim=1)

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{self.senders.shape[0]} neurons, rank {self.senders.shape[1]}"


class Layer(torch.nn.Module):
    r"""Gated convolution in time and, unless the layer is the last, diffusion convolution.

    .. math::
        f(t) &= \tanh\big(F_0 x(t) + F_1 x(t + d)\big) \odot \sigma\big(G_0 x(t) + G_1 x(t + d)\big) \\
        x' &= \mathrm{Norm}\Big(x + \textstyle\sum_{S} \sum_{k=0}^{2} W_{S,k}\, f S^k\Big)

    All tensors have the axes step, neuron, window, channel, so that slices in time and products with the graph work on
    contiguous memory.

    Args:
        residual: Number of channels between the layers.
        dilated: Number of channels of the gated convolution.
        skip: Number of channels of the skip connection.
        kernel: Number of steps of the convolution.
        dilation: Distance d between the steps.
        mixed: Number of terms of the diffusion, :math:`1 + 2 \cdot` number of graphs.
        dropout: Share of units set to zero after the diffusion.
        last: Whether the layer is the last.
    """

    def __init__(
        self,
        *,
        residual: int,
        dilated: int,
        skip: int,
        kernel: int,
        dilation: int,
        mixed: int,
        dropout: float,
        last: bool,
    ) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        # Filter and gate side by side, a weight for each step of the kernel, oldest first.
        self.gated = torch.nn.Parameter(torch.empty(kernel, residual, 2 * dilated))
        self.gated_bias = torch.nn.Parameter(torch.empty(2 * dilated))
        bound = (residual * kernel) ** -0.5  # first weights as in PyTorch's convolutions
        torch.nn.init.uniform_(self.gated, -bound, bound)
        torch.nn.init.uniform_(self.gated_bias, -bound, bound)
        self.skip = torch.nn.Linear(dilated, skip)
        self.mix = None if last else torch.nn.Linear(mixed * dilated, residual)
        self.norm = None if last else torch.nn.BatchNorm1d(residual)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: Tensor, supports: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Returns the next layer's input [T', N, B, residual] and the gated features [T', N, B, dilated]."""
        steps = x.shape[0] - (self.kernel - 1) * self.dilation
        total: Tensor = self.gated_bias
        for k in range(self.kernel):
            seen = x[k * self.dilation : k * self.dilation + steps]
            total = torch.addmm(total, seen.flatten(0, 2), self.gated[k])
        value, gate = total.view(*seen.shape[:3], -1).chunk(2, dim=-1)
        # tanh(x) as 2 sigmoid(2 x) - 1, since the sigmoid is many times faster on a CPU.
        features = (2 * torch.sigmoid(2 * value) - 1) * torch.sigmoid(gate)
        if self.mix is None or self.norm is None:
            return x, features
        mixed = self.dropout(self._diffuse(features, supports)) + x[-steps:]
        return self.norm(mixed.flatten(0, 2)).view_as(mixed), features

    def _diffuse(self, features: Tensor, supports: Sequence[Tensor]) -> Tensor:
        """Returns the weighted sum over orders and graphs.

        By Horner's rule, f W1 S + f W2 S S = (f W1 + (f W2) S) S, so that no concatenation is needed.
        """
        assert self.mix is not None
        residual, dilated = len(self.mix.bias), features.shape[-1]
        weight = self.mix.weight.view(residual, -1, dilated).permute(2, 1, 0).reshape(dilated, -1)
        total, *orders = (features @ weight).split(residual, dim=-1)
        total = total + self.mix.bias
        for support, first, second in zip(supports, orders[::2], orders[1::2], strict=True):
            total = total + diffuse(support, first + diffuse(support, second))
        return total


def diffuse(support: Tensor, features: Tensor) -> Tensor:
    """Sends features [T, N, B, C] along a graph S [N, N] whose rows are senders."""
    T, N, B, C = features.shape
    return torch.bmm(support.t().expand(T, N, N), features.reshape(T, N, B * C)).view(T, N, B, C)


class GraphWaveNet(torch.nn.Module):
    r"""Graph WaveNet (Wu et al. 2019, IJCAI, sections 3.2 to 3.5).

    Layers (:class:`Layer`) come in blocks; dilations 1, 2, 4, ... restart in every block. Skip connections sum the
    gated features of all layers, and two more layers turn the sum into the output:

    .. math::
        y = W_2\, \mathrm{relu}\big(W_1\, \mathrm{relu}(\textstyle\sum_l K_l f_l) \big)

    The published code has residual convolutions without use, and a graph convolution and a normalisation after the
    last layer that do not reach the output. They are left out here.

    Args:
        num_neurons: Number of neurons N.
        num_inputs: Number of channels C of each neuron and step.
        residual: Number of channels between the layers.
        dilated: Number of channels of the gated convolutions.
        skip: Number of channels of the skip connections.
        end: Number of channels before the output.
        blocks: Number of blocks.
        layers: Number of layers in each block.
        kernel: Number of steps of a convolution.
        outputs: Number of channels of the output.
        dropout: Share of units set to zero after each graph convolution.
        num_supports: Number of given graphs beside the adaptive one.
        start_from: Given graph from which the adaptive one starts.

    Shapes:
        - **inputs:** :math:`(T, N, B, C)`, at least ``receptive_field`` steps; **supports:** :math:`(N, N)` each,
          rows are senders and sum to one
        - **output:** :math:`(T', N, B, \text{outputs})`, the newest T' = ``steps`` steps
    """

    def __init__(
        self,
        num_neurons: int,
        num_inputs: int,
        *,
        residual: int = 32,
        dilated: int = 32,
        skip: int = 128,
        end: int = 256,
        blocks: int = 4,
        layers: int = 1,
        kernel: int = 2,
        outputs: int = 1,
        dropout: float = 0.1,
        num_supports: int = 0,
        start_from: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.adaptive = AdaptiveAdjacency(num_neurons, support=start_from)
        self.start = torch.nn.Linear(num_inputs, residual)
        dilations = [2**layer for _ in range(blocks) for layer in range(layers)]
        self.receptive_field = 1 + (kernel - 1) * sum(dilations)
        mixed = 1 + 2 * (num_supports + 1)
        self.layers = torch.nn.ModuleList(
            Layer(
                residual=residual,
                dilated=dilated,
                skip=skip,
                kernel=kernel,
                dilation=dilation,
                mixed=mixed,
                dropout=dropout,
                last=number == len(dilations),
            )
            for number, dilation in enumerate(dilations, start=1)
        )
        self.end = torch.nn.Linear(skip, end)
        self.readout = torch.nn.Linear(end, outputs)

    def forward(self, inputs: Tensor, supports: Sequence[Tensor] = (), steps: int = 1) -> Tensor:
        """Returns the outputs of the newest steps."""
        graphs = [*supports, self.adaptive()]
        x = self.start(inputs)
        layers = [layer for layer in self.layers if isinstance(layer, Layer)]
        total, newest = torch.stack([layer.skip.bias for layer in layers]).sum(0), x
        for layer in layers:
            x, features = layer(x, graphs)
            newest = features[-steps:]
            total = torch.addmm(total, newest.flatten(0, 2), layer.skip.weight.t())
        output: Tensor = self.readout(torch.relu(self.end(torch.relu(total))))
        return output.view(*newest.shape[:3], -1)
