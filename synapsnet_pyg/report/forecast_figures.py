"""Figures of training and forecasts."""

from collections.abc import Sequence

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.texts import html
from synapsnet_pyg.metrics import principal_axes
from synapsnet_pyg.plots.canvas import Figure as StaticFigure
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.forecasts import BANDS, OPACITY, draw_forecast_traces, draw_raster, row_ticks, time_ticks
from synapsnet_pyg.plots.horizons import draw_fans
from synapsnet_pyg.plots.pooling import colour_limit
from synapsnet_pyg.plots.style import COLOURS, FORECAST, TRUE
from synapsnet_pyg.report.figure import ReportFigure, evenly_chosen
from synapsnet_pyg.report.forecast_fans import ForecastFans
from synapsnet_pyg.report.neuron_order import NeuronOrder
from synapsnet_pyg.report.plotly_canvas import DIVERGING, colour_bar, make_grid, make_plotly, mark_groups, neuron_names
from synapsnet_pyg.report.plotly_canvas import Figure as PlotlyFigure
from synapsnet_pyg.results.figures import draw_chosen_neurons, draw_training
from synapsnet_pyg.results.forecast_excerpt import ForecastExcerpt
from synapsnet_pyg.runs.run import History

MOST_ROWS = 200
"""Largest number of neurons in a raster, so that the page stays small."""


def training_figure(history: History) -> ReportFigure:
    """Returns the figure of the validation correlation over epochs, with the chosen epoch marked."""
    sentence = (
        "Correlation of forecast and truth on the validation part after each epoch. The model is that of the marked "
        "epoch. A curve that still rises at its end suggests more epochs. Epoch 0 is before training."
    )
    return ReportFigure("training", sentence, _plotly_training(history), draw_training(history))


