"""A population wired by cell type: who drives whom, from neuron to neuron and from type to type."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.states import block_agreement
from synapsnet_pyg.connectivity.lasso_var import LassoVAR
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.experiments.experiment import (
    CORRELATION,
    LEAST_SQUARES,
    NETFORMER,
    SYNAPSNET,
    Experiment,
)
from synapsnet_pyg.experiments.methods import (
    Found,
    Method,
    by_correlation,
    by_least_squares,
    by_synapsnet,
    population_trials,
)
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix, draw_matrix
from synapsnet_pyg.runs.in_memory import Fitted, fit_recording, raw_units
from synapsnet_pyg.simulations.cell_types import CELL_TYPES, STRENGTH, simulate_cell_types

CASE = "200 neurons"
LASSO = "lasso"

SHRINKAGES = (0.0, 0.1, 0.3, 1.0)
"""Of NetFormer's standing attention, in units of the activity's variance."""

PUBLISHED = {
    (CASE, CORRELATION): {"Pearson": "0.823", "Spearman": "0.519", "types": "0.889", "types, ranks": "0.732"},
}


def cell_types(seeds: int, epochs: int | None = None, bins: int = 30_000) -> Experiment:
    """NetFormer and estimators on the connectivity-constrained simulation (NetFormer, appendix)."""
    methods: dict[str, Method] = {
        NETFORMER: partial(_netformer, epochs=epochs),
        CORRELATION: by_correlation,
        LEAST_SQUARES: by_least_squares,
        LASSO: _lasso,
        SYNAPSNET: by_synapsnet,
    }
    return Experiment(
        "celltypes",
        f"Connectivity-constrained simulation, {seeds} populations",
        {
            "Pearson": "mean connectivity over the training windows against the true weights, with the diagonal.",
            "Spearman": "the same.",
            "types": "Pearson of 16 numbers: the mean learned weight of the true edges from type to type, and the mean "
            "that the true weights were drawn around; a block without edges counts as 0.",
            "types, ranks": "the same, Spearman.",
            "R2": "of the forecast, last fifth of the bins, mean over neurons.",
        },
        PUBLISHED,
        population_trials(CASE, partial(simulate_cell_types, bins), seeds, methods, _judge),
        _draw,
        {"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def _netformer(session: Session, seed: int, epochs: int | None) -> Found:
    """For a process of first order in which nothing lasts: one past bin, neither norms nor residual.

    How much the weights are shrunk is chosen on the validation part, as for the linear anchors.
    """
    fits = [
        fit_recording(
            session,
            seed,
            "netformer",
            epochs,
            window=1,
            embedding_dim=session.num_neurons,
            initial_scale=0.1,
            norm=False,
            residual=False,
            shrinkage=shrinkage,
        )
        for shrinkage in SHRINKAGES
    ]
    fitted = max(fits, key=Fitted.validation_correlation)
    return Found(fitted.connectivity(), {"R2": fitted.r_squared()})


def _lasso(session: Session, seed: int) -> Found:
    session = session.standardise()
    train, validation, _ = session.split()
    return Found(raw_units(session, LassoVAR().fit(train, validation).connectivity_))


def from_type_to_type(learned: Tensor, session: Session) -> np.ndarray:
    """Mean learned weight of the true edges [receiver's type, sender's type]; 0 where there are none."""
    assert session.true_connectivity is not None
    edge = session.true_connectivity != 0
    member = torch.tensor([[kind == other for kind in session.cell_type] for other in CELL_TYPES]).double()
    total, count = member @ (learned.double() * edge) @ member.t(), member @ edge.double() @ member.t()
    return (total / count.clamp_min(1)).numpy()


def _judge(learned: Tensor, session: Session) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    truth = session.true_connectivity
    assert truth is not None
    score, blocks = connectivity_score(learned, truth, diagonal=True), from_type_to_type(learned, session)
    of_types = block_agreement(blocks, STRENGTH)
    scores = {
        "Pearson": score.pearson,
        "Spearman": score.spearman,
        "types": of_types.pearson,
        "types, ranks": of_types.spearman,
    }
    order = np.argsort([CELL_TYPES.index(kind) for kind in session.cell_type], kind="stable")
    matrices = {"true": truth.numpy(), "learned": learned.numpy()}
    return scores, {name: matrix[np.ix_(order, order)] for name, matrix in matrices.items()} | {"types": blocks}


def _draw(arrays: Mapping[tuple[str, str], Mapping[str, np.ndarray]]) -> Figure:
    """Matrices from neuron to neuron and from type to type, true and learned."""
    kept = {method: value for (_, method), value in arrays.items()}
    shown = [("true", kept[NETFORMER]["true"], STRENGTH)]
    shown += [(name, kept[name]["learned"], kept[name]["types"]) for name in (NETFORMER, LEAST_SQUARES, SYNAPSNET)]
    figure, axes = make_figure(3.2 * len(shown), 6.4, columns=len(shown), rows=2)
    for column, (name, matrix, blocks) in enumerate(shown):
        draw_matrix(axes[column], torch.from_numpy(matrix), name, bar=False)
        draw_block_matrix(axes[len(shown) + column], blocks, CELL_TYPES)
    return figure
