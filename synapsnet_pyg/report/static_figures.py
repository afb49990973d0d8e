"""The figures of a report for paper."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import (
    draw_block_matrix,
    draw_current_correlation,
    draw_graph,
    draw_matrix,
    draw_p_values,
    draw_weight_against_distance,
)
from synapsnet_pyg.plots.forecasts import draw_forecast_traces, draw_raster
from synapsnet_pyg.report.forecast_excerpt import Course
from synapsnet_pyg.report.neuron_order import Arrangement
from synapsnet_pyg.report.session_results import Significance, Wiring
from synapsnet_pyg.report.summaries import BlockMatrix, Profile, colour_limit, every_so_many


def forecast_course(session: Session, course: Course) -> Figure:
    """The best, median and worst forecast neuron."""
    figure, (ax,) = make_figure(10, 4)
    rows = list(course.chosen.values())
    labels = [
        f"{which}: {plain(session.neuron_id[i])}\nr = {course.score[i]:.2f}" for which, i in course.chosen.items()
    ]
    draw_forecast_traces(
        ax, course.seconds, course.truth[rows], course.forecast[rows], labels=labels, breaks=course.breaks
    )
    return figure


def components(course: Course) -> Figure:
    """The population along its first principal axes."""
    figure, (ax,) = make_figure(10, 4)
    labels = [f"PC{k + 1}" for k in range(len(course.true_components))]
    draw_forecast_traces(
        ax, course.seconds, course.true_components, course.forecast_components, labels=labels, breaks=course.breaks
    )
    return figure


def raster(session: Session, course: Course, arrangement: Arrangement | None) -> Figure:
    """Truth beside forecast, of all neurons."""
    rows = every_so_many(np.arange(session.num_neurons) if arrangement is None else arrangement.order)
    figure, (left, right) = make_figure(12, 4.4, columns=2)
    for ax, activity, title in (
        (left, course.truth[rows], "true activity"),
        (right, course.forecast[rows], "forecast one bin ahead"),
    ):
        draw_raster(ax, activity, course.seconds, title=title, limit=colour_limit(activity))
    return figure


def matrices(wiring: Wiring) -> Figure:
    """Kinds of connectivity beside each other, neurons in the same order."""
    order = wiring.arrangement.order
    groups = [plain(group) for group in wiring.arrangement.ordered_groups]
    rows = -(-len(wiring.matrices) // 2)
    figure, axes = make_figure(11, 4.6 * rows, columns=2, rows=rows)
    for ax, (kind, matrix) in zip(axes, wiring.matrices.items(), strict=False):
        draw_matrix(ax, matrix[order][:, order], kind, groups=groups)
    for ax in axes[len(wiring.matrices) :]:
        ax.set_axis_off()
    return figure


def graph(wiring: Wiring) -> Figure:
    """Neurons in the plane with the strongest edges."""
    drawn = wiring.graph
    figure, (ax,) = make_figure(8, 6)
    names = ["xyz"[axis] for axis in drawn.widest] if drawn.placed else []
    groups = [plain(group) for group in wiring.arrangement.group]
    draw_graph(ax, drawn.flat, drawn.edge_index, drawn.edge_weight, groups=groups, axes=names)
    return figure


def current_correlation(wiring: Wiring) -> Figure:
    """Correlation of input current and activity against delay."""
    figure, (ax,) = make_figure(6.4, 4)
    curves = {kind: (curve.mean.numpy(), curve.sem.numpy()) for kind, curve in wiring.currents.items()}
    draw_current_correlation(ax, next(iter(wiring.currents.values())).seconds.numpy(), curves)
    return figure


def p_values(significance: Significance) -> Figure:
    """Histogram of the p-values of all pairs."""
    figure, (ax,) = make_figure(5.4, 3.6)
    draw_p_values(ax, significance.counts, significance.borders)
    return figure


def block_matrix(blocks: BlockMatrix) -> Figure:
    """Mean weight from group to group."""
    size = 2.4 + 0.4 * min(len(blocks.groups), 12)
    figure, (ax,) = make_figure(size + 1.6, size)
    draw_block_matrix(
        ax, blocks.weight, [plain(name) for name in blocks.groups], marked=blocks.marked, label="mean weight"
    )
    return figure


def weight_against_distance(profile: Profile) -> Figure:
    """Mean absolute weight in ranges of distance."""
    figure, (ax,) = make_figure(6, 3.8)
    draw_weight_against_distance(
        ax, profile.distance, profile.weight, null_mean=profile.null_mean, null_deviation=profile.null_deviation
    )
    return figure


def plain(text: str) -> str:
    """A text from a recording, in which matplotlib shall not look for formulas."""
    return text.replace("$", r"\$")