def _plotly_training(history: History) -> PlotlyFigure:
    best = history.best
    figure = make_plotly(320)
    figure.add_scatter(
        x=history.epochs, y=history.correlation, mode="lines+markers", line_color=COLOURS[0], name="each epoch"
    )
    figure.add_scatter(
        x=[history.epochs[best]], y=[history.correlation[best]], mode="markers", name=f"chosen: {history.epochs[best]}",
        marker={"size": 14, "color": FORECAST, "symbol": "circle-open", "line_width": 2},
    )  # fmt: skip
    figure.update_xaxes(title="epoch", tick0=0, dtick=-(-max(history.epochs) // 20))
    figure.update_yaxes(title="validation correlation")
    return figure


def traces_figure(session: Session, excerpt: ForecastExcerpt) -> ReportFigure:
    """Returns the figure of the neurons with the best, the median and the worst forecast over time."""
    sentence = (
        f"The first {len(excerpt.seconds)} bins of the test part, true (grey) and forecast one bin ahead (orange), for "
        "the neurons with the best, the median and the worst forecast of all that are scored and active. A forecast "
        "varies less than the truth, because the random part of each bin cannot be forecast. Shaded: intervals of 50 "
        f"and 95 %, which learn from each bin. {excerpt.coverage}"
    )
    rows = list(excerpt.chosen.values())
    truth, forecast = excerpt.truth[rows], excerpt.forecast[rows]
    names = {rank: session.neuron_id[i] for rank, i in excerpt.chosen.items()}
    r = {rank: f"r = {excerpt.score[i]:.2f}" for rank, i in excerpt.chosen.items()}
    titles = [f"{rank}: {html(name)}, {r[rank]}" for rank, name in names.items()]
    return ReportFigure(
        "forecast",
        sentence,
        _plotly_traces(excerpt, truth, forecast, titles=titles, bands=excerpt.bands),
        draw_chosen_neurons(session, excerpt),
    )


def components_figure(excerpt: ForecastExcerpt) -> ReportFigure:
    """Returns the figure of the population along its first principal axes over time."""
    sentence = (
        "Activity of the population along its first principal axes in the same bins, true (grey) and forecast (orange)."
    )
    truth, forecast = excerpt.true_components, excerpt.forecast_components
    titles = [f"principal component {k + 1}" for k in range(len(truth))]
    labels = [f"PC{k + 1}" for k in range(len(truth))]
    return ReportFigure(
        "components",
        sentence,
        _plotly_traces(excerpt, truth, forecast, titles=titles),
        _static_traces(excerpt, truth, forecast, labels=labels),
    )


def _plotly_traces(
    excerpt: ForecastExcerpt,
    truth: np.ndarray,
    forecast: np.ndarray,
    *,
    titles: Sequence[str],
    bands: np.ndarray | None = None,
) -> PlotlyFigure:
    """Draws truth and forecast [n, M] of several time series, one above the other, and intervals [4, n, M]."""
    wide_first = () if bands is None else tuple(zip(BANDS, (bands[2:], bands[:2]), OPACITY, strict=True))
    figure = make_grid(90 + 140 * len(truth), rows=len(truth), titles=titles, vertical_spacing=0.1, shared=True)
    x = np.insert(excerpt.seconds, excerpt.breaks, np.nan)
    for row, pair in enumerate(zip(truth, forecast, strict=True), start=1):
        for level, ends_of, opacity in wide_first:
            edge_x, edge_y = _outlines(excerpt, *ends_of[:, row - 1])
            figure.add_scatter(
                x=edge_x, y=edge_y, mode="lines", line_width=0, fill="toself",
                fillcolor=f"rgba(217, 96, 26, {opacity})", name=level, legendgroup=level, showlegend=row == 1,
                hoverinfo="skip", row=row, col=1,
            )  # fmt: skip
        for values, name, colour, width in zip(pair, ("true", "forecast"), (TRUE, FORECAST), (1.2, 1.6), strict=True):
            figure.add_scatter(
                x=x, y=np.insert(values.astype(float), excerpt.breaks, np.nan), mode="lines", name=name,
                legendgroup=name, line={"color": colour, "width": width}, showlegend=row == 1, row=row, col=1,
            )  # fmt: skip
    figure.update_yaxes(title="SD")
    figure.update_xaxes(title="time (s)", row=len(truth), col=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(legend={"x": 0.5, "xanchor": "center"})


def _outlines(excerpt: ForecastExcerpt, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y of an outline of an interval in each segment, with NaN between two of them."""
    x, y = [], []
    for place in np.split(np.arange(len(low)), excerpt.breaks):
        x.append(np.concatenate([excerpt.seconds[place], excerpt.seconds[place[::-1]], [np.nan]]))
        y.append(np.concatenate([high[place], low[place[::-1]], [np.nan]]))
    return np.concatenate(x), np.concatenate(y)


def _static_traces(
    excerpt: ForecastExcerpt,
    truth: np.ndarray,
    forecast: np.ndarray,
    *,
    labels: Sequence[str],
) -> StaticFigure:
    """Draws the same with matplotlib."""
    figure, (ax,) = make_figure(10, 4)
    draw_forecast_traces(ax, excerpt.seconds, truth, forecast, labels=labels, breaks=excerpt.breaks)
    return figure


def fans_figure(session: Session, fans: ForecastFans) -> ReportFigure:
    """Returns the figure of forecasts of several bins that start every few bins.

    Args:
        session: Session of the forecasts.
        fans: Forecasts of a few neurons and of the population mean.
    """
    sentence = (
        f"Recorded activity (grey) and forecasts of {fans.horizon} bins (orange) that start every "
        f"{max(1, fans.horizon // 2)} bins from the newest recorded bin, for the neurons with the best, the "
        "upper-quartile and the median forecast one bin ahead, and for the mean of all scored neurons. Where little "
        "can be foreseen, forecasts return to the mean."
    )
    ids = {rank: session.neuron_id[i] for rank, i in fans.chosen.items()}
    titles = [*(f"{rank}: {html(name)}" for rank, name in ids.items()), "population mean"]
    labels = [*(f"{rank}: {name}" for rank, name in ids.items()), "population mean"]
    static, (ax,) = make_figure(10, 5)
    draw_fans(ax, fans.seconds, fans.truth, fans.fan_seconds, fans.fans, labels=labels, breaks=fans.breaks)
    return ReportFigure("fans", sentence, _plotly_fans(fans, titles), static)


def _plotly_fans(fans: ForecastFans, titles: Sequence[str]) -> PlotlyFigure:
    figure = make_grid(
        90 + 130 * len(titles), rows=len(titles), titles=titles, vertical_spacing=0.3 / len(titles), shared=True
    )
    x = np.insert(fans.seconds, fans.breaks, np.nan)
    gap = np.full((len(fans.fan_seconds), 1), np.nan)  # between two forecasts
    ahead = np.hstack([fans.fan_seconds, gap]).ravel()
    for row, (truth, forecasts) in enumerate(zip(fans.truth, fans.fans, strict=True), start=1):
        recorded = np.insert(truth.astype(float), fans.breaks, np.nan)
        lines = {"recorded": (x, recorded, TRUE), "forecasts": (ahead, np.hstack([forecasts, gap]).ravel(), FORECAST)}
        for name, (times, values, colour) in lines.items():
            figure.add_scatter(
                x=times, y=values, mode="lines", name=name, legendgroup=name,
                line={"color": colour, "width": 1.3}, showlegend=row == 1, row=row, col=1,
            )  # fmt: skip
    figure.update_yaxes(title="SD")
    figure.update_xaxes(title="time (s)", row=len(titles), col=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(legend={"x": 0.5, "xanchor": "center"})


def raster_figure(session: Session, excerpt: ForecastExcerpt, order: NeuronOrder) -> ReportFigure:
    """Returns the figure of true and forecast activity of all neurons, side by side.

    Args:
        session: Session of the excerpt.
        excerpt: Truth and forecast of all neurons.
        order: Order of the neurons. Those without groups are ordered by their weight in the first principal component
            of the true activity.
    """
    sentence = (
        ("All neurons" if session.num_neurons <= MOST_ROWS else "Evenly chosen neurons")
        + f", ordered by {order.field_name or 'their weight in the first principal component'}, in the same bins. Each "
        "image has its own colour scale, because a forecast varies less than the truth. Vertical stripes in both "
        "images are activity common to many neurons that the model forecasts."
    )
    rows = evenly_chosen(order.order if order.by else _by_component(excerpt.truth), MOST_ROWS)
    groups = [order.group[row] for row in rows] if order.by else None
    label = f"{len(rows)} neurons" + (f" by {order.field_name}" if groups else "")
    images = {"true activity": excerpt.truth[rows], "forecast one bin ahead": excerpt.forecast[rows]}
    return ReportFigure(
        "raster",
        sentence,
        _plotly_raster(excerpt, images, names=neuron_names(session, rows), groups=groups, label=label),
        _static_raster(excerpt, images, groups=groups, label=label),
    )


def _by_component(activity: np.ndarray) -> np.ndarray:
    """Returns the neurons of activity [N, M] by their weight in its first principal component, largest first."""
    axis = principal_axes(torch.from_numpy(activity - activity.mean(1, keepdims=True)), 1)[0].numpy()
    return np.argsort(-axis * (np.sign(axis.sum()) or 1.0), kind="stable")


def _plotly_raster(
    excerpt: ForecastExcerpt,
    images: dict[str, np.ndarray],
    *,
    names: list[str],
    groups: list[str] | None,
    label: str,
) -> PlotlyFigure:
    figure = make_grid(460, columns=2, titles=list(images), horizontal_spacing=0.16)
    segment = np.searchsorted(excerpt.breaks, np.arange(len(excerpt.seconds)), side="right")
    conditions = [f", {html(text)}" if text else "" for text in excerpt.conditions]
    times = [f"{time:.2f} s{conditions[place]}" for time, place in zip(excerpt.seconds, segment, strict=True)]
    for column, activity in enumerate(images.values(), start=1):
        limit = colour_limit(activity)
        figure.add_heatmap(
            z=activity.astype(np.float32), x=times, y=names, zmin=-limit, zmax=limit,
            colorscale=DIVERGING, colorbar=colour_bar(column, "activity (SD)", values=activity, limit=limit),
            hovertemplate="%{y}<br>%{x}<br>%{z:.2f} SD<extra></extra>", row=1, col=column,
        )  # fmt: skip
    places, labels = time_ticks(excerpt.seconds, excerpt.breaks)
    figure.update_xaxes(title="time (s)", type="category", tickvals=places, ticktext=labels)
    places, numbers = row_ticks(len(names))
    figure.update_yaxes(type="category", autorange="reversed", ticks="", tickvals=places, ticktext=numbers)
    if groups is not None:
        mark_groups(figure, groups, cells=len(names), panels=2, both=False)
    borders = [
        {
            "type": "line", "line": {"width": 0.5, "color": "black"}, "xref": f"x{panel}", "yref": f"y{panel} domain",
            "x0": place - 0.5, "x1": place - 0.5, "y0": 0, "y1": 1,
        }
        for place in excerpt.breaks
        for panel in ("", *range(2, len(images) + 1))
    ]  # fmt: skip
    figure.update_layout(shapes=[*figure.layout.shapes, *borders])  # at once: add_vline takes seconds for all
    figure.update_yaxes(matches="y", col=2)
    return figure.update_yaxes(title=html(label), col=1)


def _static_raster(
    excerpt: ForecastExcerpt, images: dict[str, np.ndarray], *, groups: list[str] | None, label: str
) -> StaticFigure:
    figure, axes = make_figure(12, 5.2 if any(excerpt.conditions) else 4.4, columns=2)
    shown = None if groups is None else list(groups)
    for ax, (title, activity) in zip(axes, images.items(), strict=True):
        draw_raster(
            ax, activity, excerpt.seconds,
            title=title, limit=colour_limit(activity), groups=shown, breaks=excerpt.breaks,
            conditions=excerpt.conditions, label=label,
        )  # fmt: skip
    return figure
