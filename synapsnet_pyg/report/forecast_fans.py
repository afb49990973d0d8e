"""Beginning of a test part with forecasts of several bins that start every few bins."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.models.forecasting import forecast_horizons
from synapsnet_pyg.results.forecast_excerpt import ForecastExcerpt, breaks_between
from synapsnet_pyg.runs.run import Run


@dataclass(frozen=True)
class ForecastFans:
    """M bins of a test part and S forecasts of H bins: of a few neurons and of the population mean, n traces."""

    chosen: dict[str, int]
    """``best``, ``upper quartile`` and ``median`` -> index of the neuron of that rank by one-step forecasts."""
    seconds: np.ndarray
    """Time of the bins in the recording, in seconds [M]."""
    truth: np.ndarray
    """Recorded activity, the population mean last, in the deviations of each trace [n, M]."""
    breaks: list[int]
    """Indices of bins at which another segment begins."""
    fan_seconds: np.ndarray
    """Time of the forecasts, from the newest recorded bin to the last forecast bin [S, H + 1]."""
    fans: np.ndarray
    """Activity in the newest recorded bin and forecasts of the next H bins [n, S, H + 1]."""

    @property
    def horizon(self) -> int:
        """Number of bins ahead H."""
        return self.fans.shape[2] - 1


def forecast_fans(run: Run, name: str, excerpt: ForecastExcerpt, horizon: int, bins: int = 160) -> ForecastFans:
    """Forecasts the beginning of the test part of a session several bins ahead, from every H / 2-th bin.

    Args:
        run: Fitted run.
        name: Name of the session.
        excerpt: One-step forecasts, whose scores rank the neurons; scored neurons make the population mean.
        horizon: Number of bins ahead H; a segment of the test part has room for a forecast.
        bins: Number of bins M, about.
    """
    session, test = run.sessions[name], run.split()[name].test
    needed = run.model.window + horizon
    begin = next(start for start, stop in test.segment.tolist() if stop - start >= needed)
    shown = test.slice(begin, min(begin + max(bins, 2 * needed), test.num_bins))
    ahead = forecast_horizons(run.model, shown, horizon, run.targets)
    # Bins follow each other within a segment: count from the first forecast of each.
    place = torch.arange(len(ahead.bins))
    follows = torch.cat([torch.tensor([False]), ahead.bins.diff() == 1])
    place = place - torch.where(follows, 0, place).cummax(0).values
    starts = torch.nonzero(place % max(1, horizon // 2) == 0).flatten()
    newest = ahead.bins[starts] - 1
    in_segments = torch.cat([torch.arange(start, stop) for start, stop in shown.segment.tolist()])
    scored = torch.from_numpy(np.isfinite(excerpt.score))
    ranked = excerpt.ranked
    chosen = {"best": ranked[0], "upper quartile": ranked[len(ranked) // 4], "median": ranked[len(ranked) // 2]}
    rows = list(chosen.values())

    def traces(activity: Tensor) -> Tensor:
        """Returns the chosen neurons and the population mean of activity [N, ...]."""
        return torch.cat([activity[rows], activity[scored].mean(0, keepdim=True)])

    scale = torch.ones(len(rows) + 1, dtype=shown.activity.dtype)
    scale[-1] = shown.activity[scored][:, in_segments].mean(0).std().clamp(min=1e-12)
    fans = torch.cat([traces(shown.activity[:, newest])[..., None], traces(ahead.forecast[:, starts])], -1)
    offset = session.num_bins - test.num_bins + begin
    return ForecastFans(
        chosen=chosen,
        seconds=((offset + in_segments) * session.bin_size).numpy(),
        truth=(traces(shown.activity[:, in_segments]) / scale[:, None]).numpy(),
        breaks=breaks_between(shown, in_segments),
        fan_seconds=((offset + newest[:, None] + torch.arange(horizon + 1)) * session.bin_size).numpy(),
        fans=(fans / scale[:, None, None]).numpy(),
    )
