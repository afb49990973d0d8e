"""Estimators whose connectivity is part of a forecast of the next bin."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.estimator import Estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks
from synapsnet_pyg.models.forecasting import SessionForecast


class LinearForecast(torch.nn.Module):
    r"""Forecast of the next bin, linear in the last bins of all neurons and the behaviour.

    .. math::
        \hat a(t + 1) = [C_1 \ldots C_p\ D]\, [a(t); \ldots; a(t + 1 - p); b(t)] + c

    Args:
        coefficients: Weights :math:`[C_1 \ldots C_p\ D]` :math:`(N, N p + K)`.
        intercept: Intercepts :math:`c` :math:`(N)`.

    Shapes:
        - **inputs:** :math:`(*, N p + K, P)`
        - **output:** :math:`(*, N, P)`, standardised activity
    """

    coefficients: Tensor
    intercept: Tensor

    def __init__(self, coefficients: Tensor, intercept: Tensor) -> None:
        super().__init__()
        self.register_buffer("coefficients", coefficients)
        self.register_buffer("intercept", intercept)

    def forward(self, inputs: Tensor) -> Tensor:
        """Forecasts the bin after each input."""
        return torch.einsum("nc,...cp->...np", self.coefficients, inputs) + self.intercept[:, None]


@dataclass(frozen=True)
class Solution:
    """Forecast and connectivity for one penalty."""

    forecast: LinearForecast
    """Forecast of the next bin."""
    connectivity: Tensor
    """Weights [N, N], ``[i, j]`` the effect of j on i."""
    penalty: float
    """Penalty of the solution."""
    details: dict[str, float] = field(default_factory=dict)
    """Other choices and results by name."""


class Parts(NamedTuple):
    """Training part separated into a shorter training part and a validation part."""

    train: Session
    """First nine tenths."""
    validation: Session
    """Last tenth."""


class ForecastingEstimator(Estimator):
    """Base class of estimators that can forecast.

    A subclass defines :meth:`_search` and :meth:`_solve`, and :meth:`blank_forecast` if its forecast is not linear.
    """

    forecasts: ClassVar[bool] = True
    lags: int = 1
    """Number of past bins that a forecast needs."""
    forecast_: LinearForecast
    """Forecast of the next bin from the last bins."""

    def blank_forecast(self, neurons: int, behaviours: int) -> LinearForecast:
        """Returns a forecast with zero coefficients, into which saved coefficients can be loaded."""
        return LinearForecast(torch.zeros(neurons, neurons * self.lags + behaviours), torch.zeros(neurons))

    def predict(self, session: Session) -> SessionForecast:
        """Forecasts every bin of a session that has enough bins before it in its segment; see :class:`Estimator`."""
        if not hasattr(self, "forecast_"):
            raise ValueError(f"Expected a fitted estimator ({self!r} is not); call fit(train, validation) first.")
        session = self._standardisation.apply(session)
        bins, forecasts = [], []
        for start, stop in blocks(session, past=self.lags):
            past = [session.activity[:, start - lag : stop - lag] for lag in range(1, self.lags + 1)]
            forecasts.append(self.forecast_(torch.cat([*past, session.behaviour[start - 1 : stop - 1].t()])))
            bins.append(torch.arange(start, stop))
        targets = torch.cat(bins)
        return SessionForecast(targets, session.activity[:, targets], torch.cat(forecasts, dim=1))

    def _fit(self, train: Session, validation: Session | None) -> None:
        """Solves with the best penalty, and without a validation part once more on all bins."""
        if validation is None:
            parts = hold_out(train)
            solution = self._solve(train, self._search(parts.train, parts.validation))
        else:
            solution = self._search(train, validation)
        self.forecast_, self.connectivity_ = solution.forecast, solution.connectivity.float()
        self.penalty_, self.details_ = solution.penalty, solution.details

    def _search(self, train: Session, validation: Session) -> Solution:
        """Fits the training part with the penalty that is best on the validation part."""
        raise NotImplementedError

    def _solve(self, train: Session, like: Solution) -> Solution:
        """Fits the training part with the penalty of another solution."""
        raise NotImplementedError


def hold_out(train: Session) -> Parts:
    """Separates the last tenth of a training part, at a border between segments if there are three or more.

    Raises:
        ValueError: The part has under three bins.
    """
    kept = train.split(0.9, 0.05, 0.05).train
    return Parts(kept, train.slice(kept.num_bins, train.num_bins))
