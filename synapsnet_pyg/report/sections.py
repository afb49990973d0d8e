"""Sections of a report: sentences, figures and tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name
from synapsnet_pyg.report.connectivity_analysis import FALSE_DISCOVERY_RATE
from synapsnet_pyg.report.connectivity_figures import currents_figure, graph_figure, matrices_figure
from synapsnet_pyg.report.figure import ReportFigure
from synapsnet_pyg.report.forecast_figures import (
    components_figure,
    fans_figure,
    raster_figure,
    traces_figure,
    training_figure,
)
from synapsnet_pyg.report.neuron_score_figures import neuron_score_figures
from synapsnet_pyg.report.session_results import SessionResults
from synapsnet_pyg.report.significance_figures import block_figure, distance_figure, p_value_figure
from synapsnet_pyg.report.summary import summary
from synapsnet_pyg.runs.evaluation import Evaluation
from synapsnet_pyg.runs.horizon_tables import shown_horizons
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import versions
from synapsnet_pyg.runs.score_tables import detail_sentences, verdict

MOST_EDGES = 2000
"""Largest number of edges in a table of the page; the file has all."""


class ReportTable(NamedTuple):
    """A table of the report: whole in a file, partly on the page."""

    name: str
    """Stem of the file name."""
    whole: pd.DataFrame
    shown: pd.DataFrame | None = None
    """Part of the table on the page; None: only a link to the file."""


@dataclass(frozen=True)
class Section:
    """Part of the page under one title, with sentences, commands, figures and tables in this order."""

    title: str
    sentences: Sequence[str] = ()
    commands: Sequence[str] = ()
    figures: Sequence[ReportFigure] = field(default=(), repr=False)
    tables: Sequence[ReportTable] = ()


class Contents(NamedTuple):
    """Entry of a chapter in the contents of a report."""

    title: str
    prefix: str
    sections: Sequence[str]
    """Titles of its sections."""
    summary: Sequence[str]


class Chapter(NamedTuple):
    """Sections on a run or on one of its sessions."""

    title: str
    prefix: str
    """Prefix of the names of its files."""
    sections: list[Section]
    summary: Sequence[str] = ()
    """Sentences that say all that matters most."""

    @property
    def contents(self) -> Contents:
        """Entry of the chapter in the contents of the report."""
        return Contents(self.title, self.prefix, [section.title for section in self.sections], self.summary)


def run_chapter(run: Run, names: list[str], scores: Evaluation) -> Chapter:
    """Returns the chapter on the whole run: recordings, settings, scores over sessions, training.

    Args:
        run: Fitted run.
        names: Names of the sessions on the page.
        scores: Scores from :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
    """
    sections = [_recordings(run, names)]
    if len(names) > 1:
        sections.append(_summary(scores))
    history = run.history()
    if history and len(history.epochs) > 1:
        sections.append(Section("Training", figures=[training_figure(history)]))
    return Chapter("Run", "run", sections)


def session_chapter(results: SessionResults) -> Chapter:
    """Returns the chapter on one session; sections without results are left out."""
    sections = [section for make in SESSION_SECTIONS if (section := make(results)) is not None]
    return Chapter(results.session.name, file_name(results.session.name), sections, summary(results))


def _behaviours(session: Session) -> str:
    """Returns the names of a session's behaviours, with the share of bins in which each was recorded if not all."""
    shares = zip(session.behaviour_name, session.recorded_share, strict=True)
    texts = [name if share == 1 else f"{name} (recorded in {100 * share:.0f} % of the bins)" for name, share in shares]
    return ", ".join(texts) or "none"


