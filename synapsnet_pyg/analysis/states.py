"""Who drives whom in which state: running or still, awake or drowsy, from cell type to cell type."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from synapsnet_pyg.analysis.blocks import connectivity_blocks, groups_of
from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.null import AgainstNull, against_null
from synapsnet_pyg.analysis.running_summaries import GroupCourses, RunningMeans, summarise
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import connectivity_score


class States(NamedTuple):
    """The state of a session in each bin."""

    state: Tensor
    """Place of the bin's state among the names, -1 where none is on: [T]."""
    names: list[str]
    """Of the states: [S]."""


def states_of(session: Session, names: Sequence[str]) -> States:
    """Reads states from behaviours that are 1 where a state is on and 0 elsewhere.

    Args:
        session: As recorded or standardised.
        names: Of the behaviours, such as those of :class:`~synapsnet_pyg.datasets.bugeon.Bugeon` with ``states``.

    Raises:
        ValueError: There is no such behaviour, one is neither 0 nor 1, or two are on in one bin.

    Example:
        >>> behaviour = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        >>> session = Session(torch.zeros(2, 3), behaviour, bin_size=0.1, behaviour_name=["running", "still"])
        >>> states_of(session, ["still", "running"])
        States(state=tensor([ 1,  0, -1]), names=['still', 'running'])
    """
    unknown = [name for name in names if name not in session.behaviour_name]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"Expected different states among the behaviours {', '.join(session.behaviour_name) or 'none'} "
            f"(got {', '.join(names) or 'none'}); a recording's states must be read as behaviours."
        )
    column = [session.behaviour_name.index(name) for name in names]
    values = session.behaviour[:, column].double().cpu()
    if "behaviour_scale" in session:
        values = values * session.behaviour_scale[column].double().cpu() + session.behaviour_mean[column].double().cpu()
    on = values > 0.5
    far = (values - on.double()).abs() > 1e-3
    if far.any():
        t, k = far.nonzero()[0].tolist()
        raise ValueError(
            f"Expected behaviour '{names[k]}' of 0 and 1 (got {values[t, k]:.3g} in bin {t}); take one that is a state."
        )
    twice = on.sum(1) > 1
    if twice.any():
        t = int(twice.nonzero()[0])
        both = [name for name, is_on in zip(names, on[t].tolist(), strict=True) if is_on]
        raise ValueError(f"Expected at most one state a bin (got {' and '.join(both)} in bin {t}); leave one out.")
    return States(torch.where(on.any(1), on.int().argmax(1), -1), list(names))


class StateBlocks(NamedTuple):
    """A connectivity from group to group in each state; states in which no window lies have no rows."""

    blocks: pd.DataFrame
    """A row an ordered pair of groups and state."""
    differences: pd.DataFrame
    """A row an ordered pair of groups and pair of states."""
    connectivity: Tensor
    """Mean over the windows of each state, NaN where there is none: [S, N, N]."""
    unlabelled: int
    """How many neurons were left out, since nothing is known of them."""


