"""Comparisons of the connectivity between conditions, sessions or days, and their files."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from synapsnet_pyg.analysis.blocks import groups_of
from synapsnet_pyg.analysis.comparison import ASSIGNED, Comparison, compare_conditions
from synapsnet_pyg.analysis.condition_pairs import ConditionPair, halves_pair, session_pair, state_pairs
from synapsnet_pyg.analysis.pattern_agreement import PatternAgreement, pattern_agreement
from synapsnet_pyg.analysis.refit import refit
from synapsnet_pyg.analysis.states import block_matrix
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name, label_name, make_folder, visible
from synapsnet_pyg.plots.canvas import Figure, figure_text, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix
from synapsnet_pyg.plots.differences import draw_against_null, draw_intervals, draw_z_values
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.progress import steps
from synapsnet_pyg.results.dynamic_connectivity import MOST_GROUPS
from synapsnet_pyg.results.graphs import endpoint_columns
from synapsnet_pyg.results.saving import save_table
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import FILE

_FEW_CHANGES = 10
"""Number of changes of a condition below which a drift may look like its effect."""

_MOST_INTERVALS = 20
"""Largest number of pairs of groups in a figure of intervals."""


@dataclass(frozen=True)
class ComparisonResult:
    """Comparison of two conditions with what its texts and figures need.

    Attributes:
        pair: Conditions that were compared.
        comparison: Result of the tests.
        whole: True if the conditions are whole sessions, False for states or halves of one session.
        own_agreement: Agreement of the effects in both halves of each session; empty unless ``whole``.
    """

    pair: ConditionPair
    comparison: Comparison
    whole: bool
    own_agreement: tuple[PatternAgreement, ...] = ()

    @property
    def title(self) -> str:
        """Session and conditions."""
        conditions = " against ".join(self.comparison.names)
        return conditions if self.whole else f"{self.pair.session.name}: {conditions}"

    @property
    def stem(self) -> str:
        """Beginning of the names of the files."""
        first, second = (label_name(_in_words(name)) for name in self.comparison.names)
        conditions = f"{first}-against-{second}"
        return conditions if self.whole else f"{file_name(self.pair.session.name)}-{conditions}"


def sessions_to_compare(paths: Sequence[str | os.PathLike[str]], *, trust: Collection[str] = ()) -> list[Session]:
    """Reads the sessions of runs, standardised.

    Args:
        paths: Folders of runs, or session files or folders of them, which need no fit.
        trust: Import paths of classes outside the package that a run may name.

    Raises:
        FileNotFoundError: There is no such run or file.
        ValueError: A file is damaged, or one recording comes twice.
    """
    sessions: list[Session] = []
    for path in map(Path, paths):
        files = [path] if path.is_file() else visible(path, "*.h5")
        if files and not (path / FILE).is_file():
            sessions += [Session.load(file).standardise(inplace=True) for file in files]
        else:
            sessions += Run.load(path, trust=trust).sessions.values()
    for first, second in combinations(sessions, 2):
        if torch.equal(first.activity, second.activity):
            raise ValueError(
                f"Expected different recordings (sessions '{first.name}' and '{second.name}' have the same activity); "
                "give one of them."
            )
    names = [session.name for session in sessions]
    for k, session in enumerate(sessions):
        if names.count(session.name) > 1:
            session.name = f"{session.name} {1 + names[:k].count(session.name)}"
    return sessions


def pairs_to_compare(sessions: Sequence[Session], states: Sequence[str], halves: bool) -> list[ConditionPair]:
    """Returns the conditions to compare: states or halves of each session, or each two sessions.

    Args:
        sessions: Sessions, standardised.
        states: States as in :func:`~synapsnet_pyg.analysis.states.states_of`; empty: none.
        halves: Whether the halves of each session are compared.

    Raises:
        ValueError: States and halves are both given, neither is given for a single session, or a session has no such
            states or too few neurons in common with another one.
    """
    if states and halves:
        raise ValueError("Expected states or halves (got both); compare them in two commands.")
    if states:
        return [pair for session in sessions for pair in state_pairs(session, states)]
    if halves:
        return [halves_pair(session) for session in sessions]
    if len(sessions) < 2:
        raise ValueError(
            f"Expected two conditions (got the session '{sessions[0].name}' alone); add --states or --halves, or "
            "another run."
        )
    return [session_pair(first, second) for first, second in combinations(sessions, 2)]


def save_comparisons(
    paths: Sequence[str | os.PathLike[str]],
    folder: Path,
    *,
    states: Sequence[str] = (),
    halves: bool = False,
    group_by: str | None = None,
    draws: int = 200,
    seed: int = 0,
    trust: Collection[str] = (),
) -> Iterator[str]:
    """Tests whether the connectivity differs between conditions, and writes tables and figures.

    ==============================  ====================================================================================
    ``<conditions>-edges.csv``      every pair of neurons, those with the smallest p-value first
    ``<conditions>-blocks.csv``     every pair of groups
    ``<conditions>.png``, ``.svg``  differences from group to group with intervals, z of pairs, global test
    ==============================  ====================================================================================

    Args:
        paths: Folders of runs, or session files.
        folder: Folder of the files, created if needed.
        states: States of each session that are compared; one state is compared with the rest. Empty: none.
        halves: Whether the halves of each session are compared. Without states and halves, each two sessions are.
        group_by: Field that groups the neurons; None: no table of groups.
        draws: Number of draws of the null.
        seed: Seed of the null.
        trust: Import paths of classes outside the package that a run may name.

    Yields:
        The result of each comparison in a few lines, then a line for each file when it is written.

    Raises:
        ValueError: There are no such conditions or no such field, or a condition has too few bins. Nothing was written.
    """
    pairs = pairs_to_compare(sessions_to_compare(paths, trust=trust), states, halves)
    whole = not states and not halves
    for pair in pairs:
        _check_groups(pair.session, group_by)
    results = []
    for pair in steps("compare", pairs):
        comparison = compare_conditions(pair, group_by=group_by, draws=draws, seed=seed)
        own = tuple(_halves_agreement(pair, s) for s in (0, 1)) if whole else ()
        results.append(ComparisonResult(pair, comparison, whole, own))
    for result in results:
        yield from describe_comparison(result)
    for result in results:
        yield from _write(result, str(make_folder(folder) / result.stem))


def describe_comparison(result: ComparisonResult) -> list[str]:
    """Describes a comparison in a few lines, the first of which says whether the conditions differ.

    Args:
        result: Result of one comparison.
    """
    comparison, test = result.comparison, result.comparison.any_difference
    called, tested = int(comparison.edges().sum()), int(comparison.p_value.isfinite().sum())
    blocks = comparison.blocks
    groups = 0 if blocks is None else int(((blocks["q"] < 0.05) | (blocks["q_any"] < 0.05)).sum())
    low, high = np.quantile(test.null, [0.025, 0.975])
    verdict = "the connectivity differs" if test.p < 0.05 else "no difference of the connectivity is found"
    if test.p >= 0.05 and (called or groups):
        verdict = "the connectivity as a whole does not differ, single parts do"
    bins = " and ".join(str(count) for count in comparison.bins)
    lines = [
        f"{verdict} (p = {test.p:.3f}; the mean square difference is {test.mean_square:.3f} times its "
        f"expectation, {low:.3f} to {high:.3f} times under {comparison.null_name}; {bins} bins)",
        f"{called} of {tested} pairs of neurons differ at a false discovery rate of 5 %",
    ]
    if blocks is not None:
        mean, any_way = (int((blocks[name] < 0.05).sum()) for name in ("q", "q_any"))
        lines[1] += f"; of {len(blocks.dropna(subset='p'))} pairs of groups {mean} in their mean, {any_way} in any way"
        lines += [_describe_groups(row) for row in _by_evidence(blocks).head(3).itertuples() if row.q < 0.05]
    agreement = (
        f"effects agree by r = {_interval(comparison.agreement)}, correlations within a bin by "
        f"r = {_interval(comparison.plain_agreement)}"
    )
    if result.own_agreement:
        own = ", ".join(f"{agreed.correlation:.2f}" for agreed in result.own_agreement)
        agreement += f"; effects of two halves of each session by {own}"
    lines.append(agreement)
    if comparison.null_name == ASSIGNED and not result.whole:
        reason = "rarely" if comparison.changes < _FEW_CHANGES else "in regular turns"
        times = f"{comparison.changes} time{'s' * (comparison.changes > 1)}"
        lines.append(f"the conditions change {reason}, {times}: a drift of the recording is a difference too")
    return [f"{result.title}: {line}" for line in lines]


def edge_differences(result: ComparisonResult) -> "Iterator[pd.DataFrame]":
    """Yields the table of the differences of every pair of neurons in parts, those with the smallest p-value first.

    Args:
        result: Result of one comparison.

    Yields:
        Columns ``source`` and ``target`` (ids of sender and receiver), ``effect_a``, ``effect_b`` (in the first and
        second condition), ``difference``, ``error``, ``z``, ``p_value``, ``q_value``, and the session's fields of each
        neuron as ``source_<field>`` and ``target_<field>``. Pairs with a silent neuron are left out.
    """
    comparison = result.comparison
    receiver, sender = comparison.p_value.isfinite().nonzero().t()
    matrices = {
        "effect_a": comparison.effect[0],
        "effect_b": comparison.effect[1],
        "difference": comparison.difference,
        "error": comparison.error,
        "z": comparison.z,
        "p_value": comparison.p_value,
        "q_value": comparison.q_value,
    }
    order = comparison.p_value[receiver, sender].argsort(stable=True)
    receiver, sender = receiver[order], sender[order]
    for edges in torch.stack([sender, receiver]).split(2**14, dim=1):  # a million rows of texts take a gigabyte
        values: dict[str, list[object]] = {
            name: matrix[edges[1], edges[0]].tolist() for name, matrix in matrices.items()
        }
        yield pd.DataFrame(endpoint_columns(result.pair.session, edges, values))


def draw_comparison(result: ComparisonResult) -> Figure:
    """Draws a comparison: differences from group to group with intervals, z of pairs, and the global test.

    Args:
        result: Result of one comparison.
    """
    comparison, blocks = result.comparison, result.comparison.blocks
    figure, axes = make_figure(8.4, 3.6, columns=2) if blocks is None else make_figure(10, 8, columns=2, rows=2)
    if blocks is not None:
        table = blocks.astype({"sender": str, "receiver": str})
        groups = table["sender"].unique().tolist()
        matrix, q = (block_matrix(table, groups, value) for value in ("difference", "q"))
        draw_block_matrix(axes[0], matrix, groups, marked=q < 0.05, label="difference of the mean effect")
        axes[0].set_title("a star: q < 0.05", fontsize="medium")
        top = _by_evidence(table).head(_MOST_INTERVALS)
        draw_intervals(
            axes[1],
            [f"{row.sender} to {row.receiver}" for row in top.itertuples()],
            top["difference"].to_numpy(),
            low=top["low"].to_numpy(),
            high=top["high"].to_numpy(),
            marked=top["q"].to_numpy() < 0.05,
            label="difference of the mean effect, 95 % interval",
        )
    z = comparison.z[comparison.p_value.isfinite()].numpy()
    draw_z_values(axes[-2], z, int(comparison.edges().sum()))
    test = comparison.any_difference
    draw_against_null(axes[-1], test.mean_square, test.null, "mean square difference over its expectation")
    axes[-1].set_title(f"all pairs together: p = {test.p:.3f}", fontsize="medium")
    figure.suptitle(figure_text(result.title))
    return figure


def _check_groups(session: Session, group_by: str | None) -> None:
    """Raises an error if the neurons cannot be grouped, or have too many groups."""
    if group_by is not None and (count := len(groups_of(session, group_by, bins=None).name)) > MOST_GROUPS:
        raise ValueError(
            f"Expected at most {MOST_GROUPS} groups of neurons ('{group_by}' of session '{session.name}' has "
            f"{count}); take a field with more neurons in each."
        )


def _halves_agreement(pair: ConditionPair, s: int) -> PatternAgreement:
    """Returns the agreement of the effects in both halves of a session, NaN if they are too short."""
    first = int((pair.condition == 0).sum())
    session = pair.session.slice(*((0, first), (first, pair.session.num_bins))[s])
    try:
        fitted = refit(halves_pair(session))
    except ValueError:
        return PatternAgreement(np.nan, np.nan, np.nan)
    return pattern_agreement(*fitted.alone, known=~fitted.silent)


def _by_evidence(blocks: "pd.DataFrame") -> "pd.DataFrame":
    """Returns the pairs of groups with a difference, those with the smallest p-value first."""
    return blocks.dropna(subset="p").sort_values("p", kind="stable")


def _describe_groups(row: object) -> str:
    """Describes a row of the table of groups."""
    difference, low, high = (float(getattr(row, name)) for name in ("difference", "low", "high"))
    sender, receiver, q = (getattr(row, name) for name in ("sender", "receiver", "q"))
    return f"{sender} -> {receiver}: {difference:+.2g} ({low:+.2g} to {high:+.2g}), q = {q:.2g}"


def _interval(agreement: PatternAgreement) -> str:
    """Returns an agreement with its interval as text."""
    return f"{agreement.correlation:.2f} ({agreement.low:.2f} to {agreement.high:.2f} over neurons)"


def _in_words(name: str) -> str:
    """Returns the name of a condition with its sign in words, because names of files hold none."""
    for sign, word in ((">=", "from"), ("<=", "to"), ("!=", "not"), (">", "above"), ("<", "below"), ("=", "is")):
        if sign in name:
            return f"-{word}-".join(part.strip() for part in name.split(sign))
    return name


def _write(result: ComparisonResult, stem: str) -> Iterator[str]:
    """Writes the tables and the figure of a comparison; yields a line for each file."""
    comparison, format = result.comparison, "%.6g"
    path = save_table(edge_differences(result), Path(f"{stem}-edges"), float_format=format)
    yield f"written to {path}: {int(comparison.p_value.isfinite().sum())} pairs of neurons"
    if comparison.blocks is not None:
        table = comparison.blocks.assign(null=comparison.null_name)
        path = save_table(table, Path(f"{stem}-blocks"), float_format=format)
        yield f"written to {path}: {len(table)} pairs of groups, {comparison.unlabelled} neurons left out"
    for path in save_figure(draw_comparison(result), Path(stem), dpi=150):
        yield f"written to {path}: figure of the differences"
