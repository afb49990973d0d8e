"""Autoregression with a diagonal part and a part of low rank, by a penalty on the nuclear norm."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import moments

COMPONENTS = 64
"""Largest number of principal components that the low-rank part reads."""
STRENGTHS = tuple(10 ** (-k / 4) for k in range(12))
"""Candidates for the penalty, as shares of the smallest penalty at which the low-rank part is zero."""


class LowRankSolution(NamedTuple):
    """Weights of an autoregression with N neurons, p lags and K behaviours; the newest bin has lag 0."""

    own: Tensor
    """Weight of each neuron's own past [p, N]."""
    low_rank: Tensor
    """Weights of the principal components [p, N, E]."""
    components: Tensor
    """Principal components of the activity [N, E]."""
    inputs: Tensor
    """Weights of the behaviour [p, N, K]."""

    @classmethod
    def zeros(cls, neurons: int, behaviours: int, lags: int) -> "LowRankSolution":
        """Returns weights that are all zero."""
        E = min(neurons, COMPONENTS)
        return cls(
            torch.zeros(lags, neurons),
            torch.zeros(lags, neurons, E),
            torch.zeros(neurons, E),
            torch.zeros(lags, neurons, behaviours),
        )


@dataclass(frozen=True)
class LowRankProblem:
    """Mean products of a recording: each neuron has F = p + p K inputs of its own, all share the p E components."""

    components: Tensor
    """Principal components of the activity [N, E]."""
    lags: int
    """Number of past bins p."""
    own: Tensor
    """Mean products of each neuron's inputs, its past and the behaviour [N, F, F]."""
    common: Tensor
    """Mean products of the components at all lags [p E, p E]."""
    mixed: Tensor
    """Mean products of each neuron's inputs with the components [N, F, p E]."""
    target_own: Tensor
    """Mean products of each target with its neuron's inputs [N, F]."""
    target_common: Tensor
    """Mean products of each target with the components [N, p E]."""
    square: Tensor
    """Mean squares of the targets [N]."""

    @classmethod
    def of(cls, session: Session, lags: int, *, components: Tensor | None = None) -> "LowRankProblem":
        """Computes the mean products of a part.

        Args:
            session: Session, or a part of its split.
            lags: Number of past bins p.
            components: Principal components [N, E]; None: those of the part.

        Raises:
            ValueError: Every segment has p bins or fewer.
        """
        N, K = session.num_neurons, session.num_behaviours
        # The behaviour of all lags beside the newest; what a roll brings around is before the first target.
        behaviour = torch.cat([session.behaviour.roll(lag, 0) for lag in range(lags)], 1)
        sums = moments(Session(session.activity, behaviour, bin_size=1, segment=session.segment), lags)
        uu, past = sums.uu, N * lags
        if components is None:
            components = torch.linalg.eigh(uu[:N, :N]).eigenvectors[:, -min(N, COMPONENTS) :]
        components = components.to(uu)
        read = torch.cat([uu[:, N * lag : N * (lag + 1)] @ components for lag in range(lags)], 1)  # [N p + p K, p E]
        rows = torch.arange(N, device=uu.device)[:, None]
        inputs = torch.arange(past, past + lags * K, device=uu.device).expand(N, -1)
        own = torch.cat([rows + N * torch.arange(lags, device=uu.device), inputs], 1)  # [N, F]
        return cls(
            components=components,
            lags=lags,
            own=uu[own[:, :, None], own[:, None, :]],
            common=torch.cat([components.t() @ read[N * lag : N * (lag + 1)] for lag in range(lags)]),
            mixed=read[own],
            target_own=sums.yu.gather(1, own),
            target_common=torch.cat([sums.yu[:, N * lag : N * (lag + 1)] @ components for lag in range(lags)], 1),
            square=sums.yy,
        )

    def squared_error(self, solution: LowRankSolution) -> float:
        """Returns the squared error of weights: summed over neurons, mean over bins."""
        low_rank = solution.low_rank.transpose(0, 1).flatten(1)
        own = torch.cat([solution.own.t(), solution.inputs.transpose(0, 1).flatten(1)], 1)
        error = self.square.sum() - 2 * (own * self.target_own).sum() - 2 * (low_rank * self.target_common).sum()
        error += torch.einsum("nf,nfg,ng->", own, self.own, own) + (low_rank @ self.common * low_rank).sum()
        return float(error + 2 * torch.einsum("nf,nfe,ne->", own, self.mixed, low_rank))


