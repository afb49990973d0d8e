"""State of the population that lasts: read from all neurons, heard by all neurons."""

import torch
from torch import Tensor


class LatentState(torch.nn.Module):
    r"""Forecast of all neurons from a recurrent state of few dimensions, for one session.

    .. math::
        s(t) = \mathrm{GRU}(R\,[a(t), b(t)] + r,\ s(t - 1)), \qquad y_{ih}(t) = D_{ih} \cdot s(t)

    A common drive with memory: attention, movement or a stimulus moves many neurons for longer than a window of single
    neurons shows. The GRU is shared by all sessions and passed in; reading R and hearing D belong to the session. D
    starts at zero, so that training begins at the linear forecast.

    Args:
        num_neurons: Number of neurons N.
        num_behaviours: Number of behaviours K.
        gru: GRU of the state, from :func:`state_gru`.
        horizon: Number of bins ahead H.
        dropout: Share of the neurons that training hides from the state, and of the state that it hides from neurons.

    Shapes:
        - **activity:** :math:`(B, N, L)`, **behaviour:** :math:`(B, L, K)`
        - **output:** :math:`(B, N, P, H)`
    """

    def __init__(
        self, num_neurons: int, num_behaviours: int, gru: torch.nn.GRU, *, horizon: int = 1, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.horizon, self.dropout = horizon, dropout
        self.reading = torch.nn.Linear(num_neurons + num_behaviours, gru.input_size)
        self.hearing = torch.nn.Linear(gru.hidden_size, num_neurons * horizon)
        torch.nn.init.zeros_(self.hearing.weight)
        torch.nn.init.zeros_(self.hearing.bias)

    def forward(
        self, gru: torch.nn.Module, activity: Tensor, behaviour: Tensor, targets: int, *, told: Tensor | float = 1.0
    ) -> Tensor:
        """Returns the forecast of the H bins after each of the last P positions.

        Args:
            gru: GRU of the state, the same for all sessions.
            activity: Activity of L bins.
            behaviour: Behaviour in these bins.
            targets: Number of positions P.
            told: Factor of what dropout shows, from 0 to 1; a fifth is always shown.
        """
        seen = torch.cat([activity.transpose(1, 2), behaviour], dim=-1)
        states = gru(self.reading(self._partly(seen, told)))[0][:, -targets:]
        heard: Tensor = self.hearing(self._partly(states, told))
        return heard.unflatten(-1, (-1, self.horizon)).transpose(1, 2)

    def _partly(self, values: Tensor, told: Tensor | float) -> Tensor:
        """Returns values of which training shows a share, scaled as in dropout; all of them outside training."""
        if not self.training:
            return values
        shown = torch.as_tensor((1 - self.dropout) * told).clamp(min=0.2)
        return values * (torch.rand_like(values) < shown) / shown


def state_gru(size: int, inputs: int = 32) -> torch.nn.GRU:
    """Returns the GRU of a latent state.

    Args:
        size: Number of dimensions of the state.
        inputs: Number of dimensions that are read from the population.
    """
    return torch.nn.GRU(inputs, size, batch_first=True)
