"""Forecasts of whole sessions, one step or many steps ahead."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecast, Forecaster, evaluating


class SessionForecast(NamedTuple):
    """Truth and forecast of the M forecast bins of a session."""

    bins: Tensor
    """Indices of the forecast bins in the session [M]."""
    truth: Tensor
    """Recorded activity of these bins [N, M]."""
    forecast: Tensor
    """Forecast activity of these bins [N, M]."""


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
                values = model(group.gather(index)).activity
                forecast[:, group.target_bins(index).flatten()] = values.transpose(0, 1).flatten(1)
    bins = torch.cat([group.target_bins(torch.arange(len(group))).flatten() for group in windows]).unique()
    begin, end = int(bins[0]), int(bins[-1]) + 1
    # A slice gives a view; indexing would copy the recording, which may be long.
    kept = slice(begin, end) if end - begin == len(bins) else bins
    return SessionForecast(bins, session.activity[:, kept], forecast[:, kept])


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
