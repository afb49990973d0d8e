"""A stretch of the test part, true and forecast."""

from typing import NamedTuple

import numpy as np
import torch

from synapsnet_pyg.metrics import correlation, principal_components
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.results.figures import breaks_between
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import scored_neurons


class Course(NamedTuple):
    """The first bins of a test part."""

    seconds: np.ndarray
    """Time in the recording: [M]."""
    truth: np.ndarray
    """Standardised activity: [N, M]."""
    forecast: np.ndarray
    """[N, M]."""
    breaks: list[int]
    """Places where another segment begins."""
    score: np.ndarray
    """Correlation of each neuron over the whole test part, NaN where none is counted: [N]."""
    chosen: dict[str, int]
    """The best, median and worst forecast neuron."""
    true_components: np.ndarray
    """Along the first principal axes of the true activity, in deviations: [3, M]."""
    forecast_components: np.ndarray
    """[3, M]."""


def course_of(run: Run, name: str, bins: int = 300) -> Course | None:
    """Forecasts the test part of a session; None where no neuron can be scored.

    Args:
        run: Any.
        name: Of the session.
        bins: How many are shown.
    """
    session = run.sessions[name]
    test = session.split().test
    forecast = forecast_session(run.model, test, run.targets)
    score = correlation(forecast.truth, forecast.forecast)
    scored = scored_neurons(session, forecast.truth)
    score[~scored] = torch.nan
    if not bool(scored.any()):
        return None
    ranked = score.nan_to_num(nan=-torch.inf).argsort(descending=True)[: int(scored.sum())].tolist()
    truth, ours = principal_components(forecast.truth[scored], forecast.forecast[scored])
    scale = truth.std(1, keepdim=True).clamp(min=1e-12)
    shown = forecast.bins[:bins]
    M = len(shown)
    return Course(
        ((session.num_bins - test.num_bins + shown) * session.bin_size).numpy(),
        forecast.truth[:, :M].numpy(),
        forecast.forecast[:, :M].numpy(),
        breaks_between(test, shown),
        score.numpy(),
        {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]},
        (truth / scale)[:, :M].numpy(),
        (ours / scale)[:, :M].numpy(),
    )
