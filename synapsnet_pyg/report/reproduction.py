"""The commands that make a run again."""

import json
import shlex
from typing import Any

from synapsnet_pyg.runs.run import Run


def commands_of(run: Run) -> list[str]:
    """Command lines that fit, score and report a run anew; none for what was fitted in Python.

    Args:
        run: As loaded from its folder.
    """
    settings = run.settings
    if "sessions" not in settings:
        return []
    files = [session["path"] for session in settings["sessions"]]
    training = {key.replace("_", "-"): value for key, value in settings["training"].items() if value is not None}
    if "adapted_from" in settings:
        given = {key: training[key] for key in ("epochs", "patience", "seed") if key in training}
        begin = ["synapsnet", "adapt", settings["adapted_from"], *files, "--out", "again", *_options(given)]
    else:
        model = settings["model"]
        arguments = {f"model-args.{key}": value for key, value in model["arguments"].items()}
        begin = ["synapsnet", "fit", *files, "--out", "again", "--model", model["name"]]
        begin += _options(training | arguments)
    return [shlex.join(begin), "synapsnet evaluate again", "synapsnet report again"]


def _options(values: dict[str, Any]) -> list[str]:
    return [
        text
        for key, value in values.items()
        for text in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    ]
