"""Forecasters without parameters."""

from collections.abc import Iterable

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class Mean(Forecaster):
    """Forecast of zero, the mean of standardised activity. Behaviour and activity are unused."""

    def __init__(self, sessions: Iterable[Session | SessionInfo]) -> None:
        super().__init__(sessions, window=1)

    def forward(self, window: Window) -> Forecast:
        """Forecasts zeros."""
        return Forecast(torch.zeros_like(window.target))

    def connectivity(self, session: Session) -> Tensor:
        """Returns zeros, since no neuron drives another."""
        return session.activity.new_zeros(session.num_neurons, session.num_neurons)


class Copy(Forecaster):
    r"""Forecast of no change: :math:`\hat a_i(t + 1) = a_i(t)`. Behaviour is unused."""

    def __init__(self, sessions: Iterable[Session | SessionInfo]) -> None:
        super().__init__(sessions, window=1)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the newest activity."""
        return Forecast(window.activity[..., -window.target.shape[-1] :])

    def connectivity(self, session: Session) -> Tensor:
        """Returns the identity, since no neuron drives another."""
        return torch.eye(session.num_neurons, dtype=session.activity.dtype, device=session.activity.device)
