"""Figures of a connectivity compared with chance: p-values, groups of neurons, distance."""

import numpy as np
import pandas as pd

from synapsnet_pyg.analysis.blocks import Blocks
from synapsnet_pyg.analysis.distance import DistanceProfile
from synapsnet_pyg.analysis.states import block_matrix
from synapsnet_pyg.files import file_name
from synapsnet_pyg.files.texts import html
from synapsnet_pyg.plots.canvas import Figure as StaticFigure
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.connectivity import (
    ABSOLUTE_WEIGHT,
    MEAN_WEIGHT,
    distance_label,
    draw_p_values,
    draw_weight_against_distance,
)
from synapsnet_pyg.plots.pooling import block_limit
from synapsnet_pyg.plots.style import COLOURS, FORECAST
from synapsnet_pyg.report.connectivity_analysis import FALSE_DISCOVERY_RATE, Significance
from synapsnet_pyg.report.figure import ReportFigure
from synapsnet_pyg.report.plotly_canvas import DIVERGING, make_plotly
from synapsnet_pyg.report.plotly_canvas import Figure as PlotlyFigure
from synapsnet_pyg.results.blocks import draw_blocks


def p_value_figure(significance: Significance) -> ReportFigure:
    """Returns the histogram of the p-values of all tested pairs."""
    sentence = (
        "p-values of all tested pairs, each the largest of three tests. Without any edge they would lie below the "
        "dashed line near zero and pile up near one; an excess near zero indicates edges."
    )
    return ReportFigure("p-values", sentence, _plotly_p_values(significance), _static_p_values(significance))


def _plotly_p_values(significance: Significance) -> PlotlyFigure:
    """Draws the histogram and a dashed line, the most near zero in the case of no edges."""
    counts, borders = significance.counts, significance.borders
    figure = make_plotly(320)
    figure.add_bar(
        x=(borders[1:] + borders[:-1]) / 2, y=counts, marker_color=COLOURS[0], name="tested pairs",
        hovertemplate="p about %{x:.3f}<br>%{y} pairs<extra></extra>",
    )  # fmt: skip
    uniform = counts.sum() / len(counts)
    figure.add_scatter(
        x=[0, 1], y=[uniform, uniform], mode="lines", line={"color": FORECAST, "dash": "dash"},
        name="at most this near zero if there were no edges",
    )  # fmt: skip
    figure.update_layout(bargap=0.05)
    figure.update_xaxes(title="p-value", range=[0, 1])
    figure.update_yaxes(title="pairs")
    return figure


def _static_p_values(significance: Significance) -> StaticFigure:
    figure, (ax,) = make_figure(5.4, 3.6)
    draw_p_values(ax, significance.counts, significance.borders)
    return figure


def block_figure(field: str, blocks: Blocks) -> ReportFigure:
    """Returns the figure of the mean effect from group to group of neurons.

    Args:
        field: Field of the neurons that groups them.
        blocks: Connectivity from group to group.
    """
    return ReportFigure(f"blocks-{file_name(field)}", "", _plotly_blocks(blocks.table), draw_blocks(blocks.table))


def _plotly_blocks(table: pd.DataFrame) -> PlotlyFigure:
    """Draws means [receiver, sender], a star for each that differs from zero, a ring for each unlike other labels."""
    groups = list(table["sender"].unique())
    columns = ("mean_weight", "low", "high", "q_zero", "q_labels")
    weight, low, high, q_zero, q_labels = (block_matrix(table, groups, column) for column in columns)
    names = [html(name) for name in groups]
    limit = block_limit(weight)
    star, ring = (np.where(q <= FALSE_DISCOVERY_RATE, mark, "") for q, mark in ((q_zero, "*"), (q_labels, "\u25cb")))
    figure = make_plotly(160 + min(340, 40 * len(names)))
    figure.add_heatmap(
        z=weight, x=names, y=names, zmin=-limit, zmax=limit, colorscale=DIVERGING,
        customdata=np.stack([low, high, q_zero, q_labels], axis=-1),
        text=np.char.add(star, ring), texttemplate="%{text}", textfont_size=16,
        colorbar={"title": {"text": MEAN_WEIGHT, "side": "right"}, "thickness": 12},
        hovertemplate="sender %{x}<br>receiver %{y}<br>mean weight %{z:.3g} (%{customdata[0]:.3g} to "
        "%{customdata[1]:.3g})<br>q_zero %{customdata[2]:.2g}<br>q_labels %{customdata[3]:.2g}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="sender", type="category")
    figure.update_yaxes(title="receiver", type="category", autorange="reversed")
    return figure


def distance_figure(profile: DistanceProfile) -> ReportFigure:
    """Returns the figure of the mean absolute weight against distance, each range of distances at its middle."""
    sentence = (
        "Mean absolute weight in ranges of distance, compared with shuffled positions. The rank correlation of "
        f"absolute weight and distance is {profile.spearman:.2f} (p {profile.p:.2g}); below zero, weights between near "
        "neurons are larger."
    )
    table = profile.table
    middle = ((table["nearest"] + table["farthest"]) / 2).to_numpy(float)
    names = ("mean_absolute_weight", "null_mean", "null_deviation")
    weight, mean, deviation = (table[name].to_numpy(float) for name in names)
    figure, (ax,) = make_figure(6, 3.8)
    draw_weight_against_distance(ax, middle, weight, null_mean=mean, null_deviation=deviation, unit=profile.unit)
    plotly = _plotly_distance(middle, weight, mean, deviation, unit=profile.unit)
    return ReportFigure("distance", sentence, plotly, figure)


def _plotly_distance(
    distance: np.ndarray, weight: np.ndarray, null_mean: np.ndarray, null_deviation: np.ndarray, *, unit: str
) -> PlotlyFigure:
    figure = make_plotly(340)
    spread = 2 * null_deviation
    figure.add_scatter(
        x=np.append(distance, distance[::-1]), fill="toself", fillcolor="#ccc", line_width=0, hoverinfo="skip",
        y=np.append(null_mean + spread, (null_mean - spread)[::-1]), name="shuffled positions, ± 2 SD",
    )  # fmt: skip
    figure.add_scatter(x=distance, y=weight, mode="lines+markers", line_color=COLOURS[0], name="connectivity")
    figure.update_xaxes(title=html(distance_label(unit)))
    figure.update_yaxes(title=ABSOLUTE_WEIGHT)
    return figure
