"""Wiring that follows the state of the brain, in a simulation and in mice (NetFormer, section 4.4)."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.running_summaries import RunningMeans, RunningMoments, summarise
from synapsnet_pyg.analysis.states import block_agreement, states_of
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.experiments.cell_types import from_type_to_type
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Key
from synapsnet_pyg.experiments.methods import least_squares
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Trial
from synapsnet_pyg.metrics import connectivity_score, correlation
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_block_matrix
from synapsnet_pyg.runs.in_memory import fit_in_memory, raw_units
from synapsnet_pyg.runs.recipe import Recipe
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

WINDOW = 20
"""Number of past bins of NetFormer in the simulation."""

PUBLISHED = {
    (MICE, NETFORMER): {
        "pooled r": "0.744",
        "types": "0.735",
        "running": "0.682",
        "desynchronised": "0.758",
        "synchronised": "0.773",
    }
}
"""Scores of one session of the authors' notebook: SB025, 2019-10-23, spontaneous."""

SCORES = {
    "Pearson": "connectivity in each state against the true weights there, off the diagonal, mean over states.",
    "types": "Pearson of mean weights from type to type; simulated: in each state with the true ones of that state, "
    "over true edges, mean over states; mice: with the physiological strengths of synapses.",
    "change": "Pearson of differences between each two states, learned and true, from type to type over true edges.",
    "r": "Pearson of the forecast over time, test part, mean over neurons.",
}
"""Name of a score -> its description."""

SCORE_OF_STATE = {state.rsplit(" ", 1)[-1]: state for state in STATES}
"""Name of a score of one state, in mice -> the state."""


def states(
    seeds: int, epochs: int | None = None, bins: int = 30_000, recordings: Sequence[str | os.PathLike[str]] = ()
) -> Experiment:
    """Makes the experiment on wiring that changes with the state: NetFormer, least squares and SynapsNet.

    Simulated populations have known wiring in each state. The published analysis (NetFormer, section 4.4) compares the
    connectivity of mice from cell type to cell type with physiological strengths of synapses.

    Args:
        seeds: Number of seeds, each of a population and a model.
        epochs: Number of epochs; None: those of the recipes.
        bins: Number of bins of each simulated recording.
        recordings: At most one folder of Bugeon's mice, on which the published analysis runs too.
    """
    kinds: dict[str, tuple[str, Mapping[str, Any]]] = {
        NETFORMER: ("netformer", {"window": WINDOW, "embedding_dim": 200}),
        SYNAPSNET: ("synapsnet", {}),
        MODULATED: ("synapsnet", {"modulation": True}),
    }
    methods: dict[str, StateMethod] = {
        name: partial(_by_model, kind=kind, arguments=arguments, epochs=epochs)
        for name, (kind, arguments) in kinds.items()
    }
    methods[LEAST_SQUARES] = _by_least_squares
    methods[EACH_STATE] = _by_least_squares_in_each_state
    trials = [Trial(SIMULATED, name, partial(_simulated, method, seeds, bins)) for name, method in methods.items()]
    trials += [Trial(MICE, NETFORMER, partial(_mice, folder, seeds, epochs)) for folder in recordings]
    of_mice = {
        name: f"Pearson of mean weights from type to type with the physiological strengths, mice, windows {state}."
        for name, state in SCORE_OF_STATE.items()
    }
    of_mice["pooled r"] = "Pearson of the forecast over neurons and bins of the test part together."
    return Experiment(
        name="states",
        title=f"Wiring that follows the state, {seeds} seeds",
        scores=SCORES | (of_mice if recordings else {}),
        published=PUBLISHED,
        trials=trials,
        draw=_draw,
        settings={
            "seeds": seeds,
            "epochs": epochs,
            "bins": bins,
            "recordings": [os.path.basename(os.path.abspath(folder)) for folder in recordings],
        },
    )


class StateResult(NamedTuple):
    """Connectivity in each state as a method finds it."""

    connectivity: Tensor
    """Weights in the units of the recording: [S, N, N]."""
    forecast: float
    """Correlation of the forecast with the test part, mean over neurons."""