def state_blocks(
    dynamic: DynamicConnectivity,
    field: str,
    state: Tensor,
    names: Sequence[str],
    bins: int | None = None,
    permutations: int = 1000,
    seed: int = 0,
) -> StateBlocks:
    r"""Summarises a dynamic connectivity from group to group in each state, and tests what depends on either.

    .. math::
        S_{gh}^{(a)} = \Big\langle C_{ij}(t) \Big\rangle_{t \in a,\; i \in g,\; j \in h,\; i \ne j}, \qquad
        p = \frac{\#\{k : |D_k - \bar D| \ge |D_0 - \bar D|\}}{M}, \quad
        D_k = \langle S_{gh}(m) \rangle_{a(m - k)} - \langle S_{gh}(m) \rangle_{b(m - k)}

    over the windows whose bins, those seen and the one that follows, are all in state a. There are two nulls:

    1. Do *groups* matter within a state? Labels change place among the neurons that have one
       (:func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks`).
    2. Does a pair of groups differ between *two states*? The states are shifted circularly by k windows against the
       connectivity, by each k from 0 to M - 1: both keep their own course, slow as it may be, and lose what relates
       them. Where nothing does, no shift is more likely than another to stand out, so that p is exact up to the seams
       between segments, and never below 1 / M. Small shifts count too: they resemble the observation, and without them
       it would stand out too often, the more so the longer the windows. A drift that spans the whole recording in
       both is not told from an effect. A model that sees the state, with modulation or not, follows it without noise:
       its p are small whatever the wiring. Compare its differences with those of a fit to states of another time.

    The recording is passed once.

    Args:
        dynamic: Of the part that is summarised, usually the training part.
        field: What groups the neurons, as for ``connectivity_blocks``: ``cell_type``, ``subclass``.
        state: State of each of the part's bins, its place among the names, below 0 for none: :math:`(T)`.
        names: Of the states; :func:`states_of` tells both.
        bins: Cut a field of numbers into this many quantiles of the neurons; None: each number is a group.
        permutations: Shuffles of the labels.
        seed: Decides them.

    Returns:
        Two tables; the mean connectivity of each state; how many neurons have no group. ``blocks`` has

        ================================  ====================================================================
        sender, receiver, state           the groups and the state, in order
        pairs                             how many pairs of two different neurons
        windows                           how many windows are in the state
        mean_weight                       over both
        null_mean, null_deviation, z, p   under shuffled labels, p two-sided
        q                                 false discovery rate over the table (Benjamini-Hochberg)
        ================================  ====================================================================

        and ``differences`` has

        ================================  ====================================================================
        sender, receiver, state, other    the groups and the two states, in order
        difference                        mean weight in ``state`` minus that in ``other``
        null_mean, null_deviation, z, p   under shifts, p two-sided
        q                                 false discovery rate over the table
        ================================  ====================================================================

    Raises:
        ValueError: The field or the states do not fit the session, or no window lies within one state.

    References:
        Harris (2020), Nonsense correlations in neuroscience.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> running = (torch.arange(60) // 20 == 1).float()
        >>> session = Session(torch.randn(4, 60), running[:, None], bin_size=0.1, cell_type=["E", "E", "I", "I"])
        >>> dynamic = DynamicConnectivity(Copy([session]), session)
        >>> state = running.long()
        >>> found = state_blocks(dynamic, "cell_type", state, ["still", "running"], permutations=20)
        >>> found.blocks[["sender", "receiver", "state", "pairs", "windows", "mean_weight"]].head(3)
          sender receiver    state  pairs  windows  mean_weight
        0      E        E    still      2       38          0.0
        1      E        E  running      2       19          0.0
        2      E        I    still      4       38          0.0
    """
    session, groups = dynamic.session, groups_of(dynamic.session, field, bins)
    window_state = dynamic.window_state(state)
    if int(state.max()) >= len(names):
        raise ValueError(f"Expected states below {len(names)}, one a name (got {int(state.max())}).")
    if int(window_state.max()) < 0:
        raise ValueError(
            f"Expected a window of {dynamic.model.window} bins, and the one that follows, within one state of session "
            f"'{session.name}' (got none); take states that last longer, or a shorter window."
        )
    means = RunningMeans(window_state, len(names))
    courses = GroupCourses(torch.from_numpy(groups.code), dynamic.num_windows)
    summarise(dynamic, means, courses)

    connectivity, windows = means.found
    tables = []
    for s in windows.nonzero().flatten().tolist():
        table = connectivity_blocks(
            session, connectivity[s], field, bins, statistic="mean_weight", permutations=permutations, seed=seed
        ).table
        tables.append(table.assign(state=names[s], windows=int(windows[s])))
    blocks = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
    blocks["q"] = benjamini_hochberg(blocks["p"])
    told = ["sender", "receiver", "state", "pairs", "windows", "mean_weight"]
    differences = _differences(courses.mean.numpy(), window_state.numpy(), groups.name, names)
    return StateBlocks(
        blocks[[*told, "null_mean", "null_deviation", "z", "p", "q"]],
        differences,
        connectivity,
        int((groups.code < 0).sum()),
    )


