"""Figures that compare models and methods over sessions and seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import despine, figure_text
from synapsnet_pyg.plots.style import BLUE, COLOURS, ORANGE, line_look


def draw_sweep(ax: Axes, curves: Mapping[str, Mapping[int, Sequence[float]]], label: str) -> Axes:
    """Draws test correlation against a size, a line for each model (SynapsNet, figures 6 and 7).

    Args:
        ax: Axes to draw on.
        curves: Model -> size -> correlation of each session; bars are standard errors over sessions.
        label: Name of the size, written below the horizontal axis.
    """
    for place, (model, points) in enumerate(curves.items()):
        sizes = sorted(points)
        mean, error = zip(*(_mean_and_sem(points[size]) for size in sizes), strict=True)
        look: Any = line_look(place)
        ax.errorbar(sizes, mean, error, marker="o", ms=4, lw=1.5, capsize=2, label=figure_text(model), **look)
    ax.set_xscale("log")
    sizes = sorted({size for points in curves.values() for size in points})
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set(xlabel=label, ylabel="test correlation")
    ax.legend(frameon=False)
    despine(ax)
    return ax


def draw_ranking(ax: Axes, correlations: Mapping[str, Sequence[float]]) -> Axes:
    """Draws models from best to worst: each session a dot, with mean and standard error over sessions.

    Args:
        ax: Axes to draw on.
        correlations: Model -> test correlation of each session.
    """
    order = sorted(correlations, key=lambda model: float(np.mean(correlations[model])))
    for place, model in enumerate(order):
        values = correlations[model]
        mean, error = _mean_and_sem(values)
        ax.plot(values, [place] * len(values), "o", ms=3, color="0.75", zorder=1)
        ax.errorbar(mean, place, xerr=error, fmt="o", ms=5, color=BLUE, capsize=2, zorder=2)
    ax.set_yticks(range(len(order)), list(map(figure_text, order)))
    ax.set(xlabel="test correlation")
    despine(ax)
    return ax


def draw_component_bars(ax: Axes, correlations: Mapping[str, Sequence[Sequence[float | None]]]) -> Axes:
    """Draws how well each model forecasts the first principal components (SynapsNet, figure 2b).

    Args:
        ax: Axes to draw on.
        correlations: Model -> for each session the correlation along each principal axis, None where it is unknown.
            Bars are means over sessions.
    """
    width = 0.8 / max(len(correlations), 1)
    for place, (model, color) in enumerate(zip(correlations, COLOURS * len(correlations), strict=False)):
        for k in range(3):
            along = [row[k] for row in correlations[model] if len(row) > k]
            values = [value for value in along if value is not None]
            if values:
                mean, error = _mean_and_sem(values)
                label = figure_text(model) if k == 0 else None
                ax.bar(k + (place + 0.5) * width - 0.4, mean, width, yerr=error, color=color, label=label)
    ax.set_xticks(range(3), ["PC1", "PC2", "PC3"])
    ax.set(ylabel="correlation, true and forecast")
    ax.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    despine(ax)
    return ax


def draw_model_against_model(
    ax: Axes, x: Mapping[str, float], y: Mapping[str, float], *, name_x: str, name_y: str
) -> Axes:
    """Draws the test correlation of one model against that of another, each session a dot (SynapsNet, figure 2c).

    Args:
        ax: Axes to draw on.
        x: Session -> correlation of the first model.
        y: Session -> correlation of the second model; sessions that only one of them has are left out.
        name_x: Name of the first model.
        name_y: Name of the second model.
    """
    both = [session for session in x if session in y]
    a, b = [x[session] for session in both], [y[session] for session in both]
    span = (min(a + b, default=0.0), max(a + b, default=1.0))
    ax.axline((span[0], span[0]), slope=1, color="0.7", lw=1, ls="--")
    ax.plot(a, b, "o", ms=5, color=BLUE)
    ax.set(xlabel=f"{figure_text(name_x)}: test correlation", ylabel=f"{figure_text(name_y)}: test correlation")
    above = sum(p < q for p, q in zip(a, b, strict=True))
    ax.set_title(f"{above} of {len(both)} sessions above the line", fontsize="medium")
    despine(ax)
    return ax


def draw_recoveries(ax: Axes, pearson: Mapping[str, Sequence[float]]) -> Axes:
    """Draws how well each method recovers a known connectivity (SynapsNet, figure 5c).

    Args:
        ax: Axes to draw on.
        pearson: Method -> Pearson correlation with the true weights of each seed: a dot a seed, a violin for their
            distribution, a line at their mean.
    """
    for place, values in enumerate(pearson.values()):
        if len(values) > 2 and np.ptp(values) > 0:
            bodies: Any = ax.violinplot(values, [place], widths=0.8, showextrema=False)["bodies"]
            for body in bodies:
                body.set(facecolor=BLUE, alpha=0.25)
        ax.plot([place] * len(values), values, "o", ms=3, color=BLUE, alpha=0.6)
        ax.plot([place - 0.3, place + 0.3], [float(np.mean(values))] * 2, color=ORANGE, lw=2)
    ax.axhline(0, color="0.8", lw=0.8, zorder=0)
    ax.set_xticks(
        range(len(pearson)), [figure_text(name.replace("_", " ")) for name in pearson], rotation=30, ha="right"
    )
    ax.set(ylabel="Pearson with the true weights")
    despine(ax)
    return ax


def draw_calibration(
    ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], x: str, y: str, *, legend: bool = False
) -> Axes:
    """Draws probabilities against the shares that came true; the dashed diagonal is perfect calibration.

    Args:
        ax: Axes to draw on.
        curves: Population -> stated probabilities and observed shares.
        x: Name of the stated probability.
        y: Name of the observed share.
        legend: Whether to name the populations.
    """
    ax.axline((0, 0), slope=1, color="0.7", lw=1, ls="--")
    for place, (name, (stated, observed)) in enumerate(curves.items()):
        look: Any = line_look(place)
        ax.plot(stated, observed, marker="o", ms=3, lw=1.2, label=figure_text(name), **look)
    ax.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.02))
    if legend:
        ax.legend(frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(1.0, 1.05))
    despine(ax)
    return ax


def _mean_and_sem(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0
