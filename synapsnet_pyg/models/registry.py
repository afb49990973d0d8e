"""Names and import paths of the models. They can be read without importing torch, as the command line does."""

import os
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from synapsnet_pyg.models.trust import is_ours, path_of, untrusted, user_object

if TYPE_CHECKING:
    from synapsnet_pyg.data.session import Session, SessionInfo
    from synapsnet_pyg.models.forecaster import Forecaster


class RegisteredModel(NamedTuple):
    """Class and fixed arguments of a model of the registry."""

    path: str
    """Import path of the class."""
    fixed: Mapping[str, Any] = {}
    """Argument -> value that distinguishes this model from others of the class; classes and functions by name."""


_ESTIMATED = "synapsnet_pyg.connectivity.estimated_forecaster.EstimatedForecaster"

MODELS = {
    "synapsnet": RegisteredModel("synapsnet_pyg.models.synapsnet.SynapsNet"),
    "neuprint": RegisteredModel("synapsnet_pyg.models.neuprint.NeuPRINT"),
    "netformer": RegisteredModel("synapsnet_pyg.models.netformer.NetFormer"),
    "gwnet": RegisteredModel("synapsnet_pyg.models.gwnet.GWNet"),
    "lfads": RegisteredModel("synapsnet_pyg.models.lfads.LFADS"),
    "rnn": RegisteredModel("synapsnet_pyg.models.population_rnn.PopulationRNN", {"dynamics": "rnn"}),
    "gru": RegisteredModel("synapsnet_pyg.models.population_rnn.PopulationRNN", {"dynamics": "gru"}),
    "lstm": RegisteredModel("synapsnet_pyg.models.population_rnn.PopulationRNN", {"dynamics": "lstm"}),
    "amag": RegisteredModel("synapsnet_pyg.models.amag.AMAG"),
    "mlp": RegisteredModel("synapsnet_pyg.models.mlp.NeuronMLP"),
    "tsmixer": RegisteredModel("synapsnet_pyg.models.tsmixer.TSMixer"),
    "tide": RegisteredModel("synapsnet_pyg.models.tide.TiDE"),
    "poco": RegisteredModel("synapsnet_pyg.models.poco.POCO"),
    "era_mlp": RegisteredModel("synapsnet_pyg.models.era_mlp.ERAMLP"),
    "mamba": RegisteredModel("synapsnet_pyg.models.mamba.Mamba"),
    "plrnn": RegisteredModel("synapsnet_pyg.models.plrnn.PLRNN"),
    "mean": RegisteredModel("synapsnet_pyg.models.baselines.Mean"),
    "copy": RegisteredModel("synapsnet_pyg.models.baselines.Copy"),
    "psth": RegisteredModel("synapsnet_pyg.models.psth.PSTH"),
    "ar5": RegisteredModel("synapsnet_pyg.models.linear.Autoregression", {"lags": 5}),
    "var1": RegisteredModel("synapsnet_pyg.models.linear.VectorAutoregression", {"lags": 1}),
    "var5": RegisteredModel("synapsnet_pyg.models.linear.VectorAutoregression", {"lags": 5}),
    "damped_copy": RegisteredModel("synapsnet_pyg.models.damped_copy.DampedCopy"),
    "linear": RegisteredModel("synapsnet_pyg.models.own_past.OwnPast", {"from_newest": False}),
    "nlinear": RegisteredModel("synapsnet_pyg.models.own_past.OwnPast", {"from_newest": True}),
    "dlinear": RegisteredModel("synapsnet_pyg.models.dlinear.DLinear"),
    "linear_rrr": RegisteredModel("synapsnet_pyg.models.linear_rrr.LinearRRR"),
    "low_rank_ar": RegisteredModel("synapsnet_pyg.models.low_rank_ar.LowRankAR"),
    "lds": RegisteredModel("synapsnet_pyg.models.lds.LDS"),
    "ridge_var": RegisteredModel(_ESTIMATED, {"estimator": "ridge_var"}),
    "soft_ridge": RegisteredModel(_ESTIMATED, {"estimator": "soft_ridge"}),
    "lasso_var": RegisteredModel(_ESTIMATED, {"estimator": "lasso_var"}),
    "sparse_low_rank_var": RegisteredModel(_ESTIMATED, {"estimator": "sparse_low_rank_var"}),
    "poisson_glm": RegisteredModel(_ESTIMATED, {"estimator": "poisson_glm"}),
}
"""Name -> class and fixed arguments of the model."""

ANCHORS = ("mean", "copy", "damped_copy", "ar5", "linear", "linear_rrr", "var1", "var5")
"""Names of the simple models that every table of scores compares the trained model with."""

PARTS = {
    "dynamics": "synapsnet_pyg.nn.dynamics.DYNAMICS",
    "penalty": "synapsnet_pyg.nn.functional_connectivity.PENALTIES",
    "loss": "synapsnet_pyg.nn.losses.LOSSES",
    "activation": "synapsnet_pyg.nn.neuron_attention.ACTIVATIONS",
}
"""Argument whose value is a class or function (a part) -> import path of the dictionary, name -> part."""


