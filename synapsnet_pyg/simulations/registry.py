"""Simulations by name."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.calcium import simulate_calcium
from synapsnet_pyg.simulations.cell_types import simulate_cell_types
from synapsnet_pyg.simulations.neuropixels import simulate_neuropixels
from synapsnet_pyg.simulations.population import simulate
from synapsnet_pyg.simulations.ring_attractors import simulate_ring, simulate_spiking_ring
from synapsnet_pyg.simulations.stdp import simulate_plasticity
from synapsnet_pyg.simulations.task_networks import simulate_task
from synapsnet_pyg.simulations.toy_systems import simulate_toy

SIMULATIONS: dict[str, Callable[..., Session]] = {
    "paper": simulate,
    "calcium": simulate_calcium,
    "neuropixels": simulate_neuropixels,
    "toy": simulate_toy,
    "plasticity": simulate_plasticity,
    "cell-types": simulate_cell_types,
    "ring": simulate_ring,
    "spiking-ring": simulate_spiking_ring,
    "task": simulate_task,
}
"""Name -> what simulates a session."""


def simulation(name: str, laws: Mapping[str, Any]) -> Callable[..., Session]:
    """What makes session number ``session`` of the population that ``seed`` decides, by laws of one's own.

    Raises:
        ValueError: There is no such population, or an argument does not suit it.
    """
    if name not in SIMULATIONS:
        raise ValueError(f"Expected a population among {', '.join(SIMULATIONS)} (got '{name}').")
    arguments = [key for key in signature(SIMULATIONS[name]).parameters if key not in ("session", "seed", "name")]
    unknown = sorted(set(laws) - set(arguments))
    if unknown:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(arguments)} (got {', '.join(unknown)}).")
    law = partial(SIMULATIONS[name], **laws)
    if "session" not in signature(law).parameters:  # another population each, by the next seed
        return lambda session, seed, **named: law(seed=seed + session, **named)
    return lambda session, seed, **named: law(session, seed=seed, **named)
