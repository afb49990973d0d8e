"""How the connectivity of a run's sessions changes in time, and its files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from synapsnet_pyg.analysis.blocks import groups_of
from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.running_summaries import (
    ConnectivityBatch,
    EdgeCourse,
    EdgeCourses,
    Means,
    Moments,
    RunningMeans,
    RunningMoments,
    StrongestEdges,
    Summary,
    summarise,
)
from synapsnet_pyg.analysis.states import StateBlocks, States, block_matrix, state_blocks, states_of
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, file_name, make_folder
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix
from synapsnet_pyg.runs.run import Run

MOST_GROUPS = 50
"""Every window keeps a number for each pair of groups, so that many groups would be most of the connectivity."""


class Changes(NamedTuple):
    """How a connectivity changes in time."""

    moments: Moments
    """Of every weight, over all windows."""
    edges: StrongestEdges
    """Those that change most."""
    course: EdgeCourse
    """These edges over time."""
    states: list[str]
    """Their names: [S]."""
    by_state: Means
    """Mean over the windows of each state."""
    blocks: StateBlocks | None = None
    """From group to group in each state, where neurons were grouped."""


class Overheard(DynamicConnectivity):
    """A dynamic connectivity whose windows, whatever they are passed for, are shown to further summaries.

    Args:
        dynamic: What is passed through.
        *summaries: Each is shown every window, once a pass.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> moments = RunningMoments()
        >>> overheard = Overheard(DynamicConnectivity(Copy([session]), session), moments)
        >>> overheard.by_segment().windows, moments.found.windows
        (tensor([49]), 49)
    """

    def __init__(self, dynamic: DynamicConnectivity, *summaries: Summary) -> None:
        super().__init__(dynamic.model, dynamic.session, dynamic.batch_size)
        self._summaries = summaries

    def __iter__(self) -> Iterator[ConnectivityBatch]:
        passed = 0
        for batch in super().__iter__():
            for window, connectivity in enumerate(batch.connectivity, start=passed):
                for summary in self._summaries:
                    summary.add(window, connectivity)
            passed += len(batch.bins)
            yield batch


def changes_of(
    dynamic: DynamicConnectivity,
    top_k: int = 20,
    states: States | None = None,
    group_by: str | None = None,
    save: Path | None = None,
) -> Changes:
    """Summarises a dynamic connectivity in two passes, of which the first tells what edges the second follows.

    Beside one batch of windows and a few matrices it holds, for each window, the weights of these edges and a number
    for each pair of groups.

    Args:
        dynamic: Of the part that is summarised, usually the training part.
        top_k: How many edges to follow over time.
        states: Of that part, from :func:`~synapsnet_pyg.analysis.states.states_of`; None: no states.
        group_by: A field of the neurons; what depends on its groups and on the states is tested
            (:func:`~synapsnet_pyg.analysis.states.state_blocks`).
        save: File for the whole of it, which takes no pass more.

    Raises:
        ValueError: ``top_k`` is below 1, the states do not fit, or there is no such field.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> found = changes_of(DynamicConnectivity(Copy([session]), session), top_k=2)
        >>> found.moments.windows, found.course.weight.shape
        (49, torch.Size([2, 49]))
    """
    state, names = states or States(torch.full((dynamic.session.num_bins,), -1), [])
    moments, means = RunningMoments(), RunningMeans(dynamic.window_state(state), len(names))
    first = Overheard(dynamic, moments, means)
    if save is None:
        summarise(first)
    else:
        first.save(save)

    edges = moments.found.strongest(top_k, by="deviation")
    courses = EdgeCourses(edges.edge_index, dynamic.num_windows)
    second = Overheard(dynamic, courses)
    blocks = None
    if group_by is None:
        summarise(second)
    else:
        blocks = state_blocks(second, group_by, state, names)
    return Changes(moments.found, edges, EdgeCourse(dynamic.bins, courses.weight), names, means.found, blocks)


def save_changes(
    run: Run,
    folder: Path,
    top_k: int = 20,
    states: Sequence[str] = (),
    group_by: str | None = None,
    save: bool = False,
) -> Iterator[str]:
    """Writes how the connectivity of every session changes over its training part.

    ========================================  =========================================================================
    ``<session>-mean.npz``                    mean ``connectivity`` and its ``deviation``, [receiver, sender]
    ``<session>-changing-edges.csv``          the edges that change most, with their mean and deviation
    ``<session>-changing-edges-course.csv``   their weights in each window; bins count from the recording's first
    ``<session>-states.npz``                  mean ``connectivity`` of each state, NaN where no window is in it
    ``<session>-state-blocks.csv``, ``.png``  from group to group in each state; a star: q < 0.05
    ``<session>-state-differences.csv``       what differs from state to state
    ``<session>-dynamic.h5``                  every weight in every window, for ``read_dynamic_connectivity``
    ========================================  =========================================================================

    A model whose connectivity follows these very behaviours (SynapsNet with ``modulation``) differs between the states
    by construction: what counts there is how much, not q.

    Args:
        run: Any.
        folder: Made if it is not there.
        top_k: How many edges to follow over time.
        states: Behaviours of 0 and 1; none: no files of states.
        group_by: A field of the neurons, beside states; None: no tables of groups.
        save: Whether to write every weight in every window.

    Yields:
        A line for each file, when it is written, and then what was found in the session.

    Raises:
        ValueError: Before anything is written: ``top_k`` is below 1, or a session has no window, no such states, no
            window within one of them, or no such field.
    """
    if top_k < 1:
        raise ValueError(f"Expected top_k >= 1 (got {top_k}).")
    asked = [_asked(run.model, split.train, states, group_by) for split in run.split().values()]
    for dynamic, told in asked:
        stem = str(make_folder(folder) / file_name(dynamic.session.name))
        path = Path(f"{stem}-dynamic.h5") if save else None
        found = changes_of(dynamic, top_k, told, group_by, path)
        yield from _write(dynamic.session, found, stem)
        if path is not None:
            yield f"written to {path}: every weight in every window"
        yield from (f"{dynamic.session.name}: {finding}" for finding in findings(dynamic.session, found))


class _Asked(NamedTuple):
    """What is to be summarised."""

    dynamic: DynamicConnectivity
    states: States | None


def _asked(model: Forecaster, train: Session, names: Sequence[str], group_by: str | None) -> _Asked:
    """Refuses what cannot be summarised before any work is done."""
    dynamic = DynamicConnectivity(model, train)
    if group_by is not None and not names:
        raise ValueError(f"Expected states beside the groups of '{group_by}' (got none); name behaviours of 0 and 1.")
    if group_by is not None:
        groups = len(groups_of(train, group_by, bins=None).name)
        if groups > MOST_GROUPS:
            raise ValueError(
                f"Expected at most {MOST_GROUPS} groups of neurons ('{group_by}' of session '{train.name}' has "
                f"{groups}); take a field with more neurons in each."
            )
    if not names:
        return _Asked(dynamic, None)
    states = states_of(train, names)
    if int(dynamic.window_state(states.state).max()) < 0:
        raise ValueError(
            f"Expected a window of {model.window} bins, and the one that follows, within one state of session "
            f"'{train.name}' (got none); take states that last longer, or a shorter window."
        )
    return _Asked(dynamic, states)


def findings(session: Session, found: Changes, most: int = 3) -> list[str]:
    """What stands out, strongest first, a line each.

    Between states, the pairs of groups that differ most, those of q < 0.05 before all others; where neurons were not
    grouped, or no two states have windows, the edges that change most.

    Args:
        session: Whose neurons they are.
        found: Of that session.
        most: How many lines at most.
    """
    if float(found.moments.deviation.max()) <= 1e-6 * float(found.moments.mean.abs().max()):
        return ["the connectivity of this model does not change in time"]
    if found.blocks is not None:
        tested = found.blocks.differences.dropna(subset="p")
        if len(tested):
            # The largest of those that chance does not explain; chance finds large ones where pairs are few.
            order = np.lexsort([-tested["difference"].abs(), tested["q"] >= 0.05])
            return [_of_groups(row) for row in tested.iloc[order[:most]].itertuples()]
    table = edge_table(session, found).head(most)
    return [_of_edge(row, found) for row in table.to_dict("records")]


def _of_groups(row: Any) -> str:
    q = "q < 0.001" if row.q < 0.001 else f"q = {row.q:.3f}"
    return f"{row.sender} -> {row.receiver}: {row.difference:+.2g} in {row.state} against {row.other} ({q})"


def _of_edge(row: dict[str, Any], found: Changes) -> str:
    told = f"{row['source']} -> {row['target']}: {row['mean']:+.2g} +- {row['deviation']:.2g} over time"
    seen = [name for name, windows in zip(found.states, found.by_state.windows.tolist(), strict=True) if windows]
    return told + "".join(f", {row[f'mean_{name}']:+.2g} in {name}" for name in seen)


def edge_table(session: Session, found: Changes) -> pd.DataFrame:
    """The edges that change most.

    Returns:
        Columns ``source`` and ``target`` (ids of sender and receiver), ``mean`` and ``deviation`` over time,
        ``mean_<state>``, and what is known of each neuron as ``source_<field>`` and ``target_<field>``.
    """
    sender, receiver = found.edges.edge_index.tolist()
    known = session.neuron_columns
    in_states = found.by_state.mean[:, receiver, sender]
    return pd.DataFrame(
        {
            "source": [session.neuron_id[j] for j in sender],
            "target": [session.neuron_id[i] for i in receiver],
            "mean": found.edges.mean.numpy(),
            "deviation": found.edges.deviation.numpy(),
            **{f"mean_{name}": mean.numpy() for name, mean in zip(found.states, in_states, strict=True)},
            **{f"source_{key}": [values[j] for j in sender] for key, values in known.items()},
            **{f"target_{key}": [values[i] for i in receiver] for key, values in known.items()},
        }
    )


def _course_table(session: Session, found: Changes) -> pd.DataFrame:
    """A row a window: its newest bin, when that was, and each edge's weight."""
    sender, receiver = found.edges.edge_index.tolist()
    ids = session.neuron_id
    edges = [f"{ids[j]} -> {ids[i]}" for j, i in zip(sender, receiver, strict=True)]
    bins = found.course.bins.numpy()
    when = pd.DataFrame({"bin": bins, "seconds": bins * session.bin_size})
    return pd.concat([when, pd.DataFrame(found.course.weight.t().numpy(), columns=edges)], axis=1)


