"""Figures of forecasts over horizons."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
from synapsnet_pyg.plots.style import FORECAST, TRUE, line_look


def draw_horizons(
    ax: Axes,
    ahead: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    *,
    unit: str,
    label: str,
    bottom: float | None = None,
    legend: bool = False,
) -> Axes:
    """Draws a score against the horizon, a line for each model.

    Args:
        ax: Axes to draw on.
        ahead: Horizons H in seconds or bins.
        curves: Model -> score at each horizon; NaN leaves a gap.
        unit: Unit of the horizons.
        label: Name of the score.
        bottom: Smallest score in the picture, so that a bad model does not squeeze the others. None: all are seen.
        legend: Whether to name the models, at the right.
    """
    for place, (model, scores) in enumerate(curves.items()):
        look: Any = line_look(place)
        ax.plot(ahead, scores, marker="o", ms=3, lw=1.4, label=figure_text(model), **look)
    ax.axhline(0, color="0.8", lw=0.8, zorder=0)
    if bottom is not None and ax.get_ylim()[0] < bottom:
        top = float(np.nanmax([bottom, *(score for scores in curves.values() for score in scores)]))
        ax.set_ylim(bottom, top + 0.05 * (top - bottom))
    ax.set(xlabel=f"horizon ({unit})", ylabel=label)
    if legend:
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.03))
    despine(ax)
    return ax


def draw_fans(
    ax: Axes,
    seconds: np.ndarray,
    truth: np.ndarray,
    fan_seconds: np.ndarray,
    fans: np.ndarray,
    *,
    labels: Sequence[str],
    breaks: Sequence[int] = (),
) -> Axes:
    """Draws recorded activity over time and forecasts of several bins that start from it, one trace above the other.

    Args:
        ax: Axes to draw on.
        seconds: Time of the bins [M].
        truth: Recorded activity of n traces [n, M], standardised; each is scaled to the same height, with a bar of
            its standard deviations at the right.
        fan_seconds: Time of the S forecasts, from the newest recorded bin to the last forecast bin [S, H + 1].
        fans: Recorded activity of the newest bin and forecasts of the next H bins [n, S, H + 1].
        labels: Names of the traces [n].
        breaks: Indices of bins at which a new segment begins: lines end there, and a mark is set.
    """
    broken = np.insert(seconds, breaks, np.nan)
    for row, (x, forecasts) in enumerate(zip(truth, fans, strict=True)):
        lowest, highest = min(x.min(), forecasts.min()), max(x.max(), forecasts.max())
        scale = float(highest - lowest) or 1.0
        recorded = np.insert((x - lowest) / scale, breaks, np.nan) - 1.1 * row
        ax.plot(broken, recorded, color=TRUE, lw=0.9, label=None if row else "recorded")
        ax.plot(fan_seconds.T, (forecasts.T - lowest) / scale - 1.1 * row, color=FORECAST, lw=1.1, alpha=0.8)
        _draw_scale(ax, -1.1 * row, scale)
    for place in breaks:
        ax.axvline(float(seconds[place - 1 : place + 1].mean()), color="0.85", lw=0.6, zorder=0)
    ax.plot([], [], color=FORECAST, lw=1.1, label="forecasts")
    ax.set_xlabel("time (s)", loc="left")  # the legend is at the right
    ax.set(
        yticks=[0.4 - 1.1 * row for row in range(len(truth))],
        yticklabels=list(map(figure_text, labels)),
    )
    ax.set_xlim(seconds[0], seconds[-1])
    despine(ax, left=True)
    ax.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.06))
    return ax


def _draw_scale(ax: Axes, bottom: float, scale: float) -> None:
    """Draws a bar of a round number of standard deviations at the right of a trace of ``scale`` of them."""
    sizes = [step * 10.0**power for power in range(-3, 6) for step in (1, 2, 5)]
    round_number = max([size for size in sizes if size <= scale], default=scale)
    height, across = round_number / scale, ax.get_yaxis_transform()
    ax.plot([1.008, 1.008], [bottom, bottom + height], color="k", lw=1.5, transform=across, clip_on=False)
    ax.text(1.013, bottom + height / 2, f"{round_number:g} SD", transform=across, va="center", fontsize="small")
