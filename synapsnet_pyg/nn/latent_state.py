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
        self.horizon = horizon
        self.reading = torch.nn.Linear(num_neurons + num_behaviours, gru.input_size)
        self.hearing = torch.nn.Linear(gru.hidden_size, num_neurons * horizon)
        self.dropout = torch.nn.Dropout(dropout)
        torch.nn.init.zeros_(self.hearing.weight)
        torch.nn.init.zeros_(self.hearing.bias)

    def forward(self, gru: torch.nn.Module, activity: Tensor, behaviour: Tensor, targets: int) -> Tensor:
        """Returns the forecast of the H bins after each of the last P positions.

        Args:
            gru: GRU of the state, the same for all sessions.
            activity: Activity of L bins.
            behaviour: Behaviour in these bins.
            targets: Number of positions P.
        """
        seen = torch.cat([activity.transpose(1, 2), behaviour], dim=-1)
        states = gru(self.reading(self.dropout(seen)))[0][:, -targets:]
        heard: Tensor = self.hearing(self.dropout(states))
        return heard.unflatten(-1, (-1, self.horizon)).transpose(1, 2)


def state_gru(size: int, inputs: int = 32) -> torch.nn.GRU:
    """Returns the GRU of a latent state.

    Args:
        size: Number of dimensions of the state.
        inputs: Number of dimensions that are read from the population.
    """
    return torch.nn.GRU(inputs, size, batch_first=True)
