"""Forecasts of whole sessions, one step or many steps ahead."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecast, Forecaster, evaluating
from synapsnet_pyg.nn.quantiles import distribution_quantiles
from synapsnet_pyg.nn.threads import threads

Method = Literal["direct", "rolled"]
"""How a model forecasts several bins: by a direct forecast of each, or by feeding its forecasts back."""


class SessionForecast(NamedTuple):
    """Truth and forecast of the M forecast bins of a session."""

    bins: Tensor
    """Indices of the forecast bins in the session [M]."""
    truth: Tensor
    """Recorded activity of these bins [N, M]."""
    forecast: Tensor
    """Forecast activity of these bins [N, M]."""


@threads()
@torch.no_grad()
def forecast_session(
    model: Forecaster, session: Session, targets: int = 1, *, first: int | None = None, batch_size: int = 32
) -> SessionForecast:
    """Forecasts every bin of a session that has enough bins before it in its segment.

    Args:
        model: Forecaster of any class; it is in evaluation mode during the call.
        session: Session standardised as in training; usually the validation or test part.
        targets: Number of targets P of each window, as in training.
        first: Position of the first target in each segment, to compare models on the same bins.
        batch_size: Number of windows at a time; does not change the result.

    Raises:
        ValueError: No segment is long enough.
    """
    windows = windows_of(session, model.window, targets, first)
    if not windows:
        longest = int((session.segment[:, 1] - session.segment[:, 0]).max()) if len(session.segment) else 0
        raise ValueError(
            f"Expected a segment of more than {first or model.window} bins in session '{session.name}' "
            f"(the longest of this part has {longest}); use a shorter window or longer segments."
        )
    forecast = torch.full_like(session.activity, torch.nan)
    with evaluating(model):
        for group in windows:  # of equally many targets
            for index in torch.arange(len(group)).split(batch_size):
                _put(forecast, group.target_bins(index), model(group.gather(index)).activity)
    bins = torch.cat([group.target_bins(torch.arange(len(group))).flatten() for group in windows]).unique()
    begin, end = int(bins[0]), int(bins[-1]) + 1
    # A slice gives a view; indexing would copy the recording, which may be long.
    kept = slice(begin, end) if end - begin == len(bins) else bins
    return SessionForecast(bins, session.activity[:, kept], forecast[:, kept])


class HorizonForecast(NamedTuple):
    """Truth and forecast of the H bins after each of M bins of a session."""

    bins: Tensor
    """Indices of the first forecast bin, one bin ahead, in the session [M]."""
    truth: Tensor
    """Recorded activity of the H bins from there on [N, M, H]."""
    forecast: Tensor
    """Forecast activity of these bins [N, M, H]."""

    def at(self, ahead: int) -> SessionForecast:
        """Returns the forecast of one horizon, counted from 1."""
        return SessionForecast(self.bins + ahead - 1, self.truth[..., ahead - 1], self.forecast[..., ahead - 1])


def methods_of(model: Forecaster, horizon: int) -> list[Method]:
    """Returns the ways in which a model can forecast a number of bins; its own way comes first."""
    return ["direct", "rolled"] if model.horizon >= horizon > 1 else ["rolled"] if horizon > 1 else ["direct"]


@threads()
@torch.no_grad()
def forecast_horizons(
    model: Forecaster,
    session: Session,
    horizon: int,
    targets: int = 1,
    *,
    method: Method | None = None,
    first: int | None = None,
    batch_size: int = 32,
) -> HorizonForecast:
    """Forecasts the H bins after every bin of a session that has enough bins before and after it in its segment.

    The forecasts one bin ahead are those of :func:`forecast_session`.

    Args:
        model: Forecaster of any class; it is in evaluation mode during the call.
        session: Session standardised as in training; usually the validation or test part.
        horizon: Number of bins ahead H.
        targets: Number of targets P of each window, as in training.
        method: Way of forecasting. None: directly if the model can, else by feeding its forecasts back.
        first: Position of the first forecast bin in each segment, to compare models on the same bins.
        batch_size: Number of windows at a time; does not change the result.

    Raises:
        ValueError: No segment is long enough, or the model cannot forecast so many bins directly.
    """
    groups = windows_of(session, model.window, targets, first, horizon=horizon)
    if not groups:
        longest = int((session.segment[:, 1] - session.segment[:, 0]).max()) if len(session.segment) else 0
        raise ValueError(
            f"Expected a segment of at least {(first or model.window) + horizon} bins in session '{session.name}' "
            f"(the longest of this part has {longest}); use a shorter context or horizon, or longer segments."
        )
    bins = torch.cat([group.target_bins(torch.arange(len(group))).flatten() for group in groups]).unique()
    forecast = session.activity.new_empty(session.num_neurons, len(bins), horizon)
    with evaluating(model):
        for group in groups:  # of equally many targets
            for index in torch.arange(len(group)).split(batch_size):
                ahead = _ahead_of_each(model, group.gather(index), horizon, method)
                _put(forecast, torch.searchsorted(bins, group.target_bins(index)), ahead)
    return HorizonForecast(bins, session.activity.unfold(1, horizon, 1)[:, bins], forecast)


def _put(forecast: Tensor, places: Tensor, values: Tensor) -> None:
    """Writes the forecasts of some windows; of bins that two windows forecast the later one counts, as on any device.

    Args:
        forecast: Forecasts of all bins :math:`(N, M, ...)`, to be written.
        places: Places of the windows' targets there :math:`(B, P)`, in the order of time.
        values: Forecasts of the windows :math:`(B, N, P, ...)`.
    """
    forecast[:, places.flatten()] = values.transpose(0, 1).flatten(1, 2)
    again = torch.nonzero(places[1:, 0] <= places[:-1, -1])[:, 0] + 1  # the last window of a segment may begin earlier
    if len(again):
        forecast[:, places[again].flatten()] = values[again].transpose(0, 1).flatten(1, 2)


def _ahead_of_each(model: Forecaster, window: Window, horizon: int, method: Method | None) -> Tensor:
    """Forecasts the H bins after each of the last P positions [B, N, P, H]."""
    L, P = window.activity.shape[-1], window.target.shape[-1]
    if _is_direct(model, horizon, method):
        forecast = model(window)
        return (forecast.activity[..., None] if forecast.future is None else forecast.future)[..., :horizon]
    seen = [
        window._replace(
            activity=window.activity[..., :end],
            behaviour=window.behaviour[:, :end],
            bin=None if window.bin is None else window.bin - (L - end),
        )
        for end in range(L - P + 1, L + 1)
    ]
    return torch.stack([roll_out(model, part, horizon) for part in seen], dim=2)


def _is_direct(model: Forecaster, horizon: int, method: Method | None) -> bool:
    """Returns True if a model forecasts all bins directly.

    Raises:
        ValueError: It cannot, but shall.
    """
    if method == "direct" and model.horizon < horizon:
        raise ValueError(
            f"Expected a model that forecasts {horizon} bins directly (this {type(model).__name__} forecasts "
            f"{model.horizon}); build it with horizon={horizon}, or feed its forecasts back with method='rolled'."
        )
    return method != "rolled" and model.horizon >= horizon


@threads()
@torch.no_grad()
def forecast_quantiles(
    model: Forecaster,
    session: Session,
    probabilities: Sequence[float],
    horizon: int = 1,
    targets: int = 1,
    *,
    first: int | None = None,
) -> Tensor:
    """Returns quantiles of the bins ahead by the likelihood with which a model was trained.

    They are as right as the likelihood is; intervals that keep their coverage on any recording are those of
    :func:`~synapsnet_pyg.runs.intervals.forecast_intervals`.

    Args:
        model: Forecaster with a likelihood, such as ``SynapsNet(loss=gaussian)``.
        session: Session standardised as in training.
        probabilities: Q probabilities between 0 and 1.
        horizon: Number of bins ahead H, at most that of the model.
        targets: Number of targets P of each window, as in training.
        first: Position of the first forecast bin in each segment.

    Returns:
        Quantiles in the units of the recording [N, M, H, Q], for the bins of :func:`forecast_horizons`.

    Raises:
        ValueError: The model has no likelihood, or does not forecast so many bins directly; or segments are short.
    """
    ahead = forecast_horizons(model, session, horizon, targets, method="direct", first=first)
    full = torch.zeros(*ahead.forecast.shape[:2], model.horizon).to(ahead.forecast)
    full[..., :horizon] = ahead.forecast
    distribution = model.distribution(full[None], session.name)
    if distribution is None:
        raise ValueError(
            f"Expected a model with a likelihood (got {type(model).__name__} without one); train SynapsNet with "
            "loss='gaussian', 'poisson' or 'negative_binomial'."
        )
    return distribution_quantiles(distribution, probabilities)[0, :, :, :horizon]


@torch.no_grad()
def forecast_ahead(model: Forecaster, window: Window, horizon: int, *, method: Method | None = None) -> Tensor:
    """Forecasts the H bins after the newest bin of each window.

    Args:
        model: Forecaster of any class, in evaluation mode.
        window: Past bins; only activity [B, N, L] and behaviour [B, L, K] are read.
        horizon: Number of bins ahead H.
        method: Way of forecasting. None: directly if the model can, else by feeding its forecasts back; behaviour then
            stays at its last value.

    Returns:
        Forecast [B, N, H].

    Raises:
        ValueError: The model cannot forecast so many bins directly.
    """
    one = window._replace(target=window.activity[..., :1])  # only the shape is read: one target
    return _ahead_of_each(model, one, horizon, method)[:, :, 0]


@torch.no_grad()
def roll_out(
    model: Callable[[Window], Forecast],
    window: Window,
    horizon: int,
    *,
    future_behaviour: Tensor | None = None,
    shown: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Forecasts several bins ahead by feeding each one-step forecast back as the newest bin.

    Args:
        model: Forecaster of any class, in evaluation mode.
        window: Past bins; only activity [B, N, L] and behaviour [B, L, K] are read.
        horizon: Number of bins ahead H.
        future_behaviour: Behaviour of the bins ahead [B, H - 1, K]. None: the last value is held.
        shown: Function ``shown(newest, step)`` that replaces the newest bin [B, N] before each step, counted from 0.
            None: the model sees the newest bin unchanged, first the recorded one and then its own forecasts.

    Returns:
        Forecast [B, N, H].

    Raises:
        ValueError: ``horizon`` is below 1, or ``future_behaviour`` has too few bins.
    """
    if horizon < 1:
        raise ValueError(f"Expected a horizon of at least 1 bin (got {horizon}).")
    activity, behaviour = window.activity, window.behaviour
    if future_behaviour is None:
        future_behaviour = behaviour[:, -1:].expand(-1, horizon - 1, -1)
    if future_behaviour.shape[1] < horizon - 1:
        raise ValueError(f"Expected behaviour of {horizon - 1} future bins (got {future_behaviour.shape[1]}).")
    L = activity.shape[-1]
    target = activity[..., :1]  # only the shape is read: one target
    ahead = []
    for step in range(horizon):
        if shown is not None:
            activity = torch.cat([activity[..., :-1], shown(activity[..., -1], step)[..., None]], dim=-1)
        bin = None if window.bin is None else window.bin + step
        ahead.append(model(Window(activity, behaviour, target, window.session, bin=bin)).activity)
        activity = torch.cat([activity, ahead[-1]], dim=-1)[..., -L:]
        behaviour = torch.cat([behaviour, future_behaviour[:, step : step + 1]], dim=1)[:, -L:]
    return torch.cat(ahead, dim=-1)
