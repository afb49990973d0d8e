"""The linear part of a forecast: own activity, input current and behaviour."""

import torch
from torch import Tensor


class LinearPath(torch.nn.Module):
    r"""A few weights for each neuron of a session, past which the dynamics forecasts what is not linear.

    .. math::
        y_i(t + 1) = \sum_{l=0}^{W-1} \kappa_l \big( \rho_i\, a_i(t - l) + I_i(t - l) \big) + d_i \cdot b(t) + c_i

    With :math:`\rho_i` near one it forecasts the change, as slow signals want it; with :math:`\rho_i` near zero the
    value, as spike counts do. The kernel :math:`\kappa`, as of a synapse, makes one smooth course of noisy counts; it
    starts at the newest bin alone, everything else at zero.

    Args:
        num_neurons: N.
        num_behaviours: K.
        window: W.
        use_activity: False leaves :math:`\rho` out.

    Shapes:
        - **activity:** :math:`(B, N, L)`, **current:** the same or None, **behaviour:** :math:`(B, L, K)`
        - **output:** :math:`(B, N, P)`
    """

    def __init__(self, num_neurons: int, num_behaviours: int, window: int, use_activity: bool = True) -> None:
        super().__init__()
        self.kernel = torch.nn.Parameter(torch.zeros(window))
        self.own = torch.nn.Parameter(torch.zeros(num_neurons)) if use_activity else None
        self.behaviour = torch.nn.Parameter(torch.zeros(num_neurons, num_behaviours)) if num_behaviours else None
        self.intercept = torch.nn.Parameter(torch.zeros(num_neurons))
        with torch.no_grad():
            self.kernel[-1] = 1  # newest last

    def forward(self, activity: Tensor, current: Tensor | None, behaviour: Tensor, targets: int) -> Tensor:
        """The linear forecast of the bin after each of the last P positions."""
        W = len(self.kernel)
        received = activity * self.own[:, None] if self.own is not None else torch.zeros_like(activity)
        received = received if current is None else received + current
        received = received[..., -(W + targets - 1) :]
        total = (
            sum(k * received[..., lag : lag + targets] for lag, k in enumerate(self.kernel)) + self.intercept[:, None]
        )
        if self.behaviour is not None:
            total = total + self.behaviour @ behaviour[:, -targets:].transpose(1, 2)
        return total

    def extra_repr(self) -> str:
        """For ``repr(model)``."""
        return f"{len(self.intercept)} neurons, {sum(p.numel() for p in self.parameters())} weights"
