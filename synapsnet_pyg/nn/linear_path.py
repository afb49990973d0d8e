"""Linear part of a forecast: own activity, input current and behaviour."""

import torch
from torch import Tensor

from synapsnet_pyg.nn.population_path import lagged, lags_of, recent


class LinearPath(torch.nn.Module):
    r"""Linear forecast with a few weights for each neuron; the dynamics beside it forecasts the rest.

    .. math::
        y_{ih}(t) = \sum_{l=0}^{W-1} \big( \rho_{ilh}\, a_i(t - l) + \kappa_{lh}\, I_i(t - l) \big)
        + \sum_l d_{ihl} \cdot b(t + 1 - l) + c_{ih}

    for the H bins after t. The history :math:`\rho` weighs a neuron's own last bins. The kernel :math:`\kappa` of the
    current acts as the kernel of a synapse and smooths noisy counts. Behaviour is read at the lags of
    :func:`~synapsnet_pyg.nn.population_path.lags_of`. Kernel and intercept are trained. History and behaviour come from
    least squares (:mod:`synapsnet_pyg.regression.linear_stages`) and are not, since gradient steps would overfit them.
    The kernel starts with weight one at the newest bin; all other weights start at zero.

    Args:
        num_neurons: Number of neurons N.
        num_behaviours: Number of behaviours K.
        window: Number of past bins W.
        horizon: Number of bins ahead H.
        use_activity: Whether each neuron's own activity is used; False leaves :math:`\rho` out.

    Shapes:
        - **activity:** :math:`(B, N, L)`, **current:** :math:`(B, N, L)` or None, **behaviour:** :math:`(B, L, K)`
        - **output:** :math:`(B, N, P, H)`
    """

    history: Tensor | None
    """Weights of each neuron's own last bins [N, W, H], newest last."""
    behaviour: Tensor | None
    """Weights of the behaviours at each lag, newest first [N, H, lags K]."""

    def __init__(
        self, num_neurons: int, num_behaviours: int, window: int, horizon: int = 1, *, use_activity: bool = True
    ) -> None:
        super().__init__()
        N, K, H = num_neurons, num_behaviours, horizon
        self.lags = lags_of(window)
        self.kernel = torch.nn.Parameter(torch.zeros(window, H))
        self.intercept = torch.nn.Parameter(torch.zeros(N, H))
        self.register_buffer("history", torch.zeros(N, window, H) if use_activity else None)
        self.register_buffer("behaviour", torch.zeros(N, H, len(self.lags) * K) if K else None)
        with torch.no_grad():
            self.kernel[-1] = 1  # newest last

    def forward(self, activity: Tensor, current: Tensor | None, behaviour: Tensor, targets: int) -> Tensor:
        """Returns the linear forecast of the H bins after each of the last P positions."""
        W = len(self.kernel)
        total = self.intercept[:, None].expand(len(activity), -1, targets, -1)
        if self.history is not None:
            total = total + torch.einsum("bnpw,nwh->bnph", recent(activity, W, targets), self.history)
        if current is not None:
            total = total + recent(current, W, targets) @ self.kernel
        if self.behaviour is not None:
            features = lagged(behaviour.transpose(1, 2), self.lags, targets)
            total = total + torch.einsum("nhf,bfp->bnph", self.behaviour, features)
        return total

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        weights = sum(values.numel() for values in self.state_dict().values())
        return f"{len(self.intercept)} neurons, {weights} weights"
