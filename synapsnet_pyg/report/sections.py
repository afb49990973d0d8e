"""The sections of a report: for each a plain sentence, the figures and the tables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from synapsnet_pyg.files import file_name
from synapsnet_pyg.plots.canvas import Figure
from synapsnet_pyg.report import plotly_figures, static_figures
from synapsnet_pyg.report.graph import MOST, SENDERS
from synapsnet_pyg.report.neuron_order import Arrangement
from synapsnet_pyg.report.reproduction import commands_of
from synapsnet_pyg.report.session_results import PERMUTATIONS, Findings, Significance, Wiring
from synapsnet_pyg.report.summaries import block_matrix_of, profile_of
from synapsnet_pyg.results.figures import History, draw_training, training_history
from synapsnet_pyg.runs.run import Run, versions
from synapsnet_pyg.runs.score_tables import verdict


class Drawing(NamedTuple):
    """A figure, for the screen and for paper."""

    name: str
    interactive: plotly_figures.Figure
    printed: Figure


class Table(NamedTuple):
    """A table as a file, and what of it the page shows."""

    name: str
    whole: pd.DataFrame
    shown: pd.DataFrame | None = None


class Section(NamedTuple):
    """A part of the page."""

    title: str
    sentences: list[str]
    drawings: Sequence[Drawing] = ()
    tables: Sequence[Table] = ()
    commands: Sequence[str] = ()


class Chapter(NamedTuple):
    """What is told of a run or of one session."""

    title: str
    prefix: str
    """Of the names of its files."""
    sections: list[Section]


def run_chapter(run: Run, names: list[str], scores: dict[str, Any]) -> Chapter:
    """What was recorded and fitted, how the fit went, and scores over sessions."""
    sections = [_recorded(run, names)]
    if len(names) > 1:
        sections.append(_summary(scores))
    history = training_history(run.folder) if "sessions" in run.settings else None
    if history and len(history.epochs) > 1:
        sections.append(_training(history))
    return Chapter("The run", "run", sections)


def session_chapter(found: Findings) -> Chapter:
    """What was found in one session."""
    sections = [_scores(found)]
    if found.history and len(found.history.epochs) > 1:
        sections.append(_training(found.history))
    if found.course:
        sections.append(_forecasts(found))
    if found.wiring:
        wiring = found.wiring
        sections += [_matrices(found, wiring), _graph(found, wiring)]
        sections += [_currents(wiring)] if wiring.currents else []
        sections += [_significance(wiring.significance) if wiring.significance else _untested(wiring)]
        sections += [_blocks(wiring)] if wiring.blocks else []
        sections += [_distance(wiring)] if wiring.distance else []
        sections += [_neurons(wiring)]
    return Chapter(found.session.name, file_name(found.session.name), sections)


def _recorded(run: Run, names: list[str]) -> Section:
    sessions = [run.sessions[name] for name in names]
    table = pd.DataFrame(
        {
            "session": names,
            "neurons": [session.num_neurons for session in sessions],
            "bins": [session.num_bins for session in sessions],
            "bin (s)": [session.bin_size for session in sessions],
            "minutes": [session.num_bins * session.bin_size / 60 for session in sessions],
            "segments": [len(session.segment) for session in sessions],
            "behaviour": [", ".join(session.behaviour_name) or "none" for session in sessions],
            "known of each neuron": [", ".join(session.neuron_fields) or "its id" for session in sessions],
        }
    )
    commands = commands_of(run)
    model, training = run.settings["model"], run.settings["training"]
    settings = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in training.items())
    used = ", ".join(f"{package} {number}" for package, number in run.settings.get("versions", versions()).items())
    sentences = [
        f"The model {model['name']} was fitted to {_counted(len(run.sessions), 'session')} ({settings}): the first "
        "80 % of each are the training part, the next 10 % choose the epoch, and the last 10 %, which training never "
        "saw, are the test part that every score is from.",
        f"Versions: {used}.",
    ]
    if commands:
        sentences.append("These commands make the run again:")
    return Section(
        "What was recorded and fitted", sentences, tables=[Table("sessions", table, table)], commands=commands
    )


def _summary(scores: dict[str, Any]) -> Section:
    rows = [
        {"model": model, **{f"{key} {of}": value[of] for key, value in values.items() for of in ("mean", "sem")}}
        for model, values in scores["summary"].items()
    ]
    table = pd.DataFrame(rows)
    shown = ["model", *(f"{key} {of}" for key in ("correlation", "mse") for of in ("mean", "sem"))]
    table = table[shown + [column for column in table if column not in shown]]
    sentence = f"Scores of the test parts, mean and standard error over {_counted(len(scores['sessions']), 'session')}."
    return Section("Scores over sessions", [sentence], tables=[Table("summary", table, table)])


def _training(history: History) -> Section:
    sentence = (
        "Correlation of forecast and truth on the validation part after each epoch: the model is that of the marked "
        "epoch. A curve that still rises at its end says that more epochs would help; epoch 0 is before training."
    )
    drawing = Drawing("training", plotly_figures.training_curve(history), draw_training(history))
    return Section("Training", [sentence], [drawing])


def _scores(found: Findings) -> Section:
    rows = []
    for model, score in found.scores.items():
        row = {"model": model, "correlation": score["correlation"], "MSE": score["mse"]}
        row |= {f"PC{k}": value for k, value in enumerate(score["pc_correlation"], start=1)}
        row |= {f"connectivity {key}": value for key, value in (score.get("connectivity") or {}).items()}
        rows.append(row)
    counted = found.counted
    sentences = [
        verdict(found.scores),
        "Correlation is Pearson's over time, mean over neurons; MSE is the squared error of standardised activity, "
        "where the mean forecast has about 1, or more if the test part varies more than the training part; PC1 to PC3 "
        "are correlations along the principal axes of the "
        f"population. {counted['scored']} of {counted['recorded']} neurons are scored: those that vary both in the "
        "training and in the test part.",
        *([f"Left out, for want of bins in a segment: {', '.join(found.left_out)}."] if found.left_out else []),
    ]
    table = pd.DataFrame(rows)
    return Section("Scores beside simple forecasts", sentences, tables=[Table("scores", table, table)])


def _forecasts(found: Findings) -> Section:
    session, course = found.session, found.course
    assert course is not None
    arrangement = found.wiring.arrangement if found.wiring else None
    sentences = [
        f"The first {len(course.seconds)} bins of the test part, true (grey) and forecast one bin ahead (orange), for "
        "the neurons that are forecast best, median and worst of all that are scored, and along the first principal "
        "axes of the population. A forecast is smoother than the truth, because what is random in each bin cannot be "
        "forecast.",
        "The two pictures show "
        + ("all neurons" if session.num_neurons <= 300 else "evenly chosen neurons")
        + (f" by {_words(arrangement.by)}" if arrangement else "")
        + ", in colours of their own since a forecast is paler than the truth: stripes that stand in both are what the "
        "population does together and the model foresees.",
    ]
    drawings = [
        Drawing(
            "forecast", plotly_figures.forecast_course(session, course), static_figures.forecast_course(session, course)
        ),
        Drawing("components", plotly_figures.components(course), static_figures.components(course)),
        Drawing(
            "raster",
            plotly_figures.raster(session, course, arrangement),
            static_figures.raster(session, course, arrangement),
        ),
    ]
    table = pd.DataFrame({"neuron_id": session.neuron_id, "correlation": course.score})
    table = table.sort_values("correlation", ascending=False, kind="stable")
    return Section("Forecasts", sentences, drawings, [Table("neuron-scores", table)])


def _matrices(found: Findings, wiring: Wiring) -> Section:
    pooled = " Each cell shows the strongest of a square of pairs." if found.session.num_neurons > 300 else ""
    sentences = [
        "Each row is a receiver, each column a sender: red excites, blue inhibits. A learned weight is what one "
        "standard deviation more of the sender's activity adds to the receiver's next bin, in its standard deviations, "
        "with all other neurons as they are; a correlation also counts what the two share with others. Neurons are "
        f"ordered by {_words(wiring.arrangement.by)}{_meaning(wiring.arrangement)}.{pooled}"
    ]
    drawing = Drawing("connectivity", plotly_figures.matrices(found.session, wiring), static_figures.matrices(wiring))
    return Section("Connectivity", sentences, [drawing], [Table("edges", wiring.edges)])


def _graph(found: Findings, wiring: Wiring) -> Section:
    few = f" (the {MOST} strongest of them)" if SENDERS * found.session.num_neurons > MOST else ""
    where = (
        "Neurons stand where they were recorded."
        if wiring.graph.placed
        else "Positions are not known: neurons that drive each other are drawn near each other, and the place says no "
        "more."
    )
    sentence = (
        f"The {SENDERS} strongest edges that each neuron receives{few}: red excites, blue inhibits. {where} Colours of "
        f"the neurons are by {_words(wiring.arrangement.by)}. Turn it with the mouse; point at a neuron or at the "
        "middle of an edge."
    )
    drawing = Drawing("graph", plotly_figures.graph(found.session, wiring), static_figures.graph(wiring))
    return Section("The graph in space", [sentence], [drawing])


def _currents(wiring: Wiring) -> Section:
    kind, curve = next(iter(wiring.currents.items()))
    side = "leads the activity" if curve.peak_delay > 0 else "does not lead the activity"
    sentence = (
        "Correlation of each neuron's input current, worked out from several kinds of connectivity, with its own "
        "activity some time later, over the test part. A current that predicts has its peak right of zero, outside the "
        f"shade; with the {kind} the peak is at {_counted(curve.peak_delay, 'bin')}: the current {side}."
    )
    drawing = Drawing(
        "currents", plotly_figures.current_correlation(wiring), static_figures.current_correlation(wiring)
    )
    return Section("Input currents", [sentence], [drawing])


def _significance(significance: Significance) -> Section:
    found = int(significance.found.sum())
    sentences = [
        f"{found} of {significance.tested} pairs are edges at a false discovery rate of 5 %: about one in twenty of "
        "these is none. Without any edge the p-values would lie evenly along the dashed line; a "
        "peak at the left is edges. The table has the surest edges: the effect as measured with its standard error; "
        "what is believed of it, given how large effects are here; and what the model learned. Where spikes are rare, "
        "p is larger than effect and error alone would say.",
        significance.identifiability,
    ]
    drawing = Drawing("p-values", plotly_figures.p_values(significance), static_figures.p_values(significance))
    surest = significance.table.head(20)
    surest = surest.assign(**{what: [_small(value) for value in surest[what]] for what in ("p_value", "q_value")})
    return Section(
        "Which edges to believe",
        sentences,
        [drawing],
        [Table("surest-edges", significance.table, surest)],
    )


def _untested(wiring: Wiring) -> Section:
    return Section("Which edges to believe", [f"The edges could not be tested: {wiring.untested}"])


def _blocks(wiring: Wiring) -> Section:
    sentence = (
        "Mean weight of all pairs from one group of neurons (column) to another (row). A star marks blocks that differ "
        f"from {PERMUTATIONS} shuffles of the labels at a false discovery rate of 5 %."
    )
    drawings, tables = [], []
    for field, blocks in wiring.blocks.items():
        matrix = block_matrix_of(blocks)
        drawings.append(
            Drawing(f"blocks-{field}", plotly_figures.block_matrix(matrix), static_figures.block_matrix(matrix))
        )
        tables.append(Table(f"blocks-{field}", blocks.table))
    return Section(f"Weights by {' and '.join(map(_words, wiring.blocks))}", [sentence], drawings, tables)


def _distance(wiring: Wiring) -> Section:
    assert wiring.distance is not None
    found = wiring.distance
    sentence = (
        "Mean absolute weight in ranges of distance, beside what shuffled positions give. Rank correlation of absolute "
        f"weight and distance {found.spearman:.2f} (p {found.p:.2g}): below zero, near neurons drive each other more."
    )
    profile = profile_of(found)
    drawing = Drawing(
        "distance", plotly_figures.weight_against_distance(profile), static_figures.weight_against_distance(profile)
    )
    return Section("Weight against distance", [sentence], [drawing], [Table("distance", found.table)])


def _neurons(wiring: Wiring) -> Section:
    returned = wiring.reciprocity.set_index("of").loc["weights"]
    sentence = (
        "The greatest hubs: neurons that drive neurons which drive others in turn. Strengths are sums of absolute "
        f"weights; degrees count {'significant edges' if wiring.significance else 'all weights that are not zero'}. "
        f"{returned['reciprocity']:.0%} of the absolute weight is returned by the receiver, beside "
        f"{returned['null_mean']:.0%} with shuffled senders (p {returned['p']:.2g})."
    )
    wide = ["in_positive", "in_negative", "out_positive", "out_negative"]
    wide += [column for column in wiring.neurons if column.startswith("position_")]
    shown = wiring.neurons.head(10).drop(columns=wide)
    tables = [Table("neurons", wiring.neurons, shown), Table("reciprocity", wiring.reciprocity)]
    return Section("Hubs and reciprocity", [sentence], tables=tables)


def _meaning(arrangement: Arrangement) -> str:
    if arrangement.by != "community":
        return ""
    return ", groups that drive each other more than the rest (Louvain's method, on the strongest edges)"


def _small(value: float) -> str:
    return "< 1e-6" if value < 1e-6 else f"{value:.2g}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _words(field: str) -> str:
    return field.replace("_", " ")
