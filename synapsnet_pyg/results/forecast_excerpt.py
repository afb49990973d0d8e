"""Beginning of a test part, true and forecast."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.standardisation import in_recorded_units
from synapsnet_pyg.files import release_memory
from synapsnet_pyg.metrics import correlation, principal_components
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.runs.intervals import forecast_intervals, score_intervals
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import scored_neurons

SELDOM = 0.02
"""Share of bins in which an active neuron differs from its usual value; below it there is little to forecast."""


def active_neurons(activity: Tensor) -> Tensor:
    """Returns True for each neuron with something to forecast: it often differs from its most common value.

    Args:
        activity: Activity :math:`(N, T)`.

    Returns:
        Booleans :math:`(N)`.

    Example:
        >>> active_neurons(torch.stack([torch.arange(100.0), torch.eye(100)[0]])).tolist()
        [True, False]
    """
    return (activity != activity.mode(1, keepdim=True).values).float().mean(1) >= SELDOM


def breaks_between(session: Session, bins: Tensor) -> list[int]:
    """Returns the indices into bins [M] at which another segment begins, so that figures interrupt their lines."""
    segment = torch.searchsorted(session.segment[:, 1].contiguous(), bins, right=True)
    return (torch.nonzero((bins.diff() > 1) | (segment.diff() > 0)).flatten() + 1).tolist()


@dataclass(frozen=True)
class ForecastExcerpt:
    """First M bins of a test part, true and forecast."""

    seconds: np.ndarray
    """Time of the bins in the recording, in seconds [M]."""
    truth: np.ndarray
    """Standardised activity [N, M]."""
    forecast: np.ndarray
    """Forecast of the activity [N, M]."""
    bands: np.ndarray
    """Lower and upper ends of the 50 % and the 95 % interval of the three chosen neurons, standardised [4, 3, M]."""
    coverage: str
    """Coverage and width of the intervals over the whole test part, in a sentence."""
    breaks: list[int]
    """Indices of bins at which another segment begins."""
    conditions: list[str]
    """Behaviours of each segment, if some are constant within segments and differ between them; empty texts if not."""
    score: np.ndarray
    """Correlation of each neuron over the whole test part, NaN for neurons that are not scored [N]."""
    ranked: list[int]
    """Indices of the scored neurons that are active, the best forecast first."""
    chosen: dict[str, int]
    """``best``, ``median`` and ``worst`` -> index of the active neuron of that rank."""
    true_components: np.ndarray
    """True activity along its first principal axes, in standard deviations [3, M]."""
    forecast_components: np.ndarray
    """Forecast along the same axes, in standard deviations of the truth [3, M]."""


def conditions_of(session: Session, bins: Tensor, breaks: list[int]) -> list[str]:
    """Describes each of several segments by the behaviours that are constant within all of them, but not over all.

    Args:
        session: Session, as recorded or standardised.
        bins: Bins of the segments :math:`(M)`.
        breaks: Indices into the bins at which another segment begins.

    Returns:
        A text for each segment, with a behaviour of zeros and ones by its name where it is one, others by their value.

    Example:
        >>> behaviour = torch.tensor([[0, 0.5, 1], [0, 0.5, 2], [1, 0.25, 3], [1, 0.25, 4]])
        >>> session = Session(torch.zeros(1, 4), behaviour, bin_size=1, behaviour_name=["go", "contrast", "speed"])
        >>> conditions_of(session, torch.arange(4), [2])
        ['contrast 0.5', 'go, contrast 0.25']
    """
    values = in_recorded_units(session, session.known_behaviour(session.behaviour))
    binary = (torch.minimum(values.abs(), (values - 1).abs()) < 1e-3).all(0).tolist()
    parts = torch.tensor_split(values[bins.cpu()], breaks)
    first = torch.stack([part[0] for part in parts])
    tolerance = 1e-5 * (1 + first.abs())
    constant = torch.stack([((part - part[0]).abs() <= 1e-5 * (1 + part[0].abs())).all(0) for part in parts]).all(0)
    differs = ((first - first[0]).abs() > tolerance).any(0)
    names: list[list[str]] = [[] for _ in parts]
    for k in (constant & differs).nonzero().flatten().tolist():
        for segment, value in zip(names, first[:, k].tolist(), strict=True):
            if not binary[k]:
                segment.append(f"{session.behaviour_name[k]} {round(value, 4) + 0.0:.3g}")
            elif value > 0.5:
                segment.append(session.behaviour_name[k])
    return [", ".join(segment) for segment in names]


def forecast_excerpt(run: Run, name: str, bins: int = 300) -> ForecastExcerpt | None:
    """Forecasts the test part of a session and returns its beginning.

    Args:
        run: Fitted run.
        name: Name of the session.
        bins: Largest number of bins M.

    Returns:
        First bins of the test part; None if no neuron can be scored.
    """
    session = run.sessions[name]
    test = session.split().test
    forecast = forecast_session(run.model, test, run.targets)
    score = correlation(forecast.truth, forecast.forecast)
    scored = scored_neurons(session, forecast.truth)
    score[~scored] = torch.nan
    if not bool(scored.any()):
        return None
    ranked = [i for i in score.nan_to_num(nan=-torch.inf).argsort(descending=True).tolist() if scored[i]]
    active = active_neurons(forecast.truth)
    ranked = [i for i in ranked if active[i]] or ranked
    shown = forecast.bins[:bins]
    M = len(shown)
    chosen = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    rows = list(chosen.values())
    release_memory()
    bands, coverage = _bands(run, session, rows, M)
    true_components, forecast_components = principal_components(forecast.truth[scored], forecast.forecast[scored])
    scale = true_components.std(1, keepdim=True).clamp(min=1e-12)
    return ForecastExcerpt(
        seconds=(session.part_bins("test")[shown] * session.bin_size).numpy(),
        truth=forecast.truth[:, :M].numpy(),
        forecast=forecast.forecast[:, :M].numpy(),
        bands=bands,
        coverage=coverage,
        breaks=breaks_between(test, shown),
        conditions=conditions_of(session, session.part_bins("test")[shown], breaks_between(test, shown)),
        score=score.numpy(),
        ranked=ranked,
        chosen=chosen,
        true_components=(true_components / scale)[:, :M].numpy(),
        forecast_components=(forecast_components / scale)[:, :M].numpy(),
    )


def _bands(run: Run, session: Session, rows: list[int], bins: int) -> tuple[np.ndarray, str]:
    """Returns the ends of the intervals of some neurons in the first bins, and a sentence on those of all."""
    given = forecast_intervals(run.model, session.split(), targets=run.targets)
    intervals = given.intervals.of(torch.tensor(rows))
    ends = torch.stack([end(level) for level in (0.5, 0.95) for end in (intervals.lower, intervals.upper)])
    mean, deviation = session.activity_mean[rows, None], session.activity_scale[rows, None]
    return ((ends[:, :, :bins, 0] - mean) / deviation).numpy(), score_intervals(session, given).sentence()
