"""The figures of a report for the screen. The only file that knows plotly."""

from collections.abc import Sequence
from html import escape

import numpy as np
from plotly.graph_objs import Figure
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.plots.style import COLOURS, EXCITES, FORECAST, INHIBITS, TRUE
from synapsnet_pyg.report.forecast_excerpt import Course
from synapsnet_pyg.report.neuron_order import Arrangement, Cells, pooled
from synapsnet_pyg.report.session_results import Significance, Wiring
from synapsnet_pyg.report.summaries import BlockMatrix, Profile, colour_limit, every_so_many
from synapsnet_pyg.results.figures import History

_DIVERGING = [[0, INHIBITS], [0.5, "#ffffff"], [1, EXCITES]]
_AXIS = {"showgrid": False, "zeroline": False, "showline": True, "linecolor": "#999", "ticks": "outside"}
_NO_AXIS = {"visible": False, "showgrid": False, "zeroline": False}


def script() -> str:
    """What draws the figures, to lie beside the page."""
    return str(get_plotlyjs())


def to_html(figure: Figure, name: str) -> str:
    """A figure as part of a page that has loaded the script."""
    # The script has a button that sends a figure, and with it the recording, to a server: not from here.
    config = {
        "displaylogo": False, "responsive": True, "showSendToCloud": False, "plotlyServerURL": "",
        "modeBarButtonsToRemove": ["select2d", "lasso2d"],
    }  # fmt: skip
    return str(figure.to_html(config, full_html=False, include_plotlyjs=False, div_id=name))


def training_curve(history: History) -> Figure:
    """Validation correlation over epochs, the chosen one marked."""
    best = int(np.argmax(history.correlation))
    figure = _figure(320)
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


def forecast_course(session: Session, course: Course) -> Figure:
    """The best, median and worst forecast neuron."""
    titles = [
        f"{which}: {escape(session.neuron_id[i])}, r = {course.score[i]:.2f}" for which, i in course.chosen.items()
    ]
    rows = list(course.chosen.values())
    return _courses(course.truth[rows], course.forecast[rows], course.seconds, course.breaks, titles)


def components(course: Course) -> Figure:
    """The population along its first principal axes."""
    titles = [f"principal component {k + 1}" for k in range(len(course.true_components))]
    return _courses(course.true_components, course.forecast_components, course.seconds, course.breaks, titles)


def raster(session: Session, course: Course, arrangement: Arrangement | None) -> Figure:
    """Truth beside forecast, of all neurons."""
    order = np.arange(session.num_neurons) if arrangement is None else arrangement.order
    rows = every_so_many(order)
    figure = make_subplots(1, 2, horizontal_spacing=0.12, subplot_titles=["true activity", "forecast one bin ahead"])
    _finish(figure, 460)
    for column, activity in enumerate((course.truth[rows], course.forecast[rows]), start=1):
        limit = colour_limit(activity)
        figure.add_heatmap(
            z=activity.astype(np.float32), x=course.seconds, y=_ids(session, rows), zmin=-limit, zmax=limit,
            colorscale=_DIVERGING, colorbar=_colour_bar(column, "deviations"),
            hovertemplate="%{y}<br>%{x:.2f} s<br>%{z:.2f} deviations<extra></extra>", row=1, col=column,
        )  # fmt: skip
    figure.update_xaxes(title="time (s)")
    figure.update_yaxes(type="category", autorange="reversed", showticklabels=False, ticks="")
    figure.update_yaxes(matches="y", col=2)
    return figure.update_yaxes(title="neuron", col=1)


