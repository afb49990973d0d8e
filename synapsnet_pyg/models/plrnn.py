"""Piecewise-linear recurrent network, trained with sparse teacher forcing."""

from collections.abc import Iterable

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.full_precision import full_precision


class PLRNN(Forecaster):
    r"""Piecewise-linear recurrent network (Durstewitz 2017; Brenner et al. 2022; as a rival in POCO, Duan et al. 2025).

    .. math::
        z \leftarrow r\, \big(A z + W\, \mathrm{relu}(z) + h\big) + (1 - r)\, z, \qquad \hat a = V z + c

    with A diagonal and W without diagonal. The state of a bin is inferred from the activity alone by the pseudo-inverse
    of the read-out, :math:`z(t) = V^+ (a(t) - c)`, and runs freely through the bins ahead: a forecast sees the newest
    bin only. Training forces the state of every ``forcing``-th bin of the window and lets it run freely in between; its
    loss is the mean squared error of all bins that follow from a forced state, in the window and ahead.

    Args:
        sessions: One session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of bins of a window in training; forecasts see the newest of them.
        horizon: Number of bins H ahead through which the state runs freely.
        hidden_size: Size of the state z.
        rate: Share r of the state that a step renews.
        forcing: Number of bins from one forced state to the next.

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
        hidden_size: int = 512,
        rate: float = 0.05,
        forcing: int = 4,
    ) -> None:
        super().__init__(sessions, window, horizon)
        (info,) = self.sessions.values()
        self.rate, self.forcing = rate, forcing
        self.matrix = torch.nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias = torch.nn.Parameter(torch.empty(hidden_size))
        self.readout = torch.nn.Linear(hidden_size, len(info.neuron_id))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws a positive definite matrix of largest eigenvalue 1 (Talathi & Vartak 2016), and the bias."""
        Z = len(self.bias)
        random = torch.randn(Z, Z)
        positive = torch.eye(Z) + random.t() @ random / Z
        self.matrix.copy_(positive / torch.linalg.eigvalsh(positive)[-1])
        torch.nn.init.uniform_(self.bias, -(Z**-0.5), Z**-0.5)
        self.readout.reset_parameters()

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        state, ahead = self.state(window.activity[..., -window.target.shape[-1] :].transpose(1, 2)), []
        for _ in range(self.horizon):
            state = self.step(state)
            ahead.append(self.readout(state))
        return Forecast.direct(torch.stack(ahead, dim=-1).transpose(1, 2))

    def loss(self, forecast: Forecast, window: Window) -> Tensor:
        """Returns the mean squared error of the bins in the window, with sparse forcing, and of the bins ahead."""
        assert forecast.future is not None
        within = self.forced(window.activity)
        errors = [within - window.activity[..., 1:], forecast.future - window.ahead]
        return torch.cat([error.flatten() for error in errors]).square().mean()

    def forced(self, activity: Tensor) -> Tensor:
        """Returns the bins from the second on [B, N, L - 1], as they follow from the states of every k-th bin.

        Args:
            activity: Activity :math:`(B, N, L)`; bins 0, k, 2 k, ... with k = ``forcing`` are seen.
        """
        B, N, L = activity.shape
        seen = self.state(activity[..., :: self.forcing].transpose(1, 2))
        bins, state = [activity.new_empty(B, N, 0)], seen[:, 0]
        for t in range(L - 1):
            state = self.step(seen[:, t // self.forcing] if t % self.forcing == 0 else state)
            bins.append(self.readout(state)[..., None])
        return torch.cat(bins, dim=-1)

    def state(self, activity: Tensor) -> Tensor:
        """Returns the least state that the read-out turns into an activity.

        Args:
            activity: Activity :math:`(..., N)`.
        """
        with full_precision(activity.device):  # the inverse has no gradient in 16 bits
            inferred: Tensor = (activity - self.readout.bias) @ torch.linalg.pinv(self.readout.weight).t()
        return inferred

    def step(self, state: Tensor) -> Tensor:
        """Returns the state of the next bin.

        Args:
            state: State :math:`(..., Z)`.
        """
        own = self.matrix.diagonal()
        driven = own * state + state.relu() @ (self.matrix - own.diag()).t() + self.bias
        return self.rate * driven + (1 - self.rate) * state