def build_model(
    kind: str, sessions: "Iterable[Session | SessionInfo]", arguments: Mapping[str, Any] | None = None
) -> "Forecaster":
    """Builds a model by its name.

    A class that knows a single session gives one model for each session, joined in a
    :class:`~synapsnet_pyg.models.per_session.PerSession`.

    Args:
        kind: Key of :data:`MODELS`, or ``package.module.Class`` of a forecaster of your own.
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        arguments: Argument -> value; an argument of :data:`PARTS` takes the name of a part or ``package.module.name``.

    Raises:
        ValueError: There is no such model or part, or the model does not take an argument.
    """
    from synapsnet_pyg.models.per_session import PerSession

    model_type, sessions = model_class(kind), list(sessions)
    fixed = MODELS[kind].fixed if kind in MODELS else {}
    values = {key: part(key, value) for key, value in {**fixed, **(arguments or {})}.items()}
    try:
        if model_type.one_session and len(sessions) > 1:
            return PerSession(sessions, model_type, values)
        return model_type(sessions, **values)
    except TypeError as error:
        known = [key for key in signature(model_type).parameters if key not in ("sessions", "edge_index", *fixed)]
        raise ValueError(f"Expected arguments of model '{kind}' among {', '.join(known)} ({error}).") from None


def model_class(kind: str) -> "type[Forecaster]":
    """Returns the class of a model.

    Args:
        kind: Key of :data:`MODELS`, or ``package.module.Class``.

    Raises:
        ValueError: There is no such model.
    """
    from synapsnet_pyg.models.forecaster import Forecaster

    path = MODELS[kind].path if kind in MODELS else kind
    if "." not in path:
        raise ValueError(f"Expected a model among {', '.join(MODELS)} or package.module.Class (got '{kind}').")
    try:
        resolved = user_object(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"Expected model '{kind}' to be importable (got: {error}).") from None
    if isinstance(resolved, type) and issubclass(resolved, Forecaster):
        return resolved
    raise ValueError(f"Expected '{kind}' to be a subclass of Forecaster (got {resolved!r}).")


def kind_of(model: "Forecaster") -> str:
    """Returns the kind of a model for :func:`build_model`: its name, or else the import path of its class.

    Args:
        model: Forecaster of any class.
    """
    path = path_of(type(model))
    for name, entry in MODELS.items():
        if entry.path == path and all(model.arguments[key] == part(key, value) for key, value in entry.fixed.items()):
            return name
    return path


def part(key: str, value: Any) -> Any:
    """Returns the class or function that an argument names; any other value as it is.

    Args:
        key: Name of the argument.
        value: Value of the argument; for a key of :data:`PARTS` the name of a part or ``package.module.name``.

    Raises:
        ValueError: There is no part of that name.
    """
    if key not in PARTS or not isinstance(value, str):
        return value
    parts = pkgutil.resolve_name(PARTS[key])
    if value in parts:
        return parts[value]
    try:
        if "." in value:
            return user_object(value)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"Expected '{key}' to be importable (got '{value}': {error}).") from None
    raise ValueError(f"Expected '{key}' among {', '.join(parts)} or package.module.name (got '{value}').")


def part_name(key: str, value: Any) -> Any:
    """Returns the name of a class or function, from which :func:`part` returns it; any other value as it is.

    Args:
        key: Name of the argument.
        value: Value of the argument.

    Raises:
        ValueError: The class or function cannot be imported by name, such as a lambda or a local class.
    """
    if not callable(value):
        return value
    for name, known in pkgutil.resolve_name(PARTS[key]).items() if key in PARTS else ():
        if known is value:
            return name
    path = path_of(value)
    try:
        resolved = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        resolved = None
    if resolved is not value:
        raise ValueError(
            f"Expected '{key}' to be a class or function that can be imported by name (got {value!r}), since "
            "a saved model holds the name only; define it at the top level of a module."
        )
    _parts_in_use.add(path)
    return path


_parts_in_use: set[str] = set()
"""Import paths of the parts, in no registry, with which models of this process were made."""


def is_of_package(kind: str) -> bool:
    """Returns True for the name of a model of the package, registered or by its import path."""
    return kind in MODELS or is_ours(kind)


def require_trusted(
    kind: str, arguments: Mapping[str, Any], file: str | os.PathLike[str], trust: Collection[str] = ()
) -> None:
    """Raises an error if a file names a model or part that is neither the package's nor the user's own.

    To import a module is to run it, so a file may name only the package's own classes and functions, those that this
    process has used already, and those that the user trusts.

    Args:
        kind: Name of the model in the file.
        arguments: Arguments of the model in the file.
        file: Path of the file.
        trust: Import paths that the user trusts.

    Raises:
        ValueError: The file names another model or part.
    """
    from synapsnet_pyg.models.forecaster import Forecaster

    known = is_of_package(kind) or kind in trust or "." not in kind
    if not known and kind not in map(path_of, _subclasses(Forecaster)):
        raise untrusted("a model", kind, file)
    for key, value in arguments.items():
        known = key not in PARTS or not isinstance(value, str) or "." not in value
        if not known and value not in {*trust, *_parts_in_use} and not is_ours(value):
            raise untrusted(f"'{key}'", value, file)


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """Yields all subclasses of a class that this process knows."""
    subclass: type[Any]
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
