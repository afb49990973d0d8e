"""Figures of differences between two conditions: intervals, z values, a statistic against its null."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
from synapsnet_pyg.plots.style import BLUE, ORANGE


def draw_intervals(
    ax: Axes,
    names: Sequence[str],
    value: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    marked: np.ndarray | None = None,
    label: str = "difference",
) -> Axes:
    """Draws values with their intervals, a line for each, the first at the top.

    Args:
        ax: Axes to draw on.
        names: Names of the values [M].
        value: Values [M].
        low: Lower end of each interval [M].
        high: Upper end of each interval [M].
        marked: Values in another colour, booleans [M]; None: none.
        label: Text below the horizontal axis.
    """
    place = np.arange(len(value))[::-1]
    marked = np.zeros(len(value), dtype=bool) if marked is None else marked
    ax.axvline(0, color="0.7", lw=0.8, zorder=0)
    for chosen, colour in ((~marked, BLUE), (marked, ORANGE)):
        sides = np.stack([value - low, high - value])[:, chosen]
        ax.errorbar(value[chosen], place[chosen], xerr=sides, fmt="o", ms=4, lw=1.2, capsize=2, color=colour)
    ax.set_yticks(place, list(map(figure_text, names)), fontsize="small")
    ax.set(xlabel=label)
    despine(ax)
    return ax


def draw_z_values(ax: Axes, z: np.ndarray, called: int) -> Axes:
    """Draws a histogram of z values beside the standard normal distribution, which they have without any difference.

    Args:
        ax: Axes to draw on.
        z: Values in standard errors [M]; those beyond 8 are drawn at 8.
        called: Number of pairs that differ significantly, for the title.
    """
    borders = np.linspace(-8, 8, 65).tolist()
    ax.hist(np.clip(z, -8, 8), borders, density=True, color=BLUE, alpha=0.7, label="all pairs")
    middle = np.linspace(-8, 8, 201)
    ax.plot(middle, np.exp(-(middle**2) / 2) / (2 * np.pi) ** 0.5, color=ORANGE, lw=1.5, label="without a difference")
    ax.set_yscale("log")
    ax.set_ylim(bottom=0.2 / max(len(z), 1) / (borders[1] - borders[0]), top=2)
    ax.set(xlabel="difference of a pair (standard errors)", ylabel="density")
    ax.set_title(f"{called} of {len(z)} pairs differ", fontsize="medium")
    ax.legend(frameon=False, fontsize="small")
    despine(ax)
    return ax


def draw_against_null(ax: Axes, observed: float, null: np.ndarray, label: str = "statistic") -> Axes:
    """Draws an observed statistic as a line beside the histogram of its null.

    Args:
        ax: Axes to draw on.
        observed: Observed value.
        null: Values under the null [K].
        label: Text below the horizontal axis.
    """
    ax.hist(null, bins=20, color="0.7", label="null")
    ax.axvline(observed, color=ORANGE, lw=2, label="observed")
    ax.set(xlabel=label, ylabel="draws")
    ax.legend(frameon=False, fontsize="small")
    despine(ax)
    return ax
