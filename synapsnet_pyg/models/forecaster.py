"""Base class of all models, and the result of a call."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.files import require_distinct
from synapsnet_pyg.models.jacobian import jacobians, mean_jacobian
from synapsnet_pyg.models.registry import kind_of, part_name
from synapsnet_pyg.nn.evaluating import evaluating as evaluating
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding


class Forecast(NamedTuple):
    """Result of a forecaster for a batch of windows."""

    activity: Tensor
    """Forecast of the bin after each of the last P positions: [B, N, P]."""
    current: Tensor | None = None
    """Input current of every neuron at every position [B, N, L], from models that have one."""
    penalty: Tensor | float = 0.0
    """Penalty that training adds to the error."""
    future: Tensor | None = None
    """Forecast of the H bins after each of the last P positions [B, N, P, H], from models that forecast them directly;
    its first bin is ``activity``."""

    @classmethod
    def direct(cls, future: Tensor, *, penalty: Tensor | float = 0.0) -> "Forecast":
        """Returns the result of a model that forecasts several bins directly.

        Args:
            future: Forecast of the H bins after each of the last P positions :math:`(B, N, P, H)`.
            penalty: Penalty that training adds to the error.
        """
        return cls(future[..., 0], penalty=penalty, future=future)


class Forecaster(torch.nn.Module):
    r"""Base class of all models: ``model(window) -> Forecast``.

    The forecast's activity :math:`(B, N, P)` predicts the bin after each of the last P positions of the window. Each
    prediction sees its position and earlier ones only. P is read from ``window.target``. All models are called in this
    way; the docstring of a model names the inputs that it does not use.

    A subclass calls ``super().__init__(sessions, window)`` and defines :meth:`forward`. It overrides
    :meth:`connectivity` if it has weights of its own, and :meth:`initialise` if it needs the training parts before
    training. A model that forecasts H bins directly sets ``horizon`` and returns :meth:`Forecast.direct`; other models
    forecast further ahead by feeding their forecasts back
    (:func:`~synapsnet_pyg.models.forecasting.forecast_ahead`).

    ``arguments`` keeps the arguments of a model, so that :func:`~synapsnet_pyg.models.checkpoint.load_model` can build
    it again. They must be numbers, texts, tensors, or classes and functions that can be imported by name.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W that a forecast sees at least.
        horizon: Number of bins H that the model forecasts directly.

    Attributes:
        sessions: Session name -> neurons, behaviours and length of the session, without the recording.
        arguments: Name -> value of every argument but the sessions.

    Raises:
        ValueError: There is no session, two sessions have the same name, sessions differ in their behaviours, window or
            horizon is below 1, or an argument is a class or function that cannot be imported by name.
    """

    arguments: dict[str, Any]
    one_session: ClassVar[bool] = False
    """True if a model of this class knows a single session; several sessions then have a model each."""
    shared: ClassVar[tuple[str, ...]] = ()
    """Names of the parts that all sessions share; :meth:`adopt` copies them."""
    per_session: ClassVar[tuple[str, ...]] = ()
    """Names of module lists with one item for each session, whose parameters no other session uses, while every session
    uses all other parameters. :meth:`initialise` then sets the items of the sessions that it is given. Processes of a
    fit divide the sessions of such a model among themselves."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Regular expressions of parameter names of earlier versions -> the names of this version."""
    earlier: ClassVar[Mapping[str, Any]] = {}
    """Argument that earlier versions lacked -> its value that gives their models."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "Forecaster":
        """Keeps the arguments of the new model in ``arguments``."""
        model = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
        bound.apply_defaults()
        arguments = {key: value for key, value in bound.arguments.items() if key not in ("self", "sessions")}
        for key, value in arguments.items():
            part_name(key, value)  # raises an error now rather than when the fitted model is saved
        object.__setattr__(model, "arguments", arguments)
        return model

    def __reduce__(self) -> tuple[Any, ...]:
        """Returns how :mod:`copy` and :mod:`pickle` make the model again: from its state, without its arguments."""
        return torch.nn.Module.__new__, (type(self),), self.__dict__

    def __init__(self, sessions: Iterable[Session | SessionInfo], window: int = 5, horizon: int = 1) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"Expected a window of at least 1 past bin (got {window}).")
        if horizon < 1:
            raise ValueError(f"Expected a horizon of at least 1 bin (got {horizon}).")
        self.window, self.horizon = window, horizon
        self.sessions: dict[str, SessionInfo] = {}
        given = list(sessions)
        require_distinct([session.name for session in given])
        for session in given:
            self.sessions[session.name] = SessionInfo.of(session)
        names = {tuple(info.behaviour_name) for info in self.sessions.values()}
        if len(names) > 1:
            raise ValueError(
                "Expected the same behaviours in all sessions fitted together (got "
                + "; ".join(f"'{s.name}': {', '.join(s.behaviour_name) or 'none'}" for s in self.sessions.values())
                + "); convert them with the same --behaviour, or without."
            )
        if not names:
            raise ValueError("Expected at least one session (got none).")
        self.num_behaviours = len(names.pop())

    @property
    def kind(self) -> str:
        """Name under which :func:`~synapsnet_pyg.models.registry.build_model` builds such a model."""
        return kind_of(self)

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Sets first parameters from the training parts, once before training. The base class does nothing.

        A model in closed form is solved here and needs no training. Other models may start from such a solution, or
        from statistics of the activity such as correlations.

        Args:
            train: Session name -> training part, standardised.
            validation: Session name -> validation part, to choose hyperparameters such as a ridge.

        Returns:
            True if the model can forecast now. Training then keeps these parameters unless a later epoch is better.
        """
        return False

    def begin_training(self) -> None:
        """Changes a start that could forecast into one to train from, before the first epoch. Here it does nothing."""
        return

    def learning_rates(self) -> dict[str, float]:
        """Returns regular expression of parameter names -> factor of the learning rate; others have the factor 1.

        Training asks after :meth:`initialise`. No name may match two expressions.
        """
        return {}

    def adopt(self, other: "Forecaster") -> None:
        """Copies the parts that sessions share from a fitted model of the same class, and freezes them.

        Training then changes the parameters of single sessions only. Neurons with an embedding in the other model, by
        their ids, start from it.

        Args:
            other: Fitted model of the same class and sizes.
        """
        for name in self.shared:
            part, fitted = getattr(self, name), getattr(other, name)
            if part is not None:
                part.load_state_dict(fitted.state_dict())
                part.requires_grad_(False)
        embedding, fitted_embedding = getattr(self, "embedding", None), getattr(other, "embedding", None)
        if isinstance(embedding, NeuronEmbedding) and isinstance(fitted_embedding, NeuronEmbedding):
            embedding.adopt(fitted_embedding)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        raise NotImplementedError

    def loss(self, forecast: Forecast, window: Window) -> Tensor:
        """Returns the loss that training minimises; in the base class squared error, over all H bins, plus penalty."""
        if forecast.future is None:
            return torch.nn.functional.mse_loss(forecast.activity, window.target) + forecast.penalty
        return torch.nn.functional.mse_loss(forecast.future, window.ahead) + forecast.penalty

    def distribution(self, forecast: Tensor, session: str) -> Distribution | None:
        """Returns the distribution of the bins ahead in the units of the recording; None without a likelihood.

        Args:
            forecast: Forecast :math:`(B, N, P, H)`, standardised.
            session: Name of the session.
        """
        return None

    def connectivity(self, session: Session) -> Tensor:
        r"""Returns the functional connectivity :math:`(N, N)`: ``[i, j]`` is the effect of neuron j on neuron i.

        The effect is the change of i's forecast for a change of 1 in j's newest activity, averaged over windows. The
        base class computes the mean Jacobian of the forecast
        (:func:`~synapsnet_pyg.models.jacobian.mean_jacobian`). A model with weights of its own computes the effect
        from them.

        Args:
            session: Training part, standardised as in training.

        Raises:
            ValueError: No segment is longer than the window.
        """
        return mean_jacobian(self, session, self.window)

    def connectivity_at(self, window: Window) -> Tensor:
        r"""Returns the functional connectivity :math:`(B, N, N)` from the newest bin of each window to the next bin.

        The base class computes the Jacobian of each window's forecast
        (:func:`~synapsnet_pyg.models.jacobian.jacobians`); the mean over windows is the mean Jacobian. A model with
        weights that change in time returns these.

        Args:
            window: Batch of B windows, standardised as in training.
        """
        return jacobians(self, window)

    def without_edges(
        self, session: str, edges: Tensor, *, silent: Tensor | None = None
    ) -> Callable[[Window], Forecast]:
        """Returns the model without some edges of its connectivity; the base class raises an error.

        Args:
            session: Name of the session.
            edges: Mask of these edges :math:`(N, N)`, ``[i, j]`` the edge from j to i.
            silent: Activity of each neuron :math:`(N)` that removed edges send all the time; None: zero.

        Raises:
            ValueError: The model has no weights of its own, the mask has another shape, or a pair has no weight.
        """
        raise ValueError(
            f"Expected a SynapsNet with functional connectivity (got {type(self).__name__}); "
            "other models have no edges to remove, silence the sender instead."
        )

    def without_edge(self, session: str, sender: int, receiver: int) -> Callable[[Window], Forecast]:
        """Returns the model with one weight of its connectivity set to zero; see :meth:`without_edges`.

        Args:
            session: Name of the session.
            sender: Row of the neuron that sends.
            receiver: Row of the neuron that receives.

        Raises:
            ValueError: The model has no weights of its own, or no such weight.
        """
        N = len(self.sessions[session].neuron_id)
        return self.without_edges(session, edge_mask(N, sender, receiver))

    @classmethod
    def upgrade(cls, state: Mapping[str, object]) -> dict[str, object]:
        """Returns saved parameters under the names of this version; see :attr:`renamed`.

        Args:
            state: Saved name -> value.
        """
        upgraded = {}
        for name, value in state.items():
            for old, new in cls.renamed.items():
                name = re.sub(old, new, name)
            upgraded[name] = value
        return upgraded

    def index_of(self, session: str) -> int:
        """Returns the index of a session among the sessions of the model.

        Args:
            session: Name of the session.

        Raises:
            KeyError: The model does not know the session.
        """
        for index, name in enumerate(self.sessions):
            if name == session:
                return index
        raise KeyError(f"This model knows the sessions {list(self.sessions)} (not '{session}').")


def edge_mask(num_neurons: int, sender: int, receiver: int) -> Tensor:
    """Returns a mask [N, N] of one edge, ``[i, j]`` the edge from j to i.

    Args:
        num_neurons: Number of neurons N.
        sender: Row of the neuron that sends.
        receiver: Row of the neuron that receives.

    Raises:
        ValueError: There is no such pair.
    """
    if not (0 <= sender < num_neurons and 0 <= receiver < num_neurons):
        raise ValueError(f"Expected an edge of the model (got {sender} -> {receiver}); choose a pair with a weight.")
    mask = torch.zeros(num_neurons, num_neurons, dtype=torch.bool)
    mask[receiver, sender] = True
    return mask
