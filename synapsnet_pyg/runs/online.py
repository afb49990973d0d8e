"""Forecasts of a recording that is still running, bin by bin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy.typing as npt
import torch
from torch import Tensor

from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecasting import Method, forecast_ahead
from synapsnet_pyg.runs.interval_tracker import LEVELS
from synapsnet_pyg.runs.intervals import calibrate, new_tracker
from synapsnet_pyg.runs.run import Run


@dataclass(frozen=True)
class OnlineForecast:
    """Forecast of the next H bins, in the units of the recording.

    Attributes:
        forecast: Forecast [N, H].
        levels: Levels of the intervals, smallest first.
        quantile: Ends of the intervals [N, H, Q], lowest quantile first; Q is twice the number of levels.
        share: Counts: share of an end's own probability that lies below the quantile [N, H, Q]; None: real-valued.
    """

    forecast: Tensor
    levels: tuple[float, ...]
    quantile: Tensor
    share: Tensor | None

    def lower(self, level: float) -> Tensor:
        """Returns the lower ends of the intervals of a level [N, H]."""
        return self.quantile[..., len(self.levels) - 1 - self.levels.index(level)]

    def upper(self, level: float) -> Tensor:
        """Returns the upper ends of the intervals of a level [N, H]."""
        return self.quantile[..., len(self.levels) + self.levels.index(level)]


class Online:
    """Forecaster of a running recording: takes each bin as it comes and forecasts the next H, with intervals.

    The forecasts equal those of :func:`~synapsnet_pyg.models.forecasting.forecast_horizons`. The intervals start from
    the validation part of the run's session and learn from every bin
    (:class:`~synapsnet_pyg.runs.interval_tracker.IntervalTracker`). The model stays in evaluation mode.

    Args:
        run: Fitted run; a model fitted in Python is wrapped by :meth:`~synapsnet_pyg.runs.run.Run.of`.
        session: Name of the session that goes on. None: the run's only session.
        horizon: Number of bins ahead H. None: as many as the model forecasts directly.
        method: Way of forecasting several bins. None: directly if the model can, else by feeding its forecasts back.
        levels: Levels of the intervals.

    Raises:
        ValueError: The run has several sessions or not this one, the model cannot forecast so many bins directly, or a
            level is not between 0 and 1.

    Example:
        >>> from synapsnet_pyg import Session, build_model
        >>> session = Session(torch.randn(3, 100), bin_size=0.1, name="demo").standardise()
        >>> forecaster = Online(Run.of(build_model("copy", [session]), [session]), horizon=2)
        >>> forecast = forecaster.step(torch.randn(3))
        >>> forecast.upper(0.95).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        run: Run,
        session: str | None = None,
        *,
        horizon: int | None = None,
        method: Method | None = None,
        levels: Sequence[float] = LEVELS,
    ) -> None:
        names = run.session_names(session)
        if len(names) > 1:
            raise ValueError(f"Expected the name of one session of the run, among {', '.join(names)} (got none).")
        self.session = names[0]
        recording = run.sessions[self.session]
        self.model = run.model.eval()
        self.horizon = run.model.horizon if horizon is None else horizon
        self.method = method
        split = recording.split()
        self.tracker = new_tracker(split.train, self.horizon, levels)
        calibrate(self.model, split.validation, self.tracker, method=method)
        self._mean, self._scale = recording.activity_mean, recording.activity_scale
        self._behaviour_mean, self._behaviour_scale = recording.behaviour_mean, recording.behaviour_scale
        self._activity = recording.activity.new_zeros(1, recording.num_neurons, self.model.window)
        self._behaviour = recording.behaviour.new_zeros(1, self.model.window, recording.num_behaviours)
        self._seen = 0

    def reset(self) -> None:
        """Begins a new segment, after a gap or for a new trial; the intervals keep what they have learned."""
        self._seen = 0
        self.tracker.reset()

    @torch.inference_mode()
    def step(
        self, activity: Tensor | npt.ArrayLike, behaviour: Tensor | npt.ArrayLike | None = None
    ) -> OnlineForecast | None:
        """Takes the newest bin and forecasts the next H bins.

        Args:
            activity: Activity :math:`(N)` of the newest bin, in the units of the recording, such as spike counts.
            behaviour: Behaviour :math:`(K)` of the bin, in the units of the recording; NaN where it was not recorded,
                and the model sees the mean there. None: nothing was recorded.

        Returns:
            Forecast; None until the segment has as many bins as the model's window.

        Raises:
            ValueError: A shape is wrong, or the activity is not finite.
        """
        newest = self._checked(activity)
        if self._seen:
            self.tracker.observe(newest.double().numpy())
        self._keep(newest, behaviour)
        if self._seen < self.model.window:
            return None
        window = Window(self._activity, self._behaviour, self._activity[..., :1], self.session)
        ahead = forecast_ahead(self.model, window, self.horizon, method=self.method)[0]
        forecast = ahead.double() * self._scale[:, None] + self._mean[:, None]
        given = self.tracker.intervals(forecast.t().numpy())
        return OnlineForecast(
            forecast,
            self.tracker.levels,
            torch.from_numpy(given.values).transpose(0, 1),
            None if given.share is None else torch.from_numpy(given.share).transpose(0, 1),
        )

    def _checked(self, activity: Tensor | npt.ArrayLike) -> Tensor:
        """Returns the activity (N) of a bin as a tensor."""
        newest = torch.as_tensor(activity).to(self._mean)
        if newest.shape != self._mean.shape or not math.isfinite(float(newest.sum())):
            raise ValueError(
                f"Expected finite activity of {len(self._mean)} neurons (got shape {list(newest.shape)}"
                f"{'' if newest.shape != self._mean.shape else ' with NaN or infinity'}); "
                "leave a gap out and call reset() after it."
            )
        return newest

    def _keep(self, newest: Tensor, behaviour: Tensor | npt.ArrayLike | None) -> None:
        """Appends a bin, standardised, to the window."""
        seen = torch.zeros_like(self._behaviour_mean)
        if behaviour is not None:
            given = torch.as_tensor(behaviour).to(self._behaviour_mean)
            if given.shape != seen.shape:
                raise ValueError(f"Expected {len(seen)} behaviours in a bin (got shape {list(given.shape)}).")
            seen = ((given - self._behaviour_mean) / self._behaviour_scale).nan_to_num(nan=0.0)
        standardised = (newest - self._mean) / self._scale
        self._activity = torch.cat([self._activity[..., 1:], standardised[None, :, None]], dim=-1)
        self._behaviour = torch.cat([self._behaviour[:, 1:], seen[None, None]], dim=1)
        self._seen += 1
