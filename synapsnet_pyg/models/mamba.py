"""Mamba: selective state-space layers over the whole population."""

from collections.abc import Iterable

import torch

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.selective_state_space import SelectiveStateSpace


class Mamba(Forecaster):
    r"""Selective state-space model of the population (Gu & Dao 2023, "Mamba: Linear-time sequence modeling").

    .. math::
        x(t) = W\, [a(t), b(t)] + c, \qquad
        x \leftarrow x + \mathrm{SSM}\big(\mathrm{Norm}(x)\big) \text{ in each layer}, \qquad
        \hat a(t + 1), \ldots, \hat a(t + H) = V\, \mathrm{Norm}\big(x(t)\big) + d

    with root-mean-square norms and :class:`~synapsnet_pyg.nn.selective_state_space.SelectiveStateSpace`. The memories
    start from zero in every window. The layers are causal, so that one pass gives all positions. Input and output have
    a channel for each neuron: each session needs its own network.

    Args:
        sessions: One session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W.
        horizon: Number of bins H that are forecast directly.
        hidden_size: Size of x.
        state_size: Number of memories of a channel.
        num_layers: Number of layers.
        kernel_size: Number of bins of each layer's convolution.
        expand: Number of channels of a layer for each entry of x.
        dropout: Share of x set to zero before the read-out.
        use_behaviour: Whether the behaviour is among the inputs.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** future :math:`(B, N, P, H)`
    """

    one_session = True

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        hidden_size: int = 128,
        state_size: int = 16,
        num_layers: int = 2,
        kernel_size: int = 4,
        expand: int = 2,
        dropout: float = 0.1,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window, horizon)
        (info,) = self.sessions.values()
        N, self.use_behaviour = len(info.neuron_id), use_behaviour
        self.enter = torch.nn.Linear(N + self.num_behaviours * use_behaviour, hidden_size)
        self.layers = torch.nn.ModuleList(
            SelectiveStateSpace(hidden_size, state_size=state_size, kernel_size=kernel_size, expand=expand)
            for _ in range(num_layers)
        )
        self.norms = torch.nn.ModuleList(torch.nn.RMSNorm(hidden_size, eps=1e-5) for _ in range(num_layers + 1))
        self.dropout = torch.nn.Dropout(dropout)
        self.readout = torch.nn.Linear(hidden_size, N * horizon)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        inputs = window.activity.transpose(1, 2)
        if self.use_behaviour:
            inputs = torch.cat([inputs, window.behaviour], dim=-1)
        hidden = self.enter(inputs).to(inputs.dtype)  # a sum over layers, exact where training multiplies in 16 bits
        for layer, norm in zip(self.layers, self.norms, strict=False):
            hidden = hidden + layer(norm(hidden))
        newest = self.dropout(self.norms[-1](hidden[:, -window.target.shape[-1] :]))
        return Forecast.direct(self.readout(newest).unflatten(-1, (-1, self.horizon)).transpose(1, 2))
