"""Perturbations in silico: silencing or driving neurons, removing edges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster, edge_mask


class Perturbation:
    """Base class of all perturbations; a subclass changes the activity that enters the model, or the model."""

    kind: ClassVar[str]
    """Name of the kind of perturbation in tables."""

    def check(self, session: Session) -> None:
        """Raises an error if there is no such neuron or edge in the session."""

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin [B, N] as input of a step of the roll-out; steps count from 0."""
        return newest

    def model(self, model: Forecaster, session: Session) -> Callable[[Window], Forecast]:
        """Returns the model for the roll-out."""
        return model

    def source(self) -> int | None:
        """Returns the row of the perturbed neuron; None if it is not one neuron."""
        return None

    def source_name(self, session: Session) -> str:
        """Returns the id of the perturbed neuron, or SENDER:RECEIVER of a removed edge; empty if it is neither."""
        row = self.source()
        return "" if row is None else session.neuron_id[row]

    def removed(self, session: Session) -> Tensor | None:
        """Returns a mask [N, N] of the edges that are removed; None for no edges."""
        return None


@dataclass(frozen=True)
class NeuronPerturbation(Perturbation):
    """Base class of the perturbations of one neuron.

    Args:
        neuron: Row of the perturbed neuron.
    """

    neuron: int

    def check(self, session: Session) -> None:
        """Raises a ValueError if the session has no such row."""
        if not 0 <= self.neuron < session.num_neurons:
            raise ValueError(f"Expected a neuron among rows 0..{session.num_neurons - 1} (got {self.neuron}).")

    def source(self) -> int:
        """Returns the row of the perturbed neuron."""
        return self.neuron


@dataclass(frozen=True)
class Silence(NeuronPerturbation):
    """Perturbation that holds a neuron at one value from the newest bin on; earlier bins are as recorded.

    Args:
        neuron: Row of the neuron.
        value: Value in the unit of the session's activity; None: zero activity before standardisation.
    """

    kind = "silence"
    value: float | None = None

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin with the neuron at its value."""
        return _with(newest, self.neuron, silent_activity(session)[self.neuron] if self.value is None else self.value)


@dataclass(frozen=True)
class Drive(NeuronPerturbation):
    """Perturbation that adds activity to a neuron.

    Args:
        neuron: Row of the neuron.
        amount: Added activity, in the unit of the session's activity (standard deviations if standardised).
        held: Whether the amount is added at every step of the roll-out; False: a pulse at the first step.
    """

    kind = "stimulate"
    amount: float = 1.0
    held: bool = False

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin with the amount added to the neuron."""
        return _with(newest, self.neuron, newest[:, self.neuron] + self.amount) if self.held or step == 0 else newest


@dataclass(frozen=True, eq=False)
class DrivePattern(Perturbation):
    """Perturbation that adds a pattern of activity to all neurons.

    Args:
        pattern: Added activity of each neuron :math:`(N)`, in the unit of the session's activity.
        held: Whether the pattern is added at every step of the roll-out; False: a pulse at the first step.
    """

    kind = "stimulate_pattern"
    pattern: Tensor
    held: bool = False

    def check(self, session: Session) -> None:
        """Raises a ValueError if the pattern does not have a value for each neuron."""
        if self.pattern.shape != (session.num_neurons,):
            raise ValueError(f"Expected a pattern [{session.num_neurons}] (got {list(self.pattern.shape)}).")

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin with the pattern added."""
        return newest + self.pattern.to(newest) if self.held or step == 0 else newest


@dataclass(frozen=True, eq=False)
class RemoveEdges(Perturbation):
    """Perturbation that removes any edges at once; the common drive does not change.

    A receiver then gets through such an edge what a silent sender would send: zero activity before standardisation, as
    in :class:`Silence`. A weight of zero alone would leave the mean activity of the sender in the forecast.

    Args:
        edges: Mask of these edges :math:`(N, N)`, ``[i, j]`` the edge from j to i.
    """

    kind = "remove_edges"
    edges: Tensor

    def removed(self, session: Session) -> Tensor:
        """Returns the mask [N, N]."""
        return self.edges.bool()

    def model(self, model: Forecaster, session: Session) -> Callable[[Window], Forecast]:
        """Returns a copy of the model without these edges.

        Raises:
            ValueError: The model has no weight of one of the edges, or the mask has another shape.
        """
        return model.without_edges(session.name, self.edges, silent=silent_activity(session))


@dataclass(frozen=True)
class RemoveEdge(NeuronPerturbation):
    """Perturbation that removes the edge from a neuron to a receiver; see :class:`RemoveEdges`.

    Args:
        neuron: Row of the sender.
        receiver: Row of the receiver.
    """

    kind = "remove_edge"
    receiver: int

    def source_name(self, session: Session) -> str:
        """Returns SENDER:RECEIVER, by their ids."""
        return f"{session.neuron_id[self.neuron]}:{session.neuron_id[self.receiver]}"

    def removed(self, session: Session) -> Tensor:
        """Returns a mask [N, N] of the one edge."""
        return edge_mask(session.num_neurons, self.neuron, self.receiver)

    def model(self, model: Forecaster, session: Session) -> Callable[[Window], Forecast]:
        """Returns a copy of the model without the edge.

        Raises:
            ValueError: The model has no weight of that edge.
        """
        return RemoveEdges(self.removed(session)).model(model, session)


def silent_activity(session: Session) -> Tensor:
    """Returns the standardised activity [N] of each neuron when it is silent, zero before standardisation."""
    if "activity_scale" not in session:
        return session.activity.new_zeros(session.num_neurons)
    return -session.activity_mean / session.activity_scale


def _with(newest: Tensor, neuron: int, value: Tensor | float) -> Tensor:
    """Returns a copy of the newest bin [B, N] with a new value of one neuron."""
    changed = newest.clone()
    changed[:, neuron] = value
    return changed
