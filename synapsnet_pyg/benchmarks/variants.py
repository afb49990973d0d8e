"""Variants: models with their arguments, one for each row of a benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from synapsnet_pyg.connectivity.estimated_forecaster import EstimatedForecaster
from synapsnet_pyg.files.json_files import read_as, read_json
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.models.registry import model_class, require_trusted

PAPER_MODELS = ("synapsnet", "neuprint", "gwnet", "lfads", "lstm", "gru", "rnn")
"""Models of Table 1 in the SynapsNet paper."""


class Variant(NamedTuple):
    """A model or estimator with its arguments."""

    label: str
    """Label of the row in tables, and name of the folder."""
    kind: str
    """Name of the model or estimator."""
    arguments: Mapping[str, Any] = {}
    recipe: Mapping[str, Any] = {}
    """Values of the recipe that were tuned, which take precedence over those of the benchmark."""
    trials: int = 0
    """Number of trials by which the model was tuned; 0: its defaults."""

    @property
    def names(self) -> list[str]:
        """Names of classes and functions that the user gave, which files of the benchmark may name."""
        return [self.kind, *(value for value in self.arguments.values() if isinstance(value, str))]

    @property
    def tuned(self) -> str:
        """Number of trials by which the model was tuned, or ``on validation`` if its fit chooses a penalty there."""
        if not self.trials and issubclass(model_class(self.kind), VectorAutoregression | EstimatedForecaster):
            return "on validation"
        return str(self.trials)


@dataclass(frozen=True)
class _Search:
    """Values of ``tune.json`` that are read."""

    model: str
    context: int | None
    horizon: int
    arguments: Mapping[str, Any]
    recipe: Mapping[str, Any]
    trials: int
    protocol: str = "paper"


def named(kinds: Sequence[str]) -> list[Variant]:
    """Returns models or estimators with their default arguments."""
    return [Variant(kind, kind) for kind in kinds]


def with_tuned(
    variants: Sequence[Variant], folders: Sequence[str | Path], *, protocol: str, context: int | None, horizon: int
) -> list[Variant]:
    """Returns variants in which tuned models have their best hyper-parameters; models that are missing are added.

    Args:
        variants: Models with their arguments.
        folders: Folders of :func:`~synapsnet_pyg.benchmarks.tuning.tune`.
        protocol: Name of the protocol of the comparison.
        context: Number of past bins of the comparison; None: the models' defaults.
        horizon: Number of bins ahead of the comparison.

    Raises:
        FileNotFoundError: A folder holds no search.
        ValueError: A search had another protocol, context or horizon, or two are of one model.
    """
    tuned: dict[str, Variant] = {}
    for folder in folders:
        path = Path(folder) / "tune.json"
        if not path.is_file():
            raise FileNotFoundError(f"Expected a folder of 'synapsnet tune' (there is no '{path}').")
        values, _ = read_json(path)
        names = [entry.name for entry in fields(_Search)]
        search = read_as(_Search, {key: values[key] for key in names if key in values}, "search", path)
        now = {"protocol": protocol, "context": context, "horizon": horizon}
        then = {"protocol": search.protocol, "context": search.context, "horizon": search.horizon}
        if now != then:
            text = ", ".join(f"{key} {'default' if value is None else value}" for key, value in then.items())
            raise ValueError(
                f"Expected --protocol, --context and --horizon of the search in '{folder}' (it has {text})."
            )
        kind = search.model
        if kind in tuned:
            raise ValueError(f"Expected one folder for each tuned model (got two of '{kind}').")
        require_trusted(kind, search.arguments, path, [variant.kind for variant in variants])
        tuned[kind] = Variant(kind, kind, search.arguments, search.recipe, search.trials)
    labels = {variant.label for variant in variants}
    replaced = [tuned.get(variant.label, variant) for variant in variants]
    return [*replaced, *(variant for kind, variant in tuned.items() if kind not in labels)]


def over_horizons(variants: Sequence[Variant], context: int | None, horizon: int) -> list[Variant]:
    """Returns variants that see a number of past bins and forecast a number of bins, if their classes take these.

    A class with an argument ``window`` is given the context and a class with an argument ``horizon`` the horizon, so
    that it forecasts all bins directly. Arguments that a variant has already are kept.

    Args:
        variants: Models with their arguments.
        context: Number of past bins C. None: the models' defaults.
        horizon: Number of bins ahead H; with 1 models are built as always.

    Example:
        >>> over_horizons(named(["gru", "var5"]), context=48, horizon=16)[0].arguments
        {'window': 48}

    Raises:
        ValueError: Context or horizon is below 1, or a model does not exist.
    """
    if horizon < 1 or (context is not None and context < 1):
        raise ValueError(f"Expected context and horizon of at least 1 bin (got {context} and {horizon}).")
    given = ({} if context is None else {"window": context}) | ({} if horizon == 1 else {"horizon": horizon})
    changed = []
    for variant in variants:
        known = signature(model_class(variant.kind)).parameters if given else {}
        own = {key: value for key, value in given.items() if key in known}
        changed.append(variant._replace(arguments={**own, **variant.arguments}))
    return changed


def ablations() -> list[Variant]:
    """Returns SynapsNet, and SynapsNet without each of its parts (Table 2)."""
    parts = ("embedding", "activity", "connectivity", "behaviour")
    without = [Variant(f"without {part}", "synapsnet", {f"use_{part}": False}) for part in parts]
    beyond: dict[str, Mapping[str, Any]] = {
        "linear path": {"linear_path": False},
        "population path": {"components": 0},
        "latent state": {"state_size": 0},
    }
    without += [Variant(f"without {part}", "synapsnet", arguments) for part, arguments in beyond.items()]
    return [Variant("synapsnet", "synapsnet"), *without]


def recovery_ablations() -> list[Variant]:
    """Returns SynapsNet, and SynapsNet with each part that affects its connectivity left out or changed."""
    changed: dict[str, Mapping[str, Any]] = {
        "without common drive": {"latents": 0},
        "without penalty": {"penalty_weight": 0.0},
        "with Poisson loss": {"loss": "poisson"},
        "without linear path": {"linear_path": False},
    }
    variants = [Variant(label, "synapsnet", arguments) for label, arguments in changed.items()]
    return [Variant("synapsnet", "synapsnet"), *variants]


def dynamics() -> list[Variant]:
    """Returns SynapsNet with each sequence model (Table 3)."""
    arguments: dict[str, Mapping[str, Any]] = {
        "gru": {},
        "rnn": {"dynamics": "rnn"},
        "lstm": {"dynamics": "lstm"},
        "transformer, 1 layer": {"dynamics": "transformer", "num_layers": 1},
        "transformer, 2 layer": {"dynamics": "transformer", "num_layers": 2},
    }
    return [Variant(f"synapsnet, {label}", "synapsnet", given) for label, given in arguments.items()]


SWEEPS = {"window": "window", "embedding": "embedding_dim"}
"""Name of a sweep -> argument of the models that it varies."""


def sweep(models: Sequence[str], size: str, values: Sequence[int]) -> list[Variant]:
    """Returns models with several window lengths (figure 6) or embedding sizes (figure 7).

    Args:
        models: Names of the models.
        size: Key of :data:`SWEEPS`.
        values: Values of the argument.
    """
    return [Variant(f"{model}, {size} {value}", model, {SWEEPS[size]: value}) for model in models for value in values]
