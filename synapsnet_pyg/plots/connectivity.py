"""Figures of a connectivity: matrices, graph, p-values, distance, input currents."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor

from synapsnet_pyg.plots.canvas import add_colour_bar, despine, figure_text
from synapsnet_pyg.plots.style import BLUE, COLOURS, EXCITES, INHIBITS, ORANGE


def draw_matrix(
    ax: Axes,
    connectivity: Tensor,
    title: str = "",
    *,
    limit: float | None = None,
    groups: Sequence[str] | None = None,
    bar: bool = True,
    label: str = "weight",
) -> Axes:
    """Draws a connectivity as an image: row = receiver, column = sender, red excites, blue inhibits.

    Args:
        ax: Axes to draw on.
        connectivity: Weights [N, N]; the diagonal is left white.
        title: Title of the Axes.
        limit: Weight of full colour; None: the 99.5th percentile of the absolute weights off the diagonal.
        groups: Group of each neuron [N], such as its area; neurons of a group are shown next to each other, and the
            group's name stands at the left.
        bar: True to add a colour bar.
        label: Text beside the colour bar.
    """
    values = connectivity.detach().cpu().double().clone().fill_diagonal_(0).numpy()
    if limit is None:
        limit = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max()) or 1.0
    if groups is not None and len(set(groups)) > 1:
        order = np.argsort(np.array(groups), kind="stable")
        values = values[np.ix_(order, order)]
        _mark_groups(ax, np.array(groups)[order])
    image = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal")
    ax.set(title=figure_text(title), xlabel="sender j", ylabel="receiver i")
    if bar:
        add_colour_bar(ax, image, label, extend="both" if np.abs(values).max() > limit else "neither")
    return ax


def _mark_groups(ax: Axes, groups: np.ndarray) -> None:
    """Draws a line between groups that follow each other, and their names at the left."""
    border = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    middle = (np.append(0, border) + np.append(border, len(groups)) - 1) / 2
    size = np.diff(np.concatenate([[0], border, [len(groups)]]))
    names = [figure_text(str(group)) or "?" for group in groups[np.append(0, border)]]
    # Names of groups that are hardly a line high would lie on top of each other.
    names = [name if size[g] >= 0.02 * len(groups) else "" for g, name in enumerate(names)]
    ax.set_yticks(middle, names, fontsize="small")
    ax.set_xticks([])
    for place in border - 0.5:
        ax.axhline(place, color="0.4", lw=0.4)
        ax.axvline(place, color="0.4", lw=0.4)


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
    ax.scatter(x[x != 0], y[x != 0], s=3, color=BLUE, alpha=0.5, lw=0, label="edge", rasterized=True)
    ax.scatter(x[x == 0], y[x == 0], s=2, color="0.6", alpha=0.5, lw=0, label="no edge", rasterized=True)
    ax.set(xlabel="true weight", ylabel="learned weight", title=f"Pearson {np.corrcoef(x, y)[0, 1]:.2f}")
    ax.legend(frameon=False, markerscale=4, loc="upper left")
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
        limit: Weight of full colour; None: the largest absolute weight.
    """
    if limit is None:
        limit = float(np.nanmax(np.abs(weight), initial=0)) or 1.0
    image = ax.imshow(weight, cmap="RdBu_r", vmin=-limit, vmax=limit)
    none = np.zeros(weight.shape, dtype=bool)
    for row, column in np.argwhere(none if marked is None else marked):
        ax.text(column, row, "*", ha="center", va="center", fontsize="large")
    for row, column in np.argwhere(none if circled is None else circled):
        ax.plot(column, row, "o", ms=11, mfc="none", mec="black", mew=0.8)
    names = list(map(figure_text, groups))
    ax.set_xticks(range(len(groups)), names, rotation=45, ha="right", fontsize="small")
    ax.set_yticks(range(len(groups)), names, fontsize="small")
    ax.set(xlabel="sender", ylabel="receiver")
    add_colour_bar(ax, image, label)
    return ax


def draw_graph(
    ax: Axes,
    position: np.ndarray,
    edge_index: np.ndarray,
    edge_weight: np.ndarray,
    *,
    groups: Sequence[str],
    axes: Sequence[str] = (),
) -> Axes:
    """Draws neurons as dots and edges as lines, red where they excite, blue where they inhibit.

    Args:
        ax: Axes to draw on.
        position: Positions in the plane [N, 2]; neurons whose position is not finite are left out.
        edge_index: Sender and receiver of each edge [2, E].
        edge_weight: Weights [E]; lines of strong edges are wide.
        groups: Group of each neuron [N]; each group has a colour.
        axes: Names of the two axes; none where a position has no meaning of its own.
    """
    width = 0.4 + 1.8 * np.abs(edge_weight) / (float(np.abs(edge_weight).max(initial=0)) or 1.0)
    colours = [EXCITES if weight > 0 else INHIBITS for weight in edge_weight]
    lines = np.stack([position[edge_index[0]], position[edge_index[1]]], axis=1)
    ax.add_collection(LineCollection(list(lines), colors=colours, linewidths=width, alpha=0.5, zorder=1))
    for group, colour in zip(sorted(set(groups)), COLOURS * len(groups), strict=False):
        x, y = position[np.array(groups) == group].T
        ax.scatter(x, y, s=22, color=colour, ec="white", lw=0.5, zorder=2, label=figure_text(group))
    ax.set_aspect("equal", "datalim")
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
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
    ax.bar(borders[:-1], counts, np.diff(borders), align="edge", color=BLUE, ec="white", lw=0.5, label="all pairs")
    ax.axhline(
        counts.sum() / len(counts), color=ORANGE, lw=1.5, ls="--", label="at most this near zero if there were no edges"
    )
    ax.set(xlabel="p-value", ylabel="pairs", xlim=(borders[0], borders[-1]))
    ax.legend(frameon=False)
    despine(ax)
    return ax


def draw_weight_against_distance(
    ax: Axes, distance: np.ndarray, weight: np.ndarray, *, null_mean: np.ndarray, null_deviation: np.ndarray
) -> Axes:
    """Draws the mean absolute weight against distance, beside that under shuffled positions.

    Args:
        ax: Axes to draw on.
        distance: Distance of sender and receiver, middle of each range [M].
        weight: Mean absolute weight in each range [M].
        null_mean: Mean over shuffled positions [M].
        null_deviation: Standard deviation over shuffled positions [M]; two of them are shaded.
    """
    ax.fill_between(
        distance, null_mean - 2 * null_deviation, null_mean + 2 * null_deviation, color="0.85", lw=0,
        label="shuffled positions, 2 deviations",
    )  # fmt: skip
    ax.plot(distance, weight, color=BLUE, marker="o", ms=4, label="connectivity")
    ax.set(xlabel="distance of sender and receiver", ylabel="mean absolute weight")
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
    for (kind, (mean, error)), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        ax.plot(seconds, mean, color=colour, marker="o", ms=3, lw=1.4, label=figure_text(kind))
        ax.fill_between(seconds, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    ax.set_xlim(float(seconds[0]), float(seconds[-1]))
    ax.set(xlabel="delay of the activity behind the current (s)", ylabel="correlation")
    ax.legend(frameon=False, fontsize="small")
    despine(ax)
    return ax
