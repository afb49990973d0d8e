"""Copy of the newest bin that decays to the mean."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.own_past import own_past_moments

DAMPINGS = 1000
"""Number of candidates for the damping, evenly spaced up to 1."""


class DampedCopy(Forecaster):
    r"""Newest activity, damped towards the mean with every bin ahead.

    .. math::
        \hat a_i(t + h) = \rho^h\, a_i(t), \qquad 0 < \rho \leq 1

    This is the optimal forecast of a first-order autoregressive process. One :math:`\rho` for each session has the
    smallest squared error on the validation part over all H bins. Behaviour is unused.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins of a window, of which the newest alone is read.
        horizon: Number of bins H that are forecast directly.
    """

    def __init__(self, sessions: Iterable[Session | SessionInfo], window: int = 1, horizon: int = 1) -> None:
        super().__init__(sessions, window, horizon)
        for s in range(len(self.sessions)):
            self.register_buffer(f"damping_{s}", torch.tensor(1.0))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Chooses the damping of each session on its validation part; returns True, since no training is needed.

        Raises:
            ValueError: A validation part has no segment of more than H bins.
        """
        for s, name in enumerate(self.sessions):
            seen = own_past_moments([validation[name]], 1, self.horizon)
            candidate = torch.arange(1, DAMPINGS + 1).to(seen.uu) / DAMPINGS
            powers = candidate[:, None] ** self._steps.to(seen.uu)  # [candidates, H]
            error = (powers.square() * seen.uu[0, 0] - 2 * powers * seen.yu[:, 0]).sum(1)
            setattr(self, f"damping_{s}", candidate[error.argmin()].to(train[name].activity))
        return True

    @property
    def _steps(self) -> Tensor:
        """Numbers of bins ahead, 1 to H."""
        return torch.arange(1, self.horizon + 1)

    def forward(self, window: Window) -> Forecast:
        """Forecasts from the newest activity."""
        damping = self.get_buffer(f"damping_{self.index_of(window.session)}")
        newest = window.activity[..., -window.target.shape[-1] :, None]
        return Forecast.direct(newest * damping ** self._steps.to(damping.device))

    def connectivity(self, session: Session) -> Tensor:
        """Returns the damping times the identity, since no neuron drives another."""
        damping = self.get_buffer(f"damping_{self.index_of(session.name)}")
        return damping * torch.eye(session.num_neurons, dtype=damping.dtype, device=damping.device)
