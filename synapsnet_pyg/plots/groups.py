"""Figures of groups of neurons: means with intervals, signs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine
from synapsnet_pyg.plots.style import EXCITES, GREY, INHIBITS


def draw_forest(
    ax: Axes,
    names: Sequence[str],
    mean: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    marked: np.ndarray,
    label: str = "mean weight",
) -> Axes:
    """Draws a mean with its interval in each row: red above zero, blue below, grey where it is not marked.

    Args:
        ax: Axes to draw on.
        names: Names of the rows [M], from top to bottom.
        mean: Means [M].
        low: Lower ends of the intervals [M]; NaN for a mean without an interval.
        high: Upper ends of the intervals [M].
        marked: Rows that are drawn in colour, booleans [M].
        label: Text below the axis of the means.
    """
    row = np.arange(len(names))
    colours = np.where(marked, np.where(mean > 0, EXCITES, INHIBITS), GREY)
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    ax.hlines(row, low, high, colors=list(colours), lw=1.6)
    ax.scatter(mean, row, c=list(colours), s=18, zorder=2)
    ax.set_yticks(row, names, fontsize="x-small" if len(names) > 12 else "small")
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=label)
    despine(ax)
    return ax
