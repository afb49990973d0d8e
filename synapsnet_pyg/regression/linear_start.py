"""Linear forecast as the start of SynapsNet, with weights separated into edges and a common drive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.progress import steps
from synapsnet_pyg.regression.least_squares import Moments, moments
from synapsnet_pyg.regression.selective_ridge import SelectiveRidge, masked_ridge, selective_ridge
from synapsnet_pyg.regression.sparse_low_rank import FEWEST, sparse_low_rank

EXPONENTS = range(12, 1, -1)
"""Candidates for twice the decadic logarithm of a ridge, on the scale of sums over bins."""
DECAYS = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Candidates for the number of bins in which the kernel falls to 1/e, beside the newest bin alone."""


@dataclass(frozen=True)
class LinearStart:
    r"""Linear forecast :math:`\sum_l \kappa_l (\rho_i a_i + \sum_j A_{ij} a_j + H_i)(t - l) + d_i \cdot b(t) + c_i`."""

    kernel: Tensor
    """Weights of the last bins [W], newest last."""
    own: Tensor
    """Weight of each neuron's own activity [N]."""
    behaviour: Tensor
    """Weights of the behaviour [N, K]."""
    intercept: Tensor
    """Intercept c of each neuron [N]."""
    edges: Tensor
    """Weights A between neurons, without the common drive [N, N]."""
    edge_probability: Tensor
    """Posterior probability of an edge [N, N]; zero everywhere if it was not estimated."""
    receivers: Tensor
    """Weights [N, k] with which neurons receive the k latents of the common drive; k may be 0."""
    senders: Tensor
    """Weights [k, N] with which neurons send to the latents: H is ``receivers @ senders @ activity``."""
    ridge: float
    """Ridge on the weights between neurons, on the scale of sums over bins."""
    shrunk: bool
    """True if the edges are posterior means."""

    @property
    def coefficients(self) -> Tensor:
        """Weights of all neurons and the behaviour [N, N + K]."""
        between = (self.edges + self.receivers @ self.senders).fill_diagonal_(0)
        own = self.own + (self.receivers @ self.senders).diagonal()
        return torch.cat([between + own.diag(), self.behaviour], dim=1)


class _Terms(NamedTuple):
    """Masks of the coefficients [N, N + K]."""

    allowed: Tensor
    """True for coefficients that exist."""
    penalised: Tensor
    """True for coefficients with a ridge."""


class _Regression(NamedTuple):
    """Regression on activity filtered with a kernel."""

    kernel: Tensor
    """Weights of the last bins [W], newest last."""
    best: SelectiveRidge
    """Solution with the best ridge."""
    seen: Moments
    """Moments of the training part."""
    held_out: Moments
    """Moments of the validation part."""


def linear_start(
    train: Session,
    validation: Session,
    window: int,
    *,
    pairs: Tensor | None = None,
    own: bool = True,
    behaviour: bool = True,
    latents: int = 8,
) -> LinearStart:
    """Solves the linear forecast by ridge regression and separates its weights into edges and a common drive.

    The ridge acts on the weights between neurons alone. Ridge and decay of the kernel are the candidates with the
    largest correlation of forecast and validation part.
    :func:`~synapsnet_pyg.regression.sparse_low_rank.sparse_low_rank` separates the weights. The edges are posterior
    means. If these forecast the validation part worse than the ridge regression does, the edges are the weights minus
    the common drive, without probabilities.

    Args:
        train: Training part, standardised.
        validation: Validation part, standardised in the same way.
        window: Number of past bins W.
        pairs: Mask of the pairs that may have a weight [N, N]. None: no pair.
        own: Whether a neuron's own activity is an input.
        behaviour: Whether the behaviour is an input.
        latents: Largest rank of the common drive, which is estimated only if all pairs may have a weight.

    Raises:
        ValueError: A part has no segment of two bins.
    """
    terms = _terms(train, pairs, own, behaviour)
    fit = _best_regression(train, validation, window, terms)
    start = _unseparated(fit.kernel, fit.best.coefficients, fit.seen, 10 ** (fit.best.exponent / 2))
    if not _can_separate(pairs, latents, train.num_neurons):
        return start
    start, shrunk = _separate(start, fit.best.coefficients, fit.seen, own=own, latents=latents)
    N, coefficients = train.num_neurons, fit.best.coefficients.clone()
    between = (shrunk.edges + shrunk.receivers @ shrunk.senders).fill_diagonal_(0)
    coefficients[:, :N] = between + coefficients[:, :N].diagonal().diag()
    better = float(fit.held_out.correlation(coefficients).mean()) >= fit.best.correlation
    return shrunk if better else start


