"""Changes in time of the connectivity of the sessions of a run, and their files."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from synapsnet_pyg.analysis.blocks import groups_of
from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.running_summaries import (
    EdgeTraces,
    Means,
    Moments,
    RunningEdgeTraces,
    RunningMeans,
    RunningMoments,
    StrongestEdges,
    summarise,
)
from synapsnet_pyg.analysis.states import StateBlocks, States, block_matrix, state_blocks, states_of, states_of_windows
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, file_name, make_folder
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.plots.canvas import Figure, figure_text, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix
from synapsnet_pyg.plots.image_files import write_image
from synapsnet_pyg.results.graphs import endpoint_columns
from synapsnet_pyg.results.saving import save_table
from synapsnet_pyg.runs.run import Run

MOST_GROUPS = 50
"""Largest number of groups of neurons: memory grows with its square and the number of windows."""


@dataclass(frozen=True)
class DynamicsSummary:
    """Summary of a connectivity that changes in time.

    Attributes:
        moments: Mean and variance of every weight over all windows.
        edges: Edges that change most.
        traces: Weights of these edges in each window.
        states: Names of the S states.
        by_state: Mean connectivity over the windows of each state.
        blocks: Connectivity from group to group in each state; None if neurons were not grouped.
    """

    moments: Moments
    edges: StrongestEdges
    traces: EdgeTraces
    states: list[str]
    by_state: Means
    blocks: StateBlocks | None = None


def summarise_dynamics(
    dynamic: DynamicConnectivity,
    *,
    top_k: int = 20,
    states: States | None = None,
    group_by: str | None = None,
    path: Path | None = None,
) -> DynamicsSummary:
    """Summarises a dynamic connectivity in two passes over the windows.

    The first pass finds the edges that change most. The second pass collects their weights over time. Memory holds one
    batch of windows, a few matrices, and for each window the weights of these edges and a number for each pair of
    groups.

    Args:
        dynamic: Connectivity of the part that is summarised, usually the training part.
        top_k: Number of edges that change most whose weights are collected.
        states: State of each bin of that part, from :func:`~synapsnet_pyg.analysis.states.states_of`; None: no states.
        group_by: Field that groups the neurons; effects of groups are tested
            (:func:`~synapsnet_pyg.analysis.states.state_blocks`). None: no groups.
        path: File for every weight in every window; None: no file.

    Raises:
        ValueError: ``top_k`` is below 1, the states do not fit, or there is no such field.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> summary = summarise_dynamics(DynamicConnectivity(Copy([session]), session), top_k=2)
        >>> summary.moments.windows, summary.traces.weight.shape
        (49, torch.Size([2, 49]))
    """
    states = states or States(torch.full((dynamic.session.num_bins,), -1), [])
    moments, means = RunningMoments(), RunningMeans(dynamic.window_state(states.state), len(states.names))
    if path is None:
        summarise(dynamic, moments, means)
    else:
        dynamic.save(path, moments, means)

    edges = moments.result.strongest(top_k, by="deviation")
    traces, blocks = RunningEdgeTraces(edges.edge_index, dynamic.bins), None
    if group_by is None:
        summarise(dynamic, traces)
    else:
        blocks = state_blocks(dynamic, group_by, states, summaries=[traces])
    return DynamicsSummary(
        moments=moments.result,
        edges=edges,
        traces=traces.result,
        states=states.names,
        by_state=means.result,
        blocks=blocks,
    )


def save_dynamics(
    run: Run,
    folder: Path,
    *,
    top_k: int = 20,
    states: Sequence[str] = (),
    group_by: str | None = None,
    every_window: bool = False,
) -> Iterator[str]:
    """Writes the changes in time of the connectivity of every session over its training part.

    =========================================  ========================================================================
    ``<session>-mean.npz``                     mean ``connectivity`` and its ``deviation``, [receiver, sender]
    ``<session>-changing-edges.csv``           edges that change most, with mean weight and deviation over time
    ``<session>-changing-edges-traces.csv``    their weights in each window; bin 0 is the first of the recording
    ``<session>-states.npz``                   mean ``connectivity`` of each state, NaN for a state without a window
    ``<session>-state-blocks.csv``, ``.png``   connectivity from group to group in each state; a star: q < 0.05
    ``<session>-state-differences.csv``        differences between states
    ``<session>-dynamic.h5``                   every weight in every window, for ``read_dynamic_connectivity``
    =========================================  ========================================================================

    Differences between states are those of the model's weights, without a test: if the connectivity of the model
    depends on these behaviours (SynapsNet with ``modulation``), it differs by construction.
    :func:`~synapsnet_pyg.results.comparison.save_comparisons` tests whether the recording differs.

    Args:
        run: Run of any model.
        folder: Folder of the files, created if needed.
        top_k: Number of edges that change most in the tables.
        states: Names of behaviours that are 1 where a state is on and 0 elsewhere, or comparisons such as
            ``running>2``; empty: no files of states.
        group_by: Field that groups the neurons, only with ``states``; None: no tables of groups.
        every_window: Whether to write the file of every weight in every window.

    Yields:
        A line for each file when it is written, and a few lines on each session.

    Raises:
        ValueError: ``top_k`` is below 1, or a session has no window, no such states, no window within a state, or no
            such field. Nothing was written.
    """
    if top_k < 1:
        raise ValueError(f"Expected top_k >= 1 (got {top_k}).")
    parts = [_checked_part(run.model, split.train, states, group_by) for split in run.split().values()]
    for dynamic, states_of_part in parts:
        session = dynamic.session
        stem = str(make_folder(folder) / file_name(session.name))
        path = Path(f"{stem}-dynamic.h5") if every_window else None
        summary = summarise_dynamics(dynamic, top_k=top_k, states=states_of_part, group_by=group_by, path=path)
        yield from _write_edges(session, summary, stem)
        if summary.states:
            yield from _write_states(session, summary, stem)
        if summary.blocks is not None:
            yield from _write_blocks(session, summary.blocks, stem)
        if path is not None:
            yield f"written to {path}: every weight in every window"
        yield from (f"{session.name}: {line}" for line in describe(session, summary))
    if len(states) > 1:
        command = ["synapsnet", "compare", str(run.folder), "--states", ",".join(states), "--out", str(folder)]
        command += [] if group_by is None else ["--group-by", group_by]
        yield f"differences of the model's weights are not tested; to test the recording: {shlex.join(command)}"


class _Part(NamedTuple):
    """Dynamic connectivity of a part of a session, with its states."""

    dynamic: DynamicConnectivity
    states: States | None


def _checked_part(model: Forecaster, train: Session, names: Sequence[str], group_by: str | None) -> _Part:
    """Returns a part with its states; raises an error if it cannot be summarised."""
    dynamic = DynamicConnectivity(model, train)
    if group_by is not None and not names:
        raise ValueError(
            f"Expected states with the groups of '{group_by}' (got none); name behaviours of 0 and 1 as states."
        )
    if group_by is not None:
        groups = len(groups_of(train, group_by, bins=None).name)
        if groups > MOST_GROUPS:
            raise ValueError(
                f"Expected at most {MOST_GROUPS} groups of neurons ('{group_by}' of session '{train.name}' has "
                f"{groups}); take a field with more neurons in each."
            )
    if not names:
        return _Part(dynamic, None)
    states = states_of(train, names)
    states_of_windows(dynamic, states)
    return _Part(dynamic, states)


def describe(session: Session, summary: DynamicsSummary, most: int = 3) -> list[str]:
    """Describes the largest changes of a connectivity, one per line, largest first.

    With groups, a line describes a pair of groups in two states. Without groups, or if fewer than two states have
    windows, a line describes an edge.

    Args:
        session: Session of the neurons.
        summary: Summary of that session.
        most: Largest number of lines.
    """
    if float(summary.moments.deviation.max()) <= 1e-6 * float(summary.moments.mean.abs().max()):
        return ["the connectivity of this model does not change in time"]
    if summary.blocks is not None:
        known = summary.blocks.differences.dropna(subset="difference")
        if len(known):
            largest = known.sort_values("difference", key=abs, ascending=False, kind="stable").head(most)
            return [_describe_groups(row) for row in largest.itertuples()]
    table = edge_table(session, summary).head(most)
    return [_describe_edge(row, summary) for _, row in table.iterrows()]


def _describe_groups(row: Any) -> str:
    """Describes a row of the table of differences between states."""
    return f"{row.sender} -> {row.receiver}: {row.difference:+.2g} in {row.state} against {row.other}"


def _describe_edge(row: "pd.Series", summary: DynamicsSummary) -> str:
    """Describes a row of the table of edges."""
    line = f"{row['source']} -> {row['target']}: {row['weight']:+.2g} +- {row['deviation']:.2g} over time"
    windows = zip(summary.states, summary.by_state.windows.tolist(), strict=True)
    return line + "".join(f", {row[f'weight_{name}']:+.2g} in {name}" for name, count in windows if count)


def edge_table(session: Session, summary: DynamicsSummary) -> "pd.DataFrame":
    """Returns the table of the edges that change most.

    Args:
        session: Session of the neurons.
        summary: Summary of that session.

    Returns:
        Columns ``source`` and ``target`` (ids of sender and receiver), ``weight`` (mean over windows), ``deviation``
        (over windows), ``weight_<state>`` (mean over the windows of that state), and the session's fields of each
        neuron as ``source_<field>`` and ``target_<field>``.
    """
    sender, receiver = summary.edges.edge_index
    in_states = zip(summary.states, summary.by_state.mean[:, receiver, sender], strict=True)
    values: dict[str, list[object]] = {
        "weight": summary.edges.mean.tolist(),
        "deviation": summary.edges.deviation.tolist(),
        **{f"weight_{name}": mean.tolist() for name, mean in in_states},
    }
    return pd.DataFrame(endpoint_columns(session, summary.edges.edge_index, values))


def trace_table(session: Session, summary: DynamicsSummary) -> "pd.DataFrame":
    """Returns the table of the weights over time of the edges that change most.

    Args:
        session: Session of the neurons.
        summary: Summary of that session.

    Returns:
        Columns ``bin`` (newest bin of the window), ``seconds``, and a column ``<source> -> <target>`` for each edge.
    """
    ids = session.neuron_id
    edges = [f"{ids[j]} -> {ids[i]}" for j, i in summary.edges.edge_index.t().tolist()]
    bins = summary.traces.bins.numpy()
    times = pd.DataFrame({"bin": bins, "seconds": bins * session.bin_size})
    return pd.concat([times, pd.DataFrame(summary.traces.weight.t().numpy(), columns=edges)], axis=1)


def _write_edges(session: Session, summary: DynamicsSummary, stem: str) -> Iterator[str]:
    """Writes mean and deviation of all weights, and the edges that change most; yields a line for each file."""
    moments = summary.moments
    path = Path(f"{stem}-mean.npz")
    _save_matrices(path, session, connectivity=moments.mean.float(), deviation=moments.deviation.float())
    yield f"written to {path}: mean and deviation of all weights over {moments.windows} windows"
    path = save_table(edge_table(session, summary), Path(f"{stem}-changing-edges"))
    yield f"written to {path}: the {len(summary.edges.mean)} edges that change most"
    path = save_table(trace_table(session, summary), Path(f"{stem}-changing-edges-traces"))
    yield f"written to {path}: their weights in each window"


def _write_states(session: Session, summary: DynamicsSummary, stem: str) -> Iterator[str]:
    """Writes the mean connectivity in each state; yields a line for the file."""
    path, (mean, windows) = Path(f"{stem}-states.npz"), summary.by_state
    _save_matrices(path, session, connectivity=mean.float(), windows=windows, state=summary.states)
    states = zip(summary.states, windows.tolist(), strict=True)
    counts = ", ".join(f"{name} ({count} windows)" for name, count in states)
    yield f"written to {path}: mean connectivity in {counts}"


def _write_blocks(session: Session, blocks: StateBlocks, stem: str) -> Iterator[str]:
    """Writes tables and figure of the connectivity from group to group; yields a line for each file."""
    path = save_table(blocks.blocks, Path(f"{stem}-state-blocks"))
    yield f"written to {path}: from group to group in each state, {blocks.unlabelled} neurons left out"
    path = save_table(blocks.differences, Path(f"{stem}-state-differences"))
    yield f"written to {path}: differences of the weights between states"
    path = write_image(draw_state_blocks(blocks.blocks, session.name), Path(f"{stem}-state-blocks.png"))
    yield f"written to {path}: figure from group to group in each state, a star where q < 0.05"


def _save_matrices(path: Path, session: Session, **arrays: ArrayLike) -> None:
    """Writes arrays and the ids of the neurons to an ``npz`` file."""
    ids = np.array(session.neuron_id, dtype=np.str_)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, neuron_id=ids, **arrays)  # type: ignore[arg-type]


def draw_state_blocks(blocks: "pd.DataFrame", title: str) -> Figure:
    """Draws the mean weight from group to group in each state, with one colour scale and a star where q < 0.05.

    Args:
        blocks: Table ``blocks`` of :class:`~synapsnet_pyg.analysis.states.StateBlocks`.
        title: Title of the figure.
    """
    groups = [str(group) for group in blocks["sender"].unique()]
    limit = float(np.nanmax(blocks["mean_weight"].abs(), initial=0)) or 1.0
    states = blocks["state"].unique().tolist()
    size = 2.4 + 0.3 * len(groups)
    figure, axes = make_figure((size + 0.8) * len(states), size, columns=len(states))
    for ax, state in zip(axes, states, strict=True):
        rows = blocks[blocks["state"] == state].astype({"sender": str, "receiver": str})
        weight, q = (block_matrix(rows, groups, value) for value in ("mean_weight", "q"))
        draw_block_matrix(ax, weight, groups, marked=q < 0.05, label="mean weight", limit=limit)
        ax.set_title(f"{figure_text(state)}\n{int(rows['windows'].iloc[0])} windows", fontsize="medium")
    figure.suptitle(figure_text(title))
    return figure
