"""Dynamical model f, shared by all neurons, that forecasts a neuron from its inputs."""

from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor

from synapsnet_pyg.nn.full_precision import full_precision
from synapsnet_pyg.nn.gru import node_gru
from synapsnet_pyg.nn.transformer import Transformer


class Dynamics(torch.nn.Module):
    r"""Sequence model with a linear read-out, applied to each neuron separately.

    .. math::
        u_i(s) &= [a_i(s),\ I_i(s),\ b(s),\ E_i] \\
        h_i(s) &= \mathrm{GRU}(u_i(s), h_i(s - 1)), \quad h_i = 0 \text{ before the window} \\
        \hat a_i(s + 1) &= w^\top h_i(s) + c

    (SynapsNet, section 2.2, "Dynamical model"). Parts that a model leaves out are missing from the inputs; the others
    keep their order.

    A single-layer GRU with one horizon runs through :func:`~synapsnet_pyg.nn.gru.node_gru`, which gives equal numbers
    several times faster on a CPU; on a GPU it needs Triton and an A100, H100 or B200. Other models and GPUs use the
    plain computation. ``fast = False`` switches to it. Where training multiplies in 16 bits, states keep 32.

    Args:
        num_series: Number of inputs that differ between neurons and bins; 2 with activity and current.
        num_behaviours: Number of behaviours K.
        embedding_dim: Size of the embeddings D.
        hidden_size: Size of the hidden state :math:`h`.
        num_layers: Number of layers of the sequence model.
        sequence: Class of the sequence model: :class:`torch.nn.GRU` (the paper's), :class:`torch.nn.LSTM`,
            :class:`torch.nn.RNN`, :class:`~synapsnet_pyg.nn.transformer.Transformer`, or another with their interface.
        dropout: Share of the entries of :math:`h` that training sets to zero before the read-out and between layers.
            One mask is drawn for each window and neuron and shared by the window's targets. The paper says only "in
            all networks". The inputs are spared, since noise on two scalars would hide the activity itself.

    Shapes:
        - **series:** ``num_series`` tensors :math:`(B, N, L)`
        - **behaviour:** :math:`(B, L, K)`, **embedding:** :math:`(N, D)`
        - **output:** :math:`(B, N, P, H)`

    Raises:
        ValueError: There are no inputs.

    Example:
        >>> dynamics = Dynamics(num_series=1, num_behaviours=2, embedding_dim=4)
        >>> dynamics([torch.randn(8, 3, 5)], torch.randn(8, 5, 2), torch.randn(3, 4), targets=1).shape
        torch.Size([8, 3, 1, 1])
    """

    def __init__(
        self,
        num_series: int,
        num_behaviours: int,
        embedding_dim: int,
        *,
        hidden_size: int = 40,
        num_layers: int = 1,
        sequence: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
        horizon: int = 1,
    ) -> None:
        super().__init__()
        self.num_series, self.dropout, self.fast = num_series, dropout, True
        inputs = num_series + num_behaviours + embedding_dim
        if inputs == 0:
            raise ValueError("Expected at least one input of the dynamics (activity, current, behaviour, embedding).")
        between_layers = dropout if num_layers > 1 else 0.0
        self.sequence = sequence(inputs, hidden_size, num_layers=num_layers, batch_first=True, dropout=between_layers)
        self.readout = torch.nn.Linear(hidden_size, horizon)

    def forward(self, series: list[Tensor], behaviour: Tensor, embedding: Tensor, targets: int) -> Tensor:
        """Forecasts the H bins that follow each of the last P positions [B, N, P, H]."""
        gru = self.sequence
        simple = type(gru) is torch.nn.GRU and gru.num_layers == 1 and self.readout.out_features == 1
        if self.fast and simple and (behaviour.device.type == "cpu" or self._has_kernel(behaviour.device, embedding)):
            assert isinstance(gru, torch.nn.GRU)
            return self._fast_forward(gru, series, behaviour, embedding, targets)
        return self._plain_forward(series, behaviour, embedding, targets)

    def _plain_forward(self, series: list[Tensor], behaviour: Tensor, embedding: Tensor, targets: int) -> Tensor:
        """Forecasts by the definition: inputs of a neuron side by side, one sequence for each neuron."""
        B, L, K = behaviour.shape
        N, D = embedding.shape
        inputs = torch.cat(
            [
                *(values[..., None] for values in series),
                behaviour[:, None].expand(B, N, L, K),
                embedding[None, :, None].expand(B, N, L, D),
            ],
            dim=-1,
        )
        hidden = self.sequence(inputs.reshape(B * N, L, -1))[0][:, -targets:]
        mask = self._dropout_mask(torch.empty_like(hidden[:, :1]))
        forecast: Tensor = self.readout(hidden if mask is None else hidden * mask)
        return forecast.reshape(B, N, targets, -1)

    def _fast_forward(
        self, gru: torch.nn.GRU, series: list[Tensor], behaviour: Tensor, embedding: Tensor, targets: int
    ) -> Tensor:
        """Forecasts by :func:`node_gru`, whose results come as [P, B N]."""
        B, N, device, dtype = len(behaviour), len(embedding), behaviour.device.type, self.readout.weight.dtype
        mask = self._dropout_mask(embedding.new_empty(gru.hidden_size, B * N))
        half = torch.is_autocast_enabled(device)
        with full_precision(behaviour.device):  # the recurrent state keeps the precision of the weights
            forecast = node_gru(
                gru,
                self.readout.weight[0],
                [values.to(dtype) for values in series],
                behaviour.to(dtype),
                embedding,
                mask=mask,
                targets=targets,
                half=half,
            )
        return (forecast.reshape(targets, B, N).permute(1, 2, 0) + self.readout.bias)[..., None]

    def _has_kernel(self, device: torch.device, embedding: Tensor) -> bool:
        """Returns True if :mod:`~synapsnet_pyg.nn.triton_gru` can compute the GRU on a device."""
        if device.type != "cuda" or find_spec("triton") is None:
            return False
        from synapsnet_pyg.nn.triton_gru import CAPABILITIES, LARGEST_INPUTS, LARGEST_SIZE

        gru = self.sequence
        assert isinstance(gru, torch.nn.GRU)
        fits = gru.hidden_size <= LARGEST_SIZE and gru.input_size - embedding.shape[1] <= LARGEST_INPUTS
        return fits and torch.cuda.get_device_capability(device) in CAPABILITIES

    def _dropout_mask(self, empty: Tensor) -> Tensor | None:
        """Returns a tensor filled with dropout's factors; None without dropout."""
        if not self.training or self.dropout == 0:
            return None
        shown = 1 - self.dropout
        return empty.bernoulli_(shown).div_(shown or 1.0)  # half the time of dropout of ones, and the same numbers


DYNAMICS: dict[str, Callable[..., torch.nn.Module]] = {
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
    "rnn": torch.nn.RNN,
    "transformer": Transformer,
}
"""Name -> class of a sequence model."""
