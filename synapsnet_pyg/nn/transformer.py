"""Causal Transformer with the interface of PyTorch's recurrent networks."""

import math

import torch
from torch import Tensor


class Transformer(torch.nn.Module):
    r"""Causal Transformer, in which each step of a sequence attends to itself and to earlier steps.

    .. math::
        x(t) &= \sqrt{H}\, (W u(t) + b) + p(t), \qquad
        p_{2k}(t) = \sin\big(t\, 10000^{-2k/H}\big), \quad p_{2k+1}(t) = \cos\big(t\, 10000^{-2k/H}\big) \\
        x &\leftarrow x + \mathrm{Attention}(\mathrm{Norm}(x)), \qquad
        x \leftarrow x + W_2\, \mathrm{relu}(W_1 \mathrm{Norm}(x))

    (Vaswani et al. 2017, with the normalisation first.) The interface is that of :class:`torch.nn.GRU`, so that it can
    replace a recurrent network.

    NeuPRINT's Transformer (Mi et al. 2023) embeds the activity alone, and passes on embedding and statistics unchanged.
    This is a special case of :math:`W`; here all of :math:`W` is learned.

    Args:
        input_size: Size of the input u.
        hidden_size: Size of the features H.
        num_layers: Number of layers, each of attention and a feed-forward network.
        batch_first: Order of the axes; must be True for sequence, step, feature.
        dropout: Share of units set to zero in attention, in the feed-forward network and after the positions.
        heads: Number of heads of the attention; they share H.
        feedforward: Inner size of the feed-forward network. None: 4 H.
        span: Number of earlier steps that a step may attend to. None: all.

    Shapes:
        - **input:** :math:`(S, L, \text{input size})`
        - **output:** :math:`(S, L, H)` and None in place of a recurrent network's state

    Raises:
        ValueError: The heads do not share H evenly, or ``batch_first`` is False.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        batch_first: bool = True,
        dropout: float = 0.0,
        heads: int = 2,
        feedforward: int | None = None,
        span: int | None = None,
    ) -> None:
        super().__init__()
        if hidden_size % heads or not batch_first:
            raise ValueError(f"Expected {heads} heads to share the hidden size (got {hidden_size}), and batch_first.")
        self.hidden_size, self.num_layers, self.span = hidden_size, num_layers, span
        self.embed = torch.nn.Linear(input_size, hidden_size)
        self.dropout = torch.nn.Dropout(dropout)
        self.layers = torch.nn.ModuleList(
            torch.nn.TransformerEncoderLayer(
                hidden_size, heads, feedforward or 4 * hidden_size, dropout, batch_first=True, norm_first=True
            )
            for _ in range(num_layers)
        )

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Returns the last layer's features of every step."""
        L = inputs.shape[1]
        hidden = self.embed(inputs) * math.sqrt(self.hidden_size)
        hidden = self.dropout(hidden + positions(L, self.hidden_size).to(hidden))
        step = torch.arange(L, device=inputs.device)
        behind = step[:, None] - step
        masked = (behind < 0) if self.span is None else (behind < 0) | (behind > self.span)
        for layer in self.layers:
            hidden = layer(hidden, src_mask=masked)
        return hidden, None


def positions(length: int, width: int) -> Tensor:
    """Returns the encoding of each step's position by sines and cosines [length, width]."""
    angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
