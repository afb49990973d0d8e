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
from synapsnet_pyg.experiments.methods import SEEDS, fit_recording, least_squares, raw_units
from synapsnet_pyg.experiments.together import to_zero, train_together
from synapsnet_pyg.metrics import connectivity_score, r_squared
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.session import Session
from synapsnet_pyg.windows import Windows, cut

CASE = "200 neurons"
WITH_TYPES = "NetFormer, types known"
LASSO = "lasso"

PUBLISHED = {
    (CASE, CORRELATION): {"Pearson": "0.823", "Spearman": "0.519", "types": "0.889", "types, ranks": "0.732"},
}


def cell_types(seeds: int, epochs: int = 15, bins: int = 30_000) -> Experiment:
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
            Trial(CASE, NETFORMER, partial(_netformer, seeds, bins, epochs, prior=False)),
            Trial(CASE, WITH_TYPES, partial(_netformer, seeds, bins, epochs, prior=True)),
            *(Trial(CASE, name, partial(_on_each, seeds, bins, method)) for name, method in on_session.items()),
            Trial(CASE, SYNAPSNET, partial(_synapsnet, seeds, bins)),
        ],
        _draw,
        {"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def _netformer(seeds: int, bins: int, epochs: int, prior: bool) -> Outcome:
    scores, arrays = [], {}
    for seed in range(seeds):
        session = simulate_cell_types(bins, seed)
        standardised = session.standardise(_train_part(session))
        train = _train_part(standardised)
        torch.manual_seed(seed)
        model = build(train, prior)
        label = f"{CASE}, NetFormer, population {seed}"
        windows = cut(train, model.window)[0]
        train_together(
            [model],
            windows,
            epochs=epochs,
            batch_size=64,
            learning_rate=3e-3,
            schedule=to_zero(epochs),
            label=label,
        )
        learned = raw_units(standardised, model.connectivity(train))
        score = _score(learned, session)
        test = Windows(standardised, torch.arange(train.num_bins - 1, session.num_bins - 1), 1, 1)
        window = test.gather(torch.arange(len(test)))
        with torch.no_grad():
            forecast = model(window).activity[..., 0]
        score["R2"] = float(r_squared(window.target[..., 0].t(), forecast.t()).mean())
        scores.append(score)
        if seed == 0:
            arrays = _arrays(learned, session)
    return Outcome(scores, arrays)


def build(train: Session, prior: bool = False) -> NetFormer:
    r"""NetFormer for a process of first order in which nothing lasts: one past bin, neither norms nor residual.

    With a prior its weight is :math:`2 N / T`: that of the type's law against the error of N forecasts in T bins, in
    units of the error's variance.
    """
    N, T = train.num_neurons, train.num_bins
    weight = 2 * N / T if prior else 0.0
    model = NetFormer(
        [train], 1, embedding_dim=N, norm=False, residual=False, cell_types=CELL_TYPES, prior_weight=weight
    )
    model.initialise({train.name: train}, {})
    return model


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
    shown += [(name, kept[name]["learned"], kept[name]["types"]) for name in (NETFORMER, WITH_TYPES, LEAST_SQUARES)]
    figure, axes = plots.figure(3.2 * len(shown), 6.4, columns=len(shown), rows=2)
    for column, (name, matrix, blocks) in enumerate(shown):
        plots.matrix(axes[column], torch.from_numpy(matrix), name, bar=False)
        plots.block_matrix(axes[len(shown) + column], blocks, CELL_TYPES, np.zeros_like(blocks, dtype=bool))
    return figure
