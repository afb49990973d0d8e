"""Signs of the neurons in the sessions of a run, their tables and figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from synapsnet_pyg.analysis.blocks import groups_of
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.analysis.signs import SIGNS, NeuronSigns, neuron_signs, signs_by_group
from synapsnet_pyg.files import file_name, make_folder
from synapsnet_pyg.plots.canvas import Figure, figure_text, make_figure
from synapsnet_pyg.plots.groups import draw_forest, draw_signs
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.results.saving import save_table
from synapsnet_pyg.runs.run import Run


@dataclass(frozen=True)
class SignResults:
    """Signs of the neurons of a session.

    Attributes:
        signs: Sign of each neuron.
        field: Field that groups the neurons; None: no groups.
        groups: Table of :func:`~synapsnet_pyg.analysis.signs.signs_by_group`; None without groups.
    """

    signs: NeuronSigns
    field: str | None = None
    groups: "pd.DataFrame | None" = None


def sign_results(run: Run, field: str | None = None, *, rate: float = 0.05) -> dict[str, SignResults]:
    """Tests the sign of every neuron of the sessions of a run, each on its training part.

    Args:
        run: Run of a model with a connectivity.
        field: Field that groups the neurons, to compare each group with the rest; None: no groups.
        rate: False discovery rate of the neurons that have a sign.

    Returns:
        Session name -> results.

    Raises:
        ValueError: A session has no such field or is too short for the test, or ``rate`` is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"Expected a rate between 0 and 1, such as 0.05 (got {rate}).")
    results = {}
    if field is not None:
        for session in run.sessions.values():
            groups_of(session, field, None)
    for name, split in run.split().items():
        edges = edge_significance(split.train, resamples=10).require_all_pairs("signs of neurons")
        signs = neuron_signs(run.model, split.train, edges, targets=run.targets, rate=rate)
        groups = None if field is None else signs_by_group(split.train, signs, field)
        results[name] = SignResults(signs, field, groups)
    return results


def save_sign_results(results: dict[str, SignResults], folder: Path) -> Iterator[str]:
    """Writes tables and figures of the signs of neurons.

    ====================================  =============================================================================
    ``<session>-signs.csv``               sign of each neuron and the numbers behind it
    ``<session>-signs-<field>.csv``       groups of neurons compared with the rest
    ``<session>-signs.png``, ``.svg``     effects and the part that mirrors coincidences; groups with intervals
    ====================================  =============================================================================

    Args:
        results: Results of :func:`sign_results`.
        folder: Folder of the files, created if needed.

    Yields:
        A line for each file, and the number of neurons of each sign.
    """
    for name, result in results.items():
        stem = make_folder(folder) / f"{file_name(name)}-signs"
        yield f"written to {save_table(result.signs.table, stem)}: sign of each neuron"
        if result.groups is not None:
            path = save_table(result.groups, stem.with_name(f"{stem.name}-{file_name(str(result.field))}"))
            yield f"written to {path}: groups compared with the rest"
        for path in save_figure(draw_sign_results(result, name), stem):
            yield f"written to {path}: effects beyond those that mirror coincidences"
        yield f"{name}: {result.signs.message}"
        if result.groups is not None:
            yield from (f"{name}: {line}" for line in _group_lines(result.groups))


def draw_sign_results(result: SignResults, title: str = "") -> Figure:
    """Draws the mean effect of each neuron against the part that mirrors coincidences, beside groups of neurons.

    Args:
        result: Signs of the neurons of a session.
        title: Title of the figure.

    Example:
        >>> columns = ["effect", "error", "mirrored", "sign"]
        >>> table = pd.DataFrame([[0.1, 0.02, 0.03, "excites"], [-0.1, 0.1, 0.0, "undecided"]], columns=columns)
        >>> len(draw_sign_results(SignResults(NeuronSigns(table, 1.0, 0.5, 0.05))).axes)
        1
    """
    table, groups = result.signs.table, result.groups
    figure, (left, *right) = make_figure(4.6 if groups is None else 8.6, 3.8, columns=1 if groups is None else 2)
    effect, error, mirrored = (table[name].to_numpy(float) for name in ("effect", "error", "mirrored"))
    draw_signs(left, mirrored, effect, error, sign=table["sign"].to_list(), signs=SIGNS)
    if groups is not None:
        low, high, mean = (groups[name].to_numpy(float) for name in ("low", "high", "difference"))
        names = [f"{row.group} ({row.neurons})" for row in groups.itertuples()]
        marked = groups["q_value"].to_numpy(float) <= result.signs.rate
        draw_forest(
            right[0], names, mean, low, high, marked=marked, label="effect minus that of the rest, 95 % interval"
        )
    figure.suptitle(figure_text(title), fontsize="medium")
    return figure


def _group_lines(groups: "pd.DataFrame") -> Iterator[str]:
    """Yields a line on each group of neurons."""
    for row in groups.itertuples():
        text = f"{row.group}: {row.excites} of {row.neurons} excite, {row.inhibits} inhibit"
        if np.isfinite(row.low):
            text += f"; effect minus that of the rest {row.difference:.3g} ({row.low:.3g} to {row.high:.3g}, "
            text += f"p {row.p_value:.2g}, q {row.q_value:.2g})"
        yield text
