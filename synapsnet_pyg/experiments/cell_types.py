"""Population wired by cell type: weights from neuron to neuron and from type to type (NetFormer, appendix)."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.states import block_agreement
from synapsnet_pyg.connectivity.lasso_var import LassoVAR
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.experiments.experiment import CORRELATION, LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Key
from synapsnet_pyg.experiments.methods import (
    Assessment,
    Method,
    MethodResult,
    by_correlation,
    by_least_squares,
    by_synapsnet,
    population_trials,
)
from synapsnet_pyg.experiments.trials import Arrays
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix, draw_matrix
from synapsnet_pyg.runs.in_memory import Fitted, fit_in_memory, raw_units
from synapsnet_pyg.simulations.cell_types import CELL_TYPES, STRENGTH, simulate_cell_types

CASE = "200 neurons"
LASSO = "lasso"

SHRINKAGES = (0.0, 0.1, 0.3, 1.0)
"""Shrinkages of NetFormer's attention at silence, in units of the activity's variance."""

PUBLISHED = {
    (CASE, CORRELATION): {"Pearson": "0.823", "Spearman": "0.519", "types": "0.889", "types, ranks": "0.732"},
}


def cell_types(seeds: int, epochs: int | None = None, bins: int = 30_000) -> Experiment:
    """Makes the experiment on populations wired by cell type: NetFormer, SynapsNet and estimators.

    Scores compare weights from neuron to neuron and from type to type (NetFormer, appendix, connectivity-constrained
    simulation).

    Args:
        seeds: Number of seeds, each of a population and a model.
        epochs: Number of epochs of NetFormer; None: those of the fast recipe.
        bins: Number of bins of each recording.
    """
    methods: dict[str, Method] = {
        NETFORMER: partial(_netformer, epochs=epochs),
        CORRELATION: by_correlation,
        LEAST_SQUARES: by_least_squares,
        LASSO: _lasso,
        SYNAPSNET: by_synapsnet,
    }
    from_neurons = "of true weights and mean connectivity over the training windows, with the diagonal."
    from_types = (
        "of 16 numbers, the mean learned weight of the true edges from type to type, and the means around which the "
        "true weights were drawn; a block without edges counts as 0."
    )
    return Experiment(
        name="cell-types",
        title=f"Connectivity-constrained simulation, {seeds} populations",
        scores={
            "Pearson": f"correlation {from_neurons}",
            "Spearman": f"rank correlation {from_neurons}",
            "types": f"correlation {from_types}",
            "types, ranks": f"rank correlation {from_types}",
            "R2": "explained variance of the forecast, last tenth of the bins, mean over neurons.",
        },
        published=PUBLISHED,
        trials=population_trials(
            CASE, partial(simulate_cell_types, bins), methods=methods, seeds=seeds, assess=_assess
        ),
        draw=_draw,
        settings={"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def _netformer(session: Session, seed: int, epochs: int | None) -> MethodResult:
    """Fits NetFormer for a first-order process without memory: window of one bin, no normalisation, no residual.

    The shrinkage is chosen on the validation part, as for the linear anchors.
    """
    fits = [
        fit_in_memory(
            session,
            seed,
            "netformer",
            epochs=epochs,
            arguments={
                "window": 1,
                "embedding_dim": session.num_neurons,
                "initial_scale": 0.1,
                "norm": False,
                "residual": False,
                "shrinkage": shrinkage,
            },
        )
        for shrinkage in SHRINKAGES
    ]
    fitted = max(fits, key=Fitted.validation_correlation)
    return MethodResult(fitted.connectivity(), {"R2": fitted.r_squared()})


def _lasso(session: Session, seed: int) -> MethodResult:
    session = session.standardise()
    train, validation, _ = session.split()
    return MethodResult(raw_units(session, LassoVAR().fit(train, validation).connectivity_))


def from_type_to_type(learned: Tensor, session: Session) -> np.ndarray:
    r"""Computes the mean learned weight of the true edges from type to type.

    .. math::
        S_{gh} = \Big\langle L_{ij} \Big\rangle_{i \in g,\; j \in h,\; W_{ij} \ne 0}

    Args:
        learned: Learned weights L :math:`(N, N)`.
        session: Session with ``cell_type`` and the true weights W.

    Returns:
        Means [type of receiver, type of sender] in the order of
        :data:`~synapsnet_pyg.simulations.cell_types.CELL_TYPES`; 0 where there is no edge.
    """
    assert session.true_connectivity is not None
    edge = session.true_connectivity != 0
    member = torch.tensor([[kind == other for kind in session.cell_type] for other in CELL_TYPES]).double()
    total, count = member @ (learned.double() * edge) @ member.t(), member @ edge.double() @ member.t()
    return (total / count.clamp_min(1)).numpy()


def _assess(learned: Tensor, session: Session) -> Assessment:
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
    arrays = {name: matrix[np.ix_(order, order)] for name, matrix in matrices.items()}
    return Assessment(scores, arrays | {"types": blocks})


def _draw(arrays: Mapping[Key, Arrays]) -> Figure:
    """Draws true and learned matrices from neuron to neuron and from type to type."""
    kept = {method: value for (_, method), value in arrays.items()}
    shown = [("true", kept[NETFORMER]["true"], STRENGTH)]
    shown += [(name, kept[name]["learned"], kept[name]["types"]) for name in (NETFORMER, LEAST_SQUARES, SYNAPSNET)]
    figure, axes = make_figure(3.2 * len(shown), 6.4, columns=len(shown), rows=2)
    for column, (name, matrix, blocks) in enumerate(shown):
        draw_matrix(axes[column], torch.from_numpy(matrix), name, bar=False)
        draw_block_matrix(axes[len(shown) + column], blocks, CELL_TYPES)
    return figure
