"""Effects between the candidate pairs of a population too large for matrices of all pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.lagged_effects import Evidence, LaggedEffects, signals
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.threads import in_threads, threads
from synapsnet_pyg.progress import steps
from synapsnet_pyg.regression.pairs import PairMatrix, Product, SomePairs

MOST_BINS = 2**14
"""Largest number of bins that are used; of more, as many are drawn at random, since matrices [T, T] are held."""
_BLOCK = 128
"""Number of receivers whose rows are computed together."""


class _Rows(NamedTuple):
    """Rows [n, T] of a block of neurons behind a regression of some signals on others, and their own products."""

    errors: Tensor
    """Errors of the newest bin, given the past."""
    reverse: Tensor
    """Errors of the bin before, given the newest: the recording backwards."""
    newest: Tensor
    """Newest bin through the inverse of all signals."""
    before: Tensor
    """The bin before through the inverse of all signals."""
    unique: Tensor
    """The bin before through the inverse of the inputs: unique activity."""
    unique_reverse: Tensor
    """The newest bin through the inverse of the reversed recording's inputs."""


def candidate_effects(session: Session, edge_index: Tensor) -> LaggedEffects:
    r"""Estimates the effects of some pairs at one lag.

    They are those of :func:`~synapsnet_pyg.analysis.lagged_effects.lagged_effects`, without its matrices of all pairs.
    With M signals X and T bins the shrunk covariance is :math:`\Sigma = \beta X X^\top + c \mathbb 1`, and

    .. math::
        \Sigma^{-1} = \tfrac{1}{c} \big(\mathbb 1 - \beta X K X^\top\big), \qquad
        K = (\beta X^\top X + c \mathbb 1)^{-1} \in \mathbb{R}^{T \times T}

    so that neither :math:`\Sigma` nor its inverse is held. With :math:`K_p` that of the inputs of the regression on
    the past, and rows :math:`a_i` of the newest bin and :math:`b_j` of the bin before,

    .. math::
        D_{ij} = \beta\, a_i K_p b_j^\top, \qquad r_i = c\, a_i K_p, \qquad \tilde a_j = b_j K_p, \qquad
        \big(\Sigma^{-1}\big)_{ij} = -\tfrac{\beta}{c}\, a_i K b_j^\top

    Memory grows with :math:`N T + T^2 + E`.

    Args:
        session: Training part, standardised.
        edge_index: Candidates :math:`(2, E)`; each pair is tested in both directions. Pairs drawn at random are added,
            which tell how pairs without an edge spread.

    Raises:
        ValueError: There are too few bins.
    """
    rows, known, decay = signals(session, lags=1)
    if rows[0].shape[1] > MOST_BINS:
        drawn = torch.randperm(rows[0].shape[1], generator=torch.Generator().manual_seed(0))[:MOST_BINS].sort().values
        rows, known = [part[:, drawn] for part in rows], known[:, drawn]
    for part in (*rows, known):
        part -= part.mean(1, keepdim=True)
    newest, before = rows
    N = len(newest)
    pairs = SomePairs(N, edge_index)
    grams = [_gram(part) for part in (newest, before, known)]
    beta, c = _shrinkage(grams, 2 * N + len(known))
    whole, past, future = (
        _inverse(beta, c, of_inputs) for of_inputs in (grams, [grams[1], grams[2]], [grams[0], grams[2]])
    )
    del grams
    errors, unique = torch.empty_like(newest), torch.empty_like(newest)
    own = newest.new_empty(9, N)
    values = newest.new_empty(5, len(pairs.edge_index[0]))

    def compute(block: Tensor) -> None:
        """Computes rows and pairs of a block of consecutive receivers."""
        a, b = newest[block], before[block]
        through = _Rows(
            errors=c * (a @ past),
            reverse=c * (b @ future),
            newest=a @ whole,
            before=b @ whole,
            unique=b @ past,
            unique_reverse=a @ future,
        )
        errors[block], unique[block] = through.errors, through.unique
        products = [
            (through.errors, a), (through.reverse, b), (through.newest, a), (through.before, b), (through.unique, b),
            (through.unique_reverse, a), (through.errors, b), (through.reverse, a), (through.newest, b),
        ]  # fmt: skip
        own[:, block] = torch.stack([(left * right).sum(1) for left, right in products])
        # Products of all pairs, of which few are kept: faster than gathering the senders of each receiver.
        place = pairs.of_receivers(int(block[0]), int(block[-1]) + 1)
        sides = [(through.errors, before), (through.newest, before), (through.reverse, newest),
                 (through.before, newest), (through.newest, newest)]  # fmt: skip
        for number, (left, right) in enumerate(sides):
            values[number, place] = pairs.of_rows(left @ right.t(), block)

    with threads():
        for blocks in steps("effects", torch.arange(N).split(8 * _BLOCK)):
            in_threads(compute, blocks.split(_BLOCK))
    (of_errors, of_reverse, of_newest, of_before, of_unique, of_unique_reverse, *crossed) = own.double()
    inverse_newest, inverse_before = (1 - beta * of_newest) / c, (1 - beta * of_before) / c
    one = torch.ones_like(of_errors)

    def matrix(number: int, middle: Tensor, sides: Sequence[Tensor], diagonal: Tensor, scale: float) -> PairMatrix:
        """Returns the products of two sides through a matrix; ``scale`` is that of the values that were computed."""
        left, right = sides
        factor = torch.full((N,), beta, dtype=newest.dtype)
        product = Product(factor, left, middle, right, sender=one.to(newest), own=diagonal.to(newest))
        return PairMatrix(pairs, scale * values[number].double(), (product,))

    given_past = matrix(0, past, (newest, before), crossed[0] / c, beta / c)
    given_all = matrix(1, whole, (newest, before), crossed[2], beta)
    backwards = matrix(2, future, (before, newest), crossed[1] / c, beta / c)
    backwards_all = matrix(3, whole, (before, newest), crossed[2], beta)
    same_bin = matrix(4, whole, (newest, newest), of_newest, beta)
    return LaggedEffects(
        past=_evidence(given_past, c + beta * of_errors, (1 - beta * of_unique) / c),
        present=_evidence(given_all.scaled(1 / (c * inverse_newest), one), 1 / inverse_newest, inverse_before),
        reverse=_evidence(backwards, c + beta * of_reverse, (1 - beta * of_unique_reverse) / c),
        reverse_present=_evidence(
            backwards_all.scaled(1 / (c * inverse_before), one), 1 / inverse_before, inverse_newest
        ),
        same_bin=same_bin.scaled(inverse_newest.rsqrt() / c**0.5, inverse_newest.rsqrt() / c**0.5),
        errors=errors,
        unique=unique,
        bins=errors.shape[1],
        decay=decay,
    )


