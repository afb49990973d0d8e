"""Models by name. Names and import paths only, so that the command line reads them without importing torch."""

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from synapsnet_pyg.data.session import Session, SessionInfo
    from synapsnet_pyg.models.forecaster import Forecaster


class RegisteredModel(NamedTuple):
    """A model of the registry."""

    path: str
    """Import path of its class."""
    fixed: Mapping[str, Any] = {}
    """Arguments that tell this model from others of the class; parts by their names."""


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
    "mean": RegisteredModel("synapsnet_pyg.models.baselines.Mean"),
    "copy": RegisteredModel("synapsnet_pyg.models.baselines.Copy"),
    "ar5": RegisteredModel("synapsnet_pyg.models.linear.Autoregression", {"lags": 5}),
    "var1": RegisteredModel("synapsnet_pyg.models.linear.VectorAutoregression", {"lags": 1}),
    "var5": RegisteredModel("synapsnet_pyg.models.linear.VectorAutoregression", {"lags": 5}),
    "ridge_var": RegisteredModel(_ESTIMATED, {"estimator": "ridge_var"}),
    "soft_ridge": RegisteredModel(_ESTIMATED, {"estimator": "soft_ridge"}),
    "lasso_var": RegisteredModel(_ESTIMATED, {"estimator": "lasso_var"}),
    "sparse_low_rank_var": RegisteredModel(_ESTIMATED, {"estimator": "sparse_low_rank_var"}),
    "poisson_glm": RegisteredModel(_ESTIMATED, {"estimator": "poisson_glm"}),
}
"""Name -> class and the arguments that make it this model."""

ANCHORS = ("mean", "copy", "ar5", "var1", "var5")
"""The models that stand in every table beside the trained one."""

PARTS = {
    "dynamics": "synapsnet_pyg.nn.dynamics.DYNAMICS",
    "penalty": "synapsnet_pyg.nn.functional_connectivity.PENALTIES",
    "loss": "synapsnet_pyg.nn.losses.LOSSES",
    "activation": "synapsnet_pyg.nn.neuron_attention.ACTIVATIONS",
}
"""Arguments that are parts: argument -> import path of the dictionary, name of a part -> the part."""


def build_model(
    kind: str, sessions: "Iterable[Session | SessionInfo]", arguments: Mapping[str, Any] | None = None
) -> "Forecaster":
    """Makes a model from its name; one for each session, where its class knows one session only.

    Args:
        kind: Key of :data:`MODELS`, or ``package.module.Class`` of a forecaster of your own.
        sessions: Sessions that the model shall know.
        arguments: Arguments of the model; parts by their names in :data:`PARTS` or by ``package.module.name``.

    Raises:
        ValueError: There is no such model or part, or an argument does not suit it.
    """
    from synapsnet_pyg.models.per_session import PerSession

    made, sessions = model_class(kind), list(sessions)
    fixed = MODELS[kind].fixed if kind in MODELS else {}
    given = {key: part(key, value) for key, value in {**fixed, **(arguments or {})}.items()}
    try:
        if made.one_session and len(sessions) > 1:
            return PerSession(sessions, made, given)
        return made(sessions, **given)
    except TypeError as error:
        known = [key for key in signature(made).parameters if key not in ("sessions", "edge_index", *fixed)]
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
        found = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"Expected model '{kind}' to be importable ({error}).") from None
    if isinstance(found, type) and issubclass(found, Forecaster):
        return found
    raise ValueError(f"Expected '{kind}' to be a subclass of Forecaster (got {found!r}).")


def kind_of(model: "Forecaster") -> str:
    """Returns what :func:`build_model` finds a model by: its name, or the import path of its class."""
    path = path_of(type(model))
    for name, entry in MODELS.items():
        if entry.path == path and all(model.arguments[key] == part(key, value) for key, value in entry.fixed.items()):
            return name
    return path


def part(key: str, value: Any) -> Any:
    """Returns the part that an argument names; any other value as it is.

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
            return pkgutil.resolve_name(value)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"Expected '{key}' to be importable (got '{value}': {error}).") from None
    raise ValueError(f"Expected '{key}' among {', '.join(parts)} or package.module.name (got '{value}').")


def part_name(key: str, value: Any) -> Any:
    """Returns the name of a part, by which :func:`part` finds it again; any other value as it is.

    Raises:
        ValueError: The part has no name by which it could be imported, such as a lambda or a local class.
    """
    if not callable(value):
        return value
    for name, known in pkgutil.resolve_name(PARTS[key]).items() if key in PARTS else ():
        if known is value:
            return name
    path = path_of(value)
    try:
        found = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not value:
        raise ValueError(
            f"Expected '{key}' to be a class or function that can be imported by its name (got {value!r}), else no "
            "saved model could be made again; define it at the top of a module."
        )
    return path


def path_of(thing: Callable[..., Any]) -> str:
    """Returns the import path of a class or function."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
