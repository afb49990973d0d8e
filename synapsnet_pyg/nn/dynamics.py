"""The dynamical model f, shared by all neurons: what a neuron saw in, its forecast out."""

from collections.abc import Callable

import torch
from torch import Tensor

from synapsnet_pyg.nn.gru import node_gru
from synapsnet_pyg.nn.transformer import Transformer


class Dynamics(torch.nn.Module):
    r"""A sequence model and a linear read-out that every neuron uses by itself.

    .. math::
        u_i(s) &= [a_i(s),\ I_i(s),\ b(s),\ E_i] \\
        h_i(s) &= \mathrm{GRU}(u_i(s), h_i(s - 1)), \quad h_i = 0 \text{ before the window} \\
        \hat a_i(s + 1) &= w^\top h_i(s) + c

    (SynapsNet, section 2.2, "Dynamical model"). Parts that a model leaves out are simply not among the inputs; the
    order of the rest stays.

    On a CPU a single-layer GRU runs through :func:`~synapsnet_pyg.nn.gru.node_gru`, which gives the same numbers about
    three times faster; everything else, and a GPU, runs the plain way. ``fast = False`` asks for that.

    Args:
        num_series: How many inputs differ between neurons and bins: activity and current make 2.
        num_behaviours: K.
        embedding_dim: D.
        hidden_size: Size of :math:`h`.
        num_layers: Layers of the sequence model.
        sequence: Its class: :class:`torch.nn.GRU` (the paper's), :class:`torch.nn.LSTM`, :class:`torch.nn.RNN`,
            :class:`~synapsnet_pyg.nn.transformer.Transformer`, or another that is made and called like them.
        dropout: Share of :math:`h`'s entries that training sets to zero before the read-out (and between layers). One
            mask is drawn for each window and neuron and shared by the window's targets. The paper says only "in all
            networks"; the inputs are spared, since noise on two scalars would hide what a neuron saw.

    Shapes:
        - **series:** ``num_series`` tensors :math:`(B, N, L)`
        - **behaviour:** :math:`(B, L, K)`, **embedding:** :math:`(N, D)`
        - **output:** :math:`(B, N, P)`
    """

    def __init__(
        self,
        num_series: int,
        num_behaviours: int,
        embedding_dim: int,
        hidden_size: int = 40,
        num_layers: int = 1,
        sequence: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_series, self.dropout, self.fast = num_series, dropout, True
        inputs = num_series + num_behaviours + embedding_dim
        if inputs == 0:
            raise ValueError("Expected at least one input of the dynamics (activity, current, behaviour, embedding).")
        between_layers = dropout if num_layers > 1 else 0.0
        self.sequence = sequence(inputs, hidden_size, num_layers=num_layers, batch_first=True, dropout=between_layers)
        self.readout = torch.nn.Linear(hidden_size, 1)

    def forward(self, series: list[Tensor], behaviour: Tensor, embedding: Tensor, targets: int) -> Tensor:
        """Forecast [B, N, P] of the bins that follow the last P positions."""
        gru = self.sequence
        if self.fast and type(gru) is torch.nn.GRU and gru.num_layers == 1 and behaviour.device.type == "cpu":
            return self._fast_forward(gru, series, behaviour, embedding, targets)
        return self._plain_forward(series, behaviour, embedding, targets)

    def _plain_forward(self, series: list[Tensor], behaviour: Tensor, embedding: Tensor, targets: int) -> Tensor:
        """The definition: every neuron's inputs side by side, every neuron a sequence of its own."""
        B, L, K = behaviour.shape
        N, D = embedding.shape
        inputs = torch.cat(
            [
                *(one[..., None] for one in series),
                behaviour[:, None].expand(B, N, L, K),
                embedding[None, :, None].expand(B, N, L, D),
            ],
            dim=-1,
        )
        hidden = self.sequence(inputs.reshape(B * N, L, -1))[0][:, -targets:]
        mask = self._dropout_mask(torch.ones_like(hidden[:, :1]))
        forecast: Tensor = self.readout(hidden if mask is None else hidden * mask)
        return forecast.reshape(B, N, targets)

    def _fast_forward(
        self, gru: torch.nn.GRU, series: list[Tensor], behaviour: Tensor, embedding: Tensor, targets: int
    ) -> Tensor:
        """The same through :func:`node_gru`, whose results come as [P, B N]."""
        B, N = len(behaviour), len(embedding)
        mask = self._dropout_mask(embedding.new_ones(gru.hidden_size, B * N))
        forecast = node_gru(gru, self.readout.weight[0], mask, series, behaviour, embedding, targets)
        return forecast.reshape(targets, B, N).permute(1, 2, 0) + self.readout.bias

    def _dropout_mask(self, ones: Tensor) -> Tensor | None:
        dropped = self.training and self.dropout > 0
        return torch.nn.functional.dropout(ones, self.dropout) if dropped else None


DYNAMICS: dict[str, Callable[..., torch.nn.Module]] = {
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
    "rnn": torch.nn.RNN,
    "transformer": Transformer,
}
