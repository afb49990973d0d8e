"""Forecaster that holds one model for each session."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class PerSession(Forecaster):
    """One model for each session, for classes of models that know one session only. The models share nothing.

    Training fits the models one after the other, each as it would be fitted alone.

    Args:
        sessions: Sessions, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        make: Class or function that makes the model of one session.
        arguments: Arguments of each model.
    """

    def __init__(
        self, sessions: Iterable[Session | SessionInfo], make: Callable[..., Forecaster], arguments: Mapping[str, Any]
    ) -> None:
        super().__init__(sessions)
        self.parts = torch.nn.ModuleList(make([info], **arguments) for info in self.sessions.values())
        first = self.part(next(iter(self.sessions)))
        # A saved file describes the model of one session, not this wrapper.
        self.window, self.horizon, self.arguments = first.window, first.horizon, first.arguments

    @property
    def kind(self) -> str:
        """Name of the model of each session, not of this wrapper."""
        return self.part(next(iter(self.sessions))).kind

    def part(self, session: str) -> Forecaster:
        """Returns the model of one session.

        Raises:
            KeyError: There is no such session.
        """
        part = self.parts[self.index_of(session)]
        assert isinstance(part, Forecaster)
        return part

    def forward(self, window: Window) -> Forecast:
        """Forecasts by the model of the window's session."""
        forecast: Forecast = self.part(window.session)(window)
        return forecast

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Initialises each model by its own session; returns True if all can forecast now."""
        ready = [self.part(s).initialise({s: train[s]}, {s: validation[s]}) for s in self.sessions]
        return all(ready)

    def connectivity(self, session: Session) -> Tensor:
        """Returns the connectivity of the session's model."""
        return self.part(session.name).connectivity(session)

    def connectivity_at(self, window: Window) -> Tensor:
        """Returns the connectivity in each window by the model of its session."""
        return self.part(window.session).connectivity_at(window)