def _write(session: Session, found: Changes, stem: str) -> Iterator[str]:
    moments = found.moments
    path = Path(f"{stem}-mean.npz")
    _save_matrices(path, session, connectivity=moments.mean.float(), deviation=moments.deviation.float())
    yield f"written to {path}: mean and deviation of all weights over {moments.windows} windows"
    path = _save_table(edge_table(session, found), f"{stem}-changing-edges.csv")
    yield f"written to {path}: the {len(found.edges.mean)} edges that change most"
    path = _save_table(_course_table(session, found), f"{stem}-changing-edges-course.csv")
    yield f"written to {path}: their weights in each window"
    if found.states:
        path, (mean, windows) = Path(f"{stem}-states.npz"), found.by_state
        _save_matrices(path, session, connectivity=mean.float(), windows=windows, state=found.states)
        told = ", ".join(f"{name} ({w} windows)" for name, w in zip(found.states, windows.tolist(), strict=True))
        yield f"written to {path}: mean connectivity in {told}"
    if found.blocks is not None:
        path = _save_table(found.blocks.blocks, f"{stem}-state-blocks.csv")
        yield f"written to {path}: from group to group in each state, {found.blocks.unlabelled} neurons left out"
        path = _save_table(found.blocks.differences, f"{stem}-state-differences.csv")
        yield f"written to {path}: what differs from state to state"
        path = Path(f"{stem}-state-blocks.png")
        with atomic_path(path) as temporary:
            draw_state_blocks(found.blocks.blocks, session.name).savefig(temporary, dpi=120)
        yield f"written to {path}: the same as a picture, a star where q < 0.05"


