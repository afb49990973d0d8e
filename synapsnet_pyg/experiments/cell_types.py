"""A population wired by cell type: who drives whom, from neuron to neuron and from type to type."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from synapsnet_pyg import plots
from synapsnet_pyg.analysis.states import block_agreement
from synapsnet_pyg.connectivity.lagged_correlation import lagged_correlation
from synapsnet_pyg.connectivity.lasso_var import lasso_var
from synapsnet_pyg.datasets.cell_types import CELL_TYPES, STRENGTH, simulate_cell_types
from synapsnet_pyg.experiments.experiment import (
    CORRELATION,
    LEAST_SQUARES,
    NETFORMER,
    SYNAPSNET,
    Experiment,
    Outcome,
    Trial,
)
from synapsnet_pyg.experiments.methods import SEEDS, Fitted, fit_recording, least_squares, raw_units
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.session import Session

CASE = "200 neurons"
LASSO = "lasso"

SHRINKAGES = (0.0, 0.1, 0.3, 1.0)
"""Of NetFormer's standing attention, in units of the activity's variance."""

PUBLISHED = {
    (CASE, CORRELATION): {"Pearson": "0.823", "Spearman": "0.519", "types": "0.889", "types, ranks": "0.732"},
}


def cell_types(seeds: int, epochs: int | None = None, bins: int = 30_000) -> Experiment:
    """NetFormer and estimators on the connectivity-constrained simulation (NetFormer, appendix)."""
    on_session: dict[str, Callable[[Session], Tensor]] = {
        CORRELATION: lagged_correlation,
        LEAST_SQUARES: _least_squares,
        LASSO: lambda session: raw_units(session.standardise(), lasso_var(session)),
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
        [
            Trial(CASE, NETFORMER, partial(_netformer, seeds, bins, epochs)),
            *(Trial(CASE, name, partial(_on_each, seeds, bins, method)) for name, method in on_session.items()),
            Trial(CASE, SYNAPSNET, partial(_synapsnet, seeds, bins)),
        ],
        _draw,
        {"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def _netformer(seeds: int, bins: int, epochs: int | None) -> Outcome:
    r"""For a process of first order in which nothing lasts: one past bin, neither norms nor residual.

    How much the weights are shrunk is chosen on the validation part, as for the linear anchors.
    """
    scores, arrays = [], {}
    for seed in range(seeds):
        session = simulate_cell_types(bins, seed)
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
        learned = fitted.connectivity()
        scores.append(_score(learned, session) | {"R2": fitted.r_squared()})
        if seed == 0:
            arrays = _arrays(learned, session)
    return Outcome(scores, arrays)


def _on_each(seeds: int, bins: int, method: Callable[[Session], Tensor]) -> Outcome:
    found = [(session := simulate_cell_types(bins, seed), method(session)) for seed in range(seeds)]
    return Outcome([_score(learned, session) for session, learned in found], _arrays(found[0][1], found[0][0]))


def _least_squares(session: Session) -> Tensor:
    train = _train_part(session).activity.t()
    return least_squares(train[:-1], train[1:])[0]


def _synapsnet(seeds: int, bins: int) -> Outcome:
    scores, arrays = [], {}
    for seed in range(min(seeds, SEEDS)):
        session = simulate_cell_types(bins, seed)
        fitted = fit_recording(session, seed)
        learned = fitted.connectivity()
        scores.append(_score(learned, session) | {"R2": fitted.r_squared()})
        if seed == 0:
            arrays = _arrays(learned, session)
    return Outcome(scores, arrays)


def from_type_to_type(learned: Tensor, session: Session) -> np.ndarray:
    """Mean learned weight of the true edges [receiver's type, sender's type]; 0 where there are none."""
    assert session.true_connectivity is not None
    edge = session.true_connectivity != 0
    member = torch.tensor([[kind == other for kind in session.cell_type] for other in CELL_TYPES]).double()
    total, count = member @ (learned.double() * edge) @ member.t(), member @ edge.double() @ member.t()
    return (total / count.clamp_min(1)).numpy()


def _score(learned: Tensor, session: Session) -> dict[str, float]:
    truth = session.true_connectivity
    assert truth is not None
    score = connectivity_score(learned, truth, diagonal=True)
    of_types = block_agreement(from_type_to_type(learned, session), STRENGTH)
    return {
        "Pearson": score.pearson,
        "Spearman": score.spearman,
        "types": of_types.pearson,
        "types, ranks": of_types.spearman,
    }


def _arrays(learned: Tensor, session: Session) -> dict[str, np.ndarray]:
    assert session.true_connectivity is not None
    order = np.argsort([CELL_TYPES.index(kind) for kind in session.cell_type], kind="stable")
    return {
        "true": session.true_connectivity.numpy()[np.ix_(order, order)],
        "learned": learned.numpy()[np.ix_(order, order)],
        "types": from_type_to_type(learned, session),
    }


def _train_part(session: Session) -> Session:
    return session.slice(0, session.num_bins * 4 // 5)


def _draw(arrays: Mapping[tuple[str, str], Mapping[str, np.ndarray]]) -> Figure:
    """Matrices from neuron to neuron and from type to type, true and learned."""
    kept = {method: value for (_, method), value in arrays.items()}
    shown = [("true", kept[NETFORMER]["true"], STRENGTH)]
    shown += [(name, kept[name]["learned"], kept[name]["types"]) for name in (NETFORMER, LEAST_SQUARES, SYNAPSNET)]
    figure, axes = plots.figure(3.2 * len(shown), 6.4, columns=len(shown), rows=2)
    for column, (name, matrix, blocks) in enumerate(shown):
        plots.matrix(axes[column], torch.from_numpy(matrix), name, bar=False)
        plots.block_matrix(axes[len(shown) + column], blocks, CELL_TYPES, np.zeros_like(blocks, dtype=bool))
    return figure
