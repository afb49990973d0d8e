"""Sections of a report on the connectivity of a session."""

from collections.abc import Callable

from synapsnet_pyg.files import file_name
from synapsnet_pyg.report.connectivity_analysis import FALSE_DISCOVERY_RATE, ConnectivityAnalysis
from synapsnet_pyg.report.connectivity_figures import currents_figure, graph_figure, matrices_figure
from synapsnet_pyg.report.sections import Part, ReportTable, Section
from synapsnet_pyg.report.significance_figures import block_figure, distance_figure, p_value_figure
from synapsnet_pyg.report.summary import LIMITS, edges_sentence

MOST_EDGES = 2000
"""Largest number of edges in a table of the page; the file has all."""


def connectivity_part(analysis: ConnectivityAnalysis | None) -> Part:
    """Returns the sections on the connectivity of a session; those without results are left out.

    Args:
        analysis: Results; None if the model learned no edges.
    """
    told = [edges_sentence(analysis), LIMITS]
    if analysis is None:
        return Part([], told)
    return Part([section for make in CONNECTIVITY_SECTIONS if (section := make(analysis)) is not None], told)


def _significance(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section on tests of edges, or on the reason why edges were not tested."""
    significance = analysis.significance
    if significance is None:
        return Section("Significant edges", [f"The edges could not be tested: {analysis.untested}"])
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


def _connectivity(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section of connectivity matrices."""
    figures = [matrices_figure(analysis.session, analysis)]
    return Section("Connectivity", figures=figures, tables=[ReportTable("edges", analysis.edges)])


def _graph(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section of the significant edges in space; None without such edges."""
    if analysis.graph is None:
        return None
    return Section("Graph", figures=[graph_figure(analysis.session, analysis, analysis.graph)])


def _currents(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section on input currents."""
    if not analysis.currents:
        return None
    return Section("Input currents", figures=[currents_figure(analysis)])


def _blocks(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section of weights from group to group of neurons."""
    if not analysis.blocks:
        return None
    blocks = analysis.blocks
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


def _signs(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section on neurons that excite or inhibit; None if edges were not tested."""
    if analysis.signs is None:
        return None
    signs = analysis.signs
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


def _distance(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section on weight and distance."""
    if analysis.distance is None:
        return None
    profile = analysis.distance
    figures, tables = [distance_figure(profile)], [ReportTable("distance", profile.table)]
    return Section("Weight against distance", figures=figures, tables=tables)


def _neurons(analysis: ConnectivityAnalysis) -> Section | None:
    """Returns the section on hub neurons and reciprocity; None without significant edges."""
    if analysis.neurons is None:
        return None
    neurons, table = analysis.neurons, analysis.reciprocity
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


CONNECTIVITY_SECTIONS: tuple[Callable[[ConnectivityAnalysis], Section | None], ...] = (
    _significance,
    _connectivity,
    _graph,
    _currents,
    _blocks,
    _signs,
    _distance,
    _neurons,
)
"""Functions that return the sections on the connectivity of a session, in the order of the page."""


def _small(value: float) -> str:
    """Returns a p- or q-value as text."""
    return "< 1e-6" if value < 1e-6 else f"{value:.2g}"
