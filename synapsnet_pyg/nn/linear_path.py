"""Linear part of a forecast: own activity, input current and behaviour."""

import torch
from torch import Tensor


class LinearPath(torch.nn.Module):
    r"""Linear forecast with a few weights for each neuron; the dynamics beside it forecasts the rest.

    .. math::
        y_i(t + 1) = \sum_{l=0}^{W-1} \kappa_l \big( \rho_i\, a_i(t - l) + I_i(t - l) \big) + d_i \cdot b(t) + c_i

    With :math:`\rho_i` near one the dynamics forecasts the change, which suits slow signals. With :math:`\rho_i` near
    zero it forecasts the value, which suits spike counts. The kernel :math:`\kappa` acts as the kernel of a synapse and
    smooths noisy counts. It starts with weight one at the newest bin; all other weights start at zero.

    Args:
        num_neurons: Number of neurons N.
        num_behaviours: Number of behaviours K.
        window: Length W of the kernel in bins.
        use_activity: Whether each neuron's own activity is used; False leaves :math:`\rho` out.

    Shapes:
        - **activity:** :math:`(B, N, L)`, **current:** :math:`(B, N, L)` or None, **behaviour:** :math:`(B, L, K)`
        - **output:** :math:`(B, N, P)`
    """

    def __init__(self, num_neurons: int, num_behaviours: int, window: int, *, use_activity: bool = True) -> None:
        super().__init__()
        self.kernel = torch.nn.Parameter(torch.zeros(window))
        self.own = torch.nn.Parameter(torch.zeros(num_neurons)) if use_activity else None
        self.behaviour = torch.nn.Parameter(torch.zeros(num_neurons, num_behaviours)) if num_behaviours else None
        self.intercept = torch.nn.Parameter(torch.zeros(num_neurons))
        with torch.no_grad():
            self.kernel[-1] = 1  # newest last

    def forward(self, activity: Tensor, current: Tensor | None, behaviour: Tensor, targets: int) -> Tensor:
        """Returns the linear forecast of the bin after each of the last P positions."""
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

    @torch.no_grad()
    def set(self, kernel: Tensor, intercept: Tensor, own: Tensor, behaviour: Tensor) -> None:
        r"""Sets the weights; those of parts that are left out are ignored.

        Args:
            kernel: Kernel :math:`\kappa` :math:`(W)`, newest last.
            intercept: Intercepts c :math:`(N)`.
            own: Weights :math:`\rho` of each neuron's own activity :math:`(N)`.
            behaviour: Weights d of the behaviours :math:`(N, K)`.
        """
        self.kernel.copy_(kernel)
        self.intercept.copy_(intercept)
        if self.own is not None:
            self.own.copy_(own)
        if self.behaviour is not None:
            self.behaviour.copy_(behaviour)

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{len(self.intercept)} neurons, {sum(p.numel() for p in self.parameters())} weights"
