"""Connectivity from group to group of neurons in the sessions of runs, its tables and figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from synapsnet_pyg.analysis.block_sessions import animals_of, blocks_over_sessions
from synapsnet_pyg.analysis.blocks import Blocks, connectivity_blocks, groups_of
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.analysis.states import block_matrix
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name, make_folder
from synapsnet_pyg.plots.canvas import Figure, figure_text, make_figure
from synapsnet_pyg.plots.connectivity import MEAN_WEIGHT, draw_block_matrix
from synapsnet_pyg.plots.groups import draw_forest
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.results.saving import save_table
from synapsnet_pyg.runs.run import Run

RATE = 0.05
"""False discovery rate of the marks in figures."""
MOST_ROWS = 30
"""Largest number of blocks in a forest plot."""
MARKS = "star: the mean differs from zero; ring: the block differs from shuffled labels (q < 0.05 each)"
"""Explanation of the marks in figures of blocks."""


@dataclass(frozen=True)
class GroupResults:
    """Connectivity from group to group.

    Attributes:
        field: Field that groups the neurons.
        sessions: Session name -> connectivity from group to group.
        over_sessions: Table of :func:`~synapsnet_pyg.analysis.block_sessions.blocks_over_sessions`; None for one
            session.
    """

    field: str
    sessions: dict[str, Blocks]
    over_sessions: "pd.DataFrame | None" = None


def group_results(
    runs: Sequence[Run], field: str, *, bins: int | None = None, animal: str | None = None
) -> GroupResults:
    """Computes the mean effect of every block of the sessions of runs, each on its training part.

    The weights are the effects of :func:`~synapsnet_pyg.analysis.significance.edge_significance`, which are not shrunk
    towards zero, with their standard errors.

    Args:
        runs: Runs of different sessions.
        field: Field that groups the neurons.
        bins: Number of quantiles, for a field of numbers; None: each number is a group.
        animal: Field of the neurons, or beginnings of session names separated by commas, that tells which sessions are
            of one animal; None: each session is an animal.

    Raises:
        ValueError: A session occurs twice, has no such field or no known animal, or is too short for the test.
    """
    sessions = _sessions(runs)
    for session in sessions.values():
        groups_of(session, field, bins)
    animals = None if animal is None else animals_of(sessions.values(), animal)
    blocks = {}
    for run in runs:
        for name, split in run.split().items():
            edges = edge_significance(split.train, resamples=10).require_all_pairs("effects from group to group")
            blocks[name] = connectivity_blocks(
                split.train, edges.effect.nan_to_num(), field, bins=bins, error=edges.error, edge=edges.edges()
            )
    tables = {name: result.table for name, result in blocks.items()}
    return GroupResults(field, blocks, blocks_over_sessions(tables, animals) if len(tables) > 1 else None)


def save_group_results(results: GroupResults, folder: Path) -> Iterator[str]:
    """Writes tables and figures of the connectivity from group to group.

    ==========================================  =======================================================================
    ``<session>-blocks-<field>.csv``            table of one session
    ``<session>-blocks-<field>.png``, ``.svg``  its matrix, and its means with intervals over neurons
    ``blocks-<field>.csv``, ``.png``, ``.svg``  the same over sessions or animals, if there are several sessions
    ==========================================  =======================================================================

    Args:
        results: Results of :func:`group_results`.
        folder: Folder of the files, created if needed.

    Yields:
        A line for each file, and a line on each table.
    """
    stem = f"blocks-{file_name(results.field)}"
    for name, blocks in results.sessions.items():
        figure = draw_blocks(blocks.table, f"{name}: effects by {results.field}, intervals over neurons")
        yield from _save(blocks.table, figure, make_folder(folder) / f"{file_name(name)}-{stem}")
        yield f"{name}: {_summary(blocks.table)}; {blocks.unlabelled} neurons without {results.field} were left out"
    if results.over_sessions is not None:
        table = results.over_sessions
        over = "sessions" if (table["animals"] == table["sessions"]).all() else "animals"
        figure = draw_blocks(table, f"{len(results.sessions)} sessions: effects by {results.field}, over {over}")
        yield from _save(table, figure, folder / stem)
        yield f"over {int(table['animals'].max())} {over}: {_summary(table)}"


def draw_blocks(table: "pd.DataFrame", title: str = "") -> Figure:
    """Draws the mean weight from group to group as a matrix, beside the means with their intervals.

    A star stands where the mean differs from zero, a ring where the block differs from shuffled labels. Means that
    differ from zero are in colour. Of many blocks, the :data:`MOST_ROWS` with the smallest p-values have intervals.

    Args:
        table: Table of :func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks` or
            :func:`~synapsnet_pyg.analysis.block_sessions.blocks_over_sessions`.
        title: Title of the figure.

    Example:
        >>> columns = ["sender", "receiver", "mean_weight", "low", "high", "p_zero", "q_zero", "q_labels"]
        >>> table = pd.DataFrame([["V1", "LM", 0.2, 0.1, 0.3, 0.001, 0.01, 0.3]], columns=columns)
        >>> len(draw_blocks(table).axes)  # matrix, intervals, colour bar
        3
    """
    table = table.assign(**{name: table[name].astype(str) for name in ("sender", "receiver")})
    groups = sorted_groups(table)
    rows = table[table["mean_weight"].notna()]
    if len(rows) > MOST_ROWS:
        rows = rows.sort_values("p_zero", kind="stable").head(MOST_ROWS).sort_index()
    size = 2.6 + 0.36 * min(len(groups), 14)
    figure, (left, right) = make_figure(size + 5.4, max(size, 1.2 + 0.15 * len(rows)), columns=2)
    weight, q_zero, q_labels = (block_matrix(table, groups, name) for name in ("mean_weight", "q_zero", "q_labels"))
    draw_block_matrix(left, weight, groups, marked=q_zero <= RATE, circled=q_labels <= RATE, label=MEAN_WEIGHT)
    mean, low, high, q = (rows[name].to_numpy(float) for name in ("mean_weight", "low", "high", "q_zero"))
    pairs = [f"{sender} \u2192 {receiver}" for sender, receiver in rows[["sender", "receiver"]].to_numpy()]
    draw_forest(right, pairs, mean, low, high, marked=q <= RATE, label="mean weight, 95 % interval")
    figure.suptitle(figure_text(title), fontsize="medium")
    figure.supxlabel(MARKS, fontsize="x-small")
    return figure


def sorted_groups(table: "pd.DataFrame") -> list[str]:
    """Returns the names of all groups of a table of blocks, in the order of its senders and then its receivers."""
    return [str(name) for name in dict.fromkeys([*table["sender"], *table["receiver"]])]


def _sessions(runs: Sequence[Run]) -> Mapping[str, Session]:
    """Returns the sessions of all runs by name; raises an error if a name occurs twice."""
    sessions: dict[str, Session] = {}
    for run in runs:
        twice = [name for name in run.sessions if name in sessions]
        if twice:
            raise ValueError(f"Expected runs of different sessions (got '{twice[0]}' twice).")
        sessions |= run.sessions
    return sessions


def _save(table: "pd.DataFrame", figure: Figure, stem: Path) -> Iterator[str]:
    """Writes a table and its figure; yields a line for each file."""
    yield f"written to {save_table(table, stem)}: {len(table)} pairs of groups"
    for path in save_figure(figure, stem):
        yield f"written to {path}: {MARKS}"


def _summary(table: "pd.DataFrame") -> str:
    """Returns the number of blocks that each test finds."""
    zero, labels = ((table[name] <= RATE).sum() for name in ("q_zero", "q_labels"))
    tested = int(np.isfinite(table["p_zero"]).sum())
    return (
        f"{zero} of {tested} blocks differ from zero (q_zero < 0.05), {labels} of "
        f"{int(np.isfinite(table['p_labels']).sum())} from shuffled labels (q_labels < 0.05)"
    )
