"""Figures of activity and its forecasts: time series, rasters, principal components, training."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from synapsnet_pyg.plots.canvas import add_colour_bar, despine, figure_text, mark_groups
from synapsnet_pyg.plots.style import BLUE, GREY, ORANGE

BANDS = ("95 % interval", "50 % interval")
"""Names of the two intervals of a forecast, the wide one first."""
OPACITY = (0.16, 0.3)
"""Opacity of the two intervals."""


def draw_forecast_traces(
    ax: Axes,
    seconds: np.ndarray,
    truth: np.ndarray,
    forecast: np.ndarray,
    *,
    labels: Sequence[str] = (),
    breaks: Sequence[int] = (),
    bands: np.ndarray | None = None,
) -> Axes:
    """Draws true activity and its forecast over time, one neuron above the other.

    Args:
        ax: Axes to draw on.
        seconds: Time of the bins [M].
        truth: Standardised activity of a few neurons [n, M].
        forecast: Their forecast [n, M].
        labels: Names of the neurons [n].
        breaks: Indices of bins at which a new segment begins: lines end there, and a mark is set.
        bands: Lower and upper ends of a narrow and a wide interval of the forecasts [4, n, M]; None: no intervals.
    """
    floor = 0.0
    ticks = []
    broken = np.insert(seconds, breaks, np.nan)
    for row, (x, y) in enumerate(zip(truth, forecast, strict=True)):
        offset = floor - float(max(x.max(), y.max(), *(() if bands is None else [bands[:, row].max()])))
        floor = offset + float(min(x.min(), y.min())) - 0.5
        ticks.append(offset + float(x.mean()))
        if bands is not None:
            floor = min(floor, offset + float(bands[:, row].min()) - 0.5)
            for (low, high), name, alpha in zip((bands[2:, row], bands[:2, row]), BANDS, OPACITY, strict=True):
                bottom, top = (np.insert(end.astype(float), breaks, np.nan) + offset for end in (low, high))
                label = None if row else name
                ax.fill_between(broken, bottom, top, color=ORANGE, alpha=alpha, lw=0, label=label)
        for values, colour, width, name in ((x, "0.6", 0.8, "true"), (y, ORANGE, 1.2, "forecast one bin ahead")):
            trace = np.insert(values.astype(float), breaks, np.nan) + offset
            ax.plot(broken, trace, color=colour, lw=width, label=name if row == 0 else None)
    for place in breaks:
        ax.axvline(float(seconds[place - 1 : place + 1].mean()), color="0.85", lw=0.6, zorder=0)
    _draw_scale(ax, floor + 0.5)
    ax.set_xlabel("time (s)", loc="left")  # the legend is at the right
    ax.set(yticks=ticks, yticklabels=list(map(figure_text, labels)) or [""] * len(ticks))
    ax.set_xlim(seconds[0], seconds[-1])
    despine(ax, left=True)
    ax.legend(frameon=False, ncols=4, loc="upper right", bbox_to_anchor=(1, -0.08))
    return ax


def _draw_scale(ax: Axes, bottom: float) -> None:
    """Draws a bar of three standard deviations at the right, since each neuron is drawn in its own."""
    across = ax.get_yaxis_transform()
    ax.plot([1.01, 1.01], [bottom, bottom + 3], color="k", lw=1.5, transform=across, clip_on=False)
    ax.text(1.015, bottom + 1.5, "3 SD", transform=across, rotation=90, va="center", fontsize="small")


def draw_raster(
    ax: Axes,
    activity: np.ndarray,
    seconds: np.ndarray,
    *,
    title: str = "",
    limit: float = 3.0,
    groups: Sequence[str] | None = None,
    breaks: Sequence[int] = (),
    conditions: Sequence[str] = (),
    label: str = "neuron",
) -> Axes:
    """Draws standardised activity over time without averaging or sorting, for truth and forecast side by side.

    Args:
        ax: Axes to draw on.
        activity: Activity [N, M], rows from top to bottom.
        seconds: Time of the bins [M].
        title: Title of the Axes.
        limit: Standard deviations of full colour.
        groups: Group of each row [N], such as its area; None: rows are numbered.
        breaks: Indices of bins at which a new segment, such as a trial, begins; a line marks them.
        conditions: Condition of each segment, written above it; empty: none.
        label: Text beside the rows.
    """
    M = len(seconds)
    image = ax.imshow(
        activity, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest",
        extent=(-0.5, M - 0.5, len(activity) - 0.5, -0.5),
    )  # fmt: skip
    for place in breaks:
        ax.axvline(place - 0.5, color="k", lw=0.5)
    ax.set(xlabel="time (s)", ylabel=figure_text(label))
    ax.set_title(figure_text(title))
    ax.set_xticks(*time_ticks(seconds, breaks))
    ax.set_yticks(*row_ticks(len(activity)))
    if groups is not None and len(set(groups)) > 1:
        mark_groups(ax, np.array(groups))
    if any(conditions) and len(conditions) == len(breaks) + 1:
        _name_segments(ax, [0, *breaks, M], conditions)
    clipped = bool((np.abs(activity) > limit).any())
    add_colour_bar(ax, image, "activity (SD)", pad=0.01, extend="both" if clipped else "neither")
    return ax


def _name_segments(ax: Axes, borders: Sequence[int], names: Sequence[str]) -> None:
    """Writes the name of each segment above it; of many segments, only where there is room."""
    room = -(-len(names) // 16)
    middles = [(start + stop - 1) / 2 for start, stop in pairwise(borders)]
    above = ax.secondary_xaxis("top")
    above.set_xticks(middles[::room], list(map(figure_text, names[::room])), rotation=30, ha="left", fontsize="x-small")
    above.tick_params(length=0, pad=1)
    above.spines["top"].set_visible(False)


def row_ticks(rows: int) -> tuple[list[int], list[str]]:
    """Returns ticks of rows that are numbered from 1: indices of rows, and their numbers as texts.

    Example:
        >>> row_ticks(3), row_ticks(12)
        (([0, 1, 2], ['1', '2', '3']), ([1, 3, 5, 7, 9, 11], ['2', '4', '6', '8', '10', '12']))
    """
    step = next(step * ten for ten in (1, 10, 100, 1000, 10_000) for step in (1, 2, 5) if rows <= 6 * step * ten)
    numbers = [*range(step, rows + 1, step)]
    return [number - 1 for number in numbers], [str(number) for number in numbers]


def time_ticks(seconds: np.ndarray, breaks: Sequence[int], most: int = 7) -> tuple[list[int], list[str]]:
    """Returns ticks of an axis of bins, which are side by side although time may pass between them.

    Args:
        seconds: Time of the bins [M].
        breaks: Indices of bins at which a new segment begins; ticks are at these, if there are any, or else at
            round times.
        most: Largest number of ticks.

    Returns:
        Indices of bins, and their time as texts.

    Example:
        >>> time_ticks(np.arange(9) * 0.5, [], most=3)
        ([0, 4, 8], ['0', '2', '4'])
        >>> time_ticks(np.array([0.0, 0.1, 7.0, 7.1]), [2])
        ([0, 2], ['0', '7'])
    """
    if len(breaks) or len(seconds) == 1:
        places = np.array([0, *breaks])
        chosen = places[:: -(-len(places) // most)].tolist()
        return chosen, [f"{round(float(seconds[place]), 2):.10g}" for place in chosen]
    ticks = MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(float(seconds[0]), float(seconds[-1]))
    half = (seconds[1] - seconds[0]) / 2
    ticks = ticks[(ticks >= seconds[0] - half) & (ticks <= seconds[-1] + half)]
    return np.abs(seconds[:, None] - ticks).argmin(0).tolist(), [f"{round(tick, 9):.10g}" for tick in ticks]


def draw_heat_map(
    ax: Axes, activity: Tensor, bin_size: float, *, segment: Tensor | None = None, columns: int = 1500
) -> Axes:
    """Draws the activity of all neurons over time, neurons of similar activity near each other.

    Args:
        ax: Axes to draw on.
        activity: Activity [N, T]; each neuron is shown in its own standard deviations, between -3 and 3.
        bin_size: Size of a bin in seconds.
        segment: Segments [S, 2]; borders between them are marked where there are at most 50.
        columns: Number of columns to which bins are averaged, about.
    """
    T = activity.shape[1]
    step = max(1, T // columns)
    shown = activity[:, : T // step * step].unflatten(1, (-1, step)).mean(2).cpu().double()
    shown = (shown - shown.mean(1, keepdim=True)) / shown.std(1, keepdim=True).clamp(min=1e-12)
    # Order along the first principal axis of the population, so that common activity is seen.
    order = np.argsort(np.linalg.eigh((shown @ shown.t()).numpy())[1][:, -1])
    image = ax.imshow(
        shown.numpy()[order], cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto", interpolation="nearest",
        extent=(0, T // step * step * bin_size, len(shown) + 0.5, 0.5),
    )  # fmt: skip
    if segment is not None and 1 < len(segment) <= 50:
        for start in segment[1:, 0].tolist():
            ax.axvline(start * bin_size, color="k", lw=0.6)
    ax.set(ylabel="neuron, sorted")
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    add_colour_bar(ax, image, "activity (SD)", pad=0.01)
    return ax


def draw_behaviour_traces(ax: Axes, behaviour: Tensor, bin_size: float, *, names: Sequence[str]) -> Axes:
    """Draws each behaviour over time in its own standard deviations, one above the other.

    Args:
        ax: Axes to draw on.
        behaviour: Behaviour [T, K]; NaN where it was not recorded, which leaves a gap.
        bin_size: Size of a bin in seconds.
        names: Names of the behaviours [K].
    """
    seconds = np.arange(len(behaviour)) * bin_size
    ticks = []
    for k, trace in enumerate(behaviour.cpu().double().t().numpy()):
        recorded = trace[np.isfinite(trace)]
        mean, deviation = (recorded.mean(), recorded.std() or 1.0) if len(recorded) else (0.0, 1.0)
        ticks.append(-6.0 * k)
        ax.plot(seconds, (trace - mean) / deviation - 6.0 * k, color=BLUE, lw=0.7)
    ax.set(xlabel="time (s)", yticks=ticks, yticklabels=list(map(figure_text, names)))
    ax.set_xlim(0, len(behaviour) * bin_size)
    despine(ax, left=True)
    return ax


def draw_components(ax: Axes, truth: Tensor, forecast: Tensor, *, bin_size: float) -> Axes:
    """Draws population activity along its first principal axes, true and forecast (SynapsNet, figure 2a).

    Args:
        ax: Axes to draw on.
        truth: True activity along the axes [components, T].
        forecast: Forecast along the same axes [components, T].
        bin_size: Size of a bin in seconds.
    """
    seconds = np.arange(truth.shape[1]) * bin_size
    for k, (true, ours) in enumerate(zip(truth.cpu().numpy(), forecast.cpu().numpy(), strict=True)):
        deviation = float(true.std()) or 1.0
        ax.plot(seconds, true / deviation - 6 * k, color="0.55", lw=1, label="true" if k == 0 else None)
        ax.plot(seconds, ours / deviation - 6 * k, color=ORANGE, lw=1, label="forecast" if k == 0 else None)
    ax.set_yticks([-6 * k for k in range(len(truth))], [f"PC{k + 1}" for k in range(len(truth))])
    ax.set(xlabel="time (s)")
    ax.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.08), fontsize="small")
    despine(ax, left=True)
    return ax


def draw_training_curve(
    ax: Axes, epochs: Sequence[int], correlation: Sequence[float], best: int, *, anchors: Mapping[str, float] = {}
) -> Axes:
    """Draws the validation correlation over epochs, with the chosen epoch marked.

    Args:
        ax: Axes to draw on.
        epochs: Numbers of the epochs.
        correlation: Validation correlation after each epoch.
        best: Index of the chosen epoch.
        anchors: Name of a simple forecast -> its correlation, drawn as a dotted line.
    """
    ax.plot(epochs, correlation, color=BLUE, marker="o", ms=3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.plot(epochs[best], correlation[best], "o", ms=9, mfc="none", mec=ORANGE, mew=1.5)
    ax.set_title(f"chosen: epoch {epochs[best]}, correlation {correlation[best]:.3f}", color=ORANGE, fontsize="medium")
    for name, value in anchors.items():
        ax.axhline(value, color=GREY, ls=":", lw=1)
        ax.annotate(figure_text(name), (1, value), (-2, 2), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", color=GREY, fontsize="small")  # fmt: skip
    ax.set(xlabel="epoch", ylabel="validation correlation")
    despine(ax)
    return ax