def _recordings(run: Run, names: list[str]) -> Section:
    """Returns the section on recordings, recipe, versions and commands."""
    sessions = [run.sessions[name] for name in names]
    table = pd.DataFrame(
        {
            "session": names,
            "neurons": [session.num_neurons for session in sessions],
            "bins": [session.num_bins for session in sessions],
            "bin (s)": [session.bin_size for session in sessions],
            "minutes": [session.num_bins * session.bin_size / 60 for session in sessions],
            "segments": [len(session.segment) for session in sessions],
            "behaviour": [_behaviours(session) for session in sessions],
            "neuron fields": [", ".join(session.neuron_fields) or "none" for session in sessions],
        }
    )
    commands = run.commands()
    recipe = {key.replace("_", " "): value for key, value in run.recipe.to_json().items() if value is not None}
    settings = ", ".join(f"{key} {value}" for key, value in recipe.items())
    packages = versions() if run.record is None else run.record.versions
    version_texts = ", ".join(f"{package} {version}" for package, version in packages.items())
    sentences = [
        f"The model {run.kind} was fitted to {_counted(len(run.sessions), 'session')} ({settings}). "
        f"Parts of each session by {run.recipe.division}. The validation part chooses the epoch; no fit uses "
        "the test part; all scores are of the test part.",
        f"Versions: {version_texts}.",
    ]
    if commands:
        sentences.append("These commands repeat the run:")
    return Section("Recordings and fit", sentences, commands, tables=[ReportTable("sessions", table, table)])


def _summary(scores: Evaluation) -> Section:
    """Returns the section of mean scores over sessions."""
    rows = [
        {"model": model}
        | {f"{key} {part}": number for key, value in values.items() for part, number in value._asdict().items()}
        for model, values in scores.summary.items()
    ]
    table = pd.DataFrame(rows)
    shown = ["model", *(f"{key} {part}" for key in ("correlation", "mse") for part in ("mean", "sem"))]
    table = table[shown + [column for column in table if column not in shown]]
    sentence = f"Scores of the test parts: mean and standard error over {_counted(len(scores.sessions), 'session')}."
    return Section("Scores over sessions", [sentence], tables=[ReportTable("summary", table, table)])


def _scores(results: SessionResults) -> Section:
    """Returns the section of the scores of all models on a session."""
    rows = []
    for model, score in results.scores.items():
        row: dict[str, str | float] = {"model": model, "correlation": score.correlation}
        if results.details is not None:
            row["low"], row["high"] = results.details.intervals[model].correlation
        row["MSE"] = score.mse
        row |= {f"PC{k}": value for k, value in enumerate(score.pc_correlation, start=1)}
        row |= {f"connectivity {key}": value for key, value in (score.connectivity or {}).items()}
        rows.append(row)
    counts = results.counts
    details = [] if results.details is None else detail_sentences(next(iter(results.scores)), results.details)
    sentences = [
        " ".join([verdict(results.scores, results.details), *details]),
        "The correlation is Pearson's over time, averaged over neurons. The MSE is the mean squared error of "
        "standardised activity; forecasting the mean has an MSE of about 1, or more if the test part varies more than "
        "the training part. PC1 to PC3 are the correlations along the first principal axes of the population. "
        f"{counts.scored} of {counts.recorded} neurons are scored: those that vary both in the training and in "
        "the test part.",
    ]
    if results.details is not None:
        sentences.append(
            "From low to high is the 95 % interval of the correlation over blocks of test bins: its change with other "
            "bins of the same neurons, for the same fit. The ceiling is an estimate of what noise allows; a forecast "
            "of regular neurons can exceed it."
        )
    if results.left_out:
        sentences.append(f"Left out, because segments are too short for them: {', '.join(results.left_out)}.")
    table = pd.DataFrame(rows)
    return Section("Scores beside simple forecasts", sentences, tables=[ReportTable("scores", table, table)])


def _training(results: SessionResults) -> Section | None:
    """Returns the section on the training of a session's separate model."""
    if results.history is None or len(results.history.epochs) < 2:
        return None
    return Section("Training", figures=[training_figure(results.history)])


def _forecasts(results: SessionResults) -> Section | None:
    """Returns the section of forecasts of neurons, components and the population."""
    session, excerpt = results.session, results.excerpt
    if excerpt is None:
        return None
    order = results.connectivity.neuron_order if results.connectivity else None
    figures = [traces_figure(session, excerpt), components_figure(excerpt), raster_figure(session, excerpt, order)]
    return Section("Forecasts", figures=figures)


