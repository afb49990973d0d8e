"""Networks trained on tasks: their recurrent weights from activity and stimuli (NetFormer, section 4.3)."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Windows, every_window
from synapsnet_pyg.datasets.task_networks import read_task_network
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Key
from synapsnet_pyg.experiments.methods import SYNAPSNET_SEEDS, least_squares
from synapsnet_pyg.experiments.seed_ensemble import train_seed_ensemble
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Trial
from synapsnet_pyg.metrics import connectivity_score, r_squared
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.in_memory import fit_in_memory
from synapsnet_pyg.simulations.task_networks import simulate_task_network


class TaskRecipe(NamedTuple):
    """NetFormer's sizes and training on a task."""

    window: int
    """Number of past bins W."""
    norm: bool
    """Whether tokens are normalised."""
    learning_rate: float
    """Learning rate of Adam."""
    epochs: int
    """Number of epochs."""


RECIPES = {
    "perceptual-decision": TaskRecipe(5, True, 0.0025, 100),
    "go-nogo": TaskRecipe(1, False, 0.01, 50),
    "delay-comparison": TaskRecipe(5, True, 0.005, 50),
}
"""Task -> published recipe."""

STEPS = {22: "perceptual-decision", 15: "go-nogo", 26: "delay-comparison"}
"""Number of bins of a trial -> task of a published network."""

PUBLISHED: dict[tuple[str, str], Sequence[str]] = {
    ("perceptual-decision", NETFORMER): ("0.694 +- 0.163", "0.760 +- 0.120", "0.9975"),
    ("go-nogo", NETFORMER): ("0.622 +- 0.006", "0.722 +- 0.004", "0.9716"),
    ("delay-comparison", NETFORMER): ("0.811 +- 0.011", "0.633 +- 0.105", "0.9974"),
    ("perceptual-decision", LEAST_SQUARES): ("0.566", "0.548", "0.919"),
    ("go-nogo", LEAST_SQUARES): ("0.518", "0.553"),
    ("delay-comparison", LEAST_SQUARES): ("0.626", "0.650", "0.897"),
}
"""(task, method) -> Spearman, Pearson and, where it is printed, R2."""

Network = Callable[[], Session]
"""Function that makes or reads the activity of a network."""


def task_networks(seeds: int, epochs: float = 1.0, published: Sequence[str | os.PathLike[str]] = ()) -> Experiment:
    """Makes the experiment on task-trained networks: NetFormer, least squares and SynapsNet (NetFormer, section 4.3).

    Args:
        seeds: Number of seeds of the models; each task has one network.
        epochs: Share of the published number of epochs.
        published: Folders of published activity; such a network replaces ours of the same task.

    Raises:
        ValueError: A published network has trials of an unknown length.
    """
    theirs: dict[str, Network] = {_task_of(folder): partial(read_task_network, folder) for folder in published}
    networks: dict[str, Network] = {task: partial(simulate_task_network, task) for task in RECIPES} | theirs
    ours = [task for task in networks if task not in theirs]
    names = ("Spearman", "Pearson", "R2")
    methods: dict[str, Callable[[str, Network], Outcome]] = {
        NETFORMER: partial(_netformer, seeds=seeds, epochs=epochs),
        LEAST_SQUARES: _least_squares,
        SYNAPSNET: partial(_synapsnet, seeds=min(seeds, SYNAPSNET_SEEDS)),
    }
    compared = "of recurrent weights and mean connectivity over the windows of the test trials, off the diagonal."
    return Experiment(
        name="task-networks",
        title=f"Task-trained networks, {seeds} seeds",
        scores={
            "Spearman": f"rank correlation {compared}",
            "Pearson": f"correlation {compared}",
            "R2": "explained variance of the forecast, test trials, mean over neurons."
            + (f" Networks of our own, not the published ones: {', '.join(ours)}." if ours else ""),
        },
        published={key: dict(zip(names, values, strict=False)) for key, values in PUBLISHED.items()},
        trials=[
            Trial(task, name, partial(method, task, network))
            for task, network in networks.items()
            for name, method in methods.items()
        ],
        draw=_draw,
        settings={
            "seeds": seeds,
            "epochs": epochs,
            "published": [os.path.basename(os.path.abspath(folder)) for folder in published],
        },
    )


