"""Figures of responses to perturbations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
from synapsnet_pyg.plots.style import line_look


@dataclass(frozen=True)
class ResponseCurves:
    """Responses of a few neurons over H steps, with intervals; arrays are [n, H].

    Args:
        effect: Effects.
        low: Lower ends of the intervals.
        high: Upper ends of the intervals.
        labels: Names of the neurons [n].
    """

    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray
    labels: Sequence[str]


def draw_responses(ax: Axes, seconds: np.ndarray, curves: ResponseCurves, *, title: str = "", unit: str = "") -> Axes:
    """Draws the effect of a perturbation on a few neurons against time, with intervals as bands.

    Args:
        ax: Axes to draw on.
        seconds: Time after the perturbation [H].
        curves: Effects and intervals.
        title: Title of the Axes.
        unit: Unit of the effects.
    """
    ax.axhline(0, color="0.7", lw=0.8, zorder=0)
    for place, label in enumerate(curves.labels):
        look: Any = line_look(place)
        ax.fill_between(seconds, curves.low[place], curves.high[place], color=look["color"], alpha=0.18, lw=0)
        ax.plot(seconds, curves.effect[place], lw=1.4, marker="o", ms=2.5, label=figure_text(label), **look)
    ax.set(xlabel="time after the perturbation (s)", ylabel=f"effect ({unit})" if unit else "effect")
    ax.set_title(figure_text(title), loc="left", fontsize="medium")
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    despine(ax)
    return ax
