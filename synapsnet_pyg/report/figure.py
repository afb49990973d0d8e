"""The record of one figure, and limits that its two drawings share."""

from typing import NamedTuple

import numpy as np

from synapsnet_pyg.plots.canvas import Figure as StaticFigure
from synapsnet_pyg.report.plotly_canvas import Figure as PlotlyFigure


class ReportFigure(NamedTuple):
    """A figure of the report, drawn for the screen and for paper."""

    name: str
    """Stem of its file names."""
    sentence: str
    """Text above the figure; empty where the section says it."""
    plotly: PlotlyFigure
    static: StaticFigure


def colour_limit(values: np.ndarray, quantile: float = 0.995) -> float:
    """Returns the value of full colour, a quantile of the absolute values, so that a few extremes do not decide it.

    Args:
        values: Numbers to be drawn, any shape; NaN is ignored.
        quantile: Quantile of the absolute values, 0 to 1.

    Example:
        >>> colour_limit(np.array([-3.0, 1.0, np.nan]), quantile=1.0)
        3.0
    """
    size = np.abs(values[np.isfinite(values)])
    return float(np.quantile(size, quantile)) or float(size.max()) or 1.0


def evenly_chosen(order: np.ndarray, most: int = 300) -> np.ndarray:
    """Returns every k-th neuron of an order, so that the image of a large population stays small.

    Args:
        order: Indices of neurons.
        most: Largest number of neurons returned.

    Example:
        >>> evenly_chosen(np.arange(7), most=3).tolist()
        [0, 3, 6]
    """
    return order[:: -(-len(order) // most)]


def without_formulas(text: str) -> str:
    r"""Returns a text of a recording with its dollar signs escaped, since matplotlib reads formulas between them.

    Example:
        >>> print(without_formulas("$x_1$"))
        \$x_1\$
    """
    return text.replace("$", r"\$")
