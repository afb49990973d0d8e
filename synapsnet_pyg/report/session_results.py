"""What a report shows of a session, worked out once before it is drawn twice."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from synapsnet_pyg.analysis.blocks import Blocks, connectivity_blocks
from synapsnet_pyg.analysis.currents import CurrentCorrelation, current_cross_correlation, shuffled
from synapsnet_pyg.analysis.distance import DistanceProfile, weight_by_distance
from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.analysis.neurons import neuron_table
from synapsnet_pyg.analysis.reciprocity import reciprocity
from synapsnet_pyg.analysis.significance import EdgeSignificance, edge_significance
from synapsnet_pyg.connectivity.lagged_correlation import lagged_correlation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name
from synapsnet_pyg.report.forecast_excerpt import Course, course_of
from synapsnet_pyg.report.graph import Graph, graph_of
from synapsnet_pyg.report.neuron_order import Arrangement, arrange, fields_with_groups
from synapsnet_pyg.results.connectivity import edge_fields_of
from synapsnet_pyg.results.figures import History, training_history
from synapsnet_pyg.results.graphs import strongest, to_pandas
from synapsnet_pyg.runs.run import Run

PERMUTATIONS = 200
"""Of every null, so that a page takes seconds; p-values go down to 1/201."""
SHIFTS = 100
"""Of the null of edges, likewise."""
FALSE_DISCOVERY_RATE = 0.05


class Significance(NamedTuple):
    """Which edges mean something."""

    edges: EdgeSignificance
    found: Tensor
    """Which pairs are edges at that false discovery rate, booleans [N, N]."""
    tested: int
    """Pairs."""
    table: pd.DataFrame
    """A row an edge, the surest first."""
    counts: np.ndarray
    """Of p-values in each of 20 ranges."""
    borders: np.ndarray
    """Of these ranges: [21]."""
    identifiability: str
    """What the recording can tell at all, in plain sentences."""


class Wiring(NamedTuple):
    """What is found out about who drives whom."""

    matrices: dict[str, Tensor]
    """Kind -> [N, N]; the learned connectivity first."""
    arrangement: Arrangement
    graph: Graph
    currents: dict[str, CurrentCorrelation]
    significance: Significance | None
    untested: str
    """Why there is no significance, if there is none."""
    edges: pd.DataFrame
    """The strongest of them."""
    blocks: dict[str, Blocks]
    """Field that groups neurons -> from group to group."""
    neurons: pd.DataFrame
    """The greatest hub first."""
    reciprocity: pd.DataFrame
    distance: DistanceProfile | None
    """Where positions are known."""


class Findings(NamedTuple):
    """What is told of one session."""

    session: Session
    scores: dict[str, dict[str, Any]]
    """Model -> what :func:`~synapsnet_pyg.runs.evaluation.evaluate` says of it."""
    counted: dict[str, int]
    """How many neurons were recorded and scored, and how many are constant."""
    left_out: list[str]
    """Models that need longer segments."""
    history: History | None
    """Where the session has a model of its own."""
    course: Course | None
    wiring: Wiring | None
    """None where the model lets no neuron act on another."""


def find(run: Run, name: str, scores: dict[str, Any]) -> Findings:
    """Works out what a report shows of a session.

    Args:
        run: Any.
        name: Of the session.
        scores: Of :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
    """
    from_files = "sessions" in run.settings
    return Findings(
        run.sessions[name],
        scores["sessions"][name],
        scores["neurons"][name],
        scores["left_out"],
        training_history(run.folder / file_name(name)) if from_files else None,
        course_of(run, name),
        _wiring(run, name),
    )


def _wiring(run: Run, name: str) -> Wiring | None:
    session = run.sessions[name]
    train, _, test = session.split()
    learned = run.model.connectivity(train).detach().cpu().clone().fill_diagonal_(0)
    if not bool(learned.any()):
        return None
    lag_0, lag_1 = lagged_correlation(session, lag=0), lagged_correlation(session, lag=1)
    kinds = {"learned connectivity": learned, "correlation one bin apart": lag_1}
    others = {"correlation in the same bin": lag_0}
    if session.true_connectivity is not None:
        others = {"true connectivity": session.true_connectivity} | others
    significance, untested = _significance(run, session, learned)
    found = None if significance is None else significance.found
    believed = learned if significance is None else significance.edges.posterior_mean.nan_to_num()
    arrangement, graph = arrange(session, learned), graph_of(session, believed)
    neurons = neuron_table(session, believed, found).assign(**{arrangement.by: arrangement.group})
    return Wiring(
        _beside_each_other(kinds | others, significance),
        arrangement,
        graph,
        _currents(test, kinds | others | {"learned, shuffled": shuffled(learned)}),
        significance,
        untested,
        to_pandas(
            session,
            strongest(believed, top_k=10 * session.num_neurons),
            edge_fields=_edge_fields(significance, learned),
        ),
        {
            field: connectivity_blocks(session, learned, field, edge=found, permutations=PERMUTATIONS)
            for field in fields_with_groups(session)
        },
        neurons.sort_values("hub_rank", kind="stable"),
        reciprocity(session, learned, found, permutations=PERMUTATIONS),
        weight_by_distance(session, learned, edge=found, permutations=PERMUTATIONS) if graph.placed else None,
    )


def _currents(test: Session, matrices: dict[str, Tensor]) -> dict[str, CurrentCorrelation]:
    """Of each connectivity that has an edge."""
    longest = int((test.segment[:, 1] - test.segment[:, 0]).max())
    return {
        kind: current_cross_correlation(test, matrix, max_delay=min(10, max(1, longest - 2)))
        for kind, matrix in matrices.items()
        if bool(matrix.clone().fill_diagonal_(0).any())
    }


def _beside_each_other(kinds: dict[str, Tensor], significance: Significance | None) -> dict[str, Tensor]:
    """The learned connectivity, its edges that are believed in, and two others: what a page has room for."""
    (learned, connectivity), *others = kinds.items()
    sure = (
        {}
        if significance is None
        else {"its significant edges": significance.edges.posterior_mean.nan_to_num() * significance.found}
    )
    return {learned: connectivity} | sure | dict(others[:2])


def _significance(run: Run, session: Session, learned: Tensor) -> tuple[Significance | None, str]:
    """Of the training part; or why it cannot be told."""
    train = session.split().train
    try:
        edges = edge_significance(
            run.model, train, shifts=SHIFTS, resamples=10, targets=run.targets, connectivity=learned
        )
    except ValueError as error:  # the recording is too short for it, but not for the rest of the page
        return None, str(error)
    p = edges.p_value[edges.p_value.isfinite()].numpy()
    counts, borders = np.histogram(p, bins=20, range=(0, 1))
    told = identifiability(train, edges).message
    found = edges.edges(FALSE_DISCOVERY_RATE)
    return Significance(edges, found, len(p), _surest(session, edges, learned), counts, borders, told), ""


def _surest(session: Session, edges: EdgeSignificance, learned: Tensor, most: int = 1000) -> pd.DataFrame:
    """The edges of smallest p; where that is nearly zero for many, those of the largest effect for its error first."""
    p = edges.p_value.nan_to_num(nan=torch.inf)
    certain = (edges.effect / edges.error).abs().nan_to_num(nan=0.0).flatten().argsort(descending=True, stable=True)
    places = certain[p.flatten()[certain].argsort(stable=True)][: min(most, int(p.isfinite().sum()))]
    receiver, sender = torch.unravel_index(places, p.shape)
    fields = {name: edges.edge_fields()[name] for name in ("effect", "error", "p_value", "q_value")}
    return pd.DataFrame(
        {
            "source": [session.neuron_id[j] for j in sender.tolist()],
            "target": [session.neuron_id[i] for i in receiver.tolist()],
            "weight": edges.posterior_mean[receiver, sender].tolist(),
            "learned": learned[receiver, sender].tolist(),
            **{what: matrix[receiver, sender].tolist() for what, matrix in fields.items()},
        }
    )


def _edge_fields(significance: Significance | None, learned: Tensor) -> dict[str, Tensor]:
    return {} if significance is None else edge_fields_of(learned, significance.edges)
