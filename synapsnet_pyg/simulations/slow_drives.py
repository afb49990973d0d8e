"""Uncoupled population that hears slow unseen drives, each neuron later than others."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.driven_population import Pulse, check_population, driven_session, slow_series


def simulate_slow_drives(
    bins: int = 60_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 0.01,
    name: str | None = None,
    drives: int = 4,
    time_constant: float = 0.2,
    longest_delay: int = 6,
    strength: float = 1.0,
    response: bool = False,
    horizon: int = 4,
    starts: int = 300,
) -> Session:
    r"""Simulates neurons without any coupling that hear the same slow drives, each with its own delay.

    .. math::
        x_i(t) \sim \mathrm{Poisson}\Big(\min\big(\exp(b_i + \textstyle\sum_k w_{ik}\, d_k(t - \delta_i)
        + \sum_{l=1}^{3} f(l)\, x_i(t-l)), \rho\big)\Big)

    A neuron that hears the drives early forecasts those that hear them late, without any synapse: no true edges.

    =====================  ===========================================================================
    drives d               AR(1) with unit variance
    weights w              N(0, 1), scaled to the length ``strength`` for each neuron
    delays                 0 to ``longest_delay`` bins, one for each neuron
    baseline, self filter  those of :func:`~synapsnet_pyg.simulations.driven_population.driven_session`
    =====================  ===========================================================================

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"slow-drives-<seed>"``.
        drives: Number of drives.
        time_constant: Time constant of the drives in seconds.
        longest_delay: Longest delay of a neuron in bins.
        strength: Deviation of a neuron's log rate.
        response: Compute the true response to one spike as well.
        horizon: Number of bins H of the response.
        starts: Number of bins of the simulation from which the response is computed.

    Returns:
        Session of counts with the neurons' ``cell_type`` and the true weights among the recorded neurons as its
        edges; with ``response`` also ``true_response`` and ``true_response_error`` :math:`(N, N, H)`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_slow_drives(bins=100, neurons=30, recorded=10)
        Session('slow-drives-0', 10 neurons x 100 bins of 0.01 s, 0 behaviours, 1 segment, cell_type,
        true graph of 0 edges)
    """
    check_population(bins, neurons, bin_size)
    if drives < 1 or time_constant <= 0 or longest_delay < 0 or strength < 0:
        raise ValueError(
            f"Expected drives >= 1, time_constant > 0, longest_delay >= 0 and strength >= 0 "
            f"(got {drives}, {time_constant}, {longest_delay} and {strength})."
        )
    random = np.random.default_rng(seed)
    heard = slow_series(random, bins + longest_delay, drives, time_constant / bin_size)
    weights = random.standard_normal((neurons, drives))
    weights *= strength / np.linalg.norm(weights, axis=1, keepdims=True)
    delay = random.integers(0, longest_delay + 1, neurons)
    bin_of = np.arange(bins)[:, None] + longest_delay - delay
    drive = np.einsum("tnk,nk->tn", heard[bin_of], weights)
    return driven_session(
        random,
        drive,
        recorded=recorded,
        bin_size=bin_size,
        name=f"slow-drives-{seed}" if name is None else name,
        coupling=0.0,
        pulse=Pulse(response, horizon, starts),
    )
