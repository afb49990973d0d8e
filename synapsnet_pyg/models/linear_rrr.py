"""Linear forecast of each neuron's own past, corrected by principal components of the population."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.regression.least_squares import RIDGES, Moments
from synapsnet_pyg.regression.own_past import contexts_and_futures, own_past_regression

LAGS = (1, 3, 6, 12)
"""Lags at which the population is seen; 1 is the newest bin."""
RANKS = (2, 4, 8, 16, 32)
"""Candidates for the number of principal components k."""
SHRINKAGES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidates for the factor of the correction."""


class LinearRRR(Forecaster):
    r"""Linear forecast with weights that neurons share, plus a reduced-rank correction by the population.

    .. math::
        \hat a_i(t + h) = \sum_{c=1}^{C} W_{hc}\, a_i(t + 1 - c)
        + \gamma \sum_{l \in \{1, 3, 6, 12\}} \sum_{m=1}^{k} B_{ihlm}\, p_m(t + 1 - l), \qquad p(t) = E^\top a(t)

    W is that of :class:`~synapsnet_pyg.models.own_past.OwnPast`. E are the first k principal components of the training
    part. B is the ridge regression of the errors of the first term on these components at lags of at most C. Ridge,
    :math:`k \in \{2, 4, 8, 16, 32\}` and :math:`\gamma \in \{0, 1/4, 1/2, 3/4, 1\}` have the smallest squared error on
    the validation part over all H bins. Behaviour is unused.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C.
        horizon: Number of bins H that are forecast directly.
    """

    def __init__(self, sessions: Iterable[Session | SessionInfo], window: int = 5, horizon: int = 1) -> None:
        super().__init__(sessions, window, horizon)
        self.lags = [lag for lag in LAGS if lag <= window]
        for s, info in enumerate(self.sessions.values()):
            N = len(info.neuron_id)
            k = min(N, RANKS[-1])
            self.register_buffer(f"weights_{s}", torch.zeros(horizon, window))
            self.register_buffer(f"components_{s}", torch.zeros(N, k))
            self.register_buffer(f"correction_{s}", torch.zeros(N, horizon, len(self.lags), k))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Solves both regressions of each session; returns True, since no training is needed.

        Raises:
            ValueError: A part has no segment of C + H bins.
        """
        for s, name in enumerate(self.sessions):
            part, held_out = train[name], validation[name]
            own = own_past_regression([part], [held_out], context=self.window, horizon=self.horizon)
            weights = own.coefficients.to(part.activity)
            components = principal_components(part, self.get_buffer(f"components_{s}").shape[1])
            seen, unseen = (_error_moments(p, weights, components, self.lags) for p in (part, held_out))
            setattr(self, f"weights_{s}", weights.contiguous())  # as it is read again, to the last bit of a product
            setattr(self, f"components_{s}", components.contiguous())
            best = _best_correction(seen, unseen, components.shape[1], len(self.lags))
            setattr(self, f"correction_{s}", best.unflatten(0, (-1, self.horizon)).to(part.activity).contiguous())
        return True

    def forward(self, window: Window) -> Forecast:
        """Forecasts from each neuron's own newest C bins and from the population's components."""
        s = self.index_of(window.session)
        past = contexts(window, self.window)
        components, correction = self.get_buffer(f"components_{s}"), self.get_buffer(f"correction_{s}")
        factors = _factors(past, components, self.lags)
        drive = torch.einsum("nhlk,bplk->bnph", correction, factors)
        return Forecast.direct(past @ self.get_buffer(f"weights_{s}").t() + drive)

    def connectivity(self, session: Session) -> Tensor:
        """Returns the effect of the newest bin on the next bin, from both regressions."""
        s = self.index_of(session.name)
        own, components = self.get_buffer(f"weights_{s}")[0, -1], self.get_buffer(f"components_{s}")
        return self.get_buffer(f"correction_{s}")[:, 0, 0] @ components.t() + own * torch.eye(
            len(components), dtype=components.dtype, device=components.device
        )


def principal_components(session: Session, number: int) -> Tensor:
    """Returns the principal components of the activity [N, k], the largest first.

    Args:
        session: Training part.
        number: Number of components k.
    """
    products = session.activity.new_zeros(session.num_neurons, session.num_neurons)
    bins = torch.cat([torch.arange(begin, end) for begin, end in session.segment.tolist()])
    for chunk in bins.to(products.device).split(4096):  # of many short segments: the matrix is written once
        activity = session.activity[:, chunk]
        products.addmm_(activity, activity.t())
    return torch.linalg.eigh(products).eigenvectors[:, -number:].flip(1)


def _factors(past: Tensor, components: Tensor, lags: list[int]) -> Tensor:
    """Returns the principal components at the lags [..., P, lags, k] of contexts [..., N, P, C]."""
    seen = torch.stack([past[..., -lag] for lag in lags], dim=-1)
    return torch.einsum("...npl,nk->...plk", seen, components)


def _error_moments(session: Session, weights: Tensor, components: Tensor, lags: list[int]) -> Moments:
    """Returns mean products of the errors of a map with the components at the lags; means are set to zero."""
    H, U = len(weights), len(lags) * components.shape[1]
    N, bins = session.num_neurons, 0
    zeros = weights.new_zeros
    uu, yu, yy = (zeros(size, dtype=torch.float64) for size in ((U, U), (N * H, U), (N * H,)))
    for past, ahead in contexts_and_futures(session, weights.shape[1], H):
        error = (ahead - past @ weights.t()).transpose(1, 2).flatten(0, 1).double()  # [N * H, M]
        factors = _factors(past, components, lags).flatten(1).double()  # [M, U]
        uu.addmm_(factors.t(), factors)
        yu.addmm_(error, factors)
        yy += error.square().sum(1)
        bins += error.shape[1]
    return Moments(bins=bins, u=uu.new_zeros(U), y=yy.new_zeros(N * H), uu=uu / bins, yu=yu / bins, yy=yy / bins)


class _Candidate(NamedTuple):
    """Coefficients with a squared error on validation, relative to no correction."""

    error: float
    coefficients: Tensor


def _best_correction(seen: Moments, held_out: Moments, components: int, lags: int) -> Tensor:
    """Returns the coefficients [N * H, lags, k] of the best rank, ridge and shrinkage on validation."""
    best = _Candidate(0.0, torch.zeros_like(seen.yu))
    for rank in sorted({min(rank, components) for rank in RANKS}):
        kept = torch.arange(lags * components, device=seen.uu.device).view(lags, components)[:, :rank].flatten()
        part = replace(seen, u=seen.u[kept], uu=seen.uu[kept][:, kept], yu=seen.yu[:, kept])
        for ridge in RIDGES:
            coefficients = part.solution(ridge)[0]
            explained = float((coefficients * held_out.yu[:, kept]).sum())
            square = float((coefficients @ held_out.uu[kept][:, kept] * coefficients).sum())
            for gamma in SHRINKAGES:
                error = gamma * gamma * square - 2 * gamma * explained
                if error < best.error:
                    best = _Candidate(error, torch.zeros_like(seen.yu))
                    best.coefficients[:, kept] = gamma * coefficients
    return best.coefficients.unflatten(1, (lags, components))
