"""Table and figures of the scores of each neuron."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.neuron_scores import (
    draw_neurons_against_baseline,
    draw_scores_by_group,
    draw_scores_in_space,
)
from synapsnet_pyg.results.saving import save_table
from synapsnet_pyg.runs.evaluation import Evaluation
from synapsnet_pyg.runs.score_details import ScoreDetails

_MOST_GROUPS = 30
"""Groups that a figure shows, the largest ones."""


def save_neuron_scores(scores: Evaluation, path: Path) -> Path:
    """Writes the scores of each neuron as CSV, with the name of its session in the first column; returns the path.

    Args:
        scores: Scores from :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
        path: Path of the file, ending in ``.csv``; the folder must exist.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    tables = [details.neurons.assign(session=name) for name, details in scores.details.items()]
    table = pd.concat(tables, ignore_index=True)
    return save_table(table[["session", *table.columns.drop("session")]], path.with_suffix(""), float_format="%.6g")


class GroupScores(NamedTuple):
    """Correlations of the scored neurons of each group, the best group first."""

    name: str
    """Field that groups the neurons."""
    groups: list[str]
    scores: list[np.ndarray]


class PlacedScores(NamedTuple):
    """Correlations of the scored neurons at their places in the plane in which they are spread most."""

    x: np.ndarray
    y: np.ndarray
    score: np.ndarray
    neuron_id: list[str]
    names: tuple[str, str]
    """Names of the two coordinates."""


def scores_by_area(details: ScoreDetails) -> GroupScores | None:
    """Returns the correlations of the scored neurons of each area; None without two areas.

    Args:
        details: Scores of the neurons. Of more than 30 areas, those with the most neurons are returned.
    """
    table = details.neurons[details.neurons["scored"]]
    if "area" not in table or table["area"].dtype.kind in "fiub" or table["area"].nunique() < 2:
        return None
    areas = table["area"].where(table["area"] != "", "unknown")
    kept = areas.value_counts().index[:_MOST_GROUPS]
    grouped = {area: table.loc[areas == area, "correlation"].to_numpy() for area in kept}
    order = sorted(grouped, key=lambda area: -float(grouped[area].mean()))
    return GroupScores("area", order, [grouped[area] for area in order])


def scores_in_space(details: ScoreDetails) -> PlacedScores | None:
    """Returns the correlations of the scored neurons in space; None unless two of them or more have a position.

    Args:
        details: Scores of the neurons.
    """
    table = details.neurons[details.neurons["scored"]]
    axes = [name for name in ("position_x", "position_y", "position_z") if name in table]
    placed = table[np.isfinite(table[axes].to_numpy(float)).all(1)] if axes else table[:0]
    spread = placed[axes].max() - placed[axes].min()
    widest = [name for name in axes if name in spread.nlargest(2).index]
    if len(placed) < 2 or len(widest) < 2:
        return None
    x, y = (placed[name].to_numpy(float) for name in widest)
    unit = f" ({details.position_unit})" if details.position_unit else ""
    names = (widest[0].replace("_", " ") + unit, widest[1].replace("_", " ") + unit)
    return PlacedScores(x, y, placed["correlation"].to_numpy(), placed["neuron_id"].tolist(), names)


def draw_neuron_scores(model: str, details: ScoreDetails) -> dict[str, Figure]:
    """Draws the scores of the neurons of a session; returns name -> figure.

    Args:
        model: Name of the fitted model.
        details: Scores of the neurons.

    Returns:
        ``against-baseline`` (unless there is no other model), ``by-area`` (if there are two areas or more) and
        ``in-space`` (if neurons have positions); nothing if no neuron is scored.
    """
    figures = {}
    table = details.neurons[details.neurons["scored"]]
    if details.baseline is not None and len(table):
        figure, (ax,) = make_figure(4.6, 4.6)
        draw_neurons_against_baseline(
            ax, table[f"correlation_{details.baseline}"].to_numpy(), table["correlation"].to_numpy(),
            name_baseline=details.baseline, name_fitted=model,
        )  # fmt: skip
        figures["against-baseline"] = figure
    if (areas := scores_by_area(details)) is not None:
        few = f", in the {_MOST_GROUPS} largest areas" if table["area"].nunique() > len(areas.groups) else ""
        figure, (ax,) = make_figure(6, 1.2 + 0.35 * len(areas.groups))
        draw_scores_by_group(ax, areas.groups, areas.scores, label=f"correlation by {model}{few}")
        figures["by-area"] = figure
    if (placed := scores_in_space(details)) is not None:
        figure, (ax,) = make_figure(5.8, 4.8)
        draw_scores_in_space(ax, placed.x, placed.y, placed.score, names=placed.names)
        figures["in-space"] = figure
    return figures
