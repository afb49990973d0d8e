"""DLinear: a linear map of the trend and one of the remainder, shared by all neurons."""

from collections.abc import Iterable

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class DLinear(Forecaster):
    r"""Linear forecast from the trend of a neuron's newest bins and from the remainder (Zeng et al. 2023).

    .. math::
        \bar x_i = \mathrm{mean}_k(x_i), \qquad
        \hat a_i = W^{\text{trend}}\, \bar x_i + W^{\text{rest}}\, (x_i - \bar x_i) + c

    with the C newest bins :math:`x_i`, the H forecast bins :math:`\hat a_i`, and a moving average over
    :math:`k = 2 \lfloor C / 4 \rfloor + 1` bins; the first and the last bin are repeated beyond the ends. The maps are
    shared by all neurons and sessions. They are trained from weights :math:`1 / C`. Behaviour is unused.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C, at least 4.
        horizon: Number of bins H that are forecast directly.

    Raises:
        ValueError: ``window`` is below 4, for which trend and activity are the same.
    """

    shared = ("trend", "rest")

    def __init__(self, sessions: Iterable[Session | SessionInfo], window: int = 5, horizon: int = 1) -> None:
        if window < 4:
            raise ValueError(f"Expected a window of at least 4 past bins (got {window}); a shorter one has no trend.")
        super().__init__(sessions, window, horizon)
        self.trend = torch.nn.Linear(window, horizon)
        self.rest = torch.nn.Linear(window, horizon, bias=False)  # the bias of the trend serves both
        for part in (self.trend, self.rest):
            torch.nn.init.constant_(part.weight, 1 / window)

    def forward(self, window: Window) -> Forecast:
        """Forecasts from each neuron's own newest C bins."""
        past = contexts(window, self.window)
        trend = moving_average(past, 2 * (self.window // 4) + 1)
        return Forecast.direct(self.trend(trend) + self.rest(past - trend))

    def connectivity(self, session: Session) -> Tensor:
        """Returns the effect of the newest bin on the next, a multiple of the identity: no neuron drives another."""
        newest = torch.zeros(self.window, dtype=self.trend.weight.dtype, device=self.trend.weight.device)
        newest[-1] = 1
        trend = moving_average(newest, 2 * (self.window // 4) + 1)
        effect = (self.trend.weight[0] @ trend + self.rest.weight[0] @ (newest - trend)).detach()
        return effect * torch.eye(session.num_neurons, dtype=effect.dtype, device=effect.device)


def moving_average(past: Tensor, bins: int) -> Tensor:
    """Returns the mean of an odd number of bins around each bin [..., C], the ends repeated beyond the ends.

    Args:
        past: Activity of C bins [..., C].
        bins: Number of bins in a mean.
    """
    half = bins // 2
    shape = (*past.shape[:-1], half)
    padded = torch.cat([past[..., :1].expand(shape), past, past[..., -1:].expand(shape)], dim=-1)
    C = past.shape[-1]
    return sum((padded[..., k : k + C] for k in range(1, bins)), padded[..., :C]) / bins
