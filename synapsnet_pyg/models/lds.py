"""Linear dynamical system: few latents with linear dynamics under noise, which drive all neurons."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, batches, windows_of
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.state_space import (
    StateSpace,
    begin_anywhere,
    expectation_maximisation,
    first_system,
    kalman_filter,
)

LATENTS = (2, 4, 8, 16)
"""Candidates for the number of latents k."""


class LDS(Forecaster):
    r"""Linear dynamical system with Gaussian noise.

    .. math::
        z(t + 1) = A\, z(t) + B\, b(t) + w(t), \qquad a(t) = C\, z(t) + d + v(t), \qquad
        w \sim \mathcal N(0, Q), \quad v \sim \mathcal N(0, \mathrm{diag}(r))

    Expectation maximisation with the Kalman smoother fits each session (Shumway and Stoffer 1982; Ghahramani and Hinton
    1996). The Kalman filter estimates the latents from the bins of a window, and the latents' dynamics forecast

    .. math::
        \hat a(t + h) = C \Big( A^h\, \hat z(t) + \sum_{j=0}^{h-1} A^j B\, b(t) \Big) + d

    with the behaviour held at its newest value. Before the first bin of a window the latents have the distribution of
    those of all bins of the training part. The more bins a window has, the better the latents are known.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins that are filtered.
        horizon: Number of bins H that are forecast directly.
        latents: Number of latents k. None: the one of 2, 4, 8 and 16 with the smallest squared error on the validation
            part over all H bins.
        steps: Largest number of steps of expectation maximisation.

    Raises:
        ValueError: ``latents`` or ``steps`` is below 1.
    """

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 10,
        horizon: int = 1,
        *,
        latents: int | None = None,
        steps: int = 50,
    ) -> None:
        super().__init__(sessions, window, horizon)
        if steps < 1 or (latents is not None and latents < 1):
            raise ValueError(f"Expected at least 1 latent and 1 step (got {latents} and {steps}).")
        self.latents, self.steps = LATENTS if latents is None else (latents,), steps
        for s, info in enumerate(self.sessions.values()):
            N, K = len(info.neuron_id), self.num_behaviours
            k = min(N, self.latents[-1])
            shapes = [(k, k), (k, K), (k, k), (N, k), (N,), (N,), (k,), (k, k)]
            for key, shape in zip(StateSpace._fields, shapes, strict=True):
                self.register_buffer(f"{key}_{s}", torch.ones(shape) if key == "noise" else torch.zeros(shape))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Fits the system of each session; returns True, since no training is needed.

        Raises:
            ValueError: A validation part has no segment of W + H bins.
        """
        for s, (name, info) in enumerate(self.sessions.items()):
            part, best, least = train[name], None, float("inf")
            for k in sorted({min(len(info.neuron_id), k) for k in self.latents}):
                fitted = expectation_maximisation(part, first_system(part, k), steps=self.steps)
                system = begin_anywhere(part, fitted.system)
                self._keep(s, system)
                error = self._squared_error(validation[name]) if len(self.latents) > 1 else 0.0
                if best is None or error < least:
                    best, least = system, error
            assert best is not None
            self._keep(s, best)
        return True

    def _keep(self, s: int, system: StateSpace) -> None:
        """Keeps the parameters of a session; latents that it lacks are zero."""
        for key, value in system._asdict().items():
            buffer = torch.zeros_like(self.get_buffer(f"{key}_{s}"))
            buffer[tuple(slice(size) for size in value.shape)] = value.to(buffer)
            setattr(self, f"{key}_{s}", buffer)

    @torch.no_grad()
    def _squared_error(self, part: Session) -> float:
        """Returns the squared error over all windows of a part and all H bins."""
        groups = windows_of(part, self.window, horizon=self.horizon)
        if not groups:
            raise ValueError(
                f"Expected a segment of at least {self.window + self.horizon} bins in session '{part.name}' (all of "
                "this part are shorter); use a shorter window or horizon, or longer segments."
            )
        total = 0.0
        for window in batches(groups[0], 256):
            future = self(window).future
            assert future is not None
            total += float((future - window.ahead).square().sum())
        return total

    def system(self, session: str) -> StateSpace:
        """Returns the parameters of a session in float64.

        Args:
            session: Name of the session.
        """
        s = self.index_of(session)
        return StateSpace(*(self.get_buffer(f"{key}_{s}").double() for key in StateSpace._fields))

    def forward(self, window: Window) -> Forecast:
        """Forecasts from the latents at each of the window's last P positions."""
        system, P = self.system(window.session), window.target.shape[-1]
        behaviour = window.behaviour.transpose(1, 2).double()
        evidence = system.evidence(window.activity.double())
        state = kalman_filter(system, evidence, behaviour).mean[-P:]  # [P, B, k]
        drive = torch.einsum("km,bmp->pbk", system.inputs, behaviour[..., -P:])
        ahead = []
        for _ in range(self.horizon):
            state = state @ system.transition.t() + drive
            ahead.append(state)
        future = torch.einsum("nk,hpbk->bnph", system.readout, torch.stack(ahead)) + system.offset[:, None, None]
        return Forecast.direct(future.to(window.activity))

    def connectivity(self, session: Session) -> Tensor:
        """Returns the effect of the newest of W bins on the next bin, by way of the latents."""
        system = self.system(session.name)
        nothing = system.offset.new_zeros
        evidence, behaviour = (
            nothing(1, len(system.transition), self.window),
            nothing(1, self.num_behaviours, self.window),
        )
        gain = kalman_filter(system, evidence, behaviour).covariance[-1] @ system.readout.t() / system.noise
        return (system.readout @ system.transition @ gain).to(session.activity)
