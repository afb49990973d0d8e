"""How a model is trained."""

import math
from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"epochs": 100, "targets": 1, "batch_size": 32, "learning_rate": 1e-3, "halve_every": 10},
    "fast": {"epochs": 12, "targets": 16, "batch_size": 8, "learning_rate": 2e-3, "halve_every": 3},
}
"""Training recipes: ``paper`` is Appendix A.1; ``fast`` trains 16 targets a window, in a tenth of the time."""


def recipe(preset: str, bins: int, sessions: int = 1) -> dict[str, Any]:
    """The arguments of :func:`fit` that a preset means for so many sessions of ``bins`` bins in all.

    ``fast`` makes more passes over short recordings, so that Adam makes at least 1,500 steps for each session.
    """
    settings = dict(PRESETS[preset])
    if preset == "fast":
        steps = 0.8 * bins / sessions / (settings["targets"] * settings["batch_size"]) * settings["epochs"]
        longer = max(1, math.ceil(1500 / steps))
        settings |= {"epochs": longer * settings["epochs"], "halve_every": longer * settings["halve_every"]}
    return settings
