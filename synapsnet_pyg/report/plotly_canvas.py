"""Interactive figures in the style of the report, and their HTML."""

from collections.abc import Sequence

import numpy as np
from plotly.graph_objs import Figure
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.texts import html
from synapsnet_pyg.plots.style import EXCITES, INHIBITS, group_colours, group_label

__all__ = [
    "DIVERGING",
    "Figure",
    "colour_bar",
    "make_grid",
    "make_plotly",
    "mark_groups",
    "neuron_names",
    "plotly_script",
    "to_html",
]

DIVERGING = [[0, INHIBITS], [0.5, "#ffffff"], [1, EXCITES]]
"""Colour scale of weights and activity: blue below zero, red above."""
_AXIS = {"showgrid": False, "zeroline": False, "showline": True, "linecolor": "#999", "ticks": "outside"}


def plotly_script() -> str:
    """Returns the JavaScript that draws the figures, for a file beside the page."""
    return str(get_plotlyjs())


def to_html(figure: Figure, name: str) -> str:
    """Returns the HTML of a figure, for a page that has loaded the script.

    Args:
        figure: Figure to show.
        name: Identifier of the figure's element on the page.
    """
    # Without the button of plotly that sends a figure, and with it the recording, to a server.
    config = {
        "displaylogo": False, "responsive": True, "showSendToCloud": False, "plotlyServerURL": "",
        "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    }  # fmt: skip
    return str(figure.to_html(config, full_html=False, include_plotlyjs=False, div_id=name))


def make_plotly(height: int) -> Figure:
    """Creates an empty figure; its height is in pixels."""
    return _styled(Figure(), height)


def make_grid(
    height: int,
    *,
    rows: int = 1,
    columns: int = 1,
    titles: Sequence[str],
    horizontal_spacing: float | None = None,
    vertical_spacing: float | None = None,
    shared: str | bool = False,
) -> Figure:
    """Creates a figure of several panels.

    Args:
        height: Height of the whole figure in pixels.
        rows: Number of rows.
        columns: Number of columns.
        titles: Title of each panel, row after row.
        horizontal_spacing: Distance between columns as a fraction of the width; None: plotly's.
        vertical_spacing: Distance between rows as a fraction of the height; None: plotly's.
        shared: Panels that zoom together: ``all`` for all panels, True for the x axes of each column, False for none.
    """
    figure = make_subplots(
        rows, columns, subplot_titles=list(titles),
        shared_xaxes=shared, shared_yaxes=shared if shared == "all" else False,
        horizontal_spacing=horizontal_spacing, vertical_spacing=vertical_spacing,
    )  # fmt: skip
    return _styled(figure, height)


def _styled(figure: Figure, height: int) -> Figure:
    """Sets height, fonts, legend and axes of a figure."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 20, "t": 64, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#222"},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"font_size": 12},
    )
    figure.update_xaxes(**_AXIS, automargin=True)
    figure.update_yaxes(**_AXIS, automargin=True)
    return figure


def colour_bar(
    column: int, title: str, *, values: np.ndarray, limit: float, row: int = 1, rows: int = 1
) -> dict[str, object]:
    """Returns the layout of a colour bar at the right of a panel, in a grid of two columns.

    Where values lie beyond the colours, the ends of the bar say so, as arrows do in static figures.

    Args:
        column: Column of the panel, 1 or 2.
        title: Text beside the bar.
        values: Values of the image.
        limit: Value of full colour.
        row: Row of the panel, from 1.
        rows: Number of rows of the grid.
    """
    below, above = ("≤ " if (values < -limit).any() else ""), ("≥ " if (values > limit).any() else "")
    return {
        "x": 0.43 if column == 1 else 1.01, "y": 1 - (row - 0.5) / rows, "len": 0.8 / rows, "thickness": 12,
        "title": {"text": title, "side": "right"},
        "tickvals": [-limit, -limit / 2, 0, limit / 2, limit],
        "ticktext": [f"{below}{-limit:.2g}", f"{-limit / 2:.2g}", "0", f"{limit / 2:.2g}", f"{above}{limit:.2g}"],
    }  # fmt: skip


def mark_groups(figure: Figure, groups: Sequence[str], *, cells: int, panels: int, both: bool = True) -> None:
    """Draws coloured strips beside images of neurons, with the name of each group that has at least 4 % of them.

    Args:
        figure: Figure whose first panels hold the images.
        groups: Group of each neuron [N], sorted.
        cells: Number of rows of each image, onto which the neurons are spread evenly.
        panels: Number of panels.
        both: Whether the columns are the same neurons, and get strips, too.
    """
    ends = [i for i in range(1, len(groups) + 1) if i == len(groups) or groups[i] != groups[i - 1]]
    scale = cells / len(groups)
    spans = list(zip([0, *ends], ends, strict=False))
    named = [(start, end) for start, end in spans if end - start >= 0.04 * len(groups)]
    ticks = {
        "tickvals": [scale * (start + end) / 2 - 0.5 for start, end in named],
        "ticktext": [html(groups[start]) for start, _ in named],
        "ticklabelstandoff": 8,
    }
    colours = group_colours(groups)
    figure.update_yaxes(**ticks)
    if both:
        figure.update_xaxes(**ticks)
    figure.update_layout(
        shapes=[
            {
                "type": "rect", "line": {"width": 0}, "layer": "above",
                "fillcolor": colours[group_label(groups[start], colours)],
                f"{along}ref": f"{along}{panel}", f"{across}ref": f"{across}{panel} domain",
                f"{along}0": scale * start - 0.5, f"{along}1": scale * end - 0.5,
                f"{across}0": -0.02, f"{across}1": -0.004,
            }
            for start, end in spans
            for panel in ("", *range(2, panels + 1))
            for along, across in (("xy", "yx") if both else ("yx",))
        ]
    )  # fmt: skip


def neuron_names(session: Session, neurons: np.ndarray) -> list[str]:
    """Returns ids of neurons as names on an axis.

    A zero-width space makes each id a name: plotly reads an id such as "12" as the twelfth place on the axis.
    """
    return [html(session.neuron_id[i]) + "\u200b" for i in neurons]