class StateMethod(Protocol):
    """Method that finds the connectivity in each state."""

    def __call__(self, session: Session, seed: int) -> StateResult:
        """Finds the connectivity of a session; the seed decides what is random."""
        ...


def _by_model(
    session: Session, seed: int, *, kind: str, arguments: Mapping[str, Any], epochs: int | None
) -> StateResult:
    """Fits a model and averages its connectivity over the windows of each state."""
    fitted = fit_in_memory(session, seed, kind, epochs=epochs, arguments=arguments)
    train = fitted.split.train
    means = DynamicConnectivity(fitted.model, train, batch_size=64).by_state(states_of(train, STATES).state)
    return StateResult(raw_units(fitted.session, means.mean), fitted.test_correlation())


def _by_least_squares(session: Session, seed: int) -> StateResult:
    """Regresses on the bin before, once for all states; ``seed`` is unused."""
    return _regressed(session, each_state=False)


def _by_least_squares_in_each_state(session: Session, seed: int) -> StateResult:
    """Regresses on the bin before, in each state by itself; ``seed`` is unused."""
    return _regressed(session, each_state=True)


def _regressed(session: Session, *, each_state: bool) -> StateResult:
    train, _, test = session.split()
    train_state, test_state = (states_of(part, STATES).state[:-1] for part in (train, test))
    before, after = train.activity[:, :-1].t(), train.activity[:, 1:].t()
    forecast = torch.zeros_like(test.activity[:, 1:].t())
    connectivity = []
    for s in range(len(STATES)):
        in_train, in_test = (state == s if each_state else state >= 0 for state in (train_state, test_state))
        weights, intercept = least_squares(before[in_train], after[in_train])
        connectivity.append(weights)
        forecast_here = test.activity[:, :-1].t()[in_test].double() @ weights.t() + intercept
        forecast[in_test] = forecast_here.to(forecast)
    agreement = float(correlation(test.activity[:, 1:], forecast.t()).mean())
    return StateResult(torch.stack(connectivity), agreement)


def _simulated(method: StateMethod, seeds: int, bins: int) -> Outcome:
    """Runs a method on one simulated population for each seed.

    Raises:
        ValueError: The recording is so short that a state has no window.
    """
    scores, arrays = [], {}
    for seed in range(seeds):
        session = simulate_cell_types(bins, seed, states=len(STATES))
        _require_states(session, seed)
        truth = true_weights_by_state(session)
        learned, forecast = method(session, seed)
        learned_blocks, true_blocks = (
            np.stack([from_type_to_type(weights, session) for weights in by_state]) for by_state in (learned, truth)
        )
        pairs = list(zip(learned, truth, strict=True))
        blocks = list(zip(learned_blocks, true_blocks, strict=True))
        scores.append(
            {
                "Pearson": _mean(connectivity_score(estimate, true).pearson for estimate, true in pairs),
                "types": _mean(block_agreement(estimate, true).pearson for estimate, true in blocks),
                "change": block_agreement(_changes(learned_blocks), _changes(true_blocks)).pearson,
                "r": forecast,
            }
        )
        if seed == 0:
            arrays = {"learned": learned_blocks, "true": true_blocks}
    return Outcome(scores, arrays)


def _require_states(session: Session, seed: int) -> None:
    """Raises an error if a state does not last a window, and the bin that follows, in the training part."""
    train = session.split().train
    spans = states_of(train, STATES).state.unfold(0, WINDOW + 1, 1) if train.num_bins > WINDOW else torch.empty(0, 1)
    lasting = spans[(spans == spans[:, :1]).all(1), 0]
    missing = [name for s, name in enumerate(STATES) if not (lasting == s).any()]
    if missing:
        raise ValueError(
            f"Expected every state to last {WINDOW + 1} bins or more in the training part (got none of "
            f"{' and '.join(missing)} in the {train.num_bins} bins of seed {seed}); simulate more bins."
        )