def _neuron_scores(results: SessionResults) -> Section | None:
    """Returns the section of the scores of each neuron."""
    if results.details is None:
        return None
    model = next(iter(results.scores))
    table = results.details.neurons.sort_values("correlation", ascending=False, kind="stable")
    sentence = "The file has the scores of each neuron by all models, its ceiling, its rate and its fields."
    figures = neuron_score_figures(model, results.details)
    return Section("Scores of neurons", [sentence], figures=figures, tables=[ReportTable("neuron-scores", table)])


def _horizons(results: SessionResults) -> Section | None:
    """Returns the section on forecasts of several bins; None if the segments are too short for them."""
    session, ahead = results.session, results.horizons
    if ahead is None:
        return None
    scores = pd.DataFrame(ahead.rows(session.name))
    tables = []
    for key in ("correlation", "against_copy"):
        table = scores.pivot(index="model", columns="horizon", values=key)
        table = (
            table.loc[scores["model"].unique(), shown_horizons(ahead.horizon)].reset_index().rename_axis(columns=None)
        )
        tables.append(ReportTable(f"horizon-{key.replace('_', '-')}", table, table))
    part = "the test part" if ahead.whole[session.name] else "the beginning of the test part"
    sentences = [
        f"Scores on {part} of forecasts 1 to {ahead.horizon} bins ahead (columns), of {session.bin_size:.3g} s each. "
        "Models that forecast one step feed their forecasts back. The first table shows the correlation, the second "
        "1 - MSE / MSE of a copy, which is above 0 where a model is better than no change. The file horizon-scores "
        "has all scores. For other horizons: synapsnet evaluate RUN --horizon H.",
    ]
    if ahead.left_out:
        sentences.append(f"Left out, because segments are too short for them: {', '.join(ahead.left_out)}.")
    figures = [] if results.fans is None else [fans_figure(session, results.fans)]
    return Section(
        "Forecasts further ahead", sentences, figures=figures, tables=[*tables, ReportTable("horizon-scores", scores)],
    )  # fmt: skip


def _connectivity(results: SessionResults) -> Section | None:
    """Returns the section of connectivity matrices."""
    if results.connectivity is None:
        return None
    figures = [matrices_figure(results.connectivity.session, results.connectivity)]
    return Section("Connectivity", figures=figures, tables=[ReportTable("edges", results.connectivity.edges)])


def _graph(results: SessionResults) -> Section | None:
    """Returns the section of the significant edges in space; None without such edges."""
    if results.connectivity is None or results.connectivity.graph is None:
        return None
    analysis = results.connectivity
    return Section("Graph", figures=[graph_figure(analysis.session, analysis, results.connectivity.graph)])


def _currents(results: SessionResults) -> Section | None:
    """Returns the section on input currents."""
    if results.connectivity is None or not results.connectivity.currents:
        return None
    return Section("Input currents", figures=[currents_figure(results.connectivity)])


def _significance(results: SessionResults) -> Section | None:
    """Returns the section on tests of edges, or on the reason why edges were not tested."""
    if results.connectivity is None:
        return None
    significance = results.connectivity.significance
    if significance is None:
        return Section("Significant edges", [f"The edges could not be tested: {results.connectivity.untested}"])
    if not significance.any:
        return Section("Significant edges", [significance.message], figures=[p_value_figure(significance)])
    title = "Significant edges" if significance.edges.trusted(FALSE_DISCOVERY_RATE) else "Edges that pass the tests"
    sentences = [
        significance.message,
        "The table has these edges. Its columns: weight, learned by the model, whose scale its penalties and the other "
        "senders change; posterior_mean, the best estimate of the effect of one unit of the sender's activity, shrunk "
        "towards zero where evidence is weak; effect, the estimate before shrinkage; error, its standard error; "
        "p_value, the largest of three tests (given the past, given the same bin as well, against the recording "
        "backwards); q_value, the smallest false discovery rate at which the pair is an edge; lag, the number of bins "
        "after which it acts; same_bin, the partial correlation within the bin."
        + (f" The page shows the first {MOST_EDGES}, the file all." if len(significance.table) > MOST_EDGES else ""),
    ]
    shown = significance.table.head(MOST_EDGES)
    small = ("p_value", "q_value", "same_bin_q")
    shown = shown.assign(**{name: [_small(value) for value in shown[name]] for name in small})
    tables = [ReportTable("significant-edges", significance.table, shown)]
    return Section(title, sentences, figures=[p_value_figure(significance)], tables=tables)


