"""Names and length of a session, without its recording."""

from dataclasses import dataclass
from typing import Protocol


class Recorded(Protocol):
    """Interface of objects with the four fields of a :class:`SessionInfo`, such as sessions."""

    @property
    def name(self) -> str:
        """Name of the session."""

    @property
    def neuron_id(self) -> list[str]:
        """Ids of the N neurons."""

    @property
    def behaviour_name(self) -> list[str]:
        """Names of the K behaviours."""

    @property
    def num_bins(self) -> int:
        """Number of bins T."""


@dataclass(frozen=True)
class SessionInfo:
    """Names and length of a session, without its recording; saved with a model in place of its sessions.

    Args:
        name: Name of the session, unique among sessions that are fitted together.
        neuron_id: Ids of its N neurons.
        behaviour_name: Names of its K behaviours.
        num_bins: Number of bins T.

    Example:
        >>> import torch
        >>> from synapsnet_pyg import Session
        >>> SessionInfo.of(Session(torch.randn(2, 50), bin_size=0.1, name="demo"))
        SessionInfo(name='demo', neuron_id=['demo/0', 'demo/1'], behaviour_name=[], num_bins=50)
    """

    name: str
    neuron_id: list[str]
    behaviour_name: list[str]
    num_bins: int

    @classmethod
    def of(cls, session: Recorded) -> "SessionInfo":
        """Returns the names and the length of a session."""
        return cls(session.name, list(session.neuron_id), list(session.behaviour_name), session.num_bins)
