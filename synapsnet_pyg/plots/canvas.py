"""Figures without a window, and the parts that several of them share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

__all__ = [
    "Axes",
    "Figure",
    "add_colour_bar",
    "despine",
    "make_figure",
    "make_matrices_figure",
    "make_stacked_figure",
    "write_image",
]


def write_image(figure: Figure, path: Path, *, dpi: int) -> None:
    """Writes a figure; the same figure gives the same bytes, without the date and random names within an SVG.

    Args:
        figure: Figure.
        path: Path of the file, which ends with .png or .svg.
        dpi: Number of dots per inch.
    """
    with rc_context({"svg.hashsalt": "synapsnet"}):
        figure.savefig(path, dpi=dpi, metadata={"Date": None} if path.suffix == ".svg" else None)


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
    figure = Figure(figsize=(2.9 * columns, 6.6), layout="constrained")
    grid = figure.add_gridspec(2, columns, height_ratios=[1, 1.1])
    return figure, [figure.add_subplot(grid[0, k]) for k in range(columns)], figure.add_subplot(grid[1, :])


def despine(ax: Axes, *, left: bool = False) -> None:
    """Hides the upper and right border of an Axes, and with ``left`` the left border and its ticks."""
    ax.spines[["top", "right", "left"] if left else ["top", "right"]].set_visible(False)
    if left:
        ax.tick_params(axis="y", length=0)


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


def without_formulas(text: str) -> str:
    r"""Escapes the dollar signs of a text, between which matplotlib would read a formula.

    Example:
        >>> print(without_formulas("$x_1$"))
        \$x_1\$
    """
    return text.replace("$", r"\$")
