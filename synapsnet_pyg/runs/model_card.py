"""Model card of a shared run: what was recorded, how well it is forecast, what the model cannot tell."""

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synapsnet_pyg.runs.evaluation import Evaluation
    from synapsnet_pyg.runs.run import Run

HEAD = """---
library_name: synapsnet_pyg
tags:
- neuroscience
- functional-connectivity
- time-series-forecasting
---
"""
"""Head of the page, which the hub reads. The licence of a model is its owner's choice and is not guessed."""

LIMITS = """## What it cannot tell

An edge is a predictive effect, given the recorded neurons and behaviours. It is not a synapse: unrecorded neurons drive
others too, and in slow recordings effects within a bin have no direction. The recordings are not here, so edges cannot
be tested and scores cannot be computed again from this folder.
"""


def model_card(run: "Run", scores: "Evaluation") -> str:
    """Returns the page of a shared run as Markdown.

    Args:
        run: Fitted run.
        scores: Scores of the run.
    """
    recorded = [
        f"| {_text(name)} | {session.num_neurons} | {session.num_bins} | {session.bin_size:g} "
        f"| {', '.join(map(_text, session.behaviour_name)) or 'none'} |"
        for name, session in run.sessions.items()
    ]
    scored = [
        f"| {_text(name)} | {_text(model)} | {score.correlation:.3f}{_interval(scores, name, model)} "
        f"| {score.mse:.3f} |"
        for name, by_model in scores.sessions.items()
        for model, score in by_model.items()
    ]
    calibrated = [f"- {_text(name)}: {score.sentence()}" for name, score in scores.intervals.items()]
    name = run.kind
    return "\n".join(
        [
            HEAD + f"# {name}, fitted by synapsnet_pyg",
            "",
            "A model that forecasts a recorded population of neurons bin by bin, and its learned connectivity.",
            "",
            "## Recordings of the fit (not in this folder)",
            "",
            "| session | neurons | bins | seconds of a bin | behaviours |",
            "|---|---|---|---|---|",
            *recorded,
            "",
            "## Scores",
            "",
            f"On the last part of each recording, which training has not seen ({_text(run.recipe.division)}): Pearson",
            "correlation of the next bin, mean over neurons, with its 95 % interval, and squared error of standardised",
            "activity. Simple forecasts stand beside the model.",
            "",
            "| session | model | correlation | squared error |",
            "|---|---|---|---|",
            *scored,
            "",
            "## Calibration of its intervals",
            "",
            *calibrated,
            "",
            "## Use",
            "",
            "```python",
            "from synapsnet_pyg import Run",
            "",
            'shared = Run.from_pretrained("this-folder")  # or Run.from_hub("owner/name")',
            "connectivity = shared.connectivity(next(iter(shared.sessions)))  # [receiver, sender]",
            'run = Run.adapt(shared.folder, "new.h5", "out")  # dynamics stay; a new connectivity',
            "```",
            "",
            LIMITS,
        ]
    )


def _interval(scores: "Evaluation", session: str, model: str) -> str:
    """Returns the 95 % interval of a correlation, where there is one."""
    details = scores.details.get(session)
    if details is None or model not in details.intervals:
        return ""
    low, high = details.intervals[model].correlation
    return f" ({low:.3f} to {high:.3f})" if low == low and high == high else ""


def _text(name: str) -> str:
    """Returns a name without markup of its own."""
    escaped = html.escape(" ".join(name.split()), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#!" else c for c in escaped)
