"""Recurrent networks that take the population as the channels of one time series."""

from collections.abc import Callable, Iterable

import torch

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class PopulationRNN(Forecaster):
    r"""A recurrent network over the whole population (SynapsNet, Appendix A.2).

    .. math::
        h(t) = \mathrm{RNN}\big([a(t), b(t)],\ h(t - 1)\big), \qquad \hat a(t + 1) = V h(t) + c

    The state starts from zero in every window. Its input has as many channels as there are neurons, so that each
    session has a network of its own. No connectivity: neurons meet in the hidden state.

    Args:
        sessions: Who is recorded; one session.
        window: W.
        hidden_size: Of h; the paper's is 100.
        num_layers: The paper's are 2.
        dynamics: :class:`torch.nn.RNN`, :class:`torch.nn.GRU`, :class:`torch.nn.LSTM` or another of that kind.
        dropout: Between the layers and before the read-out.
        use_behaviour: Whether behaviour is among the inputs.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`
    """

    one_session = True

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        hidden_size: int = 100,
        num_layers: int = 2,
        dynamics: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window)
        (population,) = self.sessions.values()
        N, self.use_behaviour = len(population.neuron_id), use_behaviour
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
