"""One model for each session, behind one call."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class PerSession(Forecaster):
    """As many models as sessions, for kinds of model that know one session only. They share nothing.

    Training fits one after the other, so that each is what it would be alone.

    Args:
        sessions: Who is recorded in each session.
        make: What makes the model of one session.
        arguments: Of each model.
    """

    def __init__(
        self, sessions: Iterable[Session | SessionInfo], make: Callable[..., Forecaster], arguments: Mapping[str, Any]
    ) -> None:
        super().__init__(sessions)
        self.parts = torch.nn.ModuleList(make([one], **arguments) for one in self.sessions.values())
        first = self.part(next(iter(self.sessions)))
        # What is saved and told is the kind of model, not this wrapper.
        self.window, self.arguments = first.window, first.arguments

    @property
    def kind(self) -> str:
        """Name of the model of each session, not of this wrapper."""
        return self.part(next(iter(self.sessions))).kind

    def part(self, session: str) -> Forecaster:
        """The model of one session."""
        found = self.parts[self.index_of(session)]
        assert isinstance(found, Forecaster)
        return found

    def forward(self, window: Window) -> Forecast:
        """What the session's model says."""
        forecast: Forecast = self.part(window.session)(window)
        return forecast

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Each for itself."""
        able = [self.part(s).initialise({s: train[s]}, {s: validation[s]}) for s in self.sessions]
        return all(able)

    def connectivity(self, session: Session) -> Tensor:
        """What the session's model tells."""
        return self.part(session.name).connectivity(session)

    def connectivity_at(self, window: Window) -> Tensor:
        """What the session's model tells."""
        return self.part(window.session).connectivity_at(window)
