"""Figures of a connectivity: matrices, graph, input currents."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.texts import html
from synapsnet_pyg.plots.canvas import Figure as StaticFigure
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.connectivity import TRUE_WEIGHT, WEIGHT, draw_current_correlation, draw_graph, draw_matrix
from synapsnet_pyg.plots.pooling import STATIC_CELLS, Cells, colour_limit, drawn_values, pooled, weight_limit
from synapsnet_pyg.plots.style import EXCITES, INHIBITS, group_colours, group_label, line_look
from synapsnet_pyg.report.connectivity_analysis import ConnectivityAnalysis
from synapsnet_pyg.report.figure import ReportFigure
from synapsnet_pyg.report.graph import MOST, SENDERS, Graph
from synapsnet_pyg.report.plotly_canvas import DIVERGING, colour_bar, make_grid, make_plotly, mark_groups, neuron_names
from synapsnet_pyg.report.plotly_canvas import Figure as PlotlyFigure

_NO_AXIS = {"visible": False, "showgrid": False, "zeroline": False}

MOST_CELLS = 200
"""Largest number of cells along a side of a matrix, so that the page stays small."""


def matrices_figure(session: Session, analysis: ConnectivityAnalysis) -> ReportFigure:
    """Returns the figure of several kinds of connectivity, side by side with neurons in one order."""
    order = analysis.neuron_order
    louvain = " (groups with more weight within than between them, by Louvain's method on the strongest edges)"
    sentence = (
        "Each row is a receiver, each column a sender. Red is positive, blue negative. A learned "
        "weight is an effect on the forecast: the change of the receiver's next bin, in its standard deviations, for "
        "one standard deviation more of the sender's activity and the same activity of all other recorded neurons. A "
        "correlation also contains activity that both neurons share with others. "
        + (
            f"Neurons are ordered by {order.field_name}{louvain if order.by == 'community' else ''}. "
            if order.by
            else "Neurons are in the order of the recording: no significant edge groups them. "
        )
        + "Images of the same quantity share their colours."
        + (" Each cell shows the strongest of a square of pairs." if session.num_neurons > MOST_CELLS else "")
        + (f" {analysis.shown}" if analysis.shown else "")
    )
    return ReportFigure("connectivity", sentence, _plotly_matrices(session, analysis), _static_matrices(analysis))


def _plotly_matrices(session: Session, analysis: ConnectivityAnalysis) -> PlotlyFigure:
    """Draws the matrices in panels that zoom together."""
    rows = -(-len(analysis.matrices) // 2)
    figure = make_grid(
        60 + 430 * rows, rows=rows, columns=2, titles=list(analysis.matrices),
        horizontal_spacing=0.16, vertical_spacing=0.08, shared="all",
    )  # fmt: skip
    limits = _limits(analysis, MOST_CELLS)
    for place, (kind, tensor) in enumerate(analysis.matrices.items()):
        matrix = tensor.double().clone().fill_diagonal_(0).numpy()
        cells = pooled(matrix, analysis.neuron_order.order, MOST_CELLS)
        limit, row, column = limits[_quantity(kind)], place // 2 + 1, place % 2 + 1
        z = matrix[cells.receiver, cells.sender].astype(np.float32)
        names, p_value = neuron_names(session, cells.first), _p_values(analysis, cells) if place == 0 else None
        figure.add_heatmap(
            z=z, x=names, y=names, customdata=p_value,
            zmin=-limit, zmax=limit, colorscale=DIVERGING,
            colorbar=colour_bar(column, _short_quantity(kind), values=z, limit=limit, row=row, rows=rows),
            hovertemplate="sender %{x}<br>receiver %{y}<br>%{z:.3g}"
            + ("" if p_value is None else "<br>p %{customdata:.2g}") + "<extra></extra>",
            row=row, col=column,
        )  # fmt: skip
    figure.update_xaxes(type="category", ticks="")
    figure.update_yaxes(type="category", autorange="reversed", ticks="")
    figure.update_xaxes(title="sender", row=rows, col=1)
    lowest = len(analysis.matrices) // 2  # an odd last panel leaves the place below the one before it empty
    if len(analysis.matrices) > 1:
        figure.update_xaxes(title="sender", showticklabels=True, row=lowest, col=2)
    figure.update_yaxes(title="receiver", col=1)
    if groups := analysis.neuron_order.ordered_groups:
        mark_groups(figure, groups, cells=len(cells.first), panels=len(analysis.matrices))
    return figure


def _quantity(kind: str) -> str:
    """Returns the name of the values of a kind of connectivity, with its unit."""
    return "correlation" if "correlation" in kind else TRUE_WEIGHT if kind.startswith("true") else WEIGHT


def _short_quantity(kind: str) -> str:
    """Returns the name of the values for a colour bar between two panels, where there is little room."""
    return "weight (SD per SD)" if _quantity(kind) == WEIGHT else _quantity(kind)


def _limits(analysis: ConnectivityAnalysis, most: int) -> dict[str, float]:
    """Returns quantity -> value of full colour, over what the images of all its matrices show in so many cells."""
    values: dict[str, list[np.ndarray]] = {}
    for kind, matrix in analysis.matrices.items():
        shown = drawn_values(matrix.double().numpy(), analysis.neuron_order.order, most)
        values.setdefault(_quantity(kind), []).append(shown)
    return {
        quantity: (weight_limit if quantity == WEIGHT else colour_limit)(np.concatenate(parts))
        for quantity, parts in values.items()
    }


def _p_values(analysis: ConnectivityAnalysis, cells: Cells) -> np.ndarray | None:
    """Returns the p-value of each cell of a drawn matrix; None if edges were not tested."""
    return None if analysis.p_value is None else analysis.p_value.numpy()[cells.receiver, cells.sender]


def _static_matrices(analysis: ConnectivityAnalysis) -> StaticFigure:
    """Draws the matrices."""
    order = analysis.neuron_order.order
    groups = analysis.neuron_order.ordered_groups
    columns = 3 if len(analysis.matrices) in (3, 5, 6) else 2
    rows = -(-len(analysis.matrices) // columns)
    figure, axes = make_figure(5.5 * columns, 4.6 * rows, columns=columns, rows=rows)
    limits = _limits(analysis, STATIC_CELLS)
    for ax, (kind, matrix) in zip(axes, analysis.matrices.items(), strict=False):
        quantity = _quantity(kind)
        draw_matrix(ax, matrix[order][:, order], kind, groups=groups, label=quantity, limit=limits[quantity])
    for ax in axes[len(analysis.matrices) :]:
        ax.set_axis_off()
    return figure


def graph_figure(session: Session, analysis: ConnectivityAnalysis, graph: Graph) -> ReportFigure:
    """Returns the figure of neurons in space with the strongest significant edges."""
    few = f" (the {MOST} strongest of them)" if len(graph.edge_weight) == MOST else ""
    places = (
        "Neurons are drawn at their recorded positions."
        if graph.placed
        else "Positions are not known: neurons with strong edges between them are drawn near each other, and the place "
        "has no other meaning; neurons without such edges are left out."
    )
    sentence = (
        f"The {SENDERS} strongest of the significant edges to each neuron{few}, by learned weight; arrows lead from "
        f"sender to receiver. Red is positive, blue negative. {places} The colour of a neuron is its "
        f"{analysis.neuron_order.field_name}. Drag to turn; point at a neuron or at the middle of an edge to read its "
        "values."
    )
    return ReportFigure("graph", sentence, _plotly_graph(session, analysis, graph), _static_graph(analysis, graph))


def _plotly_graph(session: Session, analysis: ConnectivityAnalysis, graph: Graph) -> PlotlyFigure:
    """Draws neurons and edges in three dimensions."""
    figure = make_plotly(640)
    _add_edges(figure, session, graph)
    _add_neurons(figure, session, analysis, graph)
    near = 1.4 if graph.placed or len(graph.edge_weight) < 10 else 0.8  # the few neurons of a layout lie at its border
    axis = {"showbackground": False, "gridcolor": "#e5e5e5", "zeroline": False} if graph.placed else _NO_AXIS
    figure.update_layout(
        scene={f"{a}axis": {**axis, "title": {"text": a}} for a in "xyz"}
        | {"aspectmode": "data" if graph.placed else "cube", "camera_eye": dict.fromkeys("xyz", near)},
        legend={"orientation": "v", "x": 1.0, "y": 0.9, "xanchor": "left", "yanchor": "top", "itemsizing": "constant"},
        margin={"l": 0, "r": 0, "t": 20, "b": 0},
    )
    return figure


def _add_edges(figure: PlotlyFigure, session: Session, graph: Graph) -> None:
    """Adds edges as lines, with an invisible mark in the middle of each that shows its weight."""
    for name, colour, sign in (("positive effect", EXCITES, 1), ("negative effect", INHIBITS, -1)):
        chosen = sign * graph.edge_weight > 0
        (sender, receiver), weight = graph.edge_index[:, chosen], graph.edge_weight[chosen]
        ends = np.stack([graph.position[sender], graph.position[receiver], np.full((len(sender), 3), np.nan)], axis=1)
        x, y, z = ends.reshape(-1, 3).astype(np.float32).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="lines", line={"color": colour, "width": 2}, opacity=0.55, name=name, hoverinfo="skip"
        )
        _add_heads(figure, graph, sender, receiver, colour)
        x, y, z = ((graph.position[sender] + graph.position[receiver]) / 2).astype(np.float32).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="markers", marker={"size": 3, "opacity": 0}, showlegend=False, hoverinfo="text",
            text=[
                f"{html(session.neuron_id[j])} → {html(session.neuron_id[i])}<br>weight {w:.3g}"
                for j, i, w in zip(sender, receiver, weight, strict=True)
            ],
        )  # fmt: skip


def _add_heads(figure: PlotlyFigure, graph: Graph, sender: np.ndarray, receiver: np.ndarray, colour: str) -> None:
    """Adds the heads of arrows, a cone near the receiver of each edge."""
    way = graph.position[receiver] - graph.position[sender]
    length = np.linalg.norm(way, axis=1, keepdims=True)
    size = 0.025 * float(np.nanmax(np.ptp(graph.position[np.isfinite(graph.position).all(1)], axis=0), initial=0.0))
    unit = np.divide(way, length, out=np.zeros_like(way), where=length > 0)
    x, y, z = (graph.position[receiver] - size * unit).astype(np.float32).T
    u, v, w = unit.astype(np.float32).T
    figure.add_cone(
        x=x, y=y, z=z, u=u, v=v, w=w, anchor="tip", sizemode="raw", sizeref=size, showscale=False,
        colorscale=[[0, colour], [1, colour]], hoverinfo="skip",
    )  # fmt: skip


def _add_neurons(figure: PlotlyFigure, session: Session, analysis: ConnectivityAnalysis, graph: Graph) -> None:
    """Adds neurons as dots, a colour for each group, with their row of the neuron table."""
    group = analysis.neuron_order.group
    rows = [] if analysis.neurons is None else analysis.neurons.to_dict("records")
    texts = {
        row["neuron_id"]: "<br>".join(html(f"{key} {_short(value)}") for key, value in row.items()) for row in rows
    }
    colours = group_colours(group)
    for name, colour in colours.items():
        member = np.array([group_label(of_neuron, colours) == name for of_neuron in group])
        member &= np.isfinite(graph.position).all(1)
        x, y, z = graph.position[member].astype(np.float32).T
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="markers", name=html(name), hoverinfo="text",
            marker={"size": 5, "color": colour, "line": {"width": 0.5, "color": "white"}},
            text=[texts[session.neuron_id[i]] for i in np.flatnonzero(member)],
        )  # fmt: skip


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _axes(session: Session, axes: list[int]) -> list[str]:
    """Returns the names of axes of positions, with their unit if it is known."""
    unit = session.get("position_unit", "")
    return [f"{'xyz'[axis]} ({unit})" if unit else "xyz"[axis] for axis in axes]


def _static_graph(analysis: ConnectivityAnalysis, graph: Graph) -> StaticFigure:
    """Draws neurons and edges along the two widest axes."""
    figure, (ax,) = make_figure(8, 6)
    order = analysis.neuron_order
    draw_graph(
        ax, graph.flat, graph.edge_index, graph.edge_weight, groups=order.group, title=order.field_name,
        names=analysis.session.neuron_id, axes=_axes(analysis.session, graph.widest) if graph.placed else [],
    )  # fmt: skip
    return figure


def currents_figure(analysis: ConnectivityAnalysis) -> ReportFigure:
    """Returns the figure of the correlation of input current and activity against delay."""
    kind, curve = next(iter(analysis.currents.items()))
    peak = f"{curve.peak_delay} bin{'s' * (curve.peak_delay != 1)}"
    top = curve.delays.tolist().index(curve.peak_delay)
    if not float(curve.mean[top]) > 2 * float(curve.sem[top].nan_to_num(0.0)):
        told = "no delay stands out from zero: the current does not predict"
    else:
        side = "precedes the activity" if curve.peak_delay > 0 else "does not precede the activity"
        told = f"the peak is at {peak}: the current {side}"
    sentence = (
        "Correlation of each neuron's input current (connectivity times activity) with its own activity some time "
        "later, over the test part, for several kinds of connectivity. A current that predicts has its peak right of "
        "zero, outside the shaded range. Activity that all neurons share can lift every curve; compare with the "
        f"shuffled weights. With the {kind} {told}."
    )
    return ReportFigure("currents", sentence, _plotly_currents(analysis), _static_currents(analysis))


def _plotly_currents(analysis: ConnectivityAnalysis) -> PlotlyFigure:
    figure = make_plotly(380)
    for place, (kind, curve) in enumerate(analysis.currents.items()):
        colour = line_look(place)["color"]
        seconds, mean, error = curve.seconds.numpy(), curve.mean.numpy(), curve.sem.nan_to_num(nan=0.0).numpy()
        figure.add_scatter(
            x=np.append(seconds, seconds[::-1]), y=np.append(mean + error, (mean - error)[::-1]), fill="toself",
            fillcolor=colour, opacity=0.2, line_width=0, hoverinfo="skip", showlegend=False, legendgroup=kind,
        )  # fmt: skip
        figure.add_scatter(
            x=seconds, y=mean, mode="lines+markers", name=kind, line_color=colour, marker_size=5, legendgroup=kind
        )
    figure.add_vrect(seconds[0], 0, fillcolor="#f0f0f0", line_width=0, layer="below")
    figure.update_xaxes(title="delay of the activity behind the current (s)", range=[seconds[0], seconds[-1]])
    figure.update_yaxes(title="correlation, mean ± SEM")
    figure.update_layout(legend_font_size=12)
    return figure


def _static_currents(analysis: ConnectivityAnalysis) -> StaticFigure:
    figure, (ax,) = make_figure(6.4, 4)
    curves = {kind: (curve.mean.numpy(), curve.sem.numpy()) for kind, curve in analysis.currents.items()}
    draw_current_correlation(ax, next(iter(analysis.currents.values())).seconds.numpy(), curves)
    return figure