def matrices(session: Session, wiring: Wiring) -> Figure:
    """Kinds of connectivity beside each other, neurons in the same order; they are zoomed together."""
    rows = -(-len(wiring.matrices) // 2)
    figure = make_subplots(
        rows, 2, horizontal_spacing=0.12, vertical_spacing=0.08, shared_xaxes="all", shared_yaxes="all",
        subplot_titles=list(wiring.matrices),
    )  # fmt: skip
    _finish(figure, 60 + 430 * rows)
    for place, (kind, tensor) in enumerate(wiring.matrices.items()):
        matrix = tensor.double().clone().fill_diagonal_(0).numpy()
        cells = pooled(matrix, wiring.arrangement.order)
        limit, row, column = colour_limit(matrix), place // 2 + 1, place % 2 + 1
        names, p_value = _ids(session, cells.first), _p_values_of(wiring, cells) if place == 0 else None
        figure.add_heatmap(
            z=matrix[cells.receiver, cells.sender].astype(np.float32), x=names, y=names, customdata=p_value,
            zmin=-limit, zmax=limit, colorscale=_DIVERGING,
            colorbar=_colour_bar(column, kind.partition(" ")[0] if "correlation" in kind else "weight", row, rows),
            hovertemplate="sender %{x}<br>receiver %{y}<br>%{z:.3g}"
            + ("" if p_value is None else "<br>p %{customdata:.2g}") + "<extra></extra>",
            row=row, col=column,
        )  # fmt: skip
    figure.update_xaxes(type="category", ticks="")
    figure.update_yaxes(type="category", autorange="reversed", ticks="")
    figure.update_xaxes(title="sender", row=rows)
    figure.update_yaxes(title="receiver", col=1)
    _mark_groups(figure, wiring.arrangement, len(cells.first), len(wiring.matrices))
    return figure


def graph(session: Session, wiring: Wiring) -> Figure:
    """Neurons in space with the strongest edges, to be turned with the mouse."""
    drawn, arrangement = wiring.graph, wiring.arrangement
    figure = _figure(640)
    for name, colour, sign in (("excites", EXCITES, 1), ("inhibits", INHIBITS, -1)):
        chosen = sign * drawn.edge_weight > 0
        (sender, receiver), weight = drawn.edge_index[:, chosen], drawn.edge_weight[chosen]
        ends = np.stack([drawn.position[sender], drawn.position[receiver], np.full((len(sender), 3), np.nan)], axis=1)
        x, y, z = ends.reshape(-1, 3).astype(np.float32).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="lines", line={"color": colour, "width": 2}, opacity=0.55, name=name, hoverinfo="skip"
        )
        x, y, z = ((drawn.position[sender] + drawn.position[receiver]) / 2).astype(np.float32).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="markers", marker={"size": 3, "opacity": 0}, showlegend=False, hoverinfo="text",
            text=[
                f"{escape(session.neuron_id[j])} → {escape(session.neuron_id[i])}<br>weight {w:.3g}"
                for j, i, w in zip(sender, receiver, weight, strict=True)
            ],
        )  # fmt: skip
    texts = _neuron_texts(wiring)
    for name, colour in zip(sorted(set(arrangement.group)), COLOURS * len(arrangement.group), strict=False):
        member = np.array([group == name for group in arrangement.group])
        x, y, z = drawn.position[member].astype(np.float32).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="markers", name=escape(name), hoverinfo="text",
            marker={"size": 5, "color": colour, "line": {"width": 0.5, "color": "white"}},
            text=[texts[session.neuron_id[i]] for i in np.flatnonzero(member)],
        )  # fmt: skip
    near = 1.2 if drawn.placed else 0.8
    axis = {"showbackground": False, "gridcolor": "#e5e5e5", "zeroline": False} if drawn.placed else _NO_AXIS
    figure.update_layout(
        scene={f"{a}axis": {**axis, "title": {"text": a}} for a in "xyz"}
        | {"aspectmode": "data" if drawn.placed else "cube", "camera_eye": dict.fromkeys("xyz", near)},
        legend={"orientation": "v", "x": 1.0, "y": 0.9, "xanchor": "left", "yanchor": "top", "itemsizing": "constant"},
        margin={"l": 0, "r": 0, "t": 20, "b": 0},
    )
    return figure


def current_correlation(wiring: Wiring) -> Figure:
    """Correlation of input current and activity against delay."""
    figure = _figure(380)
    for (kind, curve), colour in zip(wiring.currents.items(), COLOURS, strict=False):
        seconds, mean, error = curve.seconds.numpy(), curve.mean.numpy(), curve.sem.nan_to_num(nan=0.0).numpy()
        figure.add_scatter(
            x=np.append(seconds, seconds[::-1]), y=np.append(mean + error, (mean - error)[::-1]), fill="toself",
            fillcolor=colour, opacity=0.2, line_width=0, hoverinfo="skip", showlegend=False, legendgroup=kind,
        )  # fmt: skip
        figure.add_scatter(
            x=seconds, y=mean, mode="lines+markers", name=kind, line_color=colour, marker_size=5, legendgroup=kind
        )
    figure.add_vrect(seconds[0], 0, fillcolor="#f0f0f0", line_width=0, layer="below")
    figure.update_xaxes(title="delay of the activity behind the current (s)")
    figure.update_yaxes(title="correlation, mean ± SEM")
    figure.update_layout(legend_font_size=12)
    return figure


def p_values(significance: Significance) -> Figure:
    """Histogram of the p-values of all pairs."""
    counts, borders = significance.counts, significance.borders
    figure = _figure(320)
    figure.add_bar(
        x=(borders[1:] + borders[:-1]) / 2, y=counts, marker_color=COLOURS[0], name="all pairs",
        hovertemplate="p about %{x:.3f}<br>%{y} pairs<extra></extra>",
    )  # fmt: skip
    uniform = counts.sum() / len(counts)
    figure.add_scatter(
        x=[0, 1], y=[uniform, uniform], mode="lines", line={"color": FORECAST, "dash": "dash"},
        name="if there were no edges",
    )  # fmt: skip
    figure.update_layout(bargap=0.05)
    figure.update_xaxes(title="p-value", range=[0, 1])
    figure.update_yaxes(title="pairs")
    return figure