def _task_of(folder: str | os.PathLike[str]) -> str:
    """Returns the task of a published network, by the length of its trials."""
    steps = int(read_task_network(folder).segment[0, 1])
    if steps not in STEPS:
        known = ", ".join(map(str, STEPS))
        raise ValueError(f"Expected trials of {known} steps in '{folder}' (got {steps}); leave that folder out.")
    return STEPS[steps]


class _Parts(NamedTuple):
    """Windows of the first four fifths of the trials and of the rest."""

    session: Session
    train: Windows
    test: Windows


def _parts(task: str, network: Network) -> _Parts:
    session = network()
    border = int(session.segment[len(session.segment) * 4 // 5, 0])
    window = RECIPES[task].window
    train, test = session.slice(0, border), session.slice(border, session.num_bins)
    return _Parts(session, every_window(train, window), every_window(test, window))


def _netformer(task: str, network: Network, seeds: int, epochs: float) -> Outcome:
    session, train, test = _parts(task, network)
    recipe, tokens = RECIPES[task], session.num_neurons + session.num_behaviours
    models = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        models.append(NetFormer([session], recipe.window, embedding_dim=tokens, width=tokens, norm=recipe.norm))
    train_seed_ensemble(
        models,
        train,
        epochs=max(1, round(epochs * recipe.epochs)),
        batch_size=64,
        learning_rate=recipe.learning_rate,
    )
    window = test.gather(torch.arange(len(test)))
    with torch.no_grad():
        connectivity = [model.connectivity_at(window).mean(0) for model in models]
        forecasts = [model(window).activity for model in models]
    scores = [
        _scores(session, weights, forecast, window.target)
        for weights, forecast in zip(connectivity, forecasts, strict=True)
    ]
    assert session.true_connectivity is not None
    return Outcome(scores, {"learned": connectivity[0].numpy(), "true": session.true_connectivity.numpy()})


def _least_squares(task: str, network: Network) -> Outcome:
    """Regresses each target on the newest bin of its window, without an intercept, as published."""
    session, *parts = _parts(task, network)
    train, test = (windows.gather(torch.arange(len(windows))) for windows in parts)
    newest = [torch.cat([window.activity[..., -1], window.behaviour[:, -1]], dim=1) for window in (train, test)]
    weights, _ = least_squares(newest[0], train.target[..., 0], intercept=False)
    forecast = (newest[1].double() @ weights.t())[..., None]
    return Outcome([_scores(session, weights[:, : session.num_neurons], forecast, test.target)])


def _synapsnet(task: str, network: Network, seeds: int) -> Outcome:
    """Fits SynapsNet by the fast recipe; ``task`` is unused."""
    session, scores = network(), []
    assert session.true_connectivity is not None
    for seed in range(seeds):
        fitted = fit_in_memory(session, seed)
        score = connectivity_score(fitted.connectivity(), session.true_connectivity)
        scores.append({"Spearman": score.spearman, "Pearson": score.pearson, "R2": fitted.r_squared()})
    return Outcome(scores)


def _scores(session: Session, connectivity: Tensor, forecast: Tensor, target: Tensor) -> dict[str, float]:
    """Scores a connectivity [N, N] and forecasts [M, N, 1]."""
    assert session.true_connectivity is not None
    score = connectivity_score(connectivity, session.true_connectivity)
    explained = r_squared(target[..., 0].t(), forecast[..., 0].t())
    return {
        "Spearman": score.spearman,
        "Pearson": score.pearson,
        "R2": float(explained[explained.isfinite()].mean()),
    }


def _draw(arrays: Mapping[Key, Arrays]) -> Figure:
    """Draws true and learned weights of each network."""
    drawn = {case: kept for (case, method), kept in arrays.items() if method == NETFORMER}
    figure, axes = make_figure(3.2 * len(drawn), 6, columns=len(drawn), rows=2)
    for column, (task, kept) in enumerate(drawn.items()):
        for row, (key, title) in enumerate((("true", f"{task}\ntrue weights"), ("learned", "NetFormer, seed 0"))):
            draw_matrix(axes[row * len(drawn) + column], torch.from_numpy(kept[key]), title)
    return figure