def _differences(course: np.ndarray, state: np.ndarray, groups: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Tests a course from group to group [M, G, G] for what differs between states [M]."""
    pairs = [*combinations(np.unique(state[state >= 0]), 2)]
    contrast = np.zeros((len(state), len(pairs)))
    for d, (a, b) in enumerate(pairs):
        contrast[:, d] = (state == a) / (state == a).sum() - (state == b) / (state == b).sum()
    tables = []
    for h, sender in enumerate(groups):
        products = _under_shifts(course[:, :, h], contrast)
        columns = {"difference": products[0], **_against_shifts(products)._asdict()}
        tables.append(
            pd.DataFrame(
                {
                    "sender": sender,
                    "receiver": np.repeat(groups, len(pairs)),
                    "state": [names[a] for a, _ in pairs] * len(groups),
                    "other": [names[b] for _, b in pairs] * len(groups),
                    **{name: values.ravel() for name, values in columns.items()},
                }
            )
        )
    table = pd.concat(tables, ignore_index=True)
    return table.assign(q=benjamini_hochberg(table["p"]))


def _under_shifts(course: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Products of courses [M, G] with contrasts [M, D] shifted circularly by 0, 1, ... M - 1 windows: [M, G, D]."""
    centred = course - course.mean(0)
    # What rounding leaves of a constant course is no variation.
    centred[:, np.abs(centred).max(0) <= 1e-6 * np.abs(course).max(0)] = 0
    spectrum = np.fft.rfft(centred, axis=0)[:, :, None] * np.fft.rfft(contrast, axis=0).conj()[:, None]
    return np.fft.irfft(spectrum, len(course), axis=0)


def _against_shifts(products: np.ndarray) -> AgainstNull:
    """The first of them against the rest, each of which counts once."""
    shifted = iter(products[1:])
    return against_null(products[0], lambda random: next(shifted), len(products) - 1, seed=0)


class BlockAgreement(NamedTuple):
    """How well a matrix from group to group agrees with a reference."""

    pearson: float
    """Of the entries."""
    spearman: float
    """Of their ranks."""
    entries: int
    """How many are known in both."""


def block_agreement(blocks: ArrayLike, reference: ArrayLike) -> BlockAgreement:
    """Compares a matrix from group to group with a reference, such as the strengths of synapses between cell types.

    Args:
        blocks: :math:`(G, G)`, [receiver, sender], such as of :func:`block_matrix`; NaN is not known.
        reference: The same of the same groups in the same order.

    Raises:
        ValueError: The shapes differ, or fewer than 3 entries are known in both.

    References:
        Campagnola et al. (2022), Local connectivity and synaptic dynamics in mouse and human neocortex; Lu et al.
        (2025), NetFormer, which compares so.

    Example:
        >>> block_agreement([[0.1, -0.2], [0.3, np.nan]], [[0.2, -0.4], [0.6, 9.0]])
        BlockAgreement(pearson=1.0, spearman=1.0, entries=3)
    """
    found, expected = np.asarray(blocks, dtype=float), np.asarray(reference, dtype=float)
    if found.shape != expected.shape or found.ndim != 2:
        raise ValueError(f"Expected two matrices [G, G] (got {list(found.shape)} and {list(expected.shape)}).")
    known = np.isfinite(found) & np.isfinite(expected)
    if known.sum() < 3:
        raise ValueError(f"Expected at least 3 pairs of groups that are known in both (got {known.sum()}).")
    entries, wanted = (torch.from_numpy(matrix[known])[None] for matrix in (found, expected))
    score = connectivity_score(entries, wanted, diagonal=True)
    return BlockAgreement(score.pearson, score.spearman, int(known.sum()))


def block_matrix(table: pd.DataFrame, groups: Sequence[str], value: str = "mean_weight") -> np.ndarray:
    """A table of pairs of groups as a matrix.

    Args:
        table: With ``sender`` and ``receiver``, a row a pair: of
            :func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks`, or the rows of one state of
            :func:`state_blocks`.
        groups: In which order, G.
        value: Name of the column.

    Returns:
        :math:`(G, G)`, [receiver, sender], NaN where there is no row.

    Raises:
        ValueError: A pair has several rows.

    Example:
        >>> table = pd.DataFrame({"sender": ["I", "E"], "receiver": ["E", "E"], "mean_weight": [-0.2, 0.1]})
        >>> block_matrix(table, ["E", "I"]).tolist()
        [[0.1, -0.2], [nan, nan]]
    """
    if table.duplicated(["sender", "receiver"]).any():
        raise ValueError("Expected one row a pair of groups (got several); take the rows of one state.")
    matrix = table.pivot(index="receiver", columns="sender", values=value)
    return np.asarray(matrix.reindex(index=list(groups), columns=list(groups)), dtype=float)