def block_matrix(blocks: BlockMatrix) -> Figure:
    """Mean weight from group to group."""
    names = [escape(name) for name in blocks.groups]
    limit = colour_limit(blocks.weight, 1.0)
    figure = _figure(160 + min(340, 40 * len(names)))
    figure.add_heatmap(
        z=blocks.weight, x=names, y=names, zmin=-limit, zmax=limit, colorscale=_DIVERGING, customdata=blocks.q,
        text=np.where(blocks.marked, "*", ""), texttemplate="%{text}", textfont_size=16,
        colorbar={"title": "mean weight", "thickness": 12},
        hovertemplate="sender %{x}<br>receiver %{y}<br>mean weight %{z:.3g}<br>q %{customdata:.2g}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="sender", type="category")
    figure.update_yaxes(title="receiver", type="category", autorange="reversed")
    return figure


def weight_against_distance(profile: Profile) -> Figure:
    """Mean absolute weight in ranges of distance."""
    figure = _figure(340)
    far, spread = profile.distance, 2 * profile.null_deviation
    figure.add_scatter(
        x=np.append(far, far[::-1]), fill="toself", fillcolor="#ccc", line_width=0, hoverinfo="skip",
        y=np.append(profile.null_mean + spread, (profile.null_mean - spread)[::-1]),
        name="shuffled positions, 2 deviations",
    )  # fmt: skip
    figure.add_scatter(x=far, y=profile.weight, mode="lines+markers", line_color=COLOURS[0], name="connectivity")
    figure.update_xaxes(title="distance of sender and receiver, in the unit of the positions")
    figure.update_yaxes(title="mean absolute weight")
    return figure


def _figure(height: int) -> Figure:
    return _finish(Figure(), height)


def _finish(figure: Figure, height: int) -> Figure:
    """The clothes that all wear."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#222"},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"font_size": 12},
    )
    figure.update_xaxes(**_AXIS, automargin=True)
    figure.update_yaxes(**_AXIS, automargin=True)
    return figure


def _courses(
    truth: np.ndarray, forecast: np.ndarray, seconds: np.ndarray, breaks: Sequence[int], titles: Sequence[str]
) -> Figure:
    """Truth and forecast above each other, [n, M] each."""
    figure = make_subplots(len(truth), 1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=list(titles))
    _finish(figure, 90 + 140 * len(truth))
    x = np.insert(seconds, breaks, np.nan)
    for row, pair in enumerate(zip(truth, forecast, strict=True), start=1):
        for values, name, colour, width in zip(pair, ("true", "forecast"), (TRUE, FORECAST), (1.2, 1.6), strict=True):
            figure.add_scatter(
                x=x, y=np.insert(values.astype(float), breaks, np.nan), mode="lines", name=name, legendgroup=name,
                line={"color": colour, "width": width}, showlegend=row == 1, row=row, col=1,
            )  # fmt: skip
    figure.update_yaxes(title="deviations")
    figure.update_xaxes(title="time (s)", row=len(truth), col=1)
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    return figure.update_layout(legend={"x": 0.5, "xanchor": "center"})


def _colour_bar(column: int, title: str, row: int = 1, rows: int = 1) -> dict[str, object]:
    """To the right of one of two columns."""
    return {
        "x": 0.45 if column == 1 else 1.01, "y": 1 - (row - 0.5) / rows, "len": 0.8 / rows, "thickness": 12,
        "title": {"text": title, "side": "right"},
    }  # fmt: skip


def _p_values_of(wiring: Wiring, cells: Cells) -> np.ndarray | None:
    if wiring.significance is None:
        return None
    return wiring.significance.edges.p_value.numpy()[cells.receiver, cells.sender]


def _mark_groups(figure: Figure, arrangement: Arrangement, cells: int, panels: int) -> None:
    """Names in the middle of each group that has room for one, and lines between groups."""
    groups = arrangement.ordered_groups
    ends = [i for i in range(1, len(groups) + 1) if i == len(groups) or groups[i] != groups[i - 1]]
    scale = cells / len(groups)
    spans = [(start, end) for start, end in zip([0, *ends], ends, strict=False) if end - start >= 0.05 * len(groups)]
    middles = [scale * (start + end) / 2 - 0.5 for start, end in spans]
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickvals=middles, ticktext=[escape(groups[start]) for start, _ in spans])
    line = {"type": "line", "line": {"width": 0.5, "color": "#888"}}
    figure.update_layout(
        shapes=[
            line | {f"{along}ref": f"{along}{panel}", f"{across}ref": f"{across}{panel} domain"}
            | {f"{along}0": place, f"{along}1": place, f"{across}0": 0, f"{across}1": 1}
            for place in (scale * end - 0.5 for end in ends[:-1])
            for panel in ("", *range(2, panels + 1))
            for along, across in ("xy", "yx")
        ]
    )  # fmt: skip


def _ids(session: Session, neurons: np.ndarray) -> list[str]:
    # An id such as "12" would be taken for the twelfth place on the axis; with a space of no width it is a name.
    return [escape(session.neuron_id[i]) + "\u200b" for i in neurons]


def _neuron_texts(wiring: Wiring) -> dict[str, str]:
    """Neuron id -> what is told where the mouse points at it."""
    rows = wiring.neurons.to_dict("records")
    return {
        row["neuron_id"]: "<br>".join(f"{key} {escape(_short(value))}" for key, value in row.items()) for row in rows
    }


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
