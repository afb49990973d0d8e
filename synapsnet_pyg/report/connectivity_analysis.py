"""Analysis of one session's connectivity for the report."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from synapsnet_pyg.analysis.blocks import Blocks, connectivity_blocks
from synapsnet_pyg.analysis.currents import CurrentCorrelation, current_cross_correlation, shuffle_senders
from synapsnet_pyg.analysis.distance import DistanceProfile, weight_by_distance
from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.analysis.neurons import neuron_table
from synapsnet_pyg.analysis.reciprocity import reciprocity
from synapsnet_pyg.analysis.significance import EdgeSignificance, edge_significance
from synapsnet_pyg.analysis.signs import NeuronSigns, neuron_signs
from synapsnet_pyg.connectivity.lagged_correlation import LaggedCorrelation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.current_conv import edges_of, values_at
from synapsnet_pyg.report.graph import Graph, strongest_graph
from synapsnet_pyg.report.neuron_order import NeuronOrder, group_neurons
from synapsnet_pyg.results.connectivity import ConnectivityResult
from synapsnet_pyg.results.graphs import strongest, to_pandas
from synapsnet_pyg.results.neuron_groups import fields_with_groups
from synapsnet_pyg.results.strongest_part import StrongestPart
from synapsnet_pyg.runs.run import Run

PERMUTATIONS = 200
"""Number of shuffles for reciprocity and distance: few, so that a page takes seconds. The smallest p-value is 1/201."""
FALSE_DISCOVERY_RATE = 0.05
"""Expected share of false ones among significant edges and blocks."""


@dataclass(frozen=True)
class Significance:
    """Tests of all edges of a connectivity."""

    edges: EdgeSignificance
    significant: Tensor
    """Pairs that are edges at the false discovery rate, booleans [N, N], or [E] of candidates."""
    table: "pd.DataFrame"
    """Table with a row for each significant edge, smallest p-value first."""
    counts: np.ndarray
    """Number of p-values in each of 20 ranges [20]."""
    borders: np.ndarray
    """Borders of the ranges [21]."""
    message: str
    """Sentences on the number of edges, how many of them are expected to be false, and limits of the recording."""

    @property
    def any(self) -> bool:
        """True if there is a significant edge."""
        return bool(self.significant.any())

    @property
    def posterior_mean(self) -> Tensor:
        """Posterior mean of every effect [N, N], 0 on the diagonal and for pairs that were not tested."""
        return self.edges.posterior_mean.nan_to_num()


@dataclass(frozen=True)
class ConnectivityAnalysis:
    """Results on the connectivity of one session."""

    session: Session
    """Session of the drawn neurons: all, or those of a large population with the strongest edges."""
    shown: str
    """Sentence that says which neurons are drawn; empty if all are."""
    matrices: dict[str, Tensor]
    """Kind of connectivity -> weights [N, N]; the learned connectivity comes first."""
    p_value: Tensor | None
    """p-value of each drawn pair [N, N]; None if edges were not tested."""
    neuron_order: NeuronOrder
    graph: Graph | None
    """Significant edges in space; None without any."""
    currents: dict[str, CurrentCorrelation]
    """Kind of connectivity -> correlation of its input currents with activity."""
    significance: Significance | None
    untested: str
    """Reason why the edges were not tested; empty if they were."""
    edges: "pd.DataFrame"
    """Table with a row for each of the strongest edges."""
    blocks: dict[str, Blocks]
    """Field that groups neurons -> effects from group to group; learned weights if the edges were not tested."""
    signs: NeuronSigns | None
    """Signs of the neurons; None if the edges were not tested."""
    neurons: "pd.DataFrame | None"
    """Results of each neuron from its significant edges, largest hub score first; None without such edges."""
    reciprocity: "pd.DataFrame | None"
    """Reciprocity of weights and edges; None of a large population."""
    distance: DistanceProfile | None
    """Weight against distance; None if positions are not known."""


def analyse_connectivity(run: Run, name: str) -> ConnectivityAnalysis | None:
    """Analyses the connectivity that a run learned in a session.

    Args:
        run: Fitted run.
        name: Name of the session.

    Returns:
        Results; None if all weights are zero.
    """
    session = run.sessions[name]
    train, _, test = session.split()
    connectivity = run.model.connectivity(train).detach().cpu()
    if connectivity.is_sparse:
        return _of_large_population(session, connectivity)
    learned = connectivity.clone().fill_diagonal_(0)
    if not bool(learned.any()):
        return None
    edges, untested = _test_edges(session, learned)
    # Before anything makes a table: signs need as much memory as pandas.
    signs = None if edges is None else neuron_signs(run.model, train, edges, targets=run.targets)
    significance = None if edges is None else _significance(session, edges, learned)
    kinds = _kinds(session, learned)
    significant = None if significance is None else significance.significant
    believed = learned if significant is None else learned * significant
    order, graph, neurons = group_neurons(session, believed), None, None
    if significant is not None and bool(believed.any()):
        graph = strongest_graph(session, believed)
        neurons = neuron_table(session, believed, edge=significant).assign(**{order.by: order.group})
        neurons = neurons.sort_values("hub_rank", kind="stable")
    return ConnectivityAnalysis(
        session=session,
        shown="",
        matrices=_shown_matrices(kinds, significance),
        p_value=None if significance is None else significance.edges.p_value,
        neuron_order=order,
        graph=graph,
        currents=_currents(test, kinds | {"learned, shuffled": shuffle_senders(learned)}),
        significance=significance,
        untested=untested,
        edges=to_pandas(
            session,
            strongest(learned, top_k=10 * session.num_neurons),
            edge_fields=None if significance is None else significance.edges.edge_fields(),
        ),
        blocks=_blocks(session, learned, significance),
        signs=signs,
        neurons=neurons,
        reciprocity=reciprocity(session, learned, edge=significant, permutations=PERMUTATIONS),
        distance=weight_by_distance(session, learned, edge=significant, permutations=PERMUTATIONS)
        if session.neuron_fields.get("position") is not None
        else None,
    )


def _of_large_population(session: Session, learned: Tensor) -> ConnectivityAnalysis | None:
    """Analyses a sparse connectivity: all its edges, and matrices and graph of the neurons with the strongest ones."""
    if not bool(learned.coalesce().values().any()):
        return None
    tested, untested = _test_edges(session, learned)
    significance = None if tested is None else _significance(session, tested, learned)
    fields = {} if significance is None else significance.edges.edge_fields()
    edges = None
    if significance is not None and significance.any:
        edges = ConnectivityResult(learned, fields).significant(FALSE_DISCOVERY_RATE)
    part = StrongestPart.of(session, learned if edges is None else edges)
    kinds = {"learned connectivity": part.matrix(learned)}
    if edges is not None:
        mean = part.matrix(fields["posterior_mean"])
        kinds["posterior mean of its significant edges"] = mean * (part.matrix(edges) != 0)
    kinds["correlation one bin apart"] = LaggedCorrelation(lag=1).fit(part.session.split().train).connectivity_
    if (truth := part.session.true_connectivity) is not None:
        kinds["true connectivity"] = truth
    drawn = part.matrix(learned if edges is None else edges)
    return ConnectivityAnalysis(
        session=part.session,
        shown=part.sentence,
        matrices=kinds,
        p_value=part.matrix(fields["p_value"], fill=1.0) if fields else None,
        neuron_order=group_neurons(part.session, drawn),
        graph=None if edges is None else strongest_graph(part.session, drawn),
        currents=_currents(
            session.split().test, {"learned connectivity": learned, "learned, shuffled": shuffle_senders(learned)}
        ),
        significance=significance,
        untested=untested,
        edges=to_pandas(session, strongest(learned, top_k=10 * session.num_neurons), edge_fields=fields),
        blocks={},
        signs=None,
        neurons=None,
        reciprocity=None,
        distance=None,
    )


def _kinds(session: Session, learned: Tensor) -> dict[str, Tensor]:
    """Returns the learned connectivity, and correlations and the true connectivity for comparison."""
    train = session.split().train
    lag_0, lag_1 = (LaggedCorrelation(lag=lag).fit(train).connectivity_ for lag in (0, 1))
    kinds = {"learned connectivity": learned, "correlation one bin apart": lag_1}
    if session.true_connectivity is not None:
        kinds["true connectivity"] = session.true_connectivity
    return kinds | {"correlation in the same bin": lag_0}


def _shown_matrices(kinds: dict[str, Tensor], significance: Significance | None) -> dict[str, Tensor]:
    """Returns the four matrices of the page: learned connectivity, its significant edges, and two for comparison."""
    (learned, connectivity), *others = kinds.items()
    shown = {learned: connectivity}
    if significance is not None and significance.any:
        shown["posterior mean of its significant edges"] = significance.posterior_mean * significance.significant
    return shown | dict(others[:2])


def _currents(test: Session, matrices: dict[str, Tensor]) -> dict[str, CurrentCorrelation]:
    """Returns the correlation of input current and activity for each connectivity that has an edge."""
    longest = int((test.segment[:, 1] - test.segment[:, 0]).max())
    return {
        kind: current_cross_correlation(test, matrix, max_delay=min(10, max(1, longest - 2)))
        for kind, matrix in matrices.items()
        if len(edges_of(strongest(matrix))[1])
    }


def _blocks(session: Session, learned: Tensor, significance: Significance | None) -> dict[str, Blocks]:
    """Returns effects from group to group for each field of groups, or learned weights if the edges were not tested."""
    fields = fields_with_groups(session)
    if significance is None:
        return {field: connectivity_blocks(session, learned, field) for field in fields}
    effect, error = significance.edges.effect.nan_to_num(), significance.edges.error
    return {
        field: connectivity_blocks(session, effect, field, error=error, edge=significance.significant)
        for field in fields
    }


def _test_edges(session: Session, learned: Tensor) -> tuple[EdgeSignificance | None, str]:
    """Tests the edges on the training part; returns None and a reason if the test is not possible."""
    try:
        return edge_significance(session.split().train, learned=learned), ""
    except ValueError as error:  # the recording is too short for the test, but not for the rest of the page
        return None, str(error)


def _significance(session: Session, edges: EdgeSignificance, learned: Tensor) -> Significance:
    """Returns what the page shows of the tests of the edges."""
    p_value = edges.p_value[edges.p_value.isfinite()].numpy()
    counts, borders = np.histogram(p_value, bins=20, range=(0, 1))
    return Significance(
        edges=edges,
        significant=edges.edges(FALSE_DISCOVERY_RATE),
        table=_significant_edges(session, edges, learned),
        counts=counts,
        borders=borders,
        message=f"{edges.message(FALSE_DISCOVERY_RATE)} {identifiability(session.split().train, edges).message}",
    )


def _significant_edges(session: Session, edges: EdgeSignificance, learned: Tensor) -> "pd.DataFrame":
    """Returns the significant edges, smallest p-value first; equal ones by effect over error, largest first."""
    called = edges.edges(FALSE_DISCOVERY_RATE)
    if edges.edge_index is None:
        receiver, sender = called.nonzero(as_tuple=True)
    else:
        sender, receiver = edges.edge_index[:, called]
    columns = {"weight": learned, **edges.edge_fields()}
    del columns["tested"]  # all of them are
    edge_index = torch.stack([sender, receiver])
    table = pd.DataFrame(
        {
            "source": [session.neuron_id[j] for j in sender.tolist()],
            "target": [session.neuron_id[i] for i in receiver.tolist()],
            **{name: values_at(values, edge_index).nan_to_num().tolist() for name, values in columns.items()},
        }
    )
    ratio = (table["effect"] / table["error"]).abs()
    return (
        table.assign(ratio=-ratio)
        .sort_values(["p_value", "ratio"], kind="stable", ignore_index=True)
        .drop(columns="ratio")
    )
