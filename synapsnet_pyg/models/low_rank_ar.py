"""Autoregression with weights between neurons of low rank, and with input."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.low_rank import LowRankProblem, LowRankSolution, best_of_path


class LowRankAR(Forecaster):
    r"""Autoregression with a diagonal and a low-rank part at every lag, and with the behaviour as input.

    .. math::
        \hat a(t + 1) = \sum_{l=0}^{p-1} \big[ (\mathrm{diag}(d_l) + L_l E^\top)\, a(t - l) + B_l\, b(t - l) \big]

    (Wagenmaker et al. 2024, arXiv 2412.02529, with the behaviour in place of the light). The rank of each :math:`L_l`
    is lowered by a penalty on its nuclear norm; d and B are free. E are the first :math:`\min(N, 64)` principal
    components of the training part, which restricts nothing up to 64 neurons. The strength of the
    penalty has the smallest squared error on the validation part. There is no intercept, since activity and behaviour
    have mean zero.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        lags: Number of past bins p.
    """

    def __init__(self, sessions: Iterable[Session | SessionInfo], lags: int = 4) -> None:
        super().__init__(sessions, window=lags)
        self.lags = lags
        for s, info in enumerate(self.sessions.values()):
            empty = LowRankSolution.zeros(len(info.neuron_id), self.num_behaviours, lags)
            for key, value in empty._asdict().items():
                self.register_buffer(f"{key}_{s}", value)

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Solves the regression of each session; returns True, since no training is needed.

        Raises:
            ValueError: A part has no segment of more than p bins.
        """
        for s, name in enumerate(self.sessions):
            seen = LowRankProblem.of(train[name], self.lags)
            held_out = LowRankProblem.of(validation[name], self.lags, components=seen.components)
            for key, value in best_of_path(seen, held_out)._asdict().items():
                setattr(self, f"{key}_{s}", value.to(train[name].activity))
        return True

    def solution(self, session: str) -> LowRankSolution:
        """Returns the weights of a session.

        Args:
            session: Name of the session.
        """
        s = self.index_of(session)
        return LowRankSolution(*(self.get_buffer(f"{key}_{s}") for key in LowRankSolution._fields))

    def forward(self, window: Window) -> Forecast:
        """Forecasts from the last p bins of all neurons and of the behaviour."""
        weights = self.solution(window.session)
        P, L = window.target.shape[-1], window.activity.shape[-1]
        forecast = torch.zeros_like(window.target)
        for lag in range(self.lags):
            past = window.activity[..., L - P - lag : L - lag]
            behaviour = window.behaviour[:, L - P - lag : L - lag].transpose(1, 2)
            common = weights.low_rank[lag] @ (weights.components.t() @ past)
            forecast = forecast + weights.own[lag, :, None] * past + common + weights.inputs[lag] @ behaviour
        return Forecast(forecast)

    def connectivity(self, session: Session) -> Tensor:
        """Returns the weights of the newest bin."""
        weights = self.solution(session.name)
        return weights.own[0].diag() + weights.low_rank[0] @ weights.components.t()
