"""Intervals of a session's forecasts, their coverage and their score."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.files import Json
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import HorizonForecast, Method, forecast_horizons
from synapsnet_pyg.runs.interval_tracker import LEVELS, IntervalTracker
from synapsnet_pyg.runs.scores import number_or_none, scored_neurons
from synapsnet_pyg.runs.spread import LARGEST_COUNT, Quantiles

_AT_ONCE = 64
"""Neurons whose intervals are scored at a time."""


@dataclass(frozen=True)
class Intervals:
    """Central intervals of the forecasts of M bins, in the units of the recording.

    Attributes:
        levels: Levels, smallest first.
        bins: Indices of the first forecast bin [M].
        quantile: Ends of the intervals [N, M, H, Q], lowest quantile first; Q is twice the number of levels.
        share: Counts: share of an end's own probability that lies below the quantile [N, M, H, Q]; None: real-valued.
    """

    levels: tuple[float, ...]
    bins: Tensor
    quantile: Tensor
    share: Tensor | None

    def lower(self, level: float) -> Tensor:
        """Returns the lower ends of a level [N, M, H]."""
        return self.quantile[..., len(self.levels) - 1 - self.levels.index(level)]

    def upper(self, level: float) -> Tensor:
        """Returns the upper ends of a level [N, M, H]."""
        return self.quantile[..., len(self.levels) + self.levels.index(level)]

    def of(self, neurons: Tensor) -> "Intervals":
        """Returns the intervals of some neurons [n]."""
        share = None if self.share is None else self.share[neurons]
        return Intervals(self.levels, self.bins, self.quantile[neurons], share)

    def below(self, truth: Tensor) -> Tensor:
        """Returns the share of each truth [N, M, H] below each quantile [N, M, H, Q]: 0, 1, or between for counts."""
        truth = truth[..., None]
        if self.share is None:
            return (truth <= self.quantile).to(self.quantile)
        return torch.where(truth == self.quantile, self.share, (truth < self.quantile).to(self.share))

    def covered(self, truth: Tensor) -> Tensor:
        """Returns the share of each truth [N, M, H] within the interval of each level [L, N, M, H].

        Counts on an end of the interval count with the share of the end, see
        :class:`~synapsnet_pyg.runs.interval_tracker.IntervalTracker`.
        """
        below, L = self.below(truth), len(self.levels)
        return (below[..., L:] - below[..., :L].flip(-1)).movedim(-1, 0)


def coverage(intervals: Intervals, truth: Tensor) -> Tensor:
    """Computes the share of truths [N, M, H] within the intervals, for each level and horizon [L, H]."""
    return intervals.covered(truth).mean((1, 2))


class IntervalForecast(NamedTuple):
    """Forecast of a part of a session and its intervals, in the units of the recording."""

    forecast: HorizonForecast
    """Bins, truth and forecast."""
    intervals: Intervals
    """Intervals of the forecast."""


def is_counts(session: Session) -> bool:
    """Returns True if the activity of a session, before standardisation, is whole numbers from 0 to 400."""
    for rows in torch.arange(session.num_neurons).split(64):  # no second recording in memory
        activity = _recorded(session, session.activity[rows], rows)
        whole = activity.round()
        tolerance = 1e-4 * (1 + whole.abs())
        near = bool(((activity - whole).abs() <= tolerance).all())
        if not near or whole.min() < 0 or whole.max() > LARGEST_COUNT:
            return False
    return True


def _recorded(session: Session, values: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
    """Returns standardised values [n, ...] of some neurons in the units of the recording; others stay as they are."""
    if "activity_scale" not in session:
        return values
    shape = (-1, *[1] * (values.dim() - 1))
    return values.double() * session.activity_scale[rows].view(shape) + session.activity_mean[rows].view(shape)


def new_tracker(train: Session, horizon: int = 1, levels: Sequence[float] = LEVELS) -> IntervalTracker:
    """Returns a tracker that knows of a session only the mean, the deviation and the kind of its training part.

    Args:
        train: Training part of a standardised session.
        horizon: Number of bins ahead H.
        levels: Levels of the intervals.

    Raises:
        ValueError: A level is not between 0 and 1, or the session is not standardised.
    """
    if "activity_scale" not in train:
        raise ValueError(f"Expected a standardised session (got '{train.name}' as recorded); call standardise().")
    return IntervalTracker(
        train.activity_mean.double().numpy(),
        train.activity_scale.double().numpy(),
        horizon,
        counts=is_counts(train),
        constant=train.constant.numpy(),
        levels=levels,
    )


def calibrate(
    model: Forecaster,
    validation: Session,
    tracker: IntervalTracker,
    *,
    targets: int = 1,
    method: Method | None = None,
    first: int | None = None,
) -> None:
    """Lets a tracker learn from the validation part; a part that is too short for the model teaches nothing.

    Args:
        model: Fitted forecaster.
        validation: Validation part, standardised.
        tracker: Tracker of :func:`new_tracker`.
        targets: Number of targets P of each window, as in training.
        method: Way of forecasting several bins.
        first: Position of the first forecast bin in each segment.
    """
    H = tracker.horizon
    if windows_of(validation, model.window, targets, first, horizon=H):
        forecast = forecast_horizons(model, validation, H, targets, method=method, first=first)
        for _ in _bin_by_bin(tracker, _in_units(validation, forecast, tracker.counts)):
            pass  # the intervals of the validation part are not kept


def forecast_intervals(
    model: Forecaster,
    split: Split,
    horizon: int = 1,
    targets: int = 1,
    *,
    levels: Sequence[float] = LEVELS,
    method: Method | None = None,
    first: int | None = None,
) -> IntervalForecast:
    """Forecasts the test part of a session with intervals that learn from the validation part and from each test bin.

    The intervals of a bin depend on the recording before it alone, as in :class:`~synapsnet_pyg.runs.online.Online`.

    Args:
        model: Fitted forecaster.
        split: Parts of a standardised session.
        horizon: Number of bins ahead H.
        targets: Number of targets P of each window, as in training.
        levels: Levels of the intervals.
        method: Way of forecasting several bins.
        first: Position of the first forecast bin in each segment.

    Raises:
        ValueError: No segment of the test part is long enough, or a level is not between 0 and 1.
    """
    tracker = new_tracker(split.train, horizon, levels)
    calibrate(model, split.validation, tracker, targets=targets, method=method, first=first)
    in_units = _in_units(
        split.test,
        forecast_horizons(model, split.test, horizon, targets, method=method, first=first),
        tracker.counts,
    )
    return IntervalForecast(in_units, track(tracker, in_units))


def _in_units(session: Session, forecast: HorizonForecast, counts: bool) -> HorizonForecast:
    """Returns truth and forecast in the units of the recording, counts as whole numbers."""
    truth = _recorded(session, forecast.truth)
    return HorizonForecast(forecast.bins, truth.round() if counts else truth, _recorded(session, forecast.forecast))


def track(tracker: IntervalTracker, forecast: HorizonForecast) -> Intervals:
    """Gives intervals bin by bin, and shows the tracker each bin before the next interval.

    Args:
        tracker: Tracker; it goes on from its present state.
        forecast: Truth and forecast of M bins, in the units of the recording.
    """
    N, M, H = forecast.truth.shape
    quantile = np.empty((M, H, N, 2 * len(tracker.levels)), dtype=np.float32)
    share = np.empty_like(quantile) if tracker.counts else None
    for m, given in enumerate(_bin_by_bin(tracker, forecast)):
        quantile[m] = given.values
        if share is not None and given.share is not None:
            share[m] = given.share
    return Intervals(
        tracker.levels,
        forecast.bins,
        torch.from_numpy(quantile).permute(2, 0, 1, 3),
        None if share is None else torch.from_numpy(share).permute(2, 0, 1, 3),
    )


def _bin_by_bin(tracker: IntervalTracker, forecast: HorizonForecast) -> Iterator[Quantiles]:
    """Yields the intervals of each bin, and shows the tracker the bin afterwards."""
    M, H = forecast.truth.shape[1:]
    truth = forecast.truth.double().numpy()
    ahead = forecast.forecast.double().permute(1, 2, 0).numpy()  # [M, H, N]
    bins = forecast.bins.numpy()
    for m in range(M):
        yield tracker.intervals(np.ascontiguousarray(ahead[m]))
        tracker.observe(truth[:, m, 0])
        if m + 1 == M or bins[m + 1] != bins[m] + 1:  # the last forecast of a segment: its bins are known too
            for h in range(1, H):
                tracker.observe(truth[:, m, h])
            tracker.reset()


@dataclass(frozen=True)
class IntervalScore:
    """Coverage and width of intervals, means over bins and scored neurons; lists over horizons.

    Attributes:
        coverage: Level -> share of the truths within the interval, for each horizon.
        width: Level -> width in standard deviations of the training part, for each horizon.
        neuron_error: Level -> mean over neurons of the absolute difference of coverage and level.
        quantile_loss: Weighted quantile loss for each horizon (Lu et al. 2025, arXiv 2510.18037): mean over quantiles
            of twice the pinball loss, summed over bins and neurons, over the summed absolute activity.
    """

    coverage: dict[str, list[float]]
    width: dict[str, list[float]]
    neuron_error: dict[str, list[float]]
    quantile_loss: list[float]

    def to_json(self) -> Json:
        """Returns name -> values, ready for JSON; None replaces NaN."""
        by_level: Json = {
            key: {level: [number_or_none(value) for value in values] for level, values in getattr(self, key).items()}
            for key in ("coverage", "width", "neuron_error")
        }
        return {**by_level, "quantile_loss": [number_or_none(value) for value in self.quantile_loss]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "IntervalScore":
        """Reads the scores of :meth:`to_json`."""
        coverage, width, error = (
            {level: [_nan_for_none(value) for value in each] for level, each in values[key].items()}
            for key in ("coverage", "width", "neuron_error")
        )
        return cls(coverage, width, error, [_nan_for_none(value) for value in values["quantile_loss"]])

    def sentence(self, horizon: int = 1) -> str:
        """Returns coverage and mean width at one horizon, such as the first, in a sentence."""
        levels = [f"{100 * float(level):g}" for level in self.coverage]
        covered, width = (
            " ".join(f"{values[horizon - 1]:.2f}" for values in each.values()) for each in (self.coverage, self.width)
        )
        listed = f"{', '.join(levels[:-1])} and {levels[-1]}" if len(levels) > 1 else levels[0]
        return f"Coverage of {listed} % intervals: {covered}; mean width {width} standard deviations."


def _nan_for_none(value: float | None) -> float:
    """Returns a number; NaN replaces None."""
    return float("nan") if value is None else value


def score_intervals(session: Session, given: IntervalForecast) -> IntervalScore:
    """Scores intervals on the neurons that vary in training and over the scored bins.

    Args:
        session: Session, standardised.
        given: Forecast of its test part with intervals.
    """
    truth, intervals = given.forecast.truth, given.intervals
    kept = scored_neurons(session, truth[..., 0]).nonzero()[:, 0]
    half = torch.tensor(intervals.levels) / 2
    probability = torch.cat([0.5 - half.flip(0), 0.5 + half])
    covered, width = [], []
    loss, size = truth.new_zeros(truth.shape[-1]), truth.new_zeros(truth.shape[-1])
    for rows in kept.split(_AT_ONCE):
        some, activity = intervals.of(rows), truth[rows]
        covered.append(some.covered(activity).mean(2))
        ends = torch.stack([some.upper(level) - some.lower(level) for level in intervals.levels])
        width.append((ends / session.activity_scale[rows, None, None]).mean(2))
        error = activity[..., None] - some.quantile
        pinball = torch.maximum(probability * error, (probability - 1) * error)
        loss += 2 * pinball.sum((0, 1)).mean(-1)
        size += activity.abs().sum((0, 1))
    each, target = torch.cat(covered, 1), torch.tensor(intervals.levels)[:, None, None]  # [L, n, H]
    levels = [str(level) for level in intervals.levels]
    return IntervalScore(
        coverage=dict(zip(levels, each.mean(1).tolist(), strict=True)),
        width=dict(zip(levels, torch.cat(width, 1).mean(1).tolist(), strict=True)),
        neuron_error=dict(zip(levels, (each - target).abs().mean(1).tolist(), strict=True)),
        quantile_loss=(loss / size).tolist(),
    )
