"""All models by name, and how a model is saved and made again without pickles."""

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import signature
from typing import Any

import torch

from synapsnet_pyg.models.amag import AMAG
from synapsnet_pyg.models.baselines import Copy, Mean
from synapsnet_pyg.models.forecaster import Forecaster, Recorded
from synapsnet_pyg.models.gwnet import GWNet
from synapsnet_pyg.models.lfads import LFADS
from synapsnet_pyg.models.linear import Autoregression, VectorAutoregression
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.models.neuprint import NeuPRINT
from synapsnet_pyg.models.per_session import PerSession
from synapsnet_pyg.models.population_rnn import PopulationRNN
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.dynamics import DYNAMICS
from synapsnet_pyg.nn.functional_connectivity import PENALTIES
from synapsnet_pyg.nn.losses import LOSSES
from synapsnet_pyg.nn.neuron_attention import ACTIVATIONS

MODELS: dict[str, Callable[..., Forecaster]] = {
    "synapsnet": SynapsNet,
    "neuprint": NeuPRINT,
    "netformer": NetFormer,
    "gwnet": GWNet,
    "lfads": LFADS,
    "rnn": partial(PopulationRNN, dynamics=torch.nn.RNN),
    "gru": partial(PopulationRNN, dynamics=torch.nn.GRU),
    "lstm": partial(PopulationRNN, dynamics=torch.nn.LSTM),
    "amag": AMAG,
    "mean": Mean,
    "copy": Copy,
    "ar5": partial(Autoregression, lags=5),
    "var1": partial(VectorAutoregression, lags=1),
    "var5": partial(VectorAutoregression, lags=5),
}
"""Name -> what makes the model from sessions and arguments."""

ANCHORS = ("mean", "copy", "ar5", "var1", "var5")
"""The models that stand in every table beside the trained one."""

PARTS: dict[str, Mapping[str, Any]] = {
    "dynamics": DYNAMICS,
    "penalty": PENALTIES,
    "loss": LOSSES,
    "activation": ACTIVATIONS,
}
"""Arguments that are parts: argument -> name of a part -> the part."""


def build_model(name: str, sessions: Iterable[Recorded], arguments: Mapping[str, Any] | None = None) -> Forecaster:
    """Makes a model from its name; one for each session, where its kind knows one session only.

    Args:
        name: A key of :data:`MODELS`, or ``package.module.Class`` of a forecaster of your own.
        sessions: Who is recorded.
        arguments: Of the model; parts by their names in :data:`PARTS`.

    Raises:
        ValueError: There is no such model or part, or an argument does not suit it.
    """
    arguments = {key: _part(key, value) for key, value in (arguments or {}).items()}
    make = _model(name)
    sessions = list(sessions)
    try:
        if model_kind(name).one_session and len(sessions) > 1:
            return PerSession(sessions, make, arguments)
        return make(sessions, **arguments)
    except TypeError as error:
        known = [key for key in signature(make).parameters if key not in ("sessions", "edge_index", "lags")]
        raise ValueError(f"Expected arguments of model '{name}' among {', '.join(known)} ({error}).") from None


def model_kind(name: str) -> type[Forecaster]:
    """Class of a model.

    Raises:
        ValueError: There is no such model.
    """
    make = _model(name)
    kind = make.func if isinstance(make, partial) else make
    assert isinstance(kind, type)
    return kind


def _model(name: str) -> Callable[..., Forecaster]:
    if name in MODELS:
        return MODELS[name]
    if "." in name:
        try:
            found = pkgutil.resolve_name(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"Expected model '{name}' to be importable ({error}).") from None
        if isinstance(found, type) and issubclass(found, Forecaster):
            return found
        raise ValueError(f"Expected '{name}' to be a subclass of Forecaster (got {found!r}).")
    raise ValueError(f"Expected a model among {', '.join(MODELS)} or package.module.Class (got '{name}').")


def _part(key: str, value: Any) -> Any:
    if key not in PARTS or not isinstance(value, str):
        return value
    if value not in PARTS[key]:
        raise ValueError(f"Expected '{key}' among {', '.join(PARTS[key])} (got '{value}').")
    return PARTS[key][value]
