"""Sparsely coupled population that switches between an up and a down state."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.driven_population import Pulse, check_population, driven_session


def simulate_bursts(
    bins: int = 60_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 0.01,
    name: str | None = None,
    up: float = 0.4,
    down: float = 0.8,
    depth: tuple[float, float] = (1.5, 2.5),
    coupling: float = 1.0,
    response: bool = False,
    horizon: int = 4,
    starts: int = 300,
) -> Session:
    r"""Simulates coupled neurons that fire in population bursts: all switch between two unseen states together.

    .. math::
        u_i(t) = d_i\, s(t), \qquad s(t) \in \{0, 1\}

    with :math:`u_i` the drive of :func:`~synapsnet_pyg.simulations.driven_population.driven_session` and s the state.
    States last for exponentially distributed times.

    =====================  ===========================================================================
    depth d                U(low, high) of ``depth``: rates in the up state are e^d times those in the down state
    =====================  ===========================================================================

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"bursts-<seed>"``.
        up: Mean duration of an up state in seconds.
        down: Mean duration of a down state in seconds.
        depth: Smallest and largest difference of the log rate between the states.
        coupling: Factor of all weights.
        response: Compute the true response to one spike as well.
        horizon: Number of bins H of the response.
        starts: Number of bins of the simulation from which the response is computed.

    Returns:
        Session of counts with the neurons' ``cell_type`` and the true weights among the recorded neurons as its
        edges; with ``response`` also ``true_response`` and ``true_response_error`` :math:`(N, N, H)`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_bursts(bins=100, neurons=30, recorded=10)
        Session('bursts-0', 10 neurons x 100 bins of 0.01 s, 0 behaviours, 1 segment, cell_type,
        true graph of 12 edges)
    """
    check_population(bins, neurons, bin_size)
    if min(up, down) < bin_size or not 0 <= depth[0] <= depth[1]:
        raise ValueError(
            f"Expected up and down of at least a bin of {bin_size} s and 0 <= depth[0] <= depth[1] "
            f"(got {up}, {down} and {depth})."
        )
    random = np.random.default_rng(seed)
    chance, state = random.random(bins), np.zeros(bins, dtype=bool)
    for t in range(1, bins):
        state[t] = state[t - 1] ^ (chance[t] < bin_size / (up if state[t - 1] else down))
    drive = state[:, None] * random.uniform(*depth, neurons)
    return driven_session(
        random,
        drive,
        recorded=recorded,
        bin_size=bin_size,
        name=f"bursts-{seed}" if name is None else name,
        coupling=coupling,
        pulse=Pulse(response, horizon, starts),
    )