def _save_matrices(path: Path, session: Session, **arrays: ArrayLike) -> None:
    ids = np.array(session.neuron_id, dtype=np.str_)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, neuron_id=ids, **arrays)  # type: ignore[arg-type]


def _save_table(table: pd.DataFrame, name: str) -> Path:
    path = Path(name)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)
    return path


def draw_state_blocks(blocks: pd.DataFrame, title: str) -> Figure:
    """Mean weight from group to group in each state, in the same colours, with a star where q < 0.05.

    Args:
        blocks: Of :class:`~synapsnet_pyg.analysis.states.StateBlocks`.
        title: Above them.
    """
    groups = [str(group) for group in blocks["sender"].unique()]
    limit = float(np.nanmax(blocks["mean_weight"].abs(), initial=0)) or 1.0
    states = blocks["state"].unique().tolist()
    size = 2.4 + 0.3 * len(groups)
    figure, axes = make_figure((size + 0.8) * len(states), size, columns=len(states))
    for ax, state in zip(axes, states, strict=True):
        here = blocks[blocks["state"] == state].astype({"sender": str, "receiver": str})
        weight, q = (block_matrix(here, groups, value) for value in ("mean_weight", "q"))
        # One scale for all states, so that they can be compared.
        draw_block_matrix(ax, weight, groups, marked=q < 0.05, label="mean weight", limit=limit)
        ax.set_title(f"{state}\n{int(here['windows'].iloc[0])} windows", fontsize="medium")
    figure.suptitle(title)
    return figure
