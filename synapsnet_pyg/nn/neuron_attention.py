"""Linear attention between neurons, whose weights are a connectivity that changes in time."""

from collections.abc import Callable

import torch
from torch import Tensor


def linear(logits: Tensor) -> Tensor:
    """Nothing: NetFormer's own choice, which leaves weights their sign and their sum."""
    return logits


def softmax(logits: Tensor) -> Tensor:
    """Over senders."""
    return logits.softmax(dim=-1)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": linear,
    "softmax": softmax,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
"""Name -> what is applied to the attention's logits, before the scale."""


class NeuronAttention(torch.nn.Module):
    r"""One layer of attention in which every neuron's recent past is a token (Lu et al. 2025, NetFormer).

    .. math::
        z_i &= \mathrm{LN}_1\big([x_i;\ e_i]\big) = [\tilde x_i;\ \tilde e_i], \qquad
        A_{ij} = s\, \phi\big((W_Q z_i) \cdot (W_K z_j)\big) \\
        o_i &= \mathrm{LN}_2\Big(\sum_j A_{ij}\, \tilde x_j + \tilde x_i\Big)

    The first q tokens are receivers, all n are senders: the others are stimuli, which drive and are not driven. Values
    are the histories themselves, so that :math:`A_{ij}` multiplies what j did.

    Without an activation the sum is associative, :math:`s Z_q M (Z^\top \tilde X)` with :math:`M = W_Q^\top W_K`: the
    order with the fewest multiplications is taken, and large populations never need the :math:`n \times n` weights.

    Args:
        history: H, past bins in a token.
        embedding_dim: D.
        width: Of the projections; None: H + D.
        scaled: Whether :math:`s = (H + D)^{-1/2}`; else 1.
        norm: Whether there are the layer norms, over H + D entries of a token and over H bins of an output.
        activation: :math:`\phi`, of :data:`ACTIVATIONS`.

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
        width: int | None = None,
        scaled: bool = True,
        norm: bool = True,
        activation: Callable[[Tensor], Tensor] = linear,
    ) -> None:
        super().__init__()
        size = history + embedding_dim
        self.history, self.activation = history, activation
        self.scale = size**-0.5 if scaled else 1.0
        self.query = torch.nn.Linear(size, width or size, bias=False)
        self.key = torch.nn.Linear(size, width or size, bias=False)
        self.norm_token = torch.nn.LayerNorm(size) if norm else torch.nn.Identity()
        self.norm_output = torch.nn.LayerNorm(history) if norm else torch.nn.Identity()

    def forward(self, history: Tensor, embedding: Tensor, receivers: int | None = None) -> Tensor:
        """What each of the first ``receivers`` tokens hears, beside its own history: [B, q, H]."""
        token = self._token(history, embedding)
        value, receiver = token[..., : self.history], token[:, :receivers]
        (n, S), H, q = token.shape[1:], self.history, receiver.shape[1]
        if self.activation is linear and S * (n * H + S * H + q * H) < q * (S * S + n * S + n * H):
            heard = self.scale * (receiver @ (self._bilinear() @ (token.transpose(1, 2) @ value)))
        else:
            heard = self._attention(receiver, token) @ value
        output: Tensor = self.norm_output(heard + value[:, :receivers])
        return output

    def attention(self, history: Tensor, embedding: Tensor, receivers: int | None = None) -> Tensor:
        """The weights A [B, q, n], ``[b, i, j]`` from sender j to receiver i."""
        token = self._token(history, embedding)
        return self._attention(token[:, :receivers], token)

    def _attention(self, receiver: Tensor, token: Tensor) -> Tensor:
        return self.scale * self.activation(receiver @ self._bilinear() @ token.transpose(1, 2))

    def _token(self, history: Tensor, embedding: Tensor) -> Tensor:
        token: Tensor = self.norm_token(torch.cat([history, embedding.expand(len(history), -1, -1)], dim=-1))
        return token

    def _bilinear(self) -> Tensor:
        """M [H + D, H + D]: both projections of a batch in one product."""
        return self.query.weight.t() @ self.key.weight

    def extra_repr(self) -> str:
        """For ``repr(model)``."""
        return f"history={self.history}, scale={self.scale:.3g}"
