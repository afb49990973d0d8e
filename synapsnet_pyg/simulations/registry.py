"""Names, import paths and descriptions of the simulations, which can be read without importing torch."""

from collections.abc import Callable, Mapping
from inspect import signature
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from synapsnet_pyg.simulations.zoo import ZOO

if TYPE_CHECKING:
    from synapsnet_pyg.data.session import Session


class RegisteredSimulation(NamedTuple):
    """Import path and description of a simulation."""

    path: str
    """Module and function."""
    description: str
    """Description in the command line's help."""


SIMULATIONS = {
    "paper": RegisteredSimulation(
        "synapsnet_pyg.simulations.population:simulate_population", "spike counts of section 3.2 of the paper"
    ),
    "calcium": RegisteredSimulation(
        "synapsnet_pyg.simulations.calcium:simulate_calcium", "two-photon fluorescence, sessions of one animal"
    ),
    "neuropixels": RegisteredSimulation(
        "synapsnet_pyg.simulations.neuropixels:simulate_neuropixels",
        "spike counts in six visual areas, sessions of one animal",
    ),
    "large": RegisteredSimulation(
        "synapsnet_pyg.simulations.large_population:simulate_large_population",
        "spike counts of 10,000 or more neurons with few senders each",
    ),
    "toy-systems": RegisteredSimulation(
        "synapsnet_pyg.simulations.toy_systems:simulate_toy_system", "five variables with known weights (NetFormer)"
    ),
    "stdp": RegisteredSimulation(
        "synapsnet_pyg.simulations.stdp:simulate_stdp", "neuron whose synapses change by spike timing (NetFormer)"
    ),
    "cell-types": RegisteredSimulation(
        "synapsnet_pyg.simulations.cell_types:simulate_cell_types", "population wired by cell type (NetFormer)"
    ),
    "ring": RegisteredSimulation(
        "synapsnet_pyg.simulations.ring_attractors:simulate_ring", "ring of rate neurons (NetFormer)"
    ),
    "spiking-ring": RegisteredSimulation(
        "synapsnet_pyg.simulations.ring_attractors:simulate_spiking_ring", "ring of spiking neurons (NetFormer)"
    ),
    "task-networks": RegisteredSimulation(
        "synapsnet_pyg.simulations.task_networks:simulate_task_network", "network trained on a task (NetFormer)"
    ),
    "spiking": RegisteredSimulation(
        "synapsnet_pyg.simulations.spiking_network:simulate_spiking_network", "leaky integrate-and-fire neurons"
    ),
    "indicator": RegisteredSimulation(
        "synapsnet_pyg.simulations.calcium_indicator:simulate_calcium_indicator",
        "integrate-and-fire neurons seen through a slow calcium indicator",
    ),
    "point-process": RegisteredSimulation(
        "synapsnet_pyg.simulations.point_process:simulate_point_process", "spikes coupled by filters over several bins"
    ),
    "chaotic-rates": RegisteredSimulation(
        "synapsnet_pyg.simulations.chaotic_rates:simulate_chaotic_rates", "chaotic network of rate neurons"
    ),
    "integrator": RegisteredSimulation(
        "synapsnet_pyg.simulations.zebrafish_integrator:simulate_integrator",
        "rate network on a measured wiring, --sim-args.wiring file.npz",
    ),
    "slow-drives": RegisteredSimulation(
        "synapsnet_pyg.simulations.slow_drives:simulate_slow_drives", "uncoupled counts under slow unseen drives"
    ),
    "oscillation": RegisteredSimulation(
        "synapsnet_pyg.simulations.oscillation:simulate_oscillation", "coupled counts locked to an unseen oscillation"
    ),
    "bursts": RegisteredSimulation(
        "synapsnet_pyg.simulations.bursts:simulate_bursts", "coupled counts in population bursts"
    ),
    "drift": RegisteredSimulation("synapsnet_pyg.simulations.drift:simulate_drift", "coupled counts with slow drift"),
}
"""Name -> simulation, for ``synapsnet simulate``."""

ALIASES = {"toy": "toy-systems", "plasticity": "stdp", "task": "task-networks"}
"""Name in older versions -> name today."""


class SimulateSession(Protocol):
    """Function that simulates one session of a population."""

    def __call__(self, session: int, seed: int, *, name: str | None = None) -> "Session":
        """Simulates the session of a number, of the population of a seed."""
        ...


def simulation_function(name: str) -> "Callable[..., Session]":
    """Imports the function of a simulation.

    Args:
        name: Key of :data:`SIMULATIONS`, :data:`ALIASES` or :data:`~synapsnet_pyg.simulations.zoo.ZOO`.

    Raises:
        ValueError: There is no such simulation.

    Example:
        >>> simulation_function("ring").__name__
        'simulate_ring'
    """
    name = ZOO[name].simulation if name in ZOO else ALIASES.get(name, name)
    if name not in SIMULATIONS:
        raise ValueError(f"Expected a population among {', '.join([*SIMULATIONS, *ZOO])} (got '{name}').")
    function: Callable[..., Session] = resolve_name(SIMULATIONS[name].path)
    return function


def tells_response(name: str) -> bool:
    """Returns True if a simulation can compute the true response to a pulse (its argument ``response``).

    Args:
        name: Key of :data:`SIMULATIONS`, :data:`ALIASES` or :data:`~synapsnet_pyg.simulations.zoo.ZOO`.

    Raises:
        ValueError: There is no such simulation.

    Example:
        >>> tells_response("lif"), tells_response("ring")
        (True, False)
    """
    return "response" in signature(simulation_function(name)).parameters


def simulation(name: str, parameters: Mapping[str, Any]) -> SimulateSession:
    """Returns a function of session number and seed that simulates sessions of one population.

    A simulation without session numbers gives sessions of different populations, with consecutive seeds.

    Args:
        name: Key of :data:`SIMULATIONS`, :data:`ALIASES` or :data:`~synapsnet_pyg.simulations.zoo.ZOO`.
        parameters: Arguments of the simulation, such as ``bins``; they replace those of the zoo.

    Raises:
        ValueError: There is no such simulation, or it has no such argument.

    Example:
        >>> simulation("ring", {"bins": 50, "neurons": 7})(session=1, seed=3)
        Session('ring-4', 7 neurons x 50 bins of 1 s, 0 behaviours, 1 segment, true graph of 49 edges)
    """
    function = simulation_function(name)
    known = signature(function).parameters
    arguments = [key for key in known if key not in ("session", "seed", "name")]
    unknown = sorted(set(parameters) - set(arguments))
    if unknown:
        raise ValueError(f"Expected arguments of '{name}' among {', '.join(arguments)} (got {', '.join(unknown)}).")

    parameters = {**(ZOO[name].parameters if name in ZOO else {}), **parameters}

    def simulate(session: int, seed: int, *, name: str | None = None) -> "Session":
        """Simulates one session."""
        if "session" in known:
            return function(session=session, seed=seed, name=name, **parameters)
        return function(seed=seed + session, name=name, **parameters)

    return simulate
