"""Zoo of simulated worlds with known wiring, for the calibration of tests of significance; needs no torch."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

RECORDINGS = Path(os.environ.get("SYNAPSNET_RECORDINGS", "../shared/data"))
"""Folder of recordings, one folder each."""
WIRING = RECORDINGS / "connectome-rate-networks" / "zebrafish_oculomotor.npz"
"""Wiring of the world ``integrator``, which is in the zoo only if there is this file."""


class World(NamedTuple):
    """Simulation with its parameters."""

    simulation: str
    """Name of the simulation, a key of :data:`~synapsnet_pyg.simulations.registry.SIMULATIONS`."""
    parameters: Mapping[str, Any] = {}
    """Parameters that differ from the simulation's own."""


ZOO: dict[str, World] = {
    "lif": World("spiking"),
    "lif-half": World("spiking", {"recorded": 100}),
    "lif-2ms": World("spiking", {"bin_size": 0.002, "horizon": 10, "starts": 2000}),
    "lif-5ms": World("spiking", {"bin_size": 0.005, "horizon": 5}),
    "lif-33ms": World("spiking", {"bin_size": 0.033, "bins": 30_000, "starts": 1000}),
    "lif-delay-at-bin": World("spiking", {"delay": (8.0, 12.0)}),
    "lif-delay-above-bin": World("spiking", {"delay": (15.0, 25.0), "horizon": 4}),
    "lif-hidden-10": World("spiking", {"recorded": 180}),
    "lif-hidden-20": World("spiking", {"recorded": 160}),
    "lif-drive": World("spiking", {"hidden_drive": 0.2}),
    "calcium-4hz": World("indicator", {"bin_size": 0.25, "bins": 9_600}),
    "calcium-10hz": World("indicator", {"bin_size": 0.1, "bins": 24_000}),
    "calcium-30hz": World("indicator"),
    "point-process": World("point-process"),
    "chaotic": World("chaotic-rates", {"horizon": 6}),
    "chaotic-half": World("chaotic-rates", {"neurons": 200, "recorded": 100, "horizon": 6}),
    "chaotic-dense": World("chaotic-rates", {"density": 1.0, "weights": "gaussian"}),
    "slow-drives": World("slow-drives"),
    "oscillation": World("oscillation"),
    "bursts": World("bursts"),
    "drift": World("drift"),
}
"""Label -> world. A label is accepted wherever the name of a simulation is."""

if WIRING.is_file():
    ZOO["integrator"] = World("integrator", {"wiring": str(WIRING.resolve())})
