"""Wiring that follows the state of the brain: simulated, where it is known, and in mice, where physiology tells it."""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.running_summaries import RunningMeans, RunningMoments, summarise
from synapsnet_pyg.analysis.states import block_agreement, states_of
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.experiments.cell_types import from_type_to_type
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Outcome, Trial
from synapsnet_pyg.experiments.methods import least_squares
from synapsnet_pyg.metrics import connectivity_score, correlation
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix
from synapsnet_pyg.runs.in_memory import Fitted, fit_recording, raw_units
from synapsnet_pyg.runs.training import fit
from synapsnet_pyg.simulations.cell_types import (
    CELL_TYPES,
    STATES,
    STRENGTH,
    simulate_cell_types,
    true_weights_by_state,
)

SIMULATED, MICE = "simulated states", "mice"
EACH_STATE, MODULATED = "least squares in each state", "SynapsNet, modulated"

PUBLISHED = {
    (MICE, NETFORMER): {
        "pooled r": "0.744",
        "types": "0.735",
        "running": "0.682",
        "desynchronised": "0.758",
        "synchronised": "0.773",
    }
}
"""One session of the authors' notebook: SB025, 2019-10-23, spontaneous."""


def states(
    seeds: int, epochs: int | None = None, bins: int = 30_000, recordings: Sequence[str | os.PathLike[str]] = ()
) -> Experiment:
    """Who finds that the wiring changes with the state (NetFormer, section 4.4, and a simulation that knows).

    Args:
        seeds: Populations, each with a model.
        epochs: Instead of the recipe's.
        bins: Of the simulation.
        recordings: At most one folder of Bugeon's mice, to run the published analysis too.
    """
    fits: dict[str, tuple[str, dict[str, Any]]] = {
        NETFORMER: ("netformer", {"window": 20, "embedding_dim": 200}),
        SYNAPSNET: ("synapsnet", {}),
        MODULATED: ("synapsnet", {"modulation": True}),
    }
    trials = [
        Trial(SIMULATED, name, partial(_fitted, seeds, bins, epochs, model, arguments))
        for name, (model, arguments) in fits.items()
    ]
    trials += [
        Trial(SIMULATED, LEAST_SQUARES, partial(_least_squares, seeds, bins, False)),
        Trial(SIMULATED, EACH_STATE, partial(_least_squares, seeds, bins, True)),
    ]
    trials += [Trial(MICE, NETFORMER, partial(_mice, folder, seeds, epochs)) for folder in recordings]
    return Experiment(
        "states",
        f"Wiring that follows the state, {seeds} seeds",
        {
            "Pearson": "connectivity in each state against the true weights there, off the diagonal, mean over states.",
            "types": "Pearson of mean weights from type to type with the physiological strengths; simulated: in each "
            "state with the true ones of that state, over true edges, mean over states.",
            "change": "Pearson of what differs between each two states, from type to type over true edges, learned and "
            "true.",
            "r": "of the forecast, test part, mean over neurons; pooled r: over neurons and bins together.",
            **{state.rsplit(" ", 1)[-1]: "types, windows of this state alone." for state in STATES if recordings},
        }
        | ({"pooled r": "see r."} if recordings else {}),
        PUBLISHED,
        trials,
        _draw,
        {"seeds": seeds, "epochs": epochs, "bins": bins, "recordings": len(recordings)},
    )


def _fitted(seeds: int, bins: int, epochs: int | None, model: str, arguments: dict[str, Any]) -> Outcome:
    def connectivities(session: Session, seed: int) -> tuple[Tensor, float]:
        fitted = fit_recording(session, seed, model, epochs=epochs, **arguments)
        train = fitted.split.train
        found = DynamicConnectivity(fitted.model, train, batch_size=64).by_state(states_of(train, STATES).state)
        return raw_units(fitted.session, found.mean), _mean_correlation(fitted)

    return _on_each(seeds, bins, connectivities)


def _least_squares(seeds: int, bins: int, each: bool) -> Outcome:
    def connectivities(session: Session, seed: int) -> tuple[Tensor, float]:
        train, _, test = session.split()
        state = [states_of(part, STATES).state[:-1] for part in (train, test)]
        forecast = torch.zeros_like(test.activity[:, 1:].t())
        found = []
        for s in range(len(STATES)):
            here = [one == s if each else one >= 0 for one in state]
            weights, intercept = least_squares(train.activity[:, :-1].t()[here[0]], train.activity[:, 1:].t()[here[0]])
            found.append(weights)
            told = test.activity[:, :-1].t()[here[1]].double() @ weights.t() + intercept
            forecast[here[1]] = told.to(forecast)
        return torch.stack(found), float(correlation(test.activity[:, 1:], forecast.t()).mean())

    return _on_each(seeds, bins, connectivities)


def _mean_correlation(fitted: Fitted) -> float:
    test = forecast_session(fitted.model, fitted.split.test)
    return float(correlation(test.truth, test.forecast).mean())


