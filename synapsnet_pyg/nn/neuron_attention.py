"""Linear attention between neurons, with weights that are a connectivity changing in time."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


def linear(logits: Tensor) -> Tensor:
    """Returns the logits unchanged, as NetFormer does; weights keep their sign and their sum."""
    return logits


def softmax(logits: Tensor) -> Tensor:
    """Returns the softmax over senders."""
    return logits.softmax(dim=-1)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": linear,
    "softmax": softmax,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
"""Name -> function of the attention's logits, before the scale."""


class NeuronAttention(torch.nn.Module):
    r"""Layer of attention with every neuron's recent past as a token (Lu et al. 2025, NetFormer).

    .. math::
        z_i &= \mathrm{LN}_1\big([x_i;\ e_i]\big) = [\tilde x_i;\ \tilde e_i], \qquad
        A_{ij} = s\, \phi\big((W_Q z_i) \cdot (W_K z_j)\big) \\
        o_i &= \mathrm{LN}_2\Big(\sum_j A_{ij}\, \tilde x_j + \tilde x_i\Big)

    All n tokens are senders, and the first q are receivers too. The others are stimuli, which drive neurons and are not
    driven. Values are the histories themselves, so that :math:`A_{ij}` multiplies the activity of j.

    Without an activation the sum is associative, :math:`s Z_q M (Z^\top \tilde X)` with :math:`M = W_Q^\top W_K`. It is
    computed in the order with fewer multiplications, so that large populations do not need the :math:`n \times n`
    weights. The embedding's part of a token differs between windows only by two numbers of the norm. It is therefore
    kept as one table for all windows.

    Args:
        history: Number of past bins H in a token.
        embedding_dim: Size of the embeddings D.
        width: Size of the projections. None: H + D.
        scaled: Whether :math:`s = (H + D)^{-1/2}`. False: s = 1.
        norm: Whether there are layer norms, over the H + D entries of a token and over the H bins of an output.
        residual: Whether a receiver's own :math:`\tilde x_i` is added.
        activation: Function :math:`\phi`, one of :data:`ACTIVATIONS`.

    Shapes:
        - **history:** :math:`(B, n, H)`, newest last; **embedding:** :math:`(n, D)`
        - **output:** :math:`(B, q, H)`

    Example:
        >>> layer = NeuronAttention(history=4, embedding_dim=2)
        >>> history, embedding = torch.randn(8, 5, 4), torch.randn(5, 2)
        >>> layer(history, embedding, receivers=3).shape, layer.attention(history, embedding, receivers=3).shape
        (torch.Size([8, 3, 4]), torch.Size([8, 3, 5]))
    """

    def __init__(
        self,
        history: int,
        embedding_dim: int,
        *,
        width: int | None = None,
        scaled: bool = True,
        norm: bool = True,
        residual: bool = True,
        activation: Callable[[Tensor], Tensor] = linear,
    ) -> None:
        super().__init__()
        size = history + embedding_dim
        self.history, self.residual, self.activation = history, residual, activation
        self.scale = size**-0.5 if scaled else 1.0
        self.query = torch.nn.Linear(size, width or size, bias=False)
        self.key = torch.nn.Linear(size, width or size, bias=False)
        self.norm_token = torch.nn.LayerNorm(size) if norm else torch.nn.Identity()
        self.norm_output = torch.nn.LayerNorm(history) if norm else torch.nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new orthogonal projections, with which all weights are learned equally fast.

        Keys have the scale of a linear layer's weights. Queries are smaller, so that the first forecast is close to a
        copy of the newest bin.
        """
        torch.nn.init.orthogonal_(self.key.weight, gain=3**-0.5)
        torch.nn.init.orthogonal_(self.query.weight, gain=0.1 * 3**-0.5)

    def forward(self, history: Tensor, embedding: Tensor, receivers: int | None = None) -> Tensor:
        """Returns the output of the first ``receivers`` tokens [B, q, H]; of all tokens for None."""
        token = self._token(history, embedding)
        n, H, S = token.past.shape[1], self.history, len(self.query.weight.t())
        q = n if receivers is None else receivers
        if self.activation is linear and S * (n * H + S * H + q * H) < q * (S * S + n * S + n * H):
            received = self.scale * token.first(receivers).times(self._bilinear() @ token.summary())
        else:
            received = self._attention(token, receivers) @ token.past
        output: Tensor = self.norm_output(received + token.past[:, :receivers] if self.residual else received)
        return output

    def attention(self, history: Tensor, embedding: Tensor, receivers: int | None = None) -> Tensor:
        """Returns the weights A [B, q, n], ``[b, i, j]`` from sender j to receiver i."""
        return self._attention(self._token(history, embedding), receivers)

    def _attention(self, token: "_Token", receivers: int | None) -> Tensor:
        """Returns the weights A [B, q, n] of the tokens."""
        return self.scale * self.activation(token.products(token.first(receivers).dense() @ self._bilinear()))

    def _token(self, history: Tensor, embedding: Tensor) -> "_Token":
        """Computes LN1([x; e]) without a copy of e for each window."""
        H, (D,) = self.history, embedding.shape[1:]
        if not isinstance(self.norm_token, torch.nn.LayerNorm):
            return _Token(
                past=history,
                spread=history.new_ones(1, 1, 1),
                shift=history.new_zeros(1, 1, 1),
                embedding=embedding,
                gain=history.new_ones(D),
                bias=history.new_zeros(D),
            )
        gain, bias = self.norm_token.weight, self.norm_token.bias
        total = embedding.sum(1)[:, None]
        mean = (history.sum(-1, keepdim=True) + total) / (H + D)
        deviation = history - mean
        squares = deviation.square().sum(-1, keepdim=True)
        squares = squares + embedding.square().sum(1)[:, None] - 2 * mean * total + D * mean.square()
        spread = (squares / (H + D) + self.norm_token.eps).rsqrt()
        past = deviation * spread * gain[:H] + bias[:H]
        return _Token(
            past=past,
            spread=spread,
            shift=-mean * spread,
            embedding=embedding * gain[H:],
            gain=gain[H:],
            bias=bias[H:],
        )

    def _bilinear(self) -> Tensor:
        """Returns M [H + D, H + D], both projections in one product."""
        return self.query.weight.t() @ self.key.weight

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"history={self.history}, scale={self.scale:.3g}"


class _Token(NamedTuple):
    r"""Tokens [x~; e~] with the terms of the second part, :math:`\tilde e_j = a_j\, e_j + c_j\, g + b`, kept separate.

    All windows share the embeddings e. A product with them is one product with a table, not a batch of products.
    """

    past: Tensor
    """First part x~ [B, n, H]."""
    spread: Tensor
    """Factors a [B, n, 1], or [1, 1, 1] for all tokens."""
    shift: Tensor
    """Factors c [B, n, 1], or [1, 1, 1] for all tokens."""
    embedding: Tensor
    """Embeddings e times the norm's gain [n, D]."""
    gain: Tensor
    """Gain g [D]."""
    bias: Tensor
    """Bias b [D]."""

    def first(self, count: int | None) -> "_Token":
        """Returns the first tokens."""
        past, spread, shift, embedding = (
            part if part.shape[-2] == 1 else part[..., :count, :]
            for part in (self.past, self.spread, self.shift, self.embedding)
        )
        return self._replace(past=past, spread=spread, shift=shift, embedding=embedding)

    def dense(self) -> Tensor:
        """Returns the tokens with both parts written out [B, n, H + D]."""
        second = self.spread * self.embedding + self.shift * self.gain + self.bias
        return torch.cat([self.past, second.expand(len(self.past), -1, -1)], dim=-1)

    def products(self, queries: Tensor) -> Tensor:
        """Returns the products [B, q, n] of queries [B, q, H + D] with each token."""
        first, second = queries.split([self.past.shape[-1], len(self.gain)], dim=-1)
        along, shift = _rows_times(second, self.embedding), self.shift.transpose(1, 2)
        along = along * self.spread.transpose(1, 2) + _rows_times(second, self.gain[None]) * shift
        return first @ self.past.transpose(1, 2) + along + _rows_times(second, self.bias[None])

    def summary(self) -> Tensor:
        """Returns the sum over tokens of token times past [B, H + D, H]."""
        second = _times(self.embedding.t(), self.spread * self.past)
        second = second + self.gain[:, None] * (self.shift * self.past).sum(1, keepdim=True)
        second = second + self.bias[:, None] * self.past.sum(1, keepdim=True)
        return torch.cat([self.past.transpose(1, 2) @ self.past, second], dim=1)

    def times(self, values: Tensor) -> Tensor:
        """Returns each token's product [B, n, H] with values [B, H + D, H]."""
        first, second = values.split([self.past.shape[-1], len(self.gain)], dim=1)
        embedded = self.spread * _times(self.embedding, second) + self.shift * _times(self.gain[None], second)
        return self.past @ first + embedded + _times(self.bias[None], second)


def _times(table: Tensor, values: Tensor) -> Tensor:
    """Returns a table [m, n] times each of values [B, n, H], as one product: [B, m, H]."""
    B, n, H = values.shape
    return (table @ values.transpose(0, 1).reshape(n, B * H)).view(-1, B, H).transpose(0, 1)


def _rows_times(rows: Tensor, table: Tensor) -> Tensor:
    """Returns the products of rows [B, q, D] with the rows of a table [n, D], as one product: [B, q, n]."""
    return (rows.flatten(0, 1) @ table.t()).unflatten(0, rows.shape[:2])
