"""Estimates of the time and memory of a fit."""

import time

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.datasets.inspection import Rows
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.gru import LARGEST
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs.recipe import PRESETS, Recipe


def cost_of_fit(session: Session) -> Rows:
    """Estimates time and memory of a fit of SynapsNet for each preset, from a few training steps.

    Returns:
        A row for each preset; no row if a part is too short for a window of 5 bins.
    """
    bins_in_segments = int((session.segment[:, 1] - session.segment[:, 0]).sum())
    if bins_in_segments < 3 or not all(windows_of(part, 5) for part in session.split()):
        return []
    standard = session.standardise()
    rows = []
    for name in PRESETS:
        recipe = Recipe.preset(name, session.num_bins)
        windows = windows_of(standard.split().train, 5, recipe.targets)[0]
        model = SynapsNet([standard])
        steps = -(-len(windows) // recipe.batch_size) * recipe.epochs
        seconds = _seconds_of_step(model, windows.gather(torch.arange(min(recipe.batch_size, len(windows)))))
        text = f"about {_duration(seconds * steps)} here ({recipe.epochs} epochs)"
        rows.append((f"fit, {name}", f"{text}, {max(_megabytes(model, session, recipe), 1):.0f} MB beside the program"))
    return rows


@threads()
def _seconds_of_step(model: SynapsNet, window: Window) -> float:
    """Returns the shortest of three forward and backward passes."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        forecast = model(window)
        (forecast.activity.square().mean() + forecast.penalty).backward()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _megabytes(model: SynapsNet, session: Session, recipe: Recipe) -> float:
    """Returns the memory of recording, parameters and one batch."""
    parameters = sum(p.numel() for p in model.parameters()) * 4 * 4  # with gradient and Adam's two moments
    length = 5 + recipe.targets - 1
    hidden_size = int(model.arguments["hidden_size"])
    kept = min(recipe.batch_size * session.num_neurons * length * 5 * hidden_size, LARGEST)
    return (session.activity.numel() * 4 + parameters + kept * 4) / 1e6


def _duration(seconds: float) -> str:
    """Returns a duration in seconds, minutes or hours as text."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
