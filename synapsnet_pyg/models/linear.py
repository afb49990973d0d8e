"""Linear forecasts in closed form: the anchors that every network has to beat."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.models.forecaster import Forecast, Forecaster, Recorded
from synapsnet_pyg.session import Session
from synapsnet_pyg.windows import Window


class ClosedForm(Forecaster):
    """A forecaster that is solved, not trained."""

    def solve(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> None:
        """Finds the weights from the training parts; what is left to choose, from the validation parts.

        Args:
            train: Session name -> training part, standardised.
            validation: Session name -> validation part.
        """
        raise NotImplementedError


class VectorAutoregression(ClosedForm):
    r"""Ridge VAR(p) with behaviour: every neuron's next bin, linear in all neurons' last p bins.

    .. math::
        \hat a(t + 1) = \sum_{l=1}^{p} C_l\, a(t + 1 - l) + D\, b(t) + c, \qquad
        [C_1 \ldots C_p\ D] = Y_0 U_0^\top (U_0 U_0^\top + \lambda)^{-1}

    with :math:`U = [a(t); \ldots; a(t + 1 - p); b(t)]`, :math:`Y = a(t + 1)` and index 0 for "minus its mean", so that
    the intercept is not penalised. :math:`\lambda` is the one of a logarithmic grid with the smallest squared error
    on the validation part, for each session. Only sums over bins are kept, so that the recording is read once, a
    stretch at a time.

    Args:
        sessions: Who is recorded in each session.
        lags: p.
        ridges: Candidates for :math:`\lambda`, absolute (not multiplied by the number of bins). None: decades
            from 1 to 1e6.

    Raises:
        ValueError: No candidate is given, or one is negative.
    """

    def __init__(self, sessions: Iterable[Recorded], lags: int = 1, ridges: Sequence[float] | None = None) -> None:
        super().__init__(sessions, window=lags)
        self.lags = lags
        self.ridges = [10.0**k for k in range(7)] if ridges is None else list(ridges)
        if not self.ridges or min(self.ridges) < 0:
            raise ValueError(f"Expected candidates for the ridge, none negative (got {self.ridges}).")
        for s, population in enumerate(self.populations.values()):
            N = len(population.neuron_id)
            self.register_buffer(f"coefficients_{s}", torch.zeros(N, N * lags + self.num_behaviours))
            self.register_buffer(f"intercept_{s}", torch.zeros(N))
            self.register_buffer(f"ridge_{s}", torch.tensor(0.0))

    def solve(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> None:
        """Solves each session by itself.

        Raises:
            ValueError: A part has no segment of more than p bins.
        """
        for s, name in enumerate(self.populations):
            moments = _moments(train[name], self.lags)
            candidates = self.ridges
            if len(candidates) > 1:
                held_out = _moments(validation[name], self.lags)
                errors = [held_out.squared_error(*moments.solution(ridge)) for ridge in candidates]
                best = candidates[int(torch.tensor(errors).argmin())]
            else:
                best = candidates[0]
            coefficients, intercept = moments.solution(best)
            for key, value in (("coefficients", coefficients), ("intercept", intercept), ("ridge", torch.tensor(best))):
                setattr(self, f"{key}_{s}", value.to(train[name].activity))

    def forward(self, window: Window) -> Forecast:
        """Forecasts from the last p bins before each target."""
        s = self.index_of(window.session)
        coefficients, intercept = self.get_buffer(f"coefficients_{s}"), self.get_buffer(f"intercept_{s}")
        lagged, behaviour = _newest(window, self.lags)
        inputs = torch.cat([*lagged, behaviour], dim=1)
        return Forecast(coefficients @ inputs + intercept[:, None])

    def connectivity(self, session: Session) -> Tensor:
        """The block of lag 1, :math:`C_1`."""
        return self.get_buffer(f"coefficients_{self.index_of(session.name)}")[:, : session.num_neurons]


class Autoregression(ClosedForm):
    r"""AR(p) with behaviour: every neuron from its own last p bins, by least squares.

    .. math::
        \hat a_i(t + 1) = \sum_{l=1}^{p} c_{il}\, a_i(t + 1 - l) + d_i \cdot b(t) + c_{i0}

    Args:
        sessions: Who is recorded in each session.
        lags: p.
    """

    def __init__(self, sessions: Iterable[Recorded], lags: int = 5) -> None:
        super().__init__(sessions, window=lags)
        self.lags = lags
        for s, population in enumerate(self.populations.values()):
            self.register_buffer(
                f"coefficients_{s}", torch.zeros(len(population.neuron_id), lags + self.num_behaviours)
            )
            self.register_buffer(f"intercept_{s}", torch.zeros(len(population.neuron_id)))

    def solve(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> None:
        """Solves each neuron by itself; the validation part is unused.

        Raises:
            ValueError: A part has no segment of more than p bins.
        """
        for s, name in enumerate(self.populations):
            part = train[name]
            solutions = []
            for row in part.activity:
                alone = Session(row[None], part.behaviour, part.bin_size, part.segment, name=name)
                # Least squares, but for the smallest ridge that keeps a constant neuron solvable.
                solutions.append(_moments(alone, self.lags).solution(1e-6))
            setattr(self, f"coefficients_{s}", torch.cat([c for c, _ in solutions]).to(part.activity))
            setattr(self, f"intercept_{s}", torch.cat([c for _, c in solutions]).to(part.activity))

    def forward(self, window: Window) -> Forecast:
        """Forecasts from each neuron's own last p bins and the newest behaviour."""
        s = self.index_of(window.session)
        coefficients, intercept = self.get_buffer(f"coefficients_{s}"), self.get_buffer(f"intercept_{s}")
        lagged, behaviour = _newest(window, self.lags)
        own = sum(a * coefficients[:, lag, None] for lag, a in enumerate(lagged))
        return Forecast(own + coefficients[:, self.lags :] @ behaviour + intercept[:, None])

    def connectivity(self, session: Session) -> Tensor:
        """Every neuron drives itself alone, by its coefficient of lag 1."""
        return torch.diag(self.get_buffer(f"coefficients_{self.index_of(session.name)}")[:, 0])