def solve_linear_start(
    train: Session,
    *,
    kernel: Tensor,
    ridge: float,
    shrunk: bool,
    pairs: Tensor | None = None,
    own: bool = True,
    behaviour: bool = True,
    latents: int = 8,
) -> LinearStart:
    """Solves the linear forecast for a given kernel, ridge and shrinkage, without a validation part.

    Args:
        train: Bins to fit, standardised.
        kernel: Weights of the last bins [W], newest last.
        ridge: Ridge on the weights between neurons, on the scale of sums over bins.
        shrunk: Whether the edges become posterior means.
        pairs: Mask of the pairs that may have a weight [N, N]; None: no pair.
        own: Whether a neuron's own activity is an input.
        behaviour: Whether the behaviour is an input.
        latents: Largest rank of the common drive.

    Raises:
        ValueError: There is no segment of two bins.
    """
    terms = _terms(train, pairs, own, behaviour)
    seen = moments(train, kernel=kernel)
    coefficients = masked_ridge(seen, terms.allowed, ridge * terms.penalised, start=torch.zeros_like(seen.yu))
    start = _unseparated(kernel, coefficients, seen, ridge)
    if not _can_separate(pairs, latents, train.num_neurons):
        return start
    complete, posterior = _separate(start, coefficients, seen, own=own, latents=latents)
    return posterior if shrunk else complete


def exponential_kernel(window: int, decay: float) -> Tensor:
    """Returns weights [W] of the last bins that fall to 1/e in ``decay`` bins and add up to one, newest last.

    Args:
        window: Number of bins W.
        decay: Number of bins. 0: the newest bin has all weight.

    Example:
        >>> exponential_kernel(3, 0)
        tensor([0., 0., 1.])
    """
    age = torch.arange(window - 1, -1, -1, dtype=torch.float32)
    kernel = torch.exp(-age / decay) if decay > 0 else (age == 0).float()
    return kernel / kernel.sum()


def _terms(train: Session, pairs: Tensor | None, own: bool, behaviour: bool) -> _Terms:
    """Returns the masks of the coefficients."""
    N = train.num_neurons
    allowed = torch.zeros(N, N + train.num_behaviours, dtype=torch.bool, device=train.activity.device)
    if pairs is not None:
        allowed[:, :N] = pairs
    allowed[:, :N].fill_diagonal_(own)
    allowed[:, N:] = behaviour
    penalised = torch.ones_like(allowed)
    penalised[:, :N].fill_diagonal_(False)
    penalised[:, N:] = False
    return _Terms(allowed, penalised)


def _best_regression(train: Session, validation: Session, window: int, terms: _Terms) -> _Regression:
    """Chooses the ridge with the newest bin alone, then the kernel with that ridge."""

    def solve(decay: float, exponents: Sequence[int]) -> _Regression:
        """Solves with one kernel and the best of some ridges."""
        kernel = exponential_kernel(window, decay).to(train.activity)
        seen, held_out = moments(train, kernel=kernel), moments(validation, kernel=kernel)
        best = selective_ridge(seen, held_out, allowed=terms.allowed, penalised=terms.penalised, exponents=exponents)
        return _Regression(kernel, best, seen, held_out)

    best = solve(0.0, EXPONENTS)
    exponent = best.best.exponent
    # One by one: each holds several matrices of all pairs.
    for decay in steps("linear start", DECAYS if window > 1 else ()):
        best = max(best, solve(decay, [exponent]), key=lambda fit: fit.best.correlation)
    return best


def _unseparated(kernel: Tensor, coefficients: Tensor, seen: Moments, ridge: float) -> LinearStart:
    """Returns the start without a common drive."""
    N = len(coefficients)
    weights = coefficients[:, :N].clone().fill_diagonal_(0)
    return LinearStart(
        kernel=kernel,
        own=coefficients[:, :N].diagonal(),
        behaviour=coefficients[:, N:],
        intercept=seen.intercept(coefficients),
        edges=weights,
        edge_probability=torch.zeros_like(weights),
        receivers=weights[:, :0],
        senders=weights[:0],
        ridge=ridge,
        shrunk=False,
    )


def _can_separate(pairs: Tensor | None, latents: int, N: int) -> bool:
    """Returns True if a common drive can be estimated: all pairs may have a weight, and there are enough neurons."""
    if pairs is None or latents == 0 or N < FEWEST:
        return False
    return bool((pairs | torch.eye(N, dtype=torch.bool, device=pairs.device)).all())


def _separate(
    start: LinearStart, coefficients: Tensor, seen: Moments, *, own: bool, latents: int
) -> tuple[LinearStart, LinearStart]:
    """Separates the common drive; returns the start with the rest of the weights, and with their posterior means."""
    error = seen.standard_error(coefficients, start.ridge)[:, : len(coefficients)]
    separated = sparse_low_rank(start.edges, error, max_rank=latents)
    drive = separated.receivers @ separated.senders
    complete = replace(
        start,
        own=start.own - drive.diagonal() if own else start.own,
        edges=(start.edges - drive).fill_diagonal_(0),
        receivers=separated.receivers,
        senders=separated.senders,
    )
    shrunk = replace(complete, edges=separated.edges, edge_probability=separated.edge_probability, shrunk=True)
    return complete, shrunk
