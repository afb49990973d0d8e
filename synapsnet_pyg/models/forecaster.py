"""The contract that every forecaster keeps, and the two that need no learning."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from synapsnet_pyg.models.jacobian import jacobians, mean_jacobian
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding
from synapsnet_pyg.session import Session
from synapsnet_pyg.windows import Window, cut


class Forecast(NamedTuple):
    """What a forecaster says about a window."""

    activity: Tensor
    """Forecast of the bin after each of the last P positions: [B, N, P]."""
    current: Tensor | None = None
    """Input current of every neuron at every position [B, N, L], from models that have one."""
    penalty: Tensor | float = 0.0
    """What training adds to the error."""


class Recorded(Protocol):
    """What a model needs to know of a session before it sees any activity. Every session tells it."""

    @property
    def name(self) -> str:
        """Unique among the sessions."""
        ...

    @property
    def neuron_id(self) -> list[str]:
        """One a neuron."""
        ...

    @property
    def behaviour_name(self) -> list[str]:
        """One a behaviour."""
        ...

    @property
    def num_bins(self) -> int:
        """Length of the recording."""
        ...


class Population(NamedTuple):
    """Who was recorded for how long, without the recording: what is saved with a model in place of its sessions."""

    name: str
    neuron_id: list[str]
    behaviour_name: list[str]
    num_bins: int


class Forecaster(torch.nn.Module):
    r"""Base class of all models: ``model(window) -> Forecast``.

    The forecast's activity :math:`(B, N, P)` predicts, for each of the last P positions of the window, the bin that
    follows it, from that position and earlier ones only. P is read from ``window.target``. The same call serves all
    models; what a model does not use it documents as unused.

    A subclass calls ``super().__init__(sessions, window)`` and defines :meth:`forward`, and :meth:`connectivity` where
    it has one. What it wants to know of the training parts before training it takes from :meth:`initialise`. Its
    arguments must be numbers, texts or parts that :mod:`synapsnet_pyg.models.registry` knows, and are
    remembered in ``arguments``, so that a saved model can be made again.

    Args:
        sessions: Who is recorded in each session that the model shall know.
        window: W, how many past bins a forecast sees at least.

    Raises:
        ValueError: Two sessions have one name, or sessions differ in their behaviours.
    """

    arguments: dict[str, Any]
    one_session: ClassVar[bool] = False
    """Whether the model can only be made for one session; several sessions then have a model each."""
    shared: ClassVar[tuple[str, ...]] = ()
    """Names of the parts that all sessions share, which can be kept for a session that is new to the model."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "Forecaster":
        """Remembers the arguments."""
        model = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
        bound.apply_defaults()
        given = {key: value for key, value in bound.arguments.items() if key not in ("self", "sessions")}
        object.__setattr__(model, "arguments", given)
        return model

    def __init__(self, sessions: Iterable[Recorded], window: int = 5) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"Expected a window of at least 1 past bin (got {window}).")
        self.window = window
        self.populations: dict[str, Population] = {}
        for session in sessions:
            if session.name in self.populations:
                raise ValueError(f"Expected sessions of different names ('{session.name}' comes twice); rename one.")
            self.populations[session.name] = Population(
                session.name, list(session.neuron_id), list(session.behaviour_name), session.num_bins
            )
        names = {tuple(population.behaviour_name) for population in self.populations.values()}
        if len(names) > 1:
            raise ValueError(
                "Expected the same behaviours in all sessions fitted together (got "
                + "; ".join(f"'{p.name}': {', '.join(p.behaviour_name) or 'none'}" for p in self.populations.values())
                + ")."
            )
        if not names:
            raise ValueError("Expected at least one session (got none).")
        self.num_behaviours = len(names.pop())

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

    def index_of(self, session: str) -> int:
        """Place of a session among those that the model was made for.

        Raises:
            KeyError: The model does not know it.
        """
        for index, name in enumerate(self.populations):
            if name == session:
                return index
        raise KeyError(f"This model knows the sessions {list(self.populations)} (not '{session}').")


class Mean(Forecaster):
    """Forecasts zero, which for standardised activity is every neuron's mean. Behaviour and activity are unused."""

    def __init__(self, sessions: Iterable[Recorded]) -> None:
        super().__init__(sessions, window=1)

    def forward(self, window: Window) -> Forecast:
        """Zeros."""
        return Forecast(torch.zeros_like(window.target))

    def connectivity(self, session: Session) -> Tensor:
        """Nobody drives anybody."""
        return session.activity.new_zeros(session.num_neurons, session.num_neurons)


