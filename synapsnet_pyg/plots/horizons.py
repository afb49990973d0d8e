"""Figures of forecasts over horizons."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
from synapsnet_pyg.plots.style import COLOURS, FORECAST, TRUE


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
        style = ("-", "--", ":", "-.")[place // len(COLOURS) % 4]
        ax.plot(
            ahead,
            scores,
            style,
            marker="o",
            ms=3,
            lw=1.4,
            color=COLOURS[place % len(COLOURS)],
            label=figure_text(model),
        )
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
        truth: Recorded activity of n traces [n, M]; each is scaled to the same height.
        fan_seconds: Time of the S forecasts, from the newest recorded bin to the last forecast bin [S, H + 1].
        fans: Recorded activity of the newest bin and forecasts of the next H bins [n, S, H + 1].
        labels: Names of the traces [n].
        breaks: Indices of bins at which a new segment begins: lines end there.
    """
    broken = np.insert(seconds, breaks, np.nan)
    for row, (x, forecasts) in enumerate(zip(truth, fans, strict=True)):
        lowest, highest = min(x.min(), forecasts.min()), max(x.max(), forecasts.max())
        scale = float(highest - lowest) or 1.0
        recorded = np.insert((x - lowest) / scale, breaks, np.nan) - 1.1 * row
        ax.plot(broken, recorded, color=TRUE, lw=0.9, label=None if row else "recorded")
        ax.plot(fan_seconds.T, (forecasts.T - lowest) / scale - 1.1 * row, color=FORECAST, lw=1.1, alpha=0.8)
    ax.plot([], [], color=FORECAST, lw=1.1, label="forecasts")
    ax.set(
        xlabel="time (s)",
        yticks=[0.4 - 1.1 * row for row in range(len(truth))],
        yticklabels=list(map(figure_text, labels)),
    )
    ax.set_xlim(seconds[0], seconds[-1])
    despine(ax, left=True)
    ax.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.06))
    return ax