def _newest(window: Window, lags: int) -> tuple[list[Tensor], Tensor]:
    """For each target the activity of the last ``lags`` bins, newest first [B, N, P], and the behaviour [B, K, P]."""
    P, L = window.target.shape[-1], window.activity.shape[-1]
    if lags > L - P + 1:
        raise ValueError(f"Expected windows of at least {lags} past bins (got {L - P + 1}).")
    lagged = [window.activity[..., L - P - lag : L - lag] for lag in range(lags)]
    return lagged, window.behaviour[:, L - P :].transpose(1, 2)


class _Moments(NamedTuple):
    """Means over bins of inputs u, targets y and their products, in float64."""

    bins: int
    u: Tensor
    y: Tensor
    uu: Tensor
    yu: Tensor
    yy: Tensor

    def solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Coefficients and intercept of the ridge regression."""
        covariance = self.uu - torch.outer(self.u, self.u)
        cross = self.yu - torch.outer(self.y, self.u)
        penalised = covariance + torch.eye(len(self.u), dtype=covariance.dtype, device=covariance.device) * (
            ridge / self.bins
        )
        factor, failed = torch.linalg.cholesky_ex(penalised)
        if int(failed):  # without a ridge the inputs can be dependent: least squares of least norm
            coefficients = cross @ torch.linalg.pinv(penalised, hermitian=True)
        else:
            coefficients = torch.cholesky_solve(cross.t(), factor).t()
        return coefficients, self.y - coefficients @ self.u

    def squared_error(self, coefficients: Tensor, intercept: Tensor) -> float:
        """Mean squared error of a solution on these bins, from the moments alone."""
        error = (
            self.yy.sum()
            - 2 * (coefficients * self.yu).sum()
            - 2 * intercept @ self.y
            + (coefficients @ self.uu * coefficients).sum()
            + 2 * intercept @ (coefficients @ self.u)
            + intercept @ intercept
        )
        return float(error)


def _moments(session: Session, lags: int, chunk: int = 4096) -> _Moments:
    """Gathers the moments a stretch at a time; no pair of input and target crosses a segment's border."""
    N, K = session.num_neurons, session.num_behaviours
    zeros = session.activity.new_zeros
    u, uu = zeros(N * lags + K, dtype=torch.float64), zeros(N * lags + K, N * lags + K, dtype=torch.float64)
    y, yy = zeros(N, dtype=torch.float64), zeros(N, dtype=torch.float64)
    yu = zeros(N, N * lags + K, dtype=torch.float64)
    count = 0
    for begin, end in session.segment.tolist():
        for start in range(begin + lags, end, chunk):
            stop = min(start + chunk, end)
            past = [session.activity[:, start - lag : stop - lag] for lag in range(1, lags + 1)]
            U = torch.cat([*past, session.behaviour[start - 1 : stop - 1].t()]).double()
            Y = session.activity[:, start:stop].double()
            count += stop - start
            u += U.sum(1)
            y += Y.sum(1)
            uu.addmm_(U, U.t())
            yu.addmm_(Y, U.t())
            yy += Y.square().sum(1)
    if count == 0:
        raise ValueError(f"Expected a segment of more than {lags} bins in session '{session.name}' (all are shorter).")
    return _Moments(count, u / count, y / count, uu / count, yu / count, yy / count)