class Copy(Forecaster):
    r"""Forecasts that nothing changes: :math:`\hat a_i(t + 1) = a_i(t)`. Behaviour is unused."""

    def __init__(self, sessions: Iterable[Recorded]) -> None:
        super().__init__(sessions, window=1)

    def forward(self, window: Window) -> Forecast:
        """The newest activity."""
        return Forecast(window.activity[..., -window.target.shape[-1] :])

    def connectivity(self, session: Session) -> Tensor:
        """Every neuron drives itself alone."""
        return torch.eye(session.num_neurons, dtype=session.activity.dtype, device=session.activity.device)


class SessionForecast(NamedTuple):
    """Truth and forecast of a stretch of a recording."""

    bins: Tensor
    """The bins that were forecast, of the session given: [M]."""
    truth: Tensor
    """[N, M]."""
    forecast: Tensor
    """[N, M]."""


@torch.no_grad()
def forecast_session(
    model: Forecaster, session: Session, targets: int = 1, first: int | None = None, batch_size: int = 32
) -> SessionForecast:
    """Forecasts every bin of a session that has enough bins before it in its segment.

    Args:
        model: Any forecaster; it is put in evaluation mode for the time being.
        session: Standardised as in training; usually the validation or test part.
        targets: P, bins forecast in one go; what the model was trained with.
        first: Position of the first target in each segment, to compare models on the same bins.
        batch_size: Windows at a time; does not change the result.

    Raises:
        ValueError: No segment is long enough.
    """
    windows = cut(session, model.window, targets, first)
    if not windows:
        longest = int((session.segment[:, 1] - session.segment[:, 0]).max()) if len(session.segment) else 0
        raise ValueError(
            f"Expected a segment of more than {first or model.window} bins in session '{session.name}' "
            f"(the longest of this part has {longest}); use a shorter window or longer segments."
        )
    forecast = torch.full_like(session.activity, torch.nan)
    was_training = model.training
    model.eval()
    for shape in windows:
        for which in torch.arange(len(shape)).split(batch_size):
            values = model(shape.gather(which)).activity
            forecast[:, shape.target_bins(which).flatten()] = values.transpose(0, 1).flatten(1)
    model.train(was_training)
    bins = torch.cat([shape.target_bins(torch.arange(len(shape))).flatten() for shape in windows]).unique()
    begin, end = int(bins[0]), int(bins[-1]) + 1
    # Without gaps a view does; a copy of a long recording would cost as much memory as the recording.
    chosen = slice(begin, end) if end - begin == len(bins) else bins
    return SessionForecast(bins, session.activity[:, chosen], forecast[:, chosen])


@torch.no_grad()
def roll_out(
    model: Callable[[Window], Forecast],
    window: Window,
    horizon: int,
    future_behaviour: Tensor | None = None,
    shown: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """Forecasts several bins ahead by feeding one-step forecasts back as if they had been seen.

    Args:
        model: Any forecaster, in evaluation mode.
        window: The past; only its activity [B, N, L] and behaviour [B, L, K] are read.
        horizon: H, how many bins ahead.
        future_behaviour: [B, H - 1, K], what the behaviour will be; None holds its last value.
        shown: What the model sees in place of the newest bin [B, N] before each step, counted from 0:
            ``shown(newest, step)``. None: what was recorded, then what was forecast.

    Returns:
        What is forecast, [B, N, H].

    Raises:
        ValueError: ``horizon`` is below 1 or ``future_behaviour`` too short.
    """
    if horizon < 1:
        raise ValueError(f"Expected a horizon of at least 1 bin (got {horizon}).")
    activity, behaviour = window.activity, window.behaviour
    if future_behaviour is None:
        future_behaviour = behaviour[:, -1:].expand(-1, horizon - 1, -1)
    if future_behaviour.shape[1] < horizon - 1:
        raise ValueError(f"Expected behaviour of {horizon - 1} future bins (got {future_behaviour.shape[1]}).")
    L = activity.shape[-1]
    one = activity[..., :1]  # only its shape counts: one target
    ahead = []
    for step in range(horizon):
        if shown is not None:
            activity = torch.cat([activity[..., :-1], shown(activity[..., -1], step)[..., None]], dim=-1)
        ahead.append(model(Window(activity, behaviour, one, window.session)).activity)
        activity = torch.cat([activity, ahead[-1]], dim=-1)[..., -L:]
        behaviour = torch.cat([behaviour, future_behaviour[:, step : step + 1]], dim=1)[:, -L:]
    return torch.cat(ahead, dim=-1)
