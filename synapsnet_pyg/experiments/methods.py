"""Methods that stand beside NetFormer in every experiment: least squares, correlation and SynapsNet."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.connectivity.lagged_correlation import LaggedCorrelation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Scores, Trial
from synapsnet_pyg.runs.in_memory import fit_in_memory

SYNAPSNET_SEEDS = 2
"""Largest number of seeds of SynapsNet on one system: they differ little and take long."""


def least_squares(inputs: Tensor, targets: Tensor, intercept: bool = True) -> tuple[Tensor, Tensor]:
    r"""Computes ordinary least squares, the anchor of NetFormer's tables.

    .. math::
        \min_{W, b} \sum_m \lVert y_m - W x_m - b \rVert^2

    Inputs that never vary, such as a stimulus that is never shown, get weights of zero.

    Args:
        inputs: Inputs x of each sample :math:`(M, F)`.
        targets: Targets y of each sample :math:`(M, N)`.
        intercept: Whether b is fitted; else it is 0.

    Returns:
        Weights W :math:`(N, F)` and intercepts b :math:`(N)`, in float64.

    Example:
        >>> inputs = torch.tensor([[0.0], [1.0], [2.0]])
        >>> weights, intercept = least_squares(inputs, 3 * inputs + 1)
        >>> round(float(weights), 6), round(float(intercept), 6)
        (3.0, 1.0)
    """
    mean, centre = intercept * inputs.double().mean(0), intercept * targets.double().mean(0)
    # Of all solutions gelsd takes the shortest.
    weights = torch.linalg.lstsq(inputs.double() - mean, targets.double() - centre, driver="gelsd").solution.t()
    return weights, centre - weights @ mean


class MethodResult(NamedTuple):
    """Connectivity of a population as a method finds it."""

    connectivity: Tensor
    """Weights in the units of the recording: [N, N]."""
    scores: Scores = MappingProxyType({})
    """Scores of the forecast, of methods that forecast."""


Method = Callable[[Session, int], MethodResult]
"""Function that finds the connectivity of a session; the seed decides what is random."""


class Assessment(NamedTuple):
    """Scores of a connectivity."""

    scores: Scores
    """Scores against the true connectivity."""
    arrays: Arrays
    """Arrays for the figure."""


Assess = Callable[[Tensor, Session], Assessment]
"""Function that scores a connectivity [N, N] of a session whose connectivity is known."""


def on_populations(simulate: Callable[[int], Session], method: Method, *, seeds: int, assess: Assess) -> Outcome:
    """Runs a method on one population for each seed.

    Args:
        simulate: Function that makes the population of a seed.
        method: Method to run.
        seeds: Number of seeds, from 0 on.
        assess: Function that scores the connectivity.
    """
    scores: list[Scores] = []
    arrays: Arrays = {}
    for seed in range(seeds):
        session = simulate(seed)
        result = method(session, seed)
        assessment = assess(result.connectivity, session)
        scores.append({**assessment.scores, **result.scores})
        arrays = arrays or assessment.arrays
    return Outcome(scores, arrays)


def population_trials(
    case: str, simulate: Callable[[int], Session], *, methods: Mapping[str, Method], seeds: int, assess: Assess
) -> list[Trial]:
    """Returns a trial for each method on the same populations.

    Args:
        case: Name of the system.
        simulate: Function that makes the population of a seed.
        methods: Name -> method.
        seeds: Number of seeds, from 0 on.
        assess: Function that scores the connectivity.
    """
    return [
        Trial(case, name, partial(on_populations, simulate, method, seeds=seeds, assess=assess))
        for name, method in methods.items()
    ]


def by_least_squares(session: Session, seed: int) -> MethodResult:
    """Regresses each bin of the first four fifths on the one before it; ``seed`` is unused."""
    train = train_part(session).activity.t()
    return MethodResult(least_squares(train[:-1], train[1:])[0])


def by_correlation(session: Session, seed: int) -> MethodResult:
    """Correlates each bin of the training part with the one before it; ``seed`` is unused."""
    return MethodResult(LaggedCorrelation().fit(session.split().train).connectivity_)


def by_synapsnet(session: Session, seed: int) -> MethodResult:
    """Fits SynapsNet by the fast recipe."""
    fitted = fit_in_memory(session, seed)
    return MethodResult(fitted.connectivity(), {"R2": fitted.r_squared()})


def train_part(session: Session) -> Session:
    """Returns the first four fifths of the bins, the training part of NetFormer's experiments."""
    return session.slice(0, session.num_bins * 4 // 5)