def _on_each(seeds: int, bins: int, method: Callable[[Session, int], tuple[Tensor, float]]) -> Outcome:
    scores, arrays = [], {}
    for seed in range(seeds):
        session = simulate_cell_types(bins, seed, states=len(STATES))
        truth = true_weights_by_state(session)
        learned, forecast = method(session, seed)
        blocks = [np.stack([from_type_to_type(one, session) for one in part]) for part in (learned, truth)]
        scores.append(
            {
                "Pearson": _mean(connectivity_score(a, b).pearson for a, b in zip(learned, truth, strict=True)),
                "types": _mean(block_agreement(a, b).pearson for a, b in zip(*blocks, strict=True)),
                "change": block_agreement(_changes(blocks[0]), _changes(blocks[1])).pearson,
                "r": forecast,
            }
        )
        if seed == 0:
            arrays = {"learned": blocks[0], "true": blocks[1]}
    return Outcome(scores, arrays)


def _changes(blocks: np.ndarray) -> np.ndarray:
    """What differs between each two states, [pairs of states x types, types]."""
    return np.concatenate([blocks[a] - blocks[b] for a, b in combinations(range(len(blocks)), 2)])


def _mean(values: Iterable[float]) -> float:
    return float(np.nanmean(list(values)))


def _mice(folder: str | os.PathLike[str], seeds: int, epochs: int | None) -> Outcome:
    """All spontaneous sessions of a folder in one model, by the authors' recipe: 60 frames, D 30, up to 100 epochs."""
    sessions = [session.standardise() for session in Bugeon(folder, stimulus="spontaneous", behaviour=(), states=True)]
    scores, arrays = [], {}
    for seed in range(seeds):
        torch.manual_seed(seed)
        model: Forecaster = NetFormer(sessions, window=59, embedding_dim=30, use_behaviour=False)
        with tempfile.TemporaryDirectory() as place:
            model = fit(
                model,
                sessions,
                Path(place) / "fit",
                "netformer",
                epochs=epochs or 100,
                patience=20,
                seed=seed,
                progress=False,
            )
        found = [_of_mouse(model, session) for session in sessions]
        total, pairs = sum(one[0] for one in found), sum(one[1] for one in found)
        blocks = total / np.where(pairs > 0, pairs, np.nan)
        forecasts = [forecast_session(model, session.split().test) for session in sessions]
        truth, told = (torch.cat([getattr(f, key).flatten() for f in forecasts]) for key in ("truth", "forecast"))
        names = ["types", *(state.rsplit(" ", 1)[-1] for state in STATES)]
        scores.append(
            {
                "pooled r": float(correlation(truth[None], told[None])),
                "r": _mean(float(correlation(f.truth, f.forecast).nanmean()) for f in forecasts),
                **{
                    name: block_agreement(block, STRENGTH).pearson
                    for name, block in zip(names, blocks, strict=True)
                    if np.isfinite(block).sum() > 2
                },
            }
        )
        if seed == 0:
            arrays = {"learned": blocks[1:], "true": np.stack([STRENGTH] * len(STATES))}
    return Outcome(scores, arrays)


def _of_mouse(model: Forecaster, session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Sums of mean weights from type to type, of all windows and of each state's [1 + S, K, K], and pairs in them."""
    train = session.split().train
    dynamic = DynamicConnectivity(model, train)
    state = dynamic.window_state(states_of(train, train.behaviour_name).state)
    moments, of_states = RunningMoments(), RunningMeans(state, len(STATES))
    summarise(dynamic, moments, of_states)
    by_state = of_states.result
    means = torch.cat([moments.result.mean[None].double(), by_state.mean.double()])
    seen = torch.cat([torch.ones(1), (by_state.windows > 0).float()]).double()
    member = torch.tensor([[one == kind for one in session.subclass] for kind in CELL_TYPES]).double()
    others = 1 - torch.eye(session.num_neurons, dtype=torch.double)
    totals = member @ (means.nan_to_num() * others) @ member.t()
    return totals.numpy(), (seen[:, None, None] * (member @ others @ member.t())).numpy()


def _draw(arrays: Mapping[tuple[str, str], Mapping[str, np.ndarray]]) -> Figure:
    """From type to type in each state: true and by each method."""
    shown = [("true", arrays[SIMULATED, MODULATED]["true"])]
    shown += [(method, kept["learned"]) for (case, method), kept in arrays.items() if case == SIMULATED]
    shown += [(f"mice, {method}", kept["learned"]) for (case, method), kept in arrays.items() if case == MICE]
    figure, axes = make_figure(3 * len(shown), 2.8 * len(STATES), columns=len(shown), rows=len(STATES))
    for column, (name, blocks) in enumerate(shown):
        limit = float(np.nanmax(np.abs(blocks)))  # one scale for all states
        for row, state in enumerate(STATES):
            ax = axes[row * len(shown) + column]
            draw_block_matrix(ax, blocks[row], CELL_TYPES, limit=limit)
            ax.set_title(f"{name}\n{state}", fontsize="small")
    return figure
