"""Currents between brain regions, from the weights and states of a network (second step of CURBD)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class RegionCurrent(NamedTuple):
    """Current from the neurons of one region to those of another, [receivers, steps] each."""

    total: np.ndarray
    """Sum of the two others."""
    excitatory: np.ndarray
    """Current through positive weights."""
    inhibitory: np.ndarray
    """Current through negative weights."""


def region_currents(
    connectivity: np.ndarray, states: np.ndarray, region: Sequence[str]
) -> dict[tuple[str, str], RegionCurrent]:
    r"""Decomposes the current of every neuron by the regions that send it.

    .. math::
        I^{a \leftarrow b}(t) = J_{ab}\, r_b(t)

    Args:
        connectivity: Weights :math:`J` :math:`(N, N)`.
        states: States :math:`r` :math:`(N, \text{steps})`.
        region: Region of each neuron, N texts.

    Returns:
        (receiving region, sending region) -> current.

    Raises:
        ValueError: The number of regions is not the number of neurons.

    Example:
        >>> connectivity = np.array([[0.0, 2.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> currents = region_currents(connectivity, np.ones((3, 2)), ["V1", "LM", "LM"])
        >>> currents["V1", "LM"].total, currents["V1", "LM"].inhibitory
        (array([[1., 1.]]), array([[-1., -1.]]))
    """
    if len(region) != len(connectivity):
        raise ValueError(f"Expected one region for each of the {len(connectivity)} neurons (got {len(region)}).")
    member = {name: np.flatnonzero(np.asarray(region) == name) for name in dict.fromkeys(region)}
    currents = {}
    for receiving, receivers in member.items():
        for sending, senders in member.items():
            weights, sent = connectivity[np.ix_(receivers, senders)], states[senders]
            excitatory, inhibitory = np.maximum(weights, 0) @ sent, np.minimum(weights, 0) @ sent
            currents[receiving, sending] = RegionCurrent(excitatory + inhibitory, excitatory, inhibitory)
    return currents
