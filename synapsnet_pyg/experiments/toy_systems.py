"""Toy systems: five variables, whose weights are constant or change (NetFormer, section 4.1)."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Windows
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Key
from synapsnet_pyg.experiments.methods import SYNAPSNET_SEEDS, least_squares
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_seed_ensemble
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Trial
from synapsnet_pyg.metrics import connectivity_score, correlation, r_squared
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_true_against_learned
from synapsnet_pyg.plots.dynamics import draw_weight_traces
from synapsnet_pyg.runs.in_memory import fit_in_memory, raw_units
from synapsnet_pyg.simulations.toy_systems import STEP, SYSTEMS, simulate_toy_system

TRAIN, TEST = slice(0, 2400), slice(2400, 3000)
"""Bins whose following bin is forecast."""

PUBLISHED = {
    ("linear-static", NETFORMER): ("0.9998 +- 0.0005", "0.99997", "1.000"),
    ("tanh-static", NETFORMER): ("0.903 +- 0.014", "0.878 +- 0.020", "1.000"),
    ("linear-dynamic", NETFORMER): ("0.990 +- 0.007", "0.996 +- 0.003", "1.000"),
    ("tanh-dynamic", NETFORMER): ("0.917 +- 0.010", "0.867 +- 0.017", "1.000"),
    ("linear-static", LEAST_SQUARES): ("1.000", "1.000"),
    ("tanh-static", LEAST_SQUARES): ("0.907", "0.894"),
    ("linear-dynamic", LEAST_SQUARES): ("0.935", "0.883"),
    ("tanh-dynamic", LEAST_SQUARES): ("0.650", "0.682"),
}
"""(system, method) -> Spearman, Pearson and, where it is printed, R2."""


def toy_systems(seeds: int, epochs: int = 1100) -> Experiment:
    """Makes the experiment on the toy systems: NetFormer, least squares and SynapsNet (NetFormer, section 4.1).

    Args:
        seeds: Number of seeds of NetFormer; each system has one recording.
        epochs: Number of epochs of NetFormer.
    """
    names = ("Spearman", "Pearson", "R2")
    methods: dict[str, Callable[[str], Outcome]] = {
        NETFORMER: partial(_netformer, seeds=seeds, epochs=epochs),
        LEAST_SQUARES: _least_squares,
        SYNAPSNET: partial(_synapsnet, seeds=min(seeds, SYNAPSNET_SEEDS)),
    }
    compared = "of mean connectivity and mean true weights over 600 test bins, off the diagonal."
    return Experiment(
        name="toy-systems",
        title=f"Toy systems, {seeds} seeds",
        scores={
            "Spearman": f"rank correlation {compared}",
            "Pearson": f"correlation {compared}",
            "R2": "explained variance of the forecast, test bins, mean over variables.",
            "time series": "Pearson over test time of each weight and the true one, mean over weights that change.",
        },
        published={key: dict(zip(names, values, strict=False)) for key, values in PUBLISHED.items()},
        trials=[Trial(system, name, partial(method, system)) for system in SYSTEMS for name, method in methods.items()],
        draw=_draw,
        settings={"seeds": seeds, "epochs": epochs},
    )


def _netformer(system: str, seeds: int, epochs: int) -> Outcome:
    session = _recorded(system)
    models = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = NetFormer([session], window=1, embedding_dim=5, width=5, scaled=False, norm=False)
        models.append(model.to(session.activity.dtype))
    train_seed_ensemble(
        models,
        Windows(session, torch.arange(TRAIN.start, TRAIN.stop), window=1, targets=1),
        epochs=epochs,
        batch_size=80,
        learning_rate=0.01,
        schedule=to_zero(epochs),
    )
    windows = Windows(session, torch.arange(TEST.start, TEST.stop), window=1, targets=1)
    test = windows.gather(torch.arange(len(windows)))
    with torch.no_grad():
        connectivity = [model.connectivity_at(test) for model in models]
        forecasts = [model(test).activity[..., 0].t() for model in models]
    scores = [_scores(session, *of_seed) for of_seed in zip(connectivity, forecasts, strict=True)]
    return Outcome(scores, {"learned": connectivity[0].numpy(), "true": _truth(session).numpy()})


def _least_squares(system: str) -> Outcome:
    session = simulate_toy_system(system)
    bins, next_bins = session.activity[:, :-1].t(), session.activity[:, 1:].t()
    weights, _ = least_squares(bins[TRAIN], next_bins[TRAIN], intercept=False)
    forecast = weights @ bins[TEST].t()
    return Outcome([_scores(session, weights.expand(TEST.stop - TEST.start, -1, -1), forecast)])


def _synapsnet(system: str, seeds: int) -> Outcome:
    """Fits SynapsNet by the fast recipe and reads its effects in each test bin."""
    session = _recorded(system)
    scores, arrays = [], {}
    for seed in range(seeds):
        fitted = fit_in_memory(session, seed)
        past = fitted.model.window
        windows = Windows(fitted.session, torch.arange(TEST.start, TEST.stop) - past + 1, past, 1)
        test = windows.gather(torch.arange(len(windows)))
        effect = raw_units(fitted.session, fitted.model.connectivity_at(test))
        with torch.no_grad():
            forecast = fitted.model(test).activity[..., 0].t()
        forecast = forecast * fitted.session.activity_scale[:, None] + fitted.session.activity_mean[:, None]
        scores.append(_scores(session, effect, forecast))
        if seed == 0:
            arrays["learned"] = effect.numpy()
    return Outcome(scores, arrays)


def _recorded(system: str) -> Session:
    """Returns a recording in float32 or, of the system whose weights are found exactly, in float64, as published."""
    session = simulate_toy_system(system)
    if system != "linear-static":
        session.activity, session.behaviour = session.activity.float(), session.behaviour.float()
    return session


def _truth(session: Session) -> Tensor:
    """Returns the true weights of the test bins [600, 5, 5]."""
    truth = session.true_connectivity_at(torch.arange(TEST.start, TEST.stop))
    assert truth is not None
    return truth


def _scores(session: Session, connectivity: Tensor, forecast: Tensor) -> dict[str, float]:
    """Scores connectivity [600, 5, 5] and forecast [5, 600] of the test bins."""
    truth = _truth(session)
    score = connectivity_score(connectivity.mean(0), truth.mean(0))
    target = session.activity[:, TEST.start + 1 : TEST.stop + 1]
    explained = float(r_squared(target, forecast).mean())
    scores = {"Spearman": score.spearman, "Pearson": score.pearson, "R2": explained}
    off = ~torch.eye(len(target), dtype=torch.bool)
    changes = truth.std(0)[off] > 0
    if changes.any() and connectivity.std(0)[off].max() > 0:
        agreement = correlation(truth[:, off].t()[changes], connectivity[:, off].t()[changes])
        scores["time series"] = float(agreement.mean())
    return scores


def _draw(arrays: Mapping[Key, Arrays]) -> Figure:
    """Draws true and learned weights of each system, and its three weights that change most (NetFormer, figure 2)."""
    figure, axes = make_figure(12, 6.5, columns=len(SYSTEMS), rows=2)
    seconds = STEP * np.arange(TEST.start, TEST.stop)
    for column, system in enumerate(SYSTEMS):
        true, learned = arrays[system, NETFORMER]["true"], arrays[system, NETFORMER]["learned"]
        means = [torch.from_numpy(weights.mean(0)) for weights in (true, learned)]
        draw_true_against_learned(axes[column], *means).set_xlabel(f"true weight\n{system}, mean over time")
        deviation = np.where(np.eye(len(true[0]), dtype=bool), -1, true.std(0))
        strongest = np.argsort(-deviation, axis=None)[:3]
        traces = {
            f"{i} from {j}": (true[:, i, j], learned[:, i, j])
            for i, j in zip(*np.unravel_index(strongest, deviation.shape), strict=True)
        }
        draw_weight_traces(axes[len(SYSTEMS) + column], seconds, traces)
    return figure
