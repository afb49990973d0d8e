"""The linear part of a forecast: what a neuron's own newest bin and the behaviour foretell."""

import torch
from torch import Tensor


class LinearPath(torch.nn.Module):
    r"""A few weights for each neuron of a session, past which the dynamics forecasts what is not linear.

    .. math::
        y_i(t + 1) = \rho_i\, a_i(t) + d_i \cdot b(t) + c_i

    With :math:`\rho_i` near one it forecasts the change, as slow signals want it; with :math:`\rho_i` near zero the
    value, as spike counts do. Everything starts from zero.

    Args:
        num_neurons: N.
        num_behaviours: K.
        use_activity: False leaves :math:`\rho` out.

    Shapes:
        - **activity:** :math:`(B, N, P)`, **behaviour:** :math:`(B, P, K)`
        - **output:** :math:`(B, N, P)`
    """

    def __init__(self, num_neurons: int, num_behaviours: int, use_activity: bool = True) -> None:
        super().__init__()
        self.own = torch.nn.Parameter(torch.empty(num_neurons)) if use_activity else None
        self.behaviour = torch.nn.Parameter(torch.empty(num_neurons, num_behaviours)) if num_behaviours else None
        self.intercept = torch.nn.Parameter(torch.empty(num_neurons))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets all weights to zero."""
        for parameter in self.parameters():
            torch.nn.init.zeros_(parameter)

    def forward(self, activity: Tensor, behaviour: Tensor) -> Tensor:
        """The linear forecast of the bin after each position."""
        total = self.intercept[:, None].expand_as(activity)
        if self.own is not None:
            total = total + self.own[:, None] * activity
        if self.behaviour is not None:
            total = total + self.behaviour @ behaviour.transpose(1, 2)
        return total

    def extra_repr(self) -> str:
        """For ``repr(model)``."""
        return f"{len(self.intercept)} neurons, {sum(p.numel() for p in self.parameters())} weights"