def _changes(blocks: np.ndarray) -> np.ndarray:
    """Returns the differences between each two states, [pairs of states x types, types]."""
    return np.concatenate([blocks[a] - blocks[b] for a, b in combinations(range(len(blocks)), 2)])


def _mean(values: Iterable[float]) -> float:
    return float(np.nanmean(list(values)))


def _mice(folder: str | os.PathLike[str], seeds: int, epochs: int | None) -> Outcome:
    """Fits one NetFormer to all spontaneous sessions of a folder, by the authors' recipe: 60 frames, D = 30."""
    sessions = [session.standardise() for session in Bugeon(folder, stimulus="spontaneous", behaviour=(), states=True)]
    recipe = Recipe(patience=20).changed(epochs=epochs)
    scores, arrays = [], {}
    for seed in range(seeds):
        torch.manual_seed(seed)
        model: Forecaster = NetFormer(sessions, window=59, embedding_dim=30, use_behaviour=False)
        with tempfile.TemporaryDirectory() as place:
            model = fit(model, sessions, Path(place) / "fit", recipe.changed(seed=seed), progress=False)
        blocks = _blocks_of_mice(model, sessions)
        scores.append(_forecast_scores(model, sessions) | _block_scores(blocks))
        if seed == 0:
            arrays = {"learned": blocks[1:], "true": np.stack([STRENGTH] * len(STATES))}
    return Outcome(scores, arrays)


def _forecast_scores(model: Forecaster, sessions: Sequence[Session]) -> dict[str, float]:
    results = [forecast_session(model, session.split().test) for session in sessions]
    truth = torch.cat([result.truth.flatten() for result in results])
    forecast = torch.cat([result.forecast.flatten() for result in results])
    return {
        "pooled r": float(correlation(truth[None], forecast[None])),
        "r": _mean(float(correlation(result.truth, result.forecast).nanmean()) for result in results),
    }


def _block_scores(blocks: np.ndarray) -> dict[str, float]:
    """Compares weights from type to type [1 + S, K, K], of all windows and of each state, with physiology."""
    return {
        name: block_agreement(block, STRENGTH).pearson
        for name, block in zip(["types", *SCORE_OF_STATE], blocks, strict=True)
        if np.isfinite(block).sum() > 2
    }


def _blocks_of_mice(model: Forecaster, sessions: Sequence[Session]) -> np.ndarray:
    """Returns mean weights from type to type over all sessions, of all windows and of each state [1 + S, K, K]."""
    sums = [_block_sums(model, session) for session in sessions]
    total, pairs = sum(of_mouse.total for of_mouse in sums), sum(of_mouse.pairs for of_mouse in sums)
    return np.asarray(total / np.where(pairs > 0, pairs, np.nan))


class _BlockSums(NamedTuple):
    """Sums over pairs of neurons from type to type, of all windows and of each state."""

    total: np.ndarray
    """Sums of the mean weights: [1 + S, K, K]."""
    pairs: np.ndarray
    """Number of pairs, 0 in a state without windows: [1 + S, K, K]."""


def _block_sums(model: Forecaster, session: Session) -> _BlockSums:
    train = session.split().train
    dynamic = DynamicConnectivity(model, train)
    state = dynamic.window_state(states_of(train, train.behaviour_name).state)
    moments, of_states = RunningMoments(), RunningMeans(state, len(STATES))
    summarise(dynamic, moments, of_states)
    by_state = of_states.result
    means = torch.cat([moments.result.mean[None].double(), by_state.mean.double()])
    seen = torch.cat([torch.ones(1), (by_state.windows > 0).float()]).double()
    member = torch.tensor([[kind == other for kind in session.subclass] for other in CELL_TYPES]).double()
    others = 1 - torch.eye(session.num_neurons, dtype=torch.double)
    totals = member @ (means.nan_to_num() * others) @ member.t()
    return _BlockSums(totals.numpy(), (seen[:, None, None] * (member @ others @ member.t())).numpy())


def _draw(arrays: Mapping[Key, Arrays]) -> Figure:
    """Draws weights from type to type in each state, true and by each method."""
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
