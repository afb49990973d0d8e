"""Figures of a connectivity: matrices, graph, p-values, distance, input currents."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from synapsnet_pyg.plots.canvas import add_colour_bar, despine, figure_text, mark_groups
from synapsnet_pyg.plots.pooling import STATIC_CELLS, block_limit, colour_limit, drawn_values, pooled
from synapsnet_pyg.plots.style import BLUE, EXCITES, INHIBITS, ORANGE, group_colours, group_label, line_look

WEIGHT = "weight (SD of receiver per SD of sender)"
"""Quantity and unit of a learned weight between standardised activities."""
MEAN_WEIGHT = "mean weight (SD of receiver per SD of sender)"
"""Quantity and unit of a mean of weights."""
ABSOLUTE_WEIGHT = "mean absolute weight (SD per SD)"
"""Quantity and unit of a mean of sizes of weights, short enough for a low figure."""
TRUE_WEIGHT = "true weight"
"""Quantity of a known connectivity, in the unit of its simulation or connectome."""

_MOST_GROUPS = 30
"""Largest number of groups whose names stand beside a matrix; of more, every second or third has its name."""
_MOST_NAMES = 30
"""Largest number of neurons whose names stand in a graph."""


def draw_matrix(
    ax: Axes,
    connectivity: Tensor,
    title: str = "",
    *,
    limit: float | None = None,
    groups: Sequence[str] | None = None,
    bar: bool = True,
    label: str = WEIGHT,
) -> Axes:
    """Draws a connectivity as an image: row = receiver, column = sender, red excites, blue inhibits.

    Args:
        ax: Axes to draw on.
        connectivity: Weights [N, N]; the diagonal is left white. Of more than 600 neurons, a cell shows the strongest
            of a square of pairs.
        title: Title of the Axes.
        limit: Weight of full colour; None: the 99.5th percentile of the absolute weights off the diagonal.
        groups: Group of each neuron [N], such as its area; neurons of a group are shown next to each other, and
            coloured strips with the groups' names lie beside the image.
        bar: True to add a colour bar.
        label: Text beside the colour bar: the quantity and its unit.
    """
    values = connectivity.detach().cpu().double().clone().fill_diagonal_(0).numpy()
    grouped = groups is not None and len(set(groups)) > 1
    order = np.argsort(np.array(groups), kind="stable") if grouped else np.arange(len(values))
    if limit is None:
        limit = colour_limit(drawn_values(values, order, STATIC_CELLS))
    clipped = np.abs(values).max(initial=0) > limit
    cells = pooled(values, order, STATIC_CELLS)
    image = ax.imshow(
        values[cells.receiver, cells.sender], cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest",
        aspect="equal", extent=(-0.5, len(values) - 0.5, len(values) - 0.5, -0.5),
    )  # fmt: skip
    ax.set(title=figure_text(title), xlabel="sender j", ylabel="receiver i")
    ax.spines[["top", "right"]].set_visible(True)
    if grouped:
        mark_groups(ax, np.array(groups)[order], both=True)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    if bar:
        add_colour_bar(ax, image, label, extend="both" if clipped else "neither")
    return ax


def draw_true_against_learned(ax: Axes, truth: Tensor, learned: Tensor) -> Axes:
    """Draws every pair of neurons as a point, true weight against learned weight.

    Args:
        ax: Axes to draw on.
        truth: True connectivity [N, N]; the diagonal is not drawn.
        learned: Learned connectivity [N, N].
    """
    off = ~np.eye(len(truth), dtype=bool)
    x, y = truth.detach().cpu().numpy()[off], learned.detach().cpu().numpy()[off]
    ax.axhline(0, color="0.85", lw=0.8, zorder=0)
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)
    size = float(np.clip(6000 / max(len(x), 1), 2, 16))
    opacity = float(np.clip(20_000 / max(len(x), 1), 0.03, 0.5))  # of millions of points, none should hide the others
    for edge, colour, name in ((x == 0, "0.6", "no edge"), (x != 0, BLUE, "edge")):
        ax.scatter(x[edge], y[edge], s=size, color=colour, alpha=opacity, lw=0, label=name, rasterized=True)
    ax.set(xlabel=TRUE_WEIGHT, ylabel=f"learned {WEIGHT}", title=f"Pearson {np.corrcoef(x, y)[0, 1]:.2f}")
    for handle in ax.legend(frameon=False, loc="upper left").legend_handles:
        cast(PathCollection, handle).set_sizes([24])
        cast(PathCollection, handle).set_alpha(1)
    return ax


def draw_block_matrix(
    ax: Axes,
    weight: np.ndarray,
    groups: Sequence[str],
    *,
    marked: np.ndarray | None = None,
    circled: np.ndarray | None = None,
    label: str = "",
    limit: float | None = None,
) -> Axes:
    """Draws the mean weight from group to group: row = receiver, column = sender.

    Args:
        ax: Axes to draw on.
        weight: Mean weights [G, G], NaN where there is no pair.
        groups: Names of the groups [G].
        marked: Blocks that get a star, booleans [G, G]; None: none.
        circled: Blocks that get a ring, booleans [G, G]; None: none.
        label: Text beside the colour bar.
        limit: Weight of full colour; None: that of :func:`~synapsnet_pyg.plots.pooling.block_limit`.
    """
    if limit is None:
        limit = block_limit(weight)
    image = ax.imshow(weight, cmap="RdBu_r", vmin=-limit, vmax=limit)
    none = np.zeros(weight.shape, dtype=bool)
    ink = np.where(np.abs(weight) > 0.55 * limit, "white", "black")  # seen on dark and on bright blocks
    for row, column in np.argwhere(none if marked is None else marked):
        ax.plot(column, row, "*", ms=5, color=ink[row, column], mew=0)
    for row, column in np.argwhere(none if circled is None else circled):
        ax.plot(column, row, "o", ms=11, mfc="none", mec=ink[row, column], mew=0.8)
    names = list(map(figure_text, groups))
    step = -(-len(groups) // _MOST_GROUPS)  # more names would lie on top of each other
    turn: Any = {"rotation": 90} if len(groups) > 14 else {"rotation": 45, "ha": "right"}
    size = "x-small" if len(groups) > 14 else "small"
    ax.set_xticks(range(0, len(groups), step), names[::step], fontsize=size, **turn)
    ax.set_yticks(range(0, len(groups), step), names[::step], fontsize=size)
    ax.set(xlabel="sender", ylabel="receiver")
    clipped = float(np.nanmax(np.abs(weight), initial=0)) > limit
    add_colour_bar(ax, image, label, extend="both" if clipped else "neither")
    return ax


def draw_graph(
    ax: Axes,
    position: np.ndarray,
    edge_index: np.ndarray,
    edge_weight: np.ndarray,
    *,
    groups: Sequence[str],
    axes: Sequence[str] = (),
    names: Sequence[str] = (),
    title: str = "",
) -> Axes:
    """Draws neurons as dots and edges as arrows from sender to receiver, red above zero and blue below.

    Args:
        ax: Axes to draw on.
        position: Positions in the plane [N, 2]; neurons whose position is not finite are left out.
        edge_index: Sender and receiver of each edge [2, E].
        edge_weight: Weights [E]; arrows of strong edges are wide.
        groups: Group of each neuron [N]; each of the largest groups has a colour, the others are grey.
        axes: Names of the two axes; none where a position has no meaning of its own.
        names: Names of the neurons [N], which are written beside the dots of a small population; empty: none.
        title: Name of the field that groups the neurons, above their colours.
    """
    shown = np.isfinite(position).all(1)
    size = float(np.clip(6000 / max(1, shown.sum()), 14, 70))
    radius = np.sqrt(size / np.pi) + 1  # in points, at which arrows end
    width = 0.5 + 1.5 * np.abs(edge_weight) / (float(np.abs(edge_weight).max(initial=0)) or 1.0)
    for (sender, receiver), weight, wide in zip(edge_index.T, edge_weight, width, strict=True):
        if not (shown[sender] and shown[receiver]):
            continue
        ax.add_patch(
            FancyArrowPatch(
                position[sender], position[receiver], arrowstyle="-|>,head_length=3,head_width=1.6",
                connectionstyle="arc3,rad=0.08", shrinkA=radius, shrinkB=radius, lw=wide, alpha=0.65, zorder=1,
                color=EXCITES if weight > 0 else INHIBITS,
            )
        )  # fmt: skip
    colours = group_colours(groups)
    labels = np.array([group_label(group, colours) for group in groups])
    for group, colour in colours.items():
        x, y = position[(labels == group) & shown].T
        if not len(x):
            continue
        ax.scatter(x, y, s=size, color=colour, ec="white", lw=0.6, zorder=2, label=figure_text(group))
    ax.set_aspect("equal", "datalim")
    ax.autoscale_view()
    for i in np.flatnonzero(shown).tolist() if len(names) and shown.sum() <= _MOST_NAMES else ():
        ax.annotate(
            figure_text(names[i]), position[i], (radius, radius), textcoords="offset points", fontsize="x-small"
        )
    arrows = [Line2D([], [], color=colour, marker=">", ms=4, label=name)
              for name, colour in (("positive effect", EXCITES), ("negative effect", INHIBITS))]  # fmt: skip
    handles, _ = ax.get_legend_handles_labels()
    heading = [Line2D([], [], lw=0, label=figure_text(title))] if title else []
    ax.legend(
        handles=[*arrows, *heading, *handles],
        frameon=False,
        fontsize="small",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
    despine(ax)
    if len(axes) == 2:
        ax.set(xlabel=figure_text(axes[0]), ylabel=figure_text(axes[1]))
    else:
        ax.set_axis_off()
    return ax


def draw_p_values(ax: Axes, counts: np.ndarray, borders: np.ndarray) -> Axes:
    """Draws a histogram of p-values beside the uniform distribution, which they have without any edge.

    Args:
        ax: Axes to draw on.
        counts: Number of p-values between each two borders [M].
        borders: Borders of the ranges [M + 1].
    """
    ax.bar(borders[:-1], counts, np.diff(borders), align="edge", color=BLUE, ec="white", lw=0.5, label="tested pairs")
    ax.axhline(
        counts.sum() / len(counts), color=ORANGE, lw=1.5, ls="--", label="at most this near zero if there were no edges"
    )
    ax.set(xlabel="p-value", ylabel="pairs", xlim=(borders[0], borders[-1]))
    ax.legend(frameon=False)
    despine(ax)
    return ax


def distance_label(unit: str) -> str:
    """Returns the text beside an axis of distances.

    Args:
        unit: Unit of the distances; empty if the recording does not say it.
    """
    return f"distance of sender and receiver ({unit or 'in the unit of the recorded positions'})"


def draw_weight_against_distance(
    ax: Axes,
    distance: np.ndarray,
    weight: np.ndarray,
    *,
    null_mean: np.ndarray,
    null_deviation: np.ndarray,
    unit: str = "",
) -> Axes:
    """Draws the mean absolute weight against distance, beside that under shuffled positions.

    Args:
        ax: Axes to draw on.
        distance: Distance of sender and receiver, middle of each range [M].
        weight: Mean absolute weight in each range [M].
        null_mean: Mean over shuffled positions [M].
        null_deviation: Standard deviation over shuffled positions [M]; two of them are shaded.
        unit: Unit of the distances; empty if the recording does not say it.
    """
    ax.fill_between(
        distance, null_mean - 2 * null_deviation, null_mean + 2 * null_deviation, color="0.85", lw=0,
        label="shuffled positions, ± 2 SD",
    )  # fmt: skip
    ax.plot(distance, weight, color=BLUE, marker="o", ms=4, label="connectivity")
    ax.set(xlabel=figure_text(distance_label(unit)), ylabel=ABSOLUTE_WEIGHT)
    ax.legend(frameon=False)
    despine(ax)
    return ax


def draw_current_correlation(
    ax: Axes, seconds: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Axes:
    """Draws the correlation of input current and activity against delay (SynapsNet, figure 4b).

    Args:
        ax: Axes to draw on.
        seconds: Delays [D]; above 0 the current leads. Activity at delays of 0 and below is not known when a forecast
            is made; these delays are shaded.
        curves: Kind of connectivity -> mean and standard error over neurons, [D] each.
    """
    ax.axvspan(float(seconds[0]), 0, color="0.94", lw=0)
    ax.axhline(0, color="0.7", lw=0.8)
    for place, (kind, (mean, error)) in enumerate(curves.items()):
        look: Any = line_look(place)
        ax.plot(seconds, mean, marker="o", ms=3, lw=1.4, label=figure_text(kind), **look)
        ax.fill_between(seconds, mean - error, mean + error, color=look["color"], alpha=0.2, lw=0)
    ax.set_xlim(float(seconds[0]), float(seconds[-1]))
    ax.set(xlabel="delay of the activity behind the current (s)", ylabel="correlation, mean ± SEM")
    ax.legend(frameon=False, fontsize="small")
    despine(ax)
    return ax
