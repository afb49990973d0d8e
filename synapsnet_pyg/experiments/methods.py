"""What stands beside NetFormer in every experiment: least squares and SynapsNet."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.connectivity.lagged_correlation import LaggedCorrelation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.experiments.experiment import Outcome, Trial
from synapsnet_pyg.runs.in_memory import fit_recording

SEEDS = 2
"""Most seeds of SynapsNet, which differ little and take long."""


def least_squares(inputs: Tensor, targets: Tensor, intercept: bool = True) -> tuple[Tensor, Tensor]:
    r"""Ordinary least squares, the anchor of the published tables.

    Args:
        inputs: :math:`(M, F)`.
        targets: :math:`(M, N)`.
        intercept: Whether there is one.

    Returns:
        Weights :math:`(N, F)` and intercepts :math:`(N)`, in float64.
    """
    mean, centre = intercept * inputs.double().mean(0), intercept * targets.double().mean(0)
    # Inputs that never vary, such as a stimulus that is never shown, get a weight of zero: the shortest solution.
    weights = torch.linalg.lstsq(inputs.double() - mean, targets.double() - centre, driver="gelsd").solution.t()
    return weights, centre - weights @ mean


class Found(NamedTuple):
    """What a method says of a population."""

    connectivity: Tensor
    """[N, N], in the units of the recording."""
    scores: Mapping[str, float] = MappingProxyType({})
    """Of its forecast, from methods that have one."""


Method = Callable[[Session, int], Found]
"""Finds the connectivity of a session; the seed decides what is random."""


def on_populations(
    simulate: Callable[[int], Session],
    seeds: int,
    method: Method,
    judge: Callable[[Tensor, Session], tuple[dict[str, float], dict[str, np.ndarray]]],
) -> Outcome:
    """A method on a population a seed.

    Args:
        simulate: Makes the population of a seed.
        seeds: How many.
        method: What is tried.
        judge: Scores of a connectivity, and the arrays that a figure needs.
    """
    outcome: list[dict[str, float]] = []
    arrays: dict[str, np.ndarray] = {}
    for seed in range(seeds):
        session = simulate(seed)
        found = method(session, seed)
        scores, kept = judge(found.connectivity, session)
        outcome.append({**scores, **found.scores})
        arrays = arrays or kept
    return Outcome(outcome, arrays)


def population_trials(
    case: str,
    simulate: Callable[[int], Session],
    seeds: int,
    methods: Mapping[str, Method],
    judge: Callable[[Tensor, Session], tuple[dict[str, float], dict[str, np.ndarray]]],
) -> list[Trial]:
    """A trial a method, of name -> method; the rest as of :func:`on_populations`."""
    return [Trial(case, name, partial(on_populations, simulate, seeds, one, judge)) for name, one in methods.items()]


def by_least_squares(session: Session, seed: int) -> Found:
    """From each bin of the first four fifths to the next."""
    train = train_part(session).activity.t()
    return Found(least_squares(train[:-1], train[1:])[0])


def by_correlation(session: Session, seed: int) -> Found:
    """Of each bin of the training part and the next."""
    return Found(LaggedCorrelation().fit(session.split().train).connectivity_)


def by_synapsnet(session: Session, seed: int) -> Found:
    """As on any recording."""
    fitted = fit_recording(session, seed)
    return Found(fitted.connectivity(), {"R2": fitted.r_squared()})


def train_part(session: Session) -> Session:
    """The first four fifths, as published."""
    return session.slice(0, session.num_bins * 4 // 5)
