"""Figures without a window, and the parts that several of them share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from synapsnet_pyg.files.texts import plain
from synapsnet_pyg.plots.style import apply_style, group_colours, group_label

__all__ = [
    "Axes",
    "Figure",
    "add_colour_bar",
    "despine",
    "figure_text",
    "make_figure",
    "make_matrices_figure",
    "make_stacked_figure",
]

_LONGEST = 80


def make_figure(width: float, height: float, *, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Makes a figure without a window, with Axes side by side.

    Args:
        width: Width in inches.
        height: Height in inches.
        columns: Number of Axes in a row.
        rows: Number of rows.

    Returns:
        The figure and its Axes, row after row.

    Example:
        >>> figure, (left, right) = make_figure(6, 3, columns=2)
        >>> figure.get_size_inches().tolist()
        [6.0, 3.0]
    """
    apply_style()
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def make_stacked_figure(width: float, height: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Makes a figure without a window, with Axes above each other that share their horizontal axis.

    Args:
        width: Width in inches.
        height: Height in inches.
        heights: Relative height of each Axes, from top to bottom.
    """
    apply_style()
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights))
    return figure, list(axes)


def make_matrices_figure(columns: int) -> tuple[Figure, list[Axes], Axes]:
    """Makes a figure without a window, with a row of Axes for matrices and one wide Axes below them.

    Args:
        columns: Number of matrices.

    Returns:
        The figure, the Axes of the matrices, the Axes below.
    """
    apply_style()
    figure = Figure(figsize=(2.9 * columns, 6.6), layout="constrained")
    grid = figure.add_gridspec(2, columns, height_ratios=[1, 1.1])
    return figure, [figure.add_subplot(grid[0, k]) for k in range(columns)], figure.add_subplot(grid[1, :])


def despine(ax: Axes, *, left: bool = False) -> None:
    """Hides the upper and right border of an Axes, and with ``left`` the left border and its ticks."""
    ax.spines[["top", "right", "left"] if left else ["top", "right"]].set_visible(False)
    if left:
        ax.tick_params(axis="y", length=0)


def mark_groups(ax: Axes, groups: np.ndarray, *, both: bool = False) -> None:
    """Draws a coloured strip at the left of an image for groups of rows that follow each other, with their names.

    Args:
        ax: Axes of an image with rows at 0, 1, ... from top to bottom.
        groups: Group of each row [N], sorted.
        both: Whether the columns are the same neurons, and get a strip below the image.
    """
    border = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    first, end = np.append(0, border), np.append(border, len(groups))
    names = [figure_text(str(group)) or "?" for group in groups[first]]
    colours = group_colours([figure_text(str(group)) or "?" for group in groups])
    # Names of groups that are hardly a line high would lie on top of each other.
    shown = end - first >= 0.025 * len(groups)
    middle, labels = ((first + end - 1) / 2)[shown], [name for name, high in zip(names, shown, strict=True) if high]
    strip, along, across = 0.02, ax.get_yaxis_transform(), ax.get_xaxis_transform()
    for start, stop, name in zip(first, end, names, strict=True):
        look: Any = {"color": colours[group_label(name, colours)], "lw": 0, "clip_on": False}
        ax.add_patch(Rectangle((-1.2 * strip, start - 0.5), strip, stop - start, transform=along, **look))
        if both:
            ax.add_patch(Rectangle((start - 0.5, -1.2 * strip), stop - start, strip, transform=across, **look))
    ax.set_yticks(middle, labels, fontsize="small")
    ax.tick_params(axis="both" if both else "y", length=0, pad=10)
    if both:
        ax.set_xticks(middle, labels, fontsize="small", rotation=90)


def add_colour_bar(
    ax: Axes, image: ScalarMappable, label: str, *, pad: float | None = None, extend: str = "neither"
) -> None:
    """Adds a colour bar at the right of an Axes; Axes without a figure get none.

    Args:
        ax: Axes of the image.
        image: Image whose colours the bar explains.
        label: Text beside the bar.
        pad: Distance of the bar as a fraction of the Axes; None: matplotlib's.
        extend: Ends of the bar that are drawn as arrows, since colours are clipped there: ``neither`` or ``both``.
    """
    if ax.figure is None:
        return
    distance: Any = {} if pad is None else {"pad": pad}
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label=label, extend=extend, **distance)


def figure_text(text: str) -> str:
    r"""Returns a text as matplotlib draws it: no formulas, no invisible characters, no line above 80 letters.

    The functions of this folder draw every name and title by it.

    Example:
        >>> print(figure_text("$x_{$"))
        \$x_{\$
    """
    lines = (line if len(line) <= _LONGEST else f"{line[:_LONGEST]}\u2026" for line in text.split("\n"))
    return "\n".join(map(plain, lines)).replace("$", r"\$")
