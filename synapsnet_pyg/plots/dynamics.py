"""Figures of weights that change over time."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
from synapsnet_pyg.plots.style import BLUE, COLOURS, GREY, ORANGE, line_look


def draw_weight_traces(ax: Axes, seconds: np.ndarray, traces: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """Draws true weights over time in grey and learned weights in colour.

    Args:
        ax: Axes to draw on.
        seconds: Time of the bins [M].
        traces: Name of a weight -> its true and its learned values [M]; the learned ones are brought to the mean and
            standard deviation of the true ones.
    """
    for place, (name, (true, learned)) in enumerate(traces.items()):
        look: Any = line_look(place)
        shown = learned - learned.mean()
        if learned.std() > 0 and true.std() > 0:
            shown = shown * true.std() / learned.std()
        ax.plot(seconds, true, color="0.6", lw=3, alpha=0.6, label="true" if place == 0 else None)
        ax.plot(seconds, shown + true.mean(), lw=1.2, label=figure_text(name), **look)
    ax.set(xlabel="time (s)", ylabel="weight (learned: rescaled)")
    ax.legend(frameon=False, fontsize="x-small", ncols=2)
    despine(ax)
    return ax


def draw_trace_agreement(ax: Axes, pearson: np.ndarray, by_chance: np.ndarray, *, title: str = "") -> Axes:
    """Draws a histogram of the correlation of learned and true weights over time, beside that of unrelated weights.

    Args:
        ax: Axes to draw on.
        pearson: Correlation of the learned and true time series of each weight [E].
        by_chance: Correlation of learned time series with true ones of other weights, any number of them.
        title: Title of the Axes.
    """
    borders = np.linspace(-1, 1, 21)
    counts, chance = (np.histogram(values, borders)[0] for values in (pearson, by_chance))
    expected = chance * (counts.sum() / max(chance.sum(), 1))
    ax.bar(borders[:-1], counts, np.diff(borders), align="edge", color=BLUE, ec="white", lw=0.5, label="weights")
    ax.stairs(expected, borders, color=GREY, lw=1.2, label="time series of other weights")
    median = float(np.nanmedian(pearson))
    ax.axvline(median, color=ORANGE, lw=1.5, label=f"median {median:.2f}")
    highest = max(*counts, *expected, 1)
    ax.set(xlabel="Pearson of learned and true time series", ylabel="weights", ylim=(0, 1.3 * highest))
    ax.set_title(figure_text(title), fontsize="medium")
    ax.legend(frameon=False, fontsize="x-small", loc="upper left")
    despine(ax)
    return ax


def draw_changes(ax: Axes, true: np.ndarray, learned: Mapping[str, np.ndarray]) -> Axes:
    """Draws true changes of weights against learned changes, with the line where they are equal.

    Args:
        ax: Axes to draw on.
        true: True changes [M].
        learned: Method -> learned changes [M].
    """
    ax.axhline(0, color="0.85", lw=0.8, zorder=0)
    ax.axline((0, 0), slope=1, color="0.7", lw=1, ls="--", zorder=0)
    for place, (method, values) in enumerate(learned.items()):
        size = 3 + 4 * (1 - place / len(learned))  # so that none hides those before it
        ax.plot(
            true, values, "o", ms=size, color=COLOURS[place % len(COLOURS)], alpha=0.8, mew=0, label=figure_text(method)
        )
    ax.set(xlabel="true change", ylabel="learned change")
    ax.legend(frameon=False, fontsize="small")
    despine(ax)
    return ax
