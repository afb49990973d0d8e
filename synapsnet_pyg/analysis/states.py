"""Connectivity between groups of neurons in states such as running or still, with tests of groups."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from synapsnet_pyg.analysis.blocks import Groups, connectivity_blocks, groups_of
from synapsnet_pyg.analysis.conditions import condition_of
from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.running_summaries import Means, RunningGroupTraces, RunningMeans, Summary, summarise
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import connectivity_score


class States(NamedTuple):
    """States of a session, one for each bin."""

    state: Tensor
    """Index into ``names`` of each bin's state, -1 for a bin without a recorded state: [T]."""
    names: list[str]
    """Names of the S states."""


def states_of(session: Session, names: Sequence[str]) -> States:
    """Reads states from behaviours.

    Args:
        session: Session, as recorded or standardised.
        names: For each state the name of a behaviour that is 1 where the state is on and 0 elsewhere, such as those of
            :class:`~synapsnet_pyg.datasets.bugeon.Bugeon` with ``states``, or a comparison such as ``running>2``
            (:func:`~synapsnet_pyg.analysis.conditions.condition_of`).

    Raises:
        ValueError: There is no such behaviour, a behaviour without a comparison is neither 0 nor 1, or two states are
            on in one bin.

    Example:
        >>> behaviour = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        >>> session = Session(torch.zeros(2, 3), behaviour, bin_size=0.1, behaviour_name=["running", "still"])
        >>> states_of(session, ["still", "running"])
        States(state=tensor([ 1,  0, -1]), names=['still', 'running'])
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"Expected different states among the behaviours {', '.join(session.behaviour_name) or 'none'} "
            f"(got {', '.join(names) or 'none'}); read the states of the recording as behaviours."
        )
    on = torch.stack([condition_of(session, name).on for name in names], dim=1)
    twice = on.sum(1) > 1
    if twice.any():
        t = int(twice.nonzero()[0])
        both = [name for name, is_on in zip(names, on[t].tolist(), strict=True) if is_on]
        raise ValueError(f"Expected at most one state a bin (got {' and '.join(both)} in bin {t}); leave one out.")
    return States(torch.where(on.any(1), on.int().argmax(1), -1), list(names))


def state_and_rest(session: Session, name: str) -> States:
    """Reads one state from a behaviour; the other bins in which the behaviour was recorded are a second state.

    Args:
        session: Session, as recorded or standardised.
        name: Name of a behaviour of 0 and 1, or a comparison such as ``running>2``.

    Raises:
        ValueError: There is no such behaviour, or it is neither 0 nor 1 without a comparison.

    Example:
        >>> running = torch.tensor([[0.0], [1.5], [4.0]])
        >>> session = Session(torch.zeros(2, 3), running, bin_size=0.1, behaviour_name=["running"])
        >>> state_and_rest(session, "running>1")
        States(state=tensor([1, 0, 0]), names=['running>1', 'rest'])
    """
    condition = condition_of(session, name)
    rest = torch.where(condition.recorded, 1, -1)
    return States(torch.where(condition.on, 0, rest), [name, "rest" if name != "rest" else "not rest"])


def states_of_windows(dynamic: DynamicConnectivity, states: States) -> Tensor:
    """Returns the state of each window [M], -1 if its bins have different states or none.

    Args:
        dynamic: Connectivity of the part.
        states: State of each bin of that part.

    Raises:
        ValueError: The states do not fit the session or ``names``, or no window lies within one state.
    """
    state, names = states
    window_state = dynamic.window_state(state)
    if int(state.max()) >= len(names):
        raise ValueError(f"Expected states below {len(names)}, the number of names (got {int(state.max())}).")
    if int(window_state.max()) < 0:
        raise ValueError(
            f"Expected a window of {dynamic.model.window} bins, and the one that follows, within one state of session "
            f"'{dynamic.session.name}' (got none); choose longer states or a shorter window."
        )
    return window_state


class StateBlocks(NamedTuple):
    """Connectivity from group to group in each state; states without a window have no rows."""

    blocks: "pd.DataFrame"
    """Table with a row for each ordered pair of groups and state."""
    differences: "pd.DataFrame"
    """Table with a row for each ordered pair of groups and pair of states."""
    connectivity: Tensor
    """Mean connectivity over the windows of each state, NaN where there is none: [S, N, N]."""
    unlabelled: int
    """Number of neurons that were left out because they have no group."""


def state_blocks(
    dynamic: DynamicConnectivity,
    field: str,
    states: States,
    *,
    bins: int | None = None,
    permutations: int = 1000,
    seed: int = 0,
    summaries: Sequence[Summary] = (),
) -> StateBlocks:
    r"""Computes the connectivity from group to group in each state, and tests effects of groups.

    .. math::
        S_{gh}^{(a)} = \Big\langle C_{ij}(t) \Big\rangle_{t \in a,\; i \in g,\; j \in h,\; i \ne j}

    over the windows in state a: their bins and the bin that follows are all in that state. Within a state, the effect
    of groups is tested: the null shuffles labels among the labelled neurons
    (:func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks`).

    Differences between two states are those of the model's weights, without a test. A model that receives the state as
    behaviour may follow it whatever the wiring, even if the state is a coin flip.
    :func:`~synapsnet_pyg.analysis.comparison.compare_conditions` tests whether the recording differs.

    All results need one pass through the recording.

    Args:
        dynamic: Connectivity of the part that is summarised, usually the training part.
        field: Field that groups the neurons, such as ``cell_type`` or ``subclass``.
        states: State of each bin of that part, from :func:`states_of`.
        bins: Number of quantiles, for a field of numbers; None: each number is a group.
        permutations: Number of shuffles of the labels.
        seed: Seed of the shuffles.
        summaries: Further summaries to update in the same pass.

    Returns:
        Two tables, the mean connectivity of each state, and the number of neurons without a group. ``blocks`` has

        ================================  ====================================================================
        sender, receiver, state           groups and state, in order
        pairs                             number of pairs of two different neurons
        windows                           number of windows in the state
        mean_weight                       mean over pairs and windows
        null_mean, null_deviation, z, p   under shuffled labels, p two-sided
        q                                 false discovery rate over the table (Benjamini-Hochberg)
        ================================  ====================================================================

        and ``differences`` has

        ================================  ====================================================================
        sender, receiver, state, other    groups and the two states, in order
        difference                        mean weight in ``state`` minus that in ``other``
        ================================  ====================================================================

    Raises:
        ValueError: The field or the states do not fit the session, or no window lies within one state.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> running = (torch.arange(60) // 20 == 1).float()
        >>> session = Session(torch.randn(4, 60), running[:, None], bin_size=0.1, cell_type=["E", "E", "I", "I"])
        >>> dynamic = DynamicConnectivity(Copy([session]), session)
        >>> states = States(running.long(), ["still", "running"])
        >>> result = state_blocks(dynamic, "cell_type", states, permutations=20)
        >>> result.blocks[["sender", "receiver", "state", "pairs", "windows", "mean_weight"]].head(3)
          sender receiver    state  pairs  windows  mean_weight
        0      E        E    still      2       38          0.0
        1      E        E  running      2       19          0.0
        2      E        I    still      4       38          0.0
    """
    session, groups = dynamic.session, groups_of(dynamic.session, field, bins)
    window_state = states_of_windows(dynamic, states)
    means = RunningMeans(window_state, len(states.names))
    traces = RunningGroupTraces(torch.from_numpy(groups.code), dynamic.bins)
    summarise(dynamic, means, traces, *summaries)

    def blocks_of(connectivity: Tensor) -> "pd.DataFrame":
        """Returns the table of one state."""
        table = connectivity_blocks(session, connectivity, field, bins=bins, permutations=permutations, seed=seed).table
        return table.rename(columns={"p_labels": "p"})

    return StateBlocks(
        blocks=_state_table(means.result, states.names, blocks_of),
        differences=_difference_table(traces.result.mean.numpy(), window_state.numpy(), groups, states.names),
        connectivity=means.result.mean,
        unlabelled=int((groups.code < 0).sum()),
    )


def _state_table(means: Means, names: Sequence[str], blocks_of: "Callable[[Tensor], pd.DataFrame]") -> "pd.DataFrame":
    """Returns the table of all states that have windows, in the order of groups, then states."""
    tables = [
        blocks_of(means.mean[s]).assign(state=names[s], windows=int(means.windows[s]))
        for s in means.windows.nonzero().flatten().tolist()
    ]
    blocks = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
    blocks["q"] = benjamini_hochberg(blocks["p"])
    described = ["sender", "receiver", "state", "pairs", "windows", "mean_weight"]
    return blocks[[*described, "null_mean", "null_deviation", "z", "p", "q"]]


def _difference_table(traces: np.ndarray, state: np.ndarray, groups: Groups, names: Sequence[str]) -> "pd.DataFrame":
    """Returns the table of differences between states; traces are [M, G, G], the states of windows [M]."""
    means = {s: traces[state == s].mean(0) for s in np.unique(state[state >= 0])}
    return pd.DataFrame(
        [
            (sender, receiver, names[a], names[b], means[a][g, h] - means[b][g, h])
            for h, sender in enumerate(groups.name)
            for g, receiver in enumerate(groups.name)
            for a, b in combinations(means, 2)
        ],
        columns=["sender", "receiver", "state", "other", "difference"],
    )


class BlockAgreement(NamedTuple):
    """Agreement of a matrix from group to group with a reference."""

    pearson: float
    """Correlation of the entries."""
    spearman: float
    """Correlation of their ranks."""
    entries: int
    """Number of entries that are known in both matrices."""


def block_agreement(blocks: ArrayLike, reference: ArrayLike) -> BlockAgreement:
    """Compares a matrix from group to group with a reference, such as the strengths of synapses between cell types.

    Args:
        blocks: Matrix :math:`(G, G)`, [receiver, sender], such as that of :func:`block_matrix`; NaN for unknown
            entries.
        reference: Matrix :math:`(G, G)` of the same groups in the same order.

    Raises:
        ValueError: The shapes differ, or fewer than 3 entries are known in both.

    References:
        Campagnola et al. (2022), Local connectivity and synaptic dynamics in mouse and human neocortex; Lu et al.
        (2025), NetFormer.

    Example:
        >>> block_agreement([[0.1, -0.2], [0.3, np.nan]], [[0.2, -0.4], [0.6, 9.0]])
        BlockAgreement(pearson=1.0, spearman=1.0, entries=3)
    """
    estimate, expected = np.asarray(blocks, dtype=float), np.asarray(reference, dtype=float)
    if estimate.shape != expected.shape or estimate.ndim != 2:
        raise ValueError(f"Expected two matrices [G, G] (got {list(estimate.shape)} and {list(expected.shape)}).")
    known = np.isfinite(estimate) & np.isfinite(expected)
    if known.sum() < 3:
        raise ValueError(f"Expected at least 3 pairs of groups that are known in both matrices (got {known.sum()}).")
    entries, true_entries = (torch.from_numpy(matrix[known])[None] for matrix in (estimate, expected))
    score = connectivity_score(entries, true_entries, diagonal=True)
    return BlockAgreement(score.pearson, score.spearman, int(known.sum()))


def block_matrix(table: "pd.DataFrame", groups: Sequence[str], value: str = "mean_weight") -> np.ndarray:
    """Converts a table of pairs of groups to a matrix.

    Args:
        table: Table with ``sender`` and ``receiver`` and a row for each pair, such as that of
            :func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks`, or the rows of one state of
            :func:`state_blocks`.
        groups: Groups in the order of rows and columns.
        value: Name of the column with the entries.

    Returns:
        Matrix :math:`(G, G)`, [receiver, sender], NaN where there is no row.

    Raises:
        ValueError: A pair has several rows.

    Example:
        >>> table = pd.DataFrame({"sender": ["I", "E"], "receiver": ["E", "E"], "mean_weight": [-0.2, 0.1]})
        >>> block_matrix(table, ["E", "I"]).tolist()
        [[0.1, -0.2], [nan, nan]]
    """
    if table.duplicated(["sender", "receiver"]).any():
        raise ValueError("Expected one row for each pair of groups (got several); take the rows of one state.")
    matrix = table.pivot(index="receiver", columns="sender", values=value)
    return np.asarray(matrix.reindex(index=list(groups), columns=list(groups)), dtype=float)
