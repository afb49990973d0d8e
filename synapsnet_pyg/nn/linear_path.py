"""Linear part of a forecast: own activity, input current and behaviour."""

import torch
from torch import Tensor

from synapsnet_pyg.nn.population_path import lagged, lags_of, recent

_LARGEST_BAND = 64
"""Largest number of positions for which a kernel is applied as a band matrix, of which all entries are multiplied."""


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
        total = self.intercept[:, None].expand(len(activity), -1, targets, -1)
        if self.history is not None:
            total = total + _weighted_history(activity, self.history, targets)
        if current is not None:
            total = total + _filtered(current, self.kernel, targets)
        if self.behaviour is not None:
            features = lagged(behaviour.transpose(1, 2), self.lags, targets)
            total = total + torch.einsum("nhf,bfp->bnph", self.behaviour, features)
        return total

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        weights = sum(values.numel() for values in self.state_dict().values())
        return f"{len(self.intercept)} neurons, {weights} weights"


def _weighted_history(activity: Tensor, history: Tensor, targets: int) -> Tensor:
    """Returns the sum of the last W bins at each of P positions, weighted for each neuron [B, N, P, H].

    Args:
        activity: Activity :math:`(B, N, L)`.
        history: Weights :math:`(N, W, H)`.
        targets: Number of positions P.
    """
    W, first = history.shape[1], activity.shape[-1] - targets - history.shape[1] + 1
    if targets == 1:
        return torch.einsum("bnpw,nwh->bnph", recent(activity, W, 1), history)
    # A bin of all windows after the other, without a copy of the W bins at each position.
    total = activity[..., first : first + targets, None] * history[:, :1]
    for bin in range(1, W):
        start = first + bin
        total = torch.addcmul(total, activity[..., start : start + targets, None], history[:, bin : bin + 1])
    return total


def _filtered(current: Tensor, kernel: Tensor, targets: int) -> Tensor:
    """Returns the sum of the last W bins at each of P positions, weighted by a kernel [B, N, P, H].

    Args:
        current: Input current :math:`(B, N, L)`.
        kernel: Weights :math:`(W, H)`.
        targets: Number of positions P.
    """
    (W, H), L = kernel.shape, current.shape[-1]
    if targets == 1 or targets > _LARGEST_BAND:
        return recent(current, W, targets) @ kernel
    # A product with a band matrix [L, P H], which has the kernel below the first bin of each position.
    position = torch.arange(L, device=current.device)[:, None] - torch.arange(
        L - targets - W + 1, L - W + 1, device=current.device
    )
    outside = (position < 0) | (position >= W)
    band = kernel[position.clamp(0, W - 1)].masked_fill(outside[..., None], 0.0)
    return (current @ band.view(L, -1)).view(*current.shape[:2], targets, H)
