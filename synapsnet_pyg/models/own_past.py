"""Linear and NLinear: one linear map from a neuron's newest bins to its next bins, shared by all neurons."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.own_past import own_past_regression


class OwnPast(Forecaster):
    r"""Linear forecast of several bins from a neuron's own newest bins, by weights that neurons share.

    .. math::
        \hat a_i(t + h) = \sum_{c=1}^{C} W_{hc}\, a_i(t + 1 - c) \quad \text{(Linear)}, \qquad
        \hat a_i(t + h) = a_i(t) + \sum_{c=1}^{C} W_{hc}\, \big(a_i(t + 1 - c) - a_i(t)\big) \quad \text{(NLinear)}

    solved in closed form, with the ridge of the smallest squared error on the validation part over all H bins. There is
    no intercept, since the activity has mean zero. NLinear is not changed by a shift of a neuron's level. Behaviour is
    unused. Source: Zeng, Chen, Zhang and Xu 2023 (Are transformers effective for time series forecasting?).

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C.
        horizon: Number of bins H that are forecast directly.
        from_newest: Whether the newest bin is subtracted from the input and added to the forecast (NLinear).
        shared_sessions: Whether one map serves all sessions; otherwise each session has its own.
    """

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        from_newest: bool = False,
        shared_sessions: bool = False,
    ) -> None:
        super().__init__(sessions, window, horizon)
        self.from_newest, self.shared_sessions = from_newest, shared_sessions
        for s in range(len(self.sessions)):
            self.register_buffer(f"weights_{s}", torch.zeros(horizon, window))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Solves the map of each session; returns True, since no training is needed.

        Raises:
            ValueError: A part has no segment of C + H bins.
        """
        names = list(self.sessions)
        for group in [names] if self.shared_sessions else [[name] for name in names]:
            solution = own_past_regression(
                [train[name] for name in group],
                [validation[name] for name in group],
                context=self.window,
                horizon=self.horizon,
                from_newest=self.from_newest,
            )
            for name in group:
                weights = solution.coefficients.to(train[name].activity)
                setattr(self, f"weights_{self.index_of(name)}", weights)
        return True

    def forward(self, window: Window) -> Forecast:
        """Forecasts from each neuron's own newest C bins."""
        weights = self.get_buffer(f"weights_{self.index_of(window.session)}")
        past = contexts(window, self.window)
        if not self.from_newest:
            return Forecast.direct(past @ weights.t())
        newest = past[..., -1:]
        return Forecast.direct(newest + (past - newest) @ weights.t())

    def connectivity(self, session: Session) -> Tensor:
        """Returns the effect of the newest bin on the next, a multiple of the identity: no neuron drives another."""
        first = self.get_buffer(f"weights_{self.index_of(session.name)}")[0]
        effect = 1 - first[:-1].sum() if self.from_newest else first[-1]
        return effect * torch.eye(session.num_neurons, dtype=first.dtype, device=first.device)
