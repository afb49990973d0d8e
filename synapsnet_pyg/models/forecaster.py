"""The contract that every forecaster keeps."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.jacobian import jacobians, mean_jacobian
from synapsnet_pyg.models.registry import kind_of, part_name
from synapsnet_pyg.nn.evaluating import evaluating as evaluating
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding


class Forecast(NamedTuple):
    """What a forecaster says about a window."""

    activity: Tensor
    """Forecast of the bin after each of the last P positions: [B, N, P]."""
    current: Tensor | None = None
    """Input current of every neuron at every position [B, N, L], from models that have one."""
    penalty: Tensor | float = 0.0
    """What training adds to the error."""


class Forecaster(torch.nn.Module):
    r"""Base class of all models: ``model(window) -> Forecast``.

    The forecast's activity :math:`(B, N, P)` predicts, for each of the last P positions of the window, the bin that
    follows it, from that position and earlier ones only. P is read from ``window.target``. The same call serves all
    models; what a model does not use it documents as unused.

    A subclass calls ``super().__init__(sessions, window)`` and defines :meth:`forward`, and :meth:`connectivity` where
    it has one. It can look at the training parts before training in :meth:`initialise`. Its arguments are remembered in
    ``arguments``, so that a saved model can be made again: they must be numbers, texts, tensors, or classes and
    functions that can be imported by their names.

    Args:
        sessions: Sessions that the model shall know.
        window: Number of past bins W that a forecast sees at least.

    Attributes:
        sessions: Session name -> who was recorded for how long, without the recording.
        arguments: Argument -> value, all but the sessions.

    Raises:
        ValueError: Two sessions have one name, sessions differ in their behaviours, or an argument is a part that
            could not be imported again.
    """

    arguments: dict[str, Any]
    one_session: ClassVar[bool] = False
    """Whether the model can only be made for one session; several sessions then have a model each."""
    shared: ClassVar[tuple[str, ...]] = ()
    """Names of the parts that all sessions share, which can be kept for a session that is new to the model."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Regular expressions of parameter names of earlier versions -> the names of this version."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "Forecaster":
        """Remembers the arguments."""
        model = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
        bound.apply_defaults()
        given = {key: value for key, value in bound.arguments.items() if key not in ("self", "sessions")}
        for key, value in given.items():
            part_name(key, value)  # raises an error now rather than when the fitted model is saved
        object.__setattr__(model, "arguments", given)
        return model

    def __init__(self, sessions: Iterable[Session | SessionInfo], window: int = 5) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"Expected a window of at least 1 past bin (got {window}).")
        self.window = window
        self.sessions: dict[str, SessionInfo] = {}
        for session in sessions:
            if session.name in self.sessions:
                raise ValueError(f"Expected sessions of different names ('{session.name}' comes twice); rename one.")
            self.sessions[session.name] = SessionInfo.of(session)
        names = {tuple(info.behaviour_name) for info in self.sessions.values()}
        if len(names) > 1:
            raise ValueError(
                "Expected the same behaviours in all sessions fitted together (got "
                + "; ".join(f"'{s.name}': {', '.join(s.behaviour_name) or 'none'}" for s in self.sessions.values())
                + ")."
            )
        if not names:
            raise ValueError("Expected at least one session (got none).")
        self.num_behaviours = len(names.pop())

    @property
    def kind(self) -> str:
        """Name by which :func:`~synapsnet_pyg.models.registry.build_model` makes such a model."""
        return kind_of(self)

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Looks at the training parts once, before the first step of training. Here: does nothing.

        A model in closed form is solved here and needs no training after; others may start from a solution, or from
        what only the activity tells, such as correlations.

        Args:
            train: Session name -> training part, standardised.
            validation: Session name -> validation part, to choose what is left to choose.

        Returns:
            Whether the model can forecast now, so that this start competes with the epochs that follow.
        """
        return False

    def adopt(self, other: "Forecaster") -> None:
        """Takes over and freezes what sessions share in a fitted model of the same kind, to learn only what is new.

        Neurons that the other model knows by their id start from the embedding that they have there.
        """
        for name in self.shared:
            part, fitted = getattr(self, name), getattr(other, name)
            if part is not None:
                part.load_state_dict(fitted.state_dict())
                part.requires_grad_(False)
        embedding, known = getattr(self, "embedding", None), getattr(other, "embedding", None)
        if isinstance(embedding, NeuronEmbedding) and isinstance(known, NeuronEmbedding):
            embedding.adopt(known)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        raise NotImplementedError

    def loss(self, forecast: Forecast, window: Window) -> Tensor:
        """What training makes small: here the mean squared error of the forecast, and the penalty."""
        return torch.nn.functional.mse_loss(forecast.activity, window.target) + forecast.penalty

    def connectivity(self, session: Session) -> Tensor:
        r"""Functional connectivity :math:`(N, N)`: ``[i, j]`` is the effect of neuron j on neuron i.

        It is what one more unit of j's activity adds to i's next bin, averaged over the windows of ``session``, which
        should be the training part, standardised as in training: here the mean Jacobian of the forecast
        (:func:`~synapsnet_pyg.models.jacobian.mean_jacobian`), which every model has. A model with weights of its own
        tells the same from them.

        Raises:
            ValueError: No segment is longer than the window.
        """
        return mean_jacobian(self, session, self.window)

    def connectivity_at(self, window: Window) -> Tensor:
        r"""Functional connectivity in each window :math:`(B, N, N)`: that from its newest bin to the next.

        Here the Jacobian of each window's forecast (:func:`~synapsnet_pyg.models.jacobian.jacobians`), whose
        mean over windows is the mean Jacobian. A model with a connectivity that changes in time tells that instead.
        """
        return jacobians(self, window)

    def without_edge(self, session: str, sender: int, receiver: int) -> Callable[[Window], Forecast]:
        """Returns the model with one weight of its connectivity set to zero; here raises an error.

        Args:
            session: Name of the session.
            sender: Row of the neuron that sends.
            receiver: Row of the neuron that receives.

        Raises:
            ValueError: The model has no weights of its own, or not this one.
        """
        raise ValueError(
            f"Expected a SynapsNet with functional connectivity (got {type(self).__name__}); "
            "other models have no edge to remove, silence the sender instead."
        )

    @classmethod
    def upgrade(cls, state: Mapping[str, object]) -> dict[str, object]:
        """Returns saved parameters under the names of this version; see :attr:`renamed`."""
        upgraded = {}
        for name, value in state.items():
            for old, new in cls.renamed.items():
                name = re.sub(old, new, name)
            upgraded[name] = value
        return upgraded

    def index_of(self, session: str) -> int:
        """Place of a session among those that the model was made for.

        Raises:
            KeyError: The model does not know it.
        """
        for index, name in enumerate(self.sessions):
            if name == session:
                return index
        raise KeyError(f"This model knows the sessions {list(self.sessions)} (not '{session}').")