def _blocks(results: SessionResults) -> Section | None:
    """Returns the section of weights from group to group of neurons."""
    if results.connectivity is None or not results.connectivity.blocks:
        return None
    blocks = results.connectivity.blocks
    sentence = (
        "Mean effect of all pairs from one group of neurons (column) to another (row), in the files with 95 % "
        "intervals over neurons. A star marks blocks whose mean differs from zero (q_zero), a ring blocks that differ "
        "from those of shuffled labels (q_labels), each at a false discovery rate of 5 %."
    )
    return Section(
        f"Weights by {' and '.join(name.replace('_', ' ') for name in blocks)}",
        [sentence],
        figures=[block_figure(name, result) for name, result in blocks.items()],
        tables=[ReportTable(f"blocks-{file_name(name)}", result.table) for name, result in blocks.items()],
    )


def _signs(results: SessionResults) -> Section | None:
    """Returns the section on neurons that excite or inhibit; None if edges were not tested."""
    if results.connectivity is None or results.connectivity.signs is None:
        return None
    signs = results.connectivity.signs
    sentence = (
        f"{signs.message} A neuron excites or inhibits if its mean effect one bin ahead differs from zero and exceeds, "
        "with the same sign, the part that mirrors coincidences in the same bin, as common input makes them. All other "
        "neurons are undecided, whatever the colour of their edges."
    )
    table = signs.table.sort_values("q_value", kind="stable")
    shown = ["neuron_id", "effect", "error", "positive_share", "mirrored", "beyond", "q_value", "sign"]
    called = table.loc[table["sign"] != "undecided", shown].head(20)
    called = called.assign(q_value=[_small(value) for value in called["q_value"]])
    return Section(
        "Signs of neurons", [sentence], tables=[ReportTable("signs", table, called if len(called) else None)]
    )


def _distance(results: SessionResults) -> Section | None:
    """Returns the section on weight and distance."""
    if results.connectivity is None or results.connectivity.distance is None:
        return None
    profile = results.connectivity.distance
    figures, tables = [distance_figure(profile)], [ReportTable("distance", profile.table)]
    return Section("Weight against distance", figures=figures, tables=tables)


def _neurons(results: SessionResults) -> Section | None:
    """Returns the section on hub neurons and reciprocity; None without significant edges."""
    if results.connectivity is None or results.connectivity.neurons is None:
        return None
    neurons, table = results.connectivity.neurons, results.connectivity.reciprocity
    assert table is not None
    weights = table.set_index("of").loc["weights"]
    sentence = (
        "The neurons with the largest hub score (PageRank: large for neurons that drive neurons that drive others). "
        "Strengths are sums of absolute weights of significant edges; degrees count these edges. "
        f"{weights['reciprocity']:.0%} of the absolute weight of all pairs is reciprocal, against "
        f"{weights['null_mean']:.0%} with shuffled senders (p {weights['p']:.2g})."
    )
    only_in_file = ["in_positive", "in_negative", "out_positive", "out_negative"]
    only_in_file += [column for column in neurons if column.startswith("position_")]
    tables = [
        ReportTable("neurons", neurons, neurons.head(10).drop(columns=only_in_file)),
        ReportTable("reciprocity", table),
    ]
    return Section("Hubs and reciprocity", [sentence], tables=tables)


SESSION_SECTIONS: tuple[Callable[[SessionResults], Section | None], ...] = (
    _scores,
    _training,
    _forecasts,
    _horizons,
    _neuron_scores,
    _significance,
    _connectivity,
    _graph,
    _currents,
    _blocks,
    _signs,
    _distance,
    _neurons,
)
"""Functions that return the sections of a session, in the order of the page."""


def _small(value: float) -> str:
    """Returns a p- or q-value as text."""
    return "< 1e-6" if value < 1e-6 else f"{value:.2g}"


def _counted(count: int, noun: str) -> str:
    """Returns a count with its noun, in the plural unless it is 1."""
    return f"{count} {noun}{'s' * (count != 1)}"
