"""Figures of the scores of each neuron: against a baseline, by group, in space."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from synapsnet_pyg.plots.canvas import add_colour_bar, despine, figure_text
from synapsnet_pyg.plots.style import BLUE, ORANGE


def draw_neurons_against_baseline(
    ax: Axes, baseline: np.ndarray, fitted: np.ndarray, *, name_baseline: str, name_fitted: str
) -> Axes:
    """Draws each neuron's correlation by the fitted model against that by a baseline, with the line of equal scores.

    Args:
        ax: Axes to draw on.
        baseline: Correlation of each neuron by the baseline [N].
        fitted: Correlation of each neuron by the fitted model [N].
        name_baseline: Name of the baseline.
        name_fitted: Name of the fitted model.
    """
    low, high = float(min(baseline.min(), fitted.min())), float(max(baseline.max(), fitted.max()))
    ax.axline((low, low), (high, high if high > low else low + 1.0), color="0.7", lw=1, ls="--", zorder=0)
    ax.plot(baseline, fitted, "o", ms=4, color=BLUE, alpha=0.6, mew=0)
    above = int((fitted > baseline).sum())
    ax.set_title(f"{above} of {len(fitted)} neurons above the line", fontsize="medium")
    ax.set(xlabel=f"correlation by {figure_text(name_baseline)}", ylabel=f"correlation by {figure_text(name_fitted)}")
    ax.set_aspect("equal", adjustable="datalim")
    despine(ax)
    return ax


def draw_scores_by_group(ax: Axes, groups: Sequence[str], scores: Sequence[np.ndarray], *, label: str) -> Axes:
    """Draws the correlations of the neurons of each group, each neuron a dot, with the group's mean.

    Args:
        ax: Axes to draw on.
        groups: Names of the groups, from top to bottom.
        scores: Correlations of the neurons of each group.
        label: Text below the horizontal axis.
    """
    for place, values in enumerate(scores):
        shift = 0.35 * (2 * _spread(len(values)) - 1)
        ax.plot(values, place + shift, "o", ms=3, color=BLUE, alpha=0.4, mew=0)
        ax.plot([float(np.mean(values))] * 2, [place - 0.4, place + 0.4], color=ORANGE, lw=2)
    names = [f"{figure_text(name)} ({len(values)})" for name, values in zip(groups, scores, strict=True)]
    ax.set_yticks(range(len(groups)), names)
    ax.set(xlabel=figure_text(label))
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.axvline(0, color="0.8", lw=0.8, zorder=0)
    despine(ax)
    return ax


def draw_scores_in_space(ax: Axes, x: np.ndarray, y: np.ndarray, score: np.ndarray, *, names: Sequence[str]) -> Axes:
    """Draws each neuron at its position, coloured by its correlation.

    Args:
        ax: Axes to draw on.
        x: First coordinate of the neurons [N].
        y: Second coordinate of the neurons [N].
        score: Correlation of the neurons [N].
        names: Names of the two coordinates.
    """
    order = np.argsort(score)  # the best are drawn on top
    image = ax.scatter(x[order], y[order], c=score[order], s=18, cmap="viridis", linewidths=0)
    ax.set(xlabel=figure_text(names[0]), ylabel=figure_text(names[1]), aspect="equal")
    add_colour_bar(ax, image, "correlation")
    despine(ax)
    return ax


def _spread(count: int) -> np.ndarray:
    """Returns numbers between 0 and 1 that spread any first few of them evenly."""
    return (np.arange(count) * 0.6180339887 + 0.5) % 1.0
