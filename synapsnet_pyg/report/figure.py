"""Figure of the report in an interactive and a static drawing, and the limits of both."""

from typing import NamedTuple

import numpy as np

from synapsnet_pyg.plots.canvas import Figure as StaticFigure
from synapsnet_pyg.report.plotly_canvas import Figure as PlotlyFigure


class ReportFigure(NamedTuple):
    """A figure of the report: interactive for the page, static for PNG and SVG files."""

    name: str
    """Stem of the file names."""
    sentence: str
    """Text above the figure; empty if the section explains the figure."""
    plotly: PlotlyFigure
    static: StaticFigure


def evenly_chosen(order: np.ndarray, most: int = 300) -> np.ndarray:
    """Returns evenly spaced neurons of an order, so that the image of a large population stays small.

    Args:
        order: Indices of neurons.
        most: Largest number of neurons.

    Example:
        >>> evenly_chosen(np.arange(7), most=3).tolist()
        [0, 3, 6]
    """
    return order[:: -(-len(order) // most)]
