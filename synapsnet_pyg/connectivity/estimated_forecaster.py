"""Estimators as forecasters, so that tables of scores can compare them with the models."""

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.forecasting_estimator import ForecastingEstimator, LinearForecast
from synapsnet_pyg.connectivity.registry import estimator as make_estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_info import SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.least_squares import newest_bins


class EstimatedForecaster(Forecaster):
    r"""Forecast of an estimator of connectivity, solved for each session separately before training.

    .. math::
        \hat a(t + 1) = f\big([C_1 \ldots C_p\ D]\, [a(t); \ldots; a(t + 1 - p); b(t)] + c\big)

    with :math:`f` the identity, or the link of a Poisson regression.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        estimator: Name of an estimator that can forecast, a key of
            :data:`~synapsnet_pyg.connectivity.registry.ESTIMATORS`.
        options: Parameter of the estimator -> value. None: defaults.

    Raises:
        ValueError: There is no such estimator or parameter, or the estimator cannot forecast.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver = torch.randn(1000)
        >>> session = Session(torch.stack([driver, driver.roll(1)]), bin_size=0.1).standardise()
        >>> split, model = session.split(), EstimatedForecaster([session], "ridge_var")
        >>> model.initialise({session.name: split.train}, {session.name: split.validation})
        True
        >>> model.connectivity(session).round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
    """

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        estimator: str = "ridge_var",
        options: Mapping[str, float | str | list[float]] | None = None,
    ) -> None:
        solver = make_estimator(estimator, **dict(options or {}))
        if not isinstance(solver, ForecastingEstimator):
            raise ValueError(f"Expected an estimator that can forecast (got '{estimator}'), such as ridge_var.")
        super().__init__(sessions, window=solver.lags)
        self.estimator = solver
        self.forecasts = torch.nn.ModuleList()
        for s, session in enumerate(self.sessions.values()):
            N = len(session.neuron_id)
            self.forecasts.append(solver.blank_forecast(N, self.num_behaviours))
            self.register_buffer(f"connectivity_{s}", torch.zeros(N, N))
            self.register_buffer(f"penalty_{s}", torch.tensor(0.0))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Fits the estimator to each session; returns True, since no training is needed.

        Raises:
            ValueError: A part is too short, or holds activity that the estimator cannot use.
        """
        for s, name in enumerate(self.sessions):
            fitted = copy.copy(self.estimator).fit(train[name], validation[name])
            self.forecasts[s] = fitted.forecast_
            setattr(self, f"connectivity_{s}", fitted.connectivity_.to(train[name].activity))
            setattr(self, f"penalty_{s}", torch.tensor(fitted.penalty_).to(train[name].activity))
        return True

    def forward(self, window: Window) -> Forecast:
        """Forecasts from the last p bins before each target."""
        forecast = self.forecasts[self.index_of(window.session)]
        assert isinstance(forecast, LinearForecast)
        lagged, behaviour = newest_bins(window, self.window)
        return Forecast(forecast(torch.cat([*lagged, behaviour], dim=1)))

    def connectivity(self, session: Session) -> Tensor:
        """Returns the connectivity [N, N] that :meth:`initialise` estimated for a session."""
        return self.get_buffer(f"connectivity_{self.index_of(session.name)}")

    def extra_repr(self) -> str:
        """Returns the estimator for ``repr(model)``."""
        return repr(self.estimator)
