"""Networks trained on tasks: their recurrent weights from activity and stimuli."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Windows, windows_of
from synapsnet_pyg.datasets.task_networks import read_task_network
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Outcome, Trial
from synapsnet_pyg.experiments.methods import SEEDS, least_squares
from synapsnet_pyg.experiments.seed_ensemble import train_together
from synapsnet_pyg.metrics import connectivity_score, r_squared
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.in_memory import fit_recording
from synapsnet_pyg.simulations.task_networks import simulate_task_network


class Recipe(NamedTuple):
    """How the paper trains on a task."""

    window: int
    norm: bool
    learning_rate: float
    epochs: int


RECIPES = {
    "perceptual-decision": Recipe(5, True, 0.0025, 100),
    "go-nogo": Recipe(1, False, 0.01, 50),
    "delay-comparison": Recipe(5, True, 0.005, 50),
}

STEPS = {22: "perceptual-decision", 15: "go-nogo", 26: "delay-comparison"}
"""Bins of a trial, by which a published network's task is known."""

PUBLISHED: dict[tuple[str, str], Sequence[str]] = {
    ("perceptual-decision", NETFORMER): ("0.694 +- 0.163", "0.760 +- 0.120", "0.9975"),
    ("go-nogo", NETFORMER): ("0.622 +- 0.006", "0.722 +- 0.004", "0.9716"),
    ("delay-comparison", NETFORMER): ("0.811 +- 0.011", "0.633 +- 0.105", "0.9974"),
    ("perceptual-decision", LEAST_SQUARES): ("0.566", "0.548", "0.919"),
    ("go-nogo", LEAST_SQUARES): ("0.518", "0.553"),
    ("delay-comparison", LEAST_SQUARES): ("0.626", "0.650", "0.897"),
}


def tasks(seeds: int, epochs: float = 1.0, published: Sequence[str | os.PathLike[str]] = ()) -> Experiment:
    """NetFormer, least squares and SynapsNet on task-trained networks (NetFormer, section 4.3).

    Args:
        seeds: Of the models; the networks have one.
        epochs: Share of the published number.
        published: Folders of the published activity; such a network stands in place of ours of the same task.
    """
    networks: dict[str, Callable[[], Session]] = {task: partial(simulate_task_network, task) for task in RECIPES}
    theirs = []
    for folder in published:
        session = read_task_network(folder)
        steps = int(session.segment[0, 1])
        if steps not in STEPS:
            known = ", ".join(map(str, STEPS))
            raise ValueError(f"Expected trials of {known} steps in '{folder}' (got {steps}); leave that folder out.")
        networks[STEPS[steps]] = partial(read_task_network, folder)
        theirs.append(STEPS[steps])
    names = ("Spearman", "Pearson", "R2")
    of_ours = [task for task in networks if task not in theirs]
    return Experiment(
        "taskrnn",
        f"Task-trained networks, {seeds} seeds",
        {
            "Spearman": "mean connectivity over the test trials' windows against the recurrent weights, off the "
            "diagonal.",
            "Pearson": "the same.",
            "R2": "of the forecast, test trials, mean over neurons."
            + (f" Networks of our own, so not the published ones: {', '.join(of_ours)}." if of_ours else ""),
        },
        {key: dict(zip(names, values, strict=False)) for key, values in PUBLISHED.items()},
        [
            Trial(task, method, partial(run, task, network, seeds))
            for task, network in networks.items()
            for method, run in (
                (NETFORMER, partial(_netformer, epochs=epochs)),
                (LEAST_SQUARES, _least_squares),
                (SYNAPSNET, _synapsnet),
            )
        ],
        _draw,
        {"seeds": seeds, "epochs": epochs, "published": [os.path.basename(os.path.abspath(one)) for one in published]},
    )


class _Parts(NamedTuple):
    """The first four fifths of the trials and the rest."""

    session: Session
    train: Windows
    test: Windows


def _parts(task: str, network: Callable[[], Session]) -> _Parts:
    session = network()
    border = int(session.segment[len(session.segment) * 4 // 5, 0])
    window = RECIPES[task].window
    train, test = session.slice(0, border), session.slice(border, session.num_bins)
    return _Parts(session, windows_of(train, window)[0], windows_of(test, window)[0])


def _netformer(task: str, network: Callable[[], Session], seeds: int, epochs: float) -> Outcome:
    session, train, test = _parts(task, network)
    recipe, rows = RECIPES[task], session.num_neurons + session.num_behaviours
    models = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        models.append(NetFormer([session], recipe.window, embedding_dim=rows, width=rows, norm=recipe.norm))
    train_together(
        models,
        train,
        epochs=max(1, round(epochs * recipe.epochs)),
        batch_size=64,
        learning_rate=recipe.learning_rate,
        label=f"{task}, NetFormer",
    )
    window = test.gather(torch.arange(len(test)))
    with torch.no_grad():
        found = [(model.connectivity_at(window).mean(0), model(window).activity) for model in models]
    scores = [_scores(session, connectivity, forecast, window.target) for connectivity, forecast in found]
    assert session.true_connectivity is not None
    return Outcome(scores, {"learned": found[0][0].numpy(), "true": session.true_connectivity.numpy()})


def _least_squares(task: str, network: Callable[[], Session], seeds: int) -> Outcome:
    """From the newest bin of the same windows, without an intercept, as published."""
    session, train, test = _parts(task, network)
    seen = [windows.gather(torch.arange(len(windows))) for windows in (train, test)]
    newest = [torch.cat([window.activity[..., -1], window.behaviour[:, -1]], dim=1) for window in seen]
    weights, _ = least_squares(newest[0], seen[0].target[..., 0], intercept=False)
    forecast = (newest[1].double() @ weights.t())[..., None]
    return Outcome([_scores(session, weights[:, : session.num_neurons], forecast, seen[1].target)])


def _synapsnet(task: str, network: Callable[[], Session], seeds: int) -> Outcome:
    """As on any recording: in units of the network, the effect of a neuron's newest activity."""
    session, scores = network(), []
    assert session.true_connectivity is not None
    for seed in range(min(seeds, SEEDS)):
        fitted = fit_recording(session, seed)
        score = connectivity_score(fitted.connectivity(), session.true_connectivity)
        scores.append({"Spearman": score.spearman, "Pearson": score.pearson, "R2": fitted.r_squared()})
    return Outcome(scores)


def _scores(session: Session, connectivity: Tensor, forecast: Tensor, target: Tensor) -> dict[str, float]:
    """Of a connectivity [N, N] and forecasts [M, N, 1]."""
    assert session.true_connectivity is not None
    score = connectivity_score(connectivity, session.true_connectivity)
    explained = r_squared(target[..., 0].t(), forecast[..., 0].t())
    return {
        "Spearman": score.spearman,
        "Pearson": score.pearson,
        "R2": float(explained[explained.isfinite()].mean()),
    }


def _draw(arrays: Mapping[tuple[str, str], Mapping[str, Any]]) -> Figure:
    """True and learned weights of each network."""
    drawn = {case: kept for (case, method), kept in arrays.items() if method == NETFORMER}
    figure, axes = make_figure(3.2 * len(drawn), 6, columns=len(drawn), rows=2)
    for column, (task, kept) in enumerate(drawn.items()):
        for row, (key, title) in enumerate((("true", f"{task}\ntrue weights"), ("learned", "NetFormer, seed 0"))):
            draw_matrix(axes[row * len(drawn) + column], torch.from_numpy(np.asarray(kept[key])), title)
    return figure
