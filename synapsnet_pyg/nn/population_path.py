"""Linear forecast of every neuron from the principal components of the population."""

import torch
from torch import Tensor


def lags_of(window: int) -> list[int]:
    """Returns the numbers of bins before a target at which slow inputs are read: all of the last five, then fewer.

    Args:
        window: Number of past bins W.

    Example:
        >>> lags_of(20)
        [1, 2, 3, 4, 5, 8, 12, 16]
    """
    return [lag for lag in (1, 2, 3, 4, 5, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256) if lag <= window]


def lagged(series: Tensor, lags: list[int], targets: int) -> Tensor:
    """Returns a time series [B, F, L] at some lags before each of the last P targets, [B, lags F, P].

    Args:
        series: Time series; its last bin is one bin before the last target.
        lags: Numbers of bins before a target.
        targets: Number of targets P.
    """
    L = series.shape[-1]
    return torch.cat([series[..., L - targets - lag + 1 : L - lag + 1] for lag in lags], dim=1)


def recent(series: Tensor, length: int, targets: int) -> Tensor:
    """Returns the newest bins at each of the last P positions of a time series [..., L] as [..., P, length].

    Args:
        series: Time series.
        length: Number of bins at each position.
        targets: Number of positions P.
    """
    first = series.shape[-1] - targets - length + 1
    if targets == 1:
        return series[..., None, first:]
    # An index, unlike unfold, has a derivative for many outputs at once.
    position, bin = (torch.arange(number, device=series.device) for number in (targets, length))
    return series[..., first + position[:, None] + bin]


class PopulationPath(torch.nn.Module):
    r"""Linear forecast from the first principal components of the population at several lags.

    .. math::
        z(t) = V a(t), \qquad y_{ih}(t) = \sum_{l} U_{ihl} \cdot z(t + 1 - l)

    A population moves along few axes, and slower than single neurons. What all neurons share is forecast from more bins
    than a window of edges could afford, and is no connectivity. The weights are those of a reduced-rank regression
    (:func:`~synapsnet_pyg.regression.linear_stages.population_stage`) and are not trained; they start at zero.

    Args:
        num_neurons: Number of neurons N.
        components: Largest number of components k.
        window: Number of past bins W; :func:`lags_of` says which are read.
        horizon: Number of bins ahead H.

    Shapes:
        - **activity:** :math:`(B, N, L)`
        - **output:** :math:`(B, N, P, H)`
    """

    axes: Tensor
    """Principal axes V [k, N]."""
    weight: Tensor
    """Weights U of each neuron and horizon [N, H, lags k]."""

    def __init__(self, num_neurons: int, components: int, window: int, horizon: int = 1) -> None:
        super().__init__()
        self.lags = lags_of(window)
        components = min(components, num_neurons)
        self.register_buffer("axes", torch.zeros(components, num_neurons))
        self.register_buffer("weight", torch.zeros(num_neurons, horizon, len(self.lags) * components))

    def forward(self, activity: Tensor, targets: int) -> Tensor:
        """Returns the forecast of the H bins after each of the last P positions."""
        features = lagged(self.axes @ activity, self.lags, targets)
        return torch.einsum("nhf,bfp->bnph", self.weight, features)

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{self.axes.shape[1]} neurons, {len(self.axes)} components at {len(self.lags)} lags"
