"""The figures of a report for paper."""

import numpy as np

from synapsnet_pyg import plots
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.report.forecast_excerpt import Course
from synapsnet_pyg.report.neuron_order import Arrangement
from synapsnet_pyg.report.session_results import Significance, Wiring
from synapsnet_pyg.report.summaries import BlockMatrix, Profile, colour_limit, every_so_many


def forecast_course(session: Session, course: Course) -> plots.Figure:
    """The best, median and worst forecast neuron."""
    figure, (ax,) = plots.figure(10, 4)
    rows = list(course.chosen.values())
    labels = [
        f"{which}: {plain(session.neuron_id[i])}\nr = {course.score[i]:.2f}" for which, i in course.chosen.items()
    ]
    plots.forecast_course(ax, course.seconds, course.truth[rows], course.forecast[rows], labels, course.breaks)
    return figure


def components(course: Course) -> plots.Figure:
    """The population along its first principal axes."""
    figure, (ax,) = plots.figure(10, 4)
    labels = [f"PC{k + 1}" for k in range(len(course.true_components))]
    plots.forecast_course(ax, course.seconds, course.true_components, course.forecast_components, labels, course.breaks)
    return figure


def raster(session: Session, course: Course, arrangement: Arrangement | None) -> plots.Figure:
    """Truth beside forecast, of all neurons."""
    rows = every_so_many(np.arange(session.num_neurons) if arrangement is None else arrangement.order)
    figure, (left, right) = plots.figure(12, 4.4, 2)
    for ax, activity, title in (
        (left, course.truth[rows], "true activity"),
        (right, course.forecast[rows], "forecast one bin ahead"),
    ):
        plots.raster(ax, activity, course.seconds, title, colour_limit(activity))
    return figure


def matrices(wiring: Wiring) -> plots.Figure:
    """Kinds of connectivity beside each other, neurons in the same order."""
    order = wiring.arrangement.order
    groups = [plain(group) for group in wiring.arrangement.ordered_groups]
    rows = -(-len(wiring.matrices) // 2)
    figure, axes = plots.figure(11, 4.6 * rows, columns=2, rows=rows)
    for ax, (kind, matrix) in zip(axes, wiring.matrices.items(), strict=False):
        plots.matrix(ax, matrix[order][:, order], kind, groups=groups)
    for ax in axes[len(wiring.matrices) :]:
        ax.set_axis_off()
    return figure


def graph(wiring: Wiring) -> plots.Figure:
    """Neurons in the plane with the strongest edges."""
    drawn = wiring.graph
    figure, (ax,) = plots.figure(8, 6)
    names = ["xyz"[axis] for axis in drawn.widest] if drawn.placed else []
    groups = [plain(group) for group in wiring.arrangement.group]
    plots.graph(ax, drawn.flat, drawn.edge_index, drawn.edge_weight, groups, names)
    return figure


def current_correlation(wiring: Wiring) -> plots.Figure:
    """Correlation of input current and activity against delay."""
    figure, (ax,) = plots.figure(6.4, 4)
    curves = {kind: (curve.mean.numpy(), curve.sem.numpy()) for kind, curve in wiring.currents.items()}
    plots.current_correlation(ax, next(iter(wiring.currents.values())).seconds.numpy(), curves)
    return figure


def p_values(significance: Significance) -> plots.Figure:
    """Histogram of the p-values of all pairs."""
    figure, (ax,) = plots.figure(5.4, 3.6)
    plots.p_values(ax, significance.counts, significance.borders)
    return figure


def block_matrix(blocks: BlockMatrix) -> plots.Figure:
    """Mean weight from group to group."""
    size = 2.4 + 0.4 * min(len(blocks.groups), 12)
    figure, (ax,) = plots.figure(size + 1.6, size)
    plots.block_matrix(ax, blocks.weight, [plain(name) for name in blocks.groups], blocks.marked, "mean weight")
    return figure


def weight_against_distance(profile: Profile) -> plots.Figure:
    """Mean absolute weight in ranges of distance."""
    figure, (ax,) = plots.figure(6, 3.8)
    plots.weight_against_distance(ax, *profile)
    return figure


def plain(text: str) -> str:
    """A text from a recording, in which matplotlib shall not look for formulas."""
    return text.replace("$", r"\$")
