"""Search spaces: ranges and choices of the hyper-parameters of each model, for ``synapsnet tune``."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from reprlib import repr  # of a few entries
from typing import Any, NamedTuple

from synapsnet_pyg.files.yaml_files import read_yaml
from synapsnet_pyg.runs.recipe import Recipe

RECIPE_KEYS = frozenset(entry.name for entry in fields(Recipe)) - {"seed", "protocol", "fold"}
"""Hyper-parameters that belong to the recipe of a fit; all others are arguments of the model."""


class Range(NamedTuple):
    """Range of a hyper-parameter, both ends included; whole numbers if both ends are."""

    low: float
    high: float
    log: bool = False
    """Whether the logarithm is uniform, not the number."""


Space = Mapping[str, Range | Sequence[Any]]
"""Hyper-parameter -> range, or list of choices."""

RATE: Space = {"learning_rate": Range(3e-4, 1e-2, log=True)}
"""Search space of a model without an entry."""

_DROPOUT = Range(0.0, 0.5)
_WINDOW = (3, 5, 10, 20)
_SIZES = (16, 32, 64, 100, 200)
_POPULATION: Space = {
    **RATE,
    "window": _WINDOW,
    "hidden_size": _SIZES,
    "num_layers": (1, 2),
    "dropout": _DROPOUT,
}

SPACES: dict[str, Space] = {
    "synapsnet": {
        **RATE,
        "window": _WINDOW,
        "embedding_dim": (8, 16, 32, 64),
        "hidden_size": (20, 40, 80),
        "dropout": _DROPOUT,
        "latents": (0, 4, 8, 16),
        "components": (0, 16, 32, 64),
        "state_size": (0, 32, 64, 128),
        "state_dropout": Range(0.2, 0.8),
    },
    "neuprint": {
        **RATE,
        "window": _WINDOW,
        "embedding_dim": (8, 16, 32, 64),
        "hidden_size": (20, 40, 80),
        "num_layers": (1, 2),
        "dropout": _DROPOUT,
    },
    "netformer": {**RATE, "window": _WINDOW, "embedding_dim": (10, 30, 60), "shrinkage": (0.0, 1e-4, 1e-3, 1e-2)},
    "gwnet": {**RATE, "residual_channels": (16, 32), "dilation_channels": (16, 32), "blocks": (2, 4),
              "dropout": _DROPOUT},
    "lfads": {
        **RATE,
        "window": _WINDOW,
        "generator_size": (64, 128, 256),
        "num_factors": (16, 32, 64, 128),
        "dropout": _DROPOUT,
        "coordinated_dropout": _DROPOUT,
        "l2_weight": Range(1e-6, 1e-2, log=True),
        "initial_kl_weight": Range(1e-6, 1e-2, log=True),
        "input_kl_weight": Range(1e-6, 1e-2, log=True),
    },
    "rnn": _POPULATION,
    "gru": _POPULATION,
    "lstm": _POPULATION,
    "amag": {**RATE, "window": _WINDOW, "hidden_size": (16, 32, 64), "adaptor": (False, True), "dropout": _DROPOUT},
    "mlp": {**RATE, "window": _WINDOW, "hidden_size": (64, 256, 1024), "num_layers": (1, 2)},
    "tsmixer": {**RATE, "window": _WINDOW, "hidden_size": (32, 64, 128, 256), "num_blocks": Range(1, 4),
                "dropout": _DROPOUT, "instance_norm": (False, True)},
    "tide": {**RATE, "window": _WINDOW, "hidden_size": (32, 64, 128, 256), "decoder_size": (8, 16, 32),
             "dropout": _DROPOUT},
    "poco": {
        **RATE,
        "window": _WINDOW,
        "embedding_dim": (32, 64, 128),
        "hidden_size": (128, 512, 1024),
        "num_latents": (4, 8, 16),
        "num_layers": (1, 2),
        "dropout": _DROPOUT,
    },
    "era_mlp": {
        **RATE,
        "window": _WINDOW,
        "context_size": (32, 64, 128),
        "embedding_dim": (32, 96),
        "state_size": (32, 96),
        "hidden_size": (128, 256, 512),
        "num_blocks": Range(1, 4),
        "input_dropout": _DROPOUT,
        "dropout": _DROPOUT,
    },
    "mamba": {
        **RATE,
        "window": _WINDOW,
        "hidden_size": (32, 64, 128),
        "state_size": (4, 16),
        "num_layers": (1, 2),
        "dropout": _DROPOUT,
    },
    "plrnn": {**RATE, "window": _WINDOW, "hidden_size": (64, 128, 256, 512), "rate": Range(0.02, 1.0, log=True),
              "forcing": (1, 2, 4, 8)},
}  # fmt: skip
"""Name of a model -> its search space."""


def space_of(kind: str) -> Space:
    """Returns the search space of a model; without an entry that of the learning rate."""
    return SPACES.get(kind, RATE)


_MOST_BYTES = 100_000
"""Largest number of bytes of a file of ranges."""


def read_space(path: str | Path) -> Space:
    """Reads a search space of YAML: each hyper-parameter with a list of choices, or with low, high and log.

    Example of a file::

        learning_rate: {low: 1e-4, high: 1e-2, log: true}
        hidden_size: [32, 64, 128]

    Args:
        path: YAML file.

    Raises:
        OSError: There is no such file.
        ValueError: The file is no such YAML, or a range is empty.
    """
    if Path(path).stat().st_size > _MOST_BYTES:
        raise ValueError(f"Expected a file of at most {_MOST_BYTES} bytes (got '{path}', which is no search space).")
    values = read_yaml(path)
    if not values:
        raise ValueError(f"Expected hyper-parameters with ranges in '{path}' (got none).")
    return {name: _choices_or_range(name, value, path) for name, value in values.items()}


def _choices_or_range(name: str, value: Any, path: str | Path) -> Range | Sequence[Any]:
    """Returns what a file says about a hyper-parameter."""
    if isinstance(value, list) and value:
        return [_number(choice) for choice in value]
    if isinstance(value, dict) and {"low", "high"} <= set(value) <= {"low", "high", "log"}:
        low, high, log = _number(value["low"]), _number(value["high"]), bool(value.get("log", False))
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
        if numbers and low <= high and (low > 0 or not log):
            return Range(low, high, log)
    raise ValueError(
        f"Expected a list of choices or {{low: 1, high: 9, log: false}} for '{name}' of '{path}', with low up to high "
        f"and above 0 if log is true (got {repr(value)})."
    )


def _number(value: Any) -> Any:
    """Returns a number that YAML takes for a text, such as 1e-4; any other value as it is."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
