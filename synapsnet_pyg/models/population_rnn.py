"""Recurrent networks with the neurons as channels of one time series."""

from collections.abc import Callable, Iterable

import torch

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class PopulationRNN(Forecaster):
    r"""Recurrent network over the whole population (SynapsNet, Appendix A.2).

    .. math::
        h(t) = \mathrm{RNN}\big([a(t), b(t)],\ h(t - 1)\big), \qquad \hat a(t + 1) = V h(t) + c

    The state starts from zero in every window. The input has a channel for each neuron, so that each session needs
    its own network. There are no weights between pairs of neurons: all neurons share the hidden state.

    Args:
        sessions: One session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W.
        hidden_size: Size of the hidden state h; 100 in the paper.
        num_layers: Number of layers; 2 in the paper.
        dynamics: Class of the network: :class:`torch.nn.RNN`, :class:`torch.nn.GRU`, :class:`torch.nn.LSTM` or another
            with their interface.
        dropout: Share of units set to zero between the layers and before the read-out.
        use_behaviour: Whether the behaviour is among the inputs.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`
    """

    one_session = True

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
        hidden_size: int = 100,
        num_layers: int = 2,
        dynamics: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window)
        (info,) = self.sessions.values()
        N, self.use_behaviour = len(info.neuron_id), use_behaviour
        self.dynamics = dynamics(
            N + self.num_behaviours * use_behaviour,
            hidden_size,
            num_layers=num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.dropout = torch.nn.Dropout(dropout)
        self.readout = torch.nn.Linear(hidden_size, N)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        inputs = window.activity.transpose(1, 2)
        if self.use_behaviour:
            inputs = torch.cat([inputs, window.behaviour], dim=-1)
        hidden = self.dynamics(inputs)[0][:, -window.target.shape[-1] :]
        return Forecast(self.readout(self.dropout(hidden)).transpose(1, 2))
