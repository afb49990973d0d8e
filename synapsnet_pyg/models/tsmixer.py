"""TSMixer: multi-layer perceptrons along time and along neurons in turn."""

from collections.abc import Iterable

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.instance_norm import InstanceNorm


class TSMixer(Forecaster):
    r"""TSMixer (Chen et al. 2023, "TSMixer: An all-MLP architecture for time series forecasting").

    With the context X (neurons in rows, C bins in columns) each block mixes bins and then neurons,

    .. math::
        X \leftarrow X + \mathrm{relu}(X W_t), \qquad X \leftarrow X + V\, \mathrm{relu}(U X), \qquad
        \hat Y = X W_o,

    with biases, :math:`W_t` of C x C shared by neurons, U from N to ``hidden_size`` and V back, shared by bins. The
    sizes are those of ZAPBench (Lueckmann et al. 2025): two blocks without normalisation inside and without dropout; at
    context 4 ``hidden_size`` 256 without instance norm, at context 256 ``hidden_size`` 128 with it.

    Args:
        sessions: One session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C.
        horizon: Number of bins H that are forecast directly.
        hidden_size: Number of units between the neurons' two maps.
        num_blocks: Number of blocks.
        dropout: Share of entries set to zero after each map.
        instance_norm: Whether each context is normalised by its own mean and deviation, which the forecast gets back
            (:class:`~synapsnet_pyg.nn.instance_norm.InstanceNorm`).

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour (unused), target :math:`(B, N, P)`
        - **output:** future :math:`(B, N, P, H)`
    """

    one_session = True

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        hidden_size: int = 256,
        num_blocks: int = 2,
        dropout: float = 0.0,
        instance_norm: bool = False,
    ) -> None:
        super().__init__(sessions, window, horizon)
        (info,) = self.sessions.values()
        N = len(info.neuron_id)
        self.norm = InstanceNorm(N) if instance_norm else None
        self.blocks = torch.nn.Sequential(*(MixerBlock(N, window, hidden_size, dropout) for _ in range(num_blocks)))
        self.readout = torch.nn.Linear(window, horizon)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        past = contexts(window, self.window).transpose(1, 2)  # [B, P, N, C]
        if self.norm is None:
            return Forecast.direct(self.readout(self.blocks(past)).transpose(1, 2))
        normalised, statistics = self.norm(past)
        future = self.norm.reverse(self.readout(self.blocks(normalised)), statistics)
        return Forecast.direct(future.transpose(1, 2))


class MixerBlock(torch.nn.Module):
    r"""Block of TSMixer: a residual map along the bins, then a residual perceptron along the neurons.

    Args:
        num_neurons: Number of neurons N.
        window: Number of bins C.
        hidden_size: Number of units between the neurons' two maps.
        dropout: Share of entries set to zero after each map.

    Shapes:
        - **input and output:** :math:`(\ldots, N, C)`
    """

    def __init__(self, num_neurons: int, window: int, hidden_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.time = torch.nn.Linear(window, window)
        self.neurons_in = torch.nn.Linear(num_neurons, hidden_size)
        self.neurons_out = torch.nn.Linear(hidden_size, num_neurons)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, past: Tensor) -> Tensor:
        """Returns the mixed context."""
        past = past + self.dropout(self.time(past).relu())
        hidden = self.dropout(self.neurons_in(past.transpose(-1, -2)).relu())
        return past + self.dropout(self.neurons_out(hidden)).transpose(-1, -2)
