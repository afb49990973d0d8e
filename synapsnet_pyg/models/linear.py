"""Linear forecasts in closed form, with which every network is compared."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.bin_pairs import pairs_of_bins
from synapsnet_pyg.regression.least_squares import RIDGES, newest_bins, ridge_regression


class VectorAutoregression(Forecaster):
    r"""Ridge VAR(p) with behaviour: a linear forecast from all neurons' last p bins.

    .. math::
        \hat a(t + 1) = \sum_{l=1}^{p} C_l\, a(t + 1 - l) + D\, b(t) + c, \qquad
        [C_1 \ldots C_p\ D] = Y_0 U_0^\top (U_0 U_0^\top + \lambda)^{-1}

    with :math:`U = [a(t); \ldots; a(t + 1 - p); b(t)]` and :math:`Y = a(t + 1)`. Index 0 means that the mean is
    subtracted, so that the intercept is not penalised. For each session :math:`\lambda` is the candidate with the
    smallest squared error on the validation part. Only sums over bins are kept, so that a recording is read once.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        lags: Number of past bins p.
        ridges: Candidates for :math:`\lambda`, on the scale of sums over bins. None: decades from 1 to 1e6.

    Raises:
        ValueError: No candidate is given, or one is negative.
    """

    def __init__(
        self, sessions: Iterable[Session | SessionInfo], lags: int = 1, *, ridges: Sequence[float] | None = None
    ) -> None:
        super().__init__(sessions, window=lags)
        self.lags = lags
        self.ridges = list(RIDGES if ridges is None else ridges)
        if not self.ridges or min(self.ridges) < 0:
            raise ValueError(f"Expected candidates for the ridge, none negative (got {self.ridges}).")
        for s, info in enumerate(self.sessions.values()):
            N = len(info.neuron_id)
            self.register_buffer(f"coefficients_{s}", torch.zeros(N, N * lags + self.num_behaviours))
            self.register_buffer(f"intercept_{s}", torch.zeros(N))
            self.register_buffer(f"ridge_{s}", torch.tensor(0.0))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Solves the regression of each session; returns True, since no training is needed.

        Raises:
            ValueError: A part has no segment of more than p bins.
        """
        for s, name in enumerate(self.sessions):
            solution = ridge_regression(train[name], validation[name], self.lags, ridges=self.ridges)
            for key, value in solution._asdict().items():
                setattr(self, f"{key}_{s}", torch.as_tensor(value).to(train[name].activity))
        return True

    def forward(self, window: Window) -> Forecast:
        """Forecasts from the last p bins before each target."""
        s = self.index_of(window.session)
        coefficients, intercept = self.get_buffer(f"coefficients_{s}"), self.get_buffer(f"intercept_{s}")
        lagged, behaviour = newest_bins(window, self.lags)
        inputs = torch.cat([*lagged, behaviour], dim=1)
        forecast = torch.einsum("nc,bcp->bnp", coefficients, inputs)  # one product; @ multiplies window by window
        return Forecast(forecast + intercept[:, None])

    def connectivity(self, session: Session) -> Tensor:
        """Returns the coefficients of lag 1, :math:`C_1`."""
        return self.get_buffer(f"coefficients_{self.index_of(session.name)}")[:, : session.num_neurons]


class Autoregression(Forecaster):
    r"""AR(p) with behaviour: a linear forecast from a neuron's own last p bins, by least squares.

    .. math::
        \hat a_i(t + 1) = \sum_{l=1}^{p} c_{il}\, a_i(t + 1 - l) + d_i \cdot b(t) + c_{i0}

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        lags: Number of past bins p.
    """

    def __init__(self, sessions: Iterable[Session | SessionInfo], lags: int = 5) -> None:
        super().__init__(sessions, window=lags)
        self.lags = lags
        for s, info in enumerate(self.sessions.values()):
            N = len(info.neuron_id)
            self.register_buffer(f"coefficients_{s}", torch.zeros(N, lags + self.num_behaviours))
            self.register_buffer(f"intercept_{s}", torch.zeros(N))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Solves the regression of each neuron; returns True, since no training is needed.

        The validation part is unused.

        Raises:
            ValueError: A part has no segment of more than p bins.
        """
        for s, name in enumerate(self.sessions):
            coefficients, intercept = _own_regressions(train[name], self.lags)
            setattr(self, f"coefficients_{s}", coefficients.to(train[name].activity))
            setattr(self, f"intercept_{s}", intercept.to(train[name].activity))
        return True

    def forward(self, window: Window) -> Forecast:
        """Forecasts from each neuron's own last p bins and the newest behaviour."""
        s = self.index_of(window.session)
        coefficients, intercept = self.get_buffer(f"coefficients_{s}"), self.get_buffer(f"intercept_{s}")
        lagged, behaviour = newest_bins(window, self.lags)
        own = sum(a * coefficients[:, lag, None] for lag, a in enumerate(lagged))
        return Forecast(own + coefficients[:, self.lags :] @ behaviour + intercept[:, None])

    def connectivity(self, session: Session) -> Tensor:
        """Returns a diagonal matrix of the coefficients of lag 1, since no neuron drives another."""
        return torch.diag(self.get_buffer(f"coefficients_{self.index_of(session.name)}")[:, 0])


def _own_regressions(part: Session, lags: int) -> tuple[Tensor, Tensor]:
    """Solves the least squares of each neuron on its own last p bins and the behaviour.

    Args:
        part: Training part.
        lags: Number of past bins p.

    Returns:
        Coefficients [N, p + K] and intercepts [N].

    Raises:
        ValueError: There is no segment of more than p bins.
    """
    N, U = part.num_neurons, lags + part.num_behaviours
    zeros = part.activity.new_zeros
    u, y = zeros(N, U, dtype=torch.float64), zeros(N, dtype=torch.float64)
    uu, uy, bins = zeros(N, U, U, dtype=torch.float64), zeros(N, U, dtype=torch.float64), 0
    for pairs in pairs_of_bins(part, lags, chunk=max(1, 2**22 // (N * U))):
        own = torch.stack(pairs.seen, dim=1)
        inputs = torch.cat([own, pairs.behaviour.expand(N, -1, -1)], dim=1).double()  # [N, U, n]
        target = pairs.target.double()
        uu.baddbmm_(inputs, inputs.transpose(1, 2))
        uy += (inputs @ target[..., None])[..., 0]
        u, y, bins = u + inputs.sum(2), y + target.sum(1), bins + target.shape[1]
    u, y = u / bins, y / bins
    # A tiny ridge keeps the regression of a constant neuron solvable.
    covariance = uu / bins - u[:, :, None] * u[:, None] + torch.eye(U).to(uu) * (1e-6 / bins)
    cross = (uy / bins - y[:, None] * u)[..., None]
    factor, failed = torch.linalg.cholesky_ex(covariance)
    coefficients = torch.cholesky_solve(cross, factor)
    if bool(failed.any()):  # dependent inputs: the solution of least norm
        rows = failed.nonzero()[:, 0]
        coefficients[rows] = torch.linalg.pinv(covariance[rows], hermitian=True) @ cross[rows]
    coefficients = coefficients[..., 0]
    return coefficients, y - (coefficients * u).sum(1)