def low_rank_path(problem: LowRankProblem, *, tolerance: float = 1e-3, steps: int = 200) -> Iterator[LowRankSolution]:
    r"""Yields the solutions for decreasing penalties, each found from the one before.

    .. math::
        \min_{d, B, L} \tfrac{1}{2T} \sum_t \Big\| a(t + 1) - \sum_l \mathrm{diag}(d_l)\, a(t - l) + L_l E^\top a(t - l)
        + B_l\, b(t - l) \Big\|^2 + \lambda \sum_l \|L_l\|_*

    d and B of given L are least squares of each neuron; with them in place the objective in L stays convex and smooth
    but for the norm. Accelerated proximal gradients minimise it (Beck and Teboulle 2009, with restarts): a step along
    the gradient, then every singular value of each :math:`L_l` lowered by the step's share of :math:`\lambda`.

    Args:
        problem: Mean products of the training part.
        tolerance: Relative change of L in a step below which the search ends.
        steps: Largest number of steps for each penalty.
    """
    N, F = problem.target_own.shape
    identity = torch.eye(F, dtype=problem.own.dtype, device=problem.own.device)
    factor = torch.linalg.cholesky(problem.own + 1e-6 * identity)  # a constant neuron has nothing to be fitted by
    width = 1 / float(torch.linalg.eigvalsh(problem.common)[-1].clamp_min(1e-12))

    def own_of(low_rank: Tensor) -> Tensor:
        """Returns each neuron's own weights for a low-rank part."""
        rest = problem.target_own[..., None] - problem.mixed @ low_rank[..., None]
        return torch.cholesky_solve(rest, factor)[..., 0]

    def gradient(low_rank: Tensor) -> Tensor:
        """Returns the gradient of half the squared error."""
        explained = low_rank @ problem.common + torch.einsum("nf,nfe->ne", own_of(low_rank), problem.mixed)
        return explained - problem.target_common

    low_rank = torch.zeros_like(problem.target_common)
    largest = float(torch.linalg.matrix_norm(_by_lag(gradient(low_rank), problem.lags), 2).max())
    for strength in STRENGTHS:
        ahead, momentum = low_rank, 1.0
        for _ in range(steps):
            stepped = _by_lag(ahead - width * gradient(ahead), problem.lags)
            new = _lowered(stepped, width * strength * largest).transpose(0, 1).flatten(1)
            if float(((ahead - new) * (new - low_rank)).sum()) > 0:  # the momentum leads uphill
                momentum = 1.0
            later = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            change = float((new - low_rank).norm())
            ahead, low_rank, momentum = new + (momentum - 1) / later * (new - low_rank), new, later
            if change <= tolerance * float(new.norm()):
                break
        own = own_of(low_rank)
        yield LowRankSolution(
            own=own[:, : problem.lags].t(),
            low_rank=_by_lag(low_rank, problem.lags),
            components=problem.components,
            inputs=own[:, problem.lags :].reshape(N, problem.lags, F // problem.lags - 1).transpose(0, 1),
        )


def best_of_path(problem: LowRankProblem, held_out: LowRankProblem) -> LowRankSolution:
    """Returns the solution whose penalty has the smallest squared error on other bins.

    The search ends after two penalties without a smaller error.

    Args:
        problem: Mean products of the training part.
        held_out: Mean products of the validation part, for the same components.
    """
    best, least, worse = None, float("inf"), 0
    for solution in low_rank_path(problem):
        error = held_out.squared_error(solution)
        worse += 1
        if best is None or error < least:
            best, least, worse = solution, error, 0
        if worse == 2:
            break
    assert best is not None
    return best


def _by_lag(low_rank: Tensor, lags: int) -> Tensor:
    """Returns weights [N, p E] as one matrix for each lag [p, N, E]."""
    return low_rank.unflatten(1, (lags, -1)).transpose(0, 1)


def _lowered(matrices: Tensor, threshold: float) -> Tensor:
    """Returns matrices [p, N, E] with their singular values lowered by a threshold, at zero at least."""
    squares, axes = torch.linalg.eigh(matrices.transpose(1, 2) @ matrices)
    kept = (1 - threshold / squares.clamp_min(1e-30).sqrt()).clamp_min(0)
    return matrices @ (axes * kept[:, None]) @ axes.transpose(1, 2)
