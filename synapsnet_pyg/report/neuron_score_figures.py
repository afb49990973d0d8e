"""Figures of the scores of each neuron: against the best baseline, by area, in space."""

import numpy as np

from synapsnet_pyg.files.texts import html
from synapsnet_pyg.plots.canvas import Figure as StaticFigure
from synapsnet_pyg.plots.style import COLOURS, FORECAST
from synapsnet_pyg.report.figure import ReportFigure
from synapsnet_pyg.report.plotly_canvas import Figure as PlotlyFigure
from synapsnet_pyg.report.plotly_canvas import make_plotly
from synapsnet_pyg.results.neuron_scores import (
    GroupScores,
    PlacedScores,
    draw_neuron_scores,
    scores_by_area,
    scores_in_space,
)
from synapsnet_pyg.runs.score_details import ScoreDetails


def neuron_score_figures(model: str, details: ScoreDetails) -> list[ReportFigure]:
    """Returns the figures of the neurons' scores that the fields of the neurons allow.

    Args:
        model: Name of the fitted model.
        details: Scores of the neurons.
    """
    static = draw_neuron_scores(model, details)
    figures = []
    if "against-baseline" in static:
        figures.append(_against_baseline(model, details, static["against-baseline"]))
    if (areas := scores_by_area(details)) is not None:
        figures.append(_by_area(model, areas, static["by-area"]))
    if (placed := scores_in_space(details)) is not None:
        figures.append(_in_space(model, placed, static["in-space"]))
    return figures


def _against_baseline(model: str, details: ScoreDetails, static: StaticFigure) -> ReportFigure:
    """Returns the figure of each neuron's correlation against that of the best baseline."""
    table = details.neurons[details.neurons["scored"]]
    baseline, fitted = table[f"correlation_{details.baseline}"], table["correlation"]
    sentence = (
        f"Correlation of each neuron by {model} against that by {details.baseline}, the best of the simple forecasts "
        f"in the mean; {int((fitted > baseline).sum())} of {len(table)} neurons lie above the line of equal scores."
    )
    figure = make_plotly(460)
    ends = [float(min(baseline.min(), fitted.min())), float(max(baseline.max(), fitted.max()))]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"color": "#999", "dash": "dash"}, hoverinfo="skip", name="equal scores"
    )
    figure.add_scatter(
        x=baseline.to_numpy(), y=fitted.to_numpy(), mode="markers", name="neuron",
        marker={"color": COLOURS[0], "size": 6, "opacity": 0.6}, text=[html(name) for name in table["neuron_id"]],
        hovertemplate="%{text}<br>%{x:.3f}, %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=f"correlation by {details.baseline}", constrain="domain")
    figure.update_yaxes(title=f"correlation by {model}", scaleanchor="x")
    return ReportFigure("neurons-against-baseline", sentence, figure, static)


def _by_area(model: str, areas: GroupScores, static: StaticFigure) -> ReportFigure:
    """Returns the figure of the correlations of the neurons of each area."""
    sentence = (
        f"Correlation of each neuron by {model} in each area, with the mean of the area; areas also differ in their "
        "rates, and a higher rate leaves less counting noise."
    )
    figure = make_plotly(140 + 32 * len(areas.groups))
    names = [f"{html(name)} ({len(values)})" for name, values in zip(areas.groups, areas.scores, strict=True)]
    figure.add_scatter(
        x=np.concatenate(areas.scores),
        y=[name for name, values in zip(names, areas.scores, strict=True) for _ in values],
        mode="markers", marker={"color": COLOURS[0], "size": 6, "opacity": 0.4}, name="neuron",
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[float(values.mean()) for values in areas.scores], y=names, mode="markers", name="mean",
        marker={"color": FORECAST, "size": 16, "symbol": "line-ns-open", "line_width": 3},
        hovertemplate="%{y}: mean %{x:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="correlation")
    figure.update_yaxes(type="category", autorange="reversed")
    return ReportFigure("neurons-by-area", sentence, figure, static)


def _in_space(model: str, placed: PlacedScores, static: StaticFigure) -> ReportFigure:
    """Returns the figure of the correlations of the neurons at their positions."""
    sentence = (
        f"Neurons at their positions, in the plane in which they are spread most, coloured by their correlation by "
        f"{model}."
    )
    return ReportFigure("neurons-in-space", sentence, _plotly_in_space(placed), static)


def _plotly_in_space(placed: PlacedScores) -> PlotlyFigure:
    figure = make_plotly(460)
    order = np.argsort(placed.score)  # the best are drawn on top
    figure.add_scatter(
        x=placed.x[order], y=placed.y[order], mode="markers", text=[html(placed.neuron_id[i]) for i in order],
        marker={"color": placed.score[order], "colorscale": "Viridis", "size": 8, "colorbar": {"title": "correlation"}},
        customdata=placed.score[order], hovertemplate="%{text}<br>correlation %{customdata:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=placed.names[0], constrain="domain")
    figure.update_yaxes(title=placed.names[1], scaleanchor="x")
    return figure