def _evidence(coefficients: PairMatrix, variance: Tensor, covariance: Tensor) -> Evidence:
    """Returns coefficients at one lag with the variance of each receiver's errors and of each sender's coefficients."""
    return Evidence((coefficients,), variance, covariance[:, None, None])


def _gram(rows: Tensor) -> Tensor:
    """Returns the products of all pairs of bins [T, T], summed over rows [n, T]."""
    return rows.t() @ rows


def _shrinkage(grams: Sequence[Tensor], signals: int) -> tuple[float, float]:
    r"""Returns beta and c of the covariance, shrunk as :func:`~synapsnet_pyg.regression.shrinkage.shrink` does it.

    Length and norm of the covariance follow from the products of bins G: its trace is :math:`\operatorname{tr} G / T`,
    its squared norm :math:`\|G\|^2 / T^2`.
    """
    total = grams[0] + grams[1] + grams[2]
    T = len(total)
    trace, square = float(total.diagonal().double().sum()) / T, float(total.double().square().sum()) / T**2
    fourth = float(total.diagonal().double().square().mean())
    distance = square - trace**2 / signals
    share = min((fourth - square) / T / distance, 1.0, signals / T) if distance > 0 else 0.0
    return (1 - share) / T, share * trace / signals + 1e-6


def _inverse(beta: float, c: float, grams: Sequence[Tensor]) -> Tensor:
    """Returns the inverse of beta times the sum of products of bins, plus c on the diagonal [T, T]."""
    total = sum(grams[1:], grams[0]).double().mul_(beta)
    total.diagonal().add_(c)
    return torch.cholesky_inverse(torch.linalg.cholesky(total)).to(grams[0])
