"""Figures of groups of neurons: means with intervals, signs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
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
    ax.set_yticks(row, list(map(figure_text, names)), fontsize="x-small" if len(names) > 12 else "small")
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=label)
    ax.locator_params(axis="x", nbins=5)
    despine(ax)
    return ax


def draw_signs(
    ax: Axes, mirrored: np.ndarray, effect: np.ndarray, error: np.ndarray, *, sign: Sequence[str], signs: Sequence[str]
) -> Axes:
    """Draws the mean effect of each neuron against the part that mirrors coincidences in the same bin.

    On the dashed line, coincidences explain an effect: such a neuron has no sign.

    Args:
        ax: Axes to draw on.
        mirrored: Part of the effect that mirrors coincidences [N].
        effect: Mean outgoing effect [N].
        error: Standard error of the effect [N].
        sign: Sign of each neuron [N].
        signs: Names of the signs: of excitation, of inhibition, and undecided.
    """
    ax.axhline(0, color="0.85", lw=0.8, zorder=0)
    ax.axline((0, 0), slope=1, color="0.6", lw=1, ls="--", zorder=0)
    for name, colour in zip(signs, (EXCITES, INHIBITS, "0.6"), strict=True):
        rows = np.array([entry == name for entry in sign], dtype=bool)
        ax.errorbar(mirrored[rows], effect[rows], error[rows], fmt="o", ms=3.5, color=colour, elinewidth=0.6,
                    label=f"{name} ({int(rows.sum())})")  # fmt: skip
    ax.set(xlabel="effect that mirrors the same bin", ylabel="mean outgoing effect")
    ax.legend(frameon=False, fontsize="small")
    despine(ax)
    return ax
