"""Perceiver with rotary time: a few latent tokens read many input tokens and are read by many queries."""

import math

import torch
from torch import Tensor


class Perceiver(torch.nn.Module):
    r"""Perceiver whose tokens have times (Azabou et al. 2023, "A unified, scalable framework for neural population
    decoding", POYO).

    .. math::
        z &\leftarrow z + \mathrm{Attention}(z \text{ from inputs}), \quad z \leftarrow z + \mathrm{FF}(z) \\
        z &\leftarrow z + \mathrm{Attention}(z \text{ from } z), \quad z \leftarrow z + \mathrm{FF}(z)
        && \text{in each layer} \\
        y &\leftarrow q + \mathrm{Attention}(q \text{ from } z), \quad y \leftarrow y + \mathrm{FF}(y)

    The M latents z are learned and spread evenly over the time span. The cost grows linearly with the number of
    inputs and queries. The feed-forward network is :math:`\mathrm{FF}(x) = W (u \odot \mathrm{gelu}(v))` with
    :math:`[u, v] = V\, \mathrm{Norm}(x)`. Rotary time is in :class:`RotaryAttention`; in the first two kinds of
    attention it turns the values too.

    Args:
        size: Size D of the tokens.
        num_latents: Number of latents M.
        num_layers: Number of layers among the latents.
        heads: Number of heads among the latents; the reading of inputs and of latents has one.
        head_size: Size of a head.
        longest_period: Longest period of the rotation, in bins; the shortest is a thousandth of it.
        dropout: Share of the feed-forward networks' units set to zero.
        layer_dropout: Share of the outputs in the layers among the latents set to zero.
        initial_scale: Standard deviation of the first latents.

    Shapes:
        - **inputs:** :math:`(S, n, D)`, times :math:`(n)` in bins; **queries:** :math:`(m, D)`, times :math:`(m)`
        - **output:** :math:`(S, m, D)`
    """

    def __init__(
        self,
        size: int,
        *,
        num_latents: int = 8,
        num_layers: int = 1,
        heads: int = 16,
        head_size: int = 64,
        longest_period: float = 100.0,
        dropout: float = 0.2,
        layer_dropout: float = 0.4,
        initial_scale: float = 0.02,
    ) -> None:
        super().__init__()
        self.latents = torch.nn.Parameter(initial_scale * torch.randn(num_latents, size))

        def attention(heads: int, *, turn_values: bool = True) -> RotaryAttention:
            return RotaryAttention(size, heads, head_size, longest_period=longest_period, turn_values=turn_values)

        self.read_inputs, self.read_latents = attention(1), attention(1, turn_values=False)
        self.after_inputs, self.after_latents = feed_forward(size, dropout), feed_forward(size, dropout)
        self.attention = torch.nn.ModuleList(attention(heads) for _ in range(num_layers))
        self.feed_forward = torch.nn.ModuleList(feed_forward(size, dropout) for _ in range(num_layers))
        self.dropout = torch.nn.Dropout(layer_dropout)

    def forward(self, inputs: Tensor, input_time: Tensor, queries: Tensor, query_time: Tensor, span: int) -> Tensor:
        """Returns the output of every query in every sample.

        Args:
            inputs: Input tokens :math:`(S, n, D)`.
            input_time: Their times :math:`(n)`.
            queries: Query tokens :math:`(m, D)`.
            query_time: Their times :math:`(m)`.
            span: Number of bins over which the latents are spread.
        """
        M = len(self.latents)
        time = torch.arange(M, dtype=input_time.dtype, device=input_time.device) * (span / M)
        latents = self.latents.expand(len(inputs), -1, -1)
        latents = latents + self.read_inputs(latents, inputs, time, input_time)
        latents = latents + self.after_inputs(latents)
        for attention, network in zip(self.attention, self.feed_forward, strict=True):
            latents = latents + self.dropout(attention(latents, latents, time, time))
            latents = latents + self.dropout(network(latents))
        output = queries + self.read_latents(queries.expand(len(inputs), -1, -1), latents, query_time, time)
        return output + self.after_latents(output)


