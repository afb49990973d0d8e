"""Time and memory that a fit will need."""

import time

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.datasets.inspection import Rows
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs.recipe import PRESETS, recipe


def cost_of_fit(session: Session) -> Rows:
    """Memory and time of a fit, from a few training steps on this machine."""
    in_segments = int((session.segment[:, 1] - session.segment[:, 0]).sum())
    if in_segments < 3 or not all(windows_of(part, 5) for part in session.split()):
        return []
    standard = session.standardise()
    train = standard.split().train
    rows: Rows = []
    for preset in PRESETS:
        settings = recipe(preset, session.num_bins)
        windows = windows_of(train, 5, settings["targets"])[0]
        model = SynapsNet([standard])
        B, L = settings["batch_size"], 5 + settings["targets"] - 1
        which = torch.arange(min(B, len(windows)))
        seconds = []
        for _ in range(3):
            begun = time.perf_counter()
            forecast = model(windows.gather(which))
            (forecast.activity.square().mean() + forecast.penalty).backward()
            seconds.append(time.perf_counter() - begun)
        steps = -(-len(windows) // B) * settings["epochs"]
        parameters = sum(p.numel() for p in model.parameters()) * 4 * 4  # with gradient and Adam's two moments
        batch = B * session.num_neurons * L * 5 * model.dynamics.sequence.hidden_size * 4
        memory = session.activity.numel() * 4 + parameters + batch
        rows.append(
            (
                f"fit, {preset}",
                f"about {_duration(min(seconds) * steps)} here ({settings['epochs']} epochs), "
                f"{max(memory / 1e6, 1):.0f} MB beside the program",
            )
        )
    return rows


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