class RotaryAttention(torch.nn.Module):
    r"""Attention whose logits depend on the time between two tokens by a rotation of queries and keys.

    .. math::
        \mathrm{Attention} = W_o \sum_j \mathrm{softmax}_j\Big(
            \frac{R(t_i) W_q \bar x_i \cdot R(t_j) W_k \bar y_j}{\sqrt{d}}\Big)\, R(t_j - t_i) W_v \bar y_j

    with tokens :math:`\bar x, \bar y` after a layer norm. R(t) turns pairs of dimensions by :math:`\omega_k t`, where
    the periods :math:`2 \pi / \omega_k` are spread geometrically; half of the pairs stay. Without ``turn_values`` the
    value is not turned.

    Args:
        size: Size D of the tokens.
        heads: Number of heads.
        head_size: Size d of a head, divisible by 4.
        longest_period: Upper end of the periods, in bins; the shortest is a thousandth of it.
        turn_values: Whether values are turned by the time between the tokens.

    Shapes:
        - **receivers:** :math:`(S, m, D)`, **senders:** :math:`(S, n, D)`, times :math:`(m)` and :math:`(n)`
        - **output:** :math:`(S, m, D)`
    """

    frequency: Tensor
    """Angle of each pair of dimensions for a bin [d / 2]."""

    def __init__(
        self, size: int, heads: int, head_size: int, *, longest_period: float = 100.0, turn_values: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.turn_values = heads, turn_values
        turned = head_size // 4
        period = longest_period / 1000 ** (1 - torch.arange(turned) / turned)
        frequency = torch.cat([2 * math.pi / period, torch.zeros(head_size // 2 - turned)])
        self.register_buffer("frequency", frequency, persistent=False)
        self.norm_receivers, self.norm_senders = torch.nn.LayerNorm(size), torch.nn.LayerNorm(size)
        self.query = torch.nn.Linear(size, heads * head_size, bias=False)
        self.key = torch.nn.Linear(size, heads * head_size, bias=False)
        self.value = torch.nn.Linear(size, heads * head_size, bias=False)
        self.output = torch.nn.Linear(heads * head_size, size)

    def forward(self, receivers: Tensor, senders: Tensor, time: Tensor, sender_time: Tensor) -> Tensor:
        """Returns what each receiver gets from all senders."""
        receivers, senders = self.norm_receivers(receivers), self.norm_senders(senders)
        here, there = self.frequency * time[:, None], self.frequency * sender_time[:, None]
        query = turn(self._by_head(self.query(receivers)), here)
        key, value = turn(self._by_head(self.key(senders)), there), self._by_head(self.value(senders))
        weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), dim=-1)
        read = turn(weights @ turn(value, there), -here) if self.turn_values else weights @ value
        output: Tensor = self.output(read.transpose(1, 2).flatten(2))
        return output

    def _by_head(self, tokens: Tensor) -> Tensor:
        """Returns tokens [S, n, heads d] as [S, heads, n, d]."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def turn(tokens: Tensor, angle: Tensor) -> Tensor:
    r"""Turns each pair of neighbouring dimensions of tokens by an angle.

    Args:
        tokens: Tokens :math:`(\ldots, n, d)`.
        angle: Angle of each token and pair :math:`(n, d / 2)`, in radians.

    Example:
        >>> turn(torch.tensor([[1.0, 0.0]]), torch.tensor([[math.pi / 2]])).round(decimals=6).abs()
        tensor([[0., 1.]])
    """
    first, second = tokens[..., 0::2], tokens[..., 1::2]
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1).flatten(-2)


class _Gated(torch.nn.Module):
    """Half of the units, each multiplied with the gelu of its partner in the other half."""

    def forward(self, units: Tensor) -> Tensor:
        """Returns the products."""
        values, gates = units.chunk(2, dim=-1)
        return values * torch.nn.functional.gelu(gates)


def feed_forward(size: int, dropout: float) -> torch.nn.Sequential:
    """Returns a feed-forward network with gates, after a layer norm, with 4 times as many units as its input.

    Args:
        size: Size of input and output.
        dropout: Share of the units set to zero.
    """
    return torch.nn.Sequential(
        torch.nn.LayerNorm(size),
        torch.nn.Linear(size, 8 * size),
        _Gated(),
        torch.nn.Dropout(dropout),
        torch.nn.Linear(4 * size, size),
    )
