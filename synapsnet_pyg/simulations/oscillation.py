"""Sparsely coupled population that is locked to an unseen oscillation."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.driven_population import Pulse, check_population, driven_session, slow_series


def simulate_oscillation(
    bins: int = 60_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 0.01,
    name: str | None = None,
    frequency: float = 8.0,
    jitter: float = 1.0,
    depth: tuple[float, float] = (0.8, 1.6),
    coupling: float = 1.0,
    response: bool = False,
    horizon: int = 4,
    starts: int = 300,
) -> Session:
    r"""Simulates coupled neurons, all of which prefer a phase of one unseen oscillation, such as theta.

    .. math::
        u_i(t) = d_i \cos(\phi(t) - p_i), \qquad \phi(t + 1) = \phi(t) + 2 \pi \Delta\, (f_0 + \sigma_f\, j(t))

    with :math:`u_i` the drive of :func:`~synapsnet_pyg.simulations.driven_population.driven_session`.

    =====================  ===========================================================================
    jitter j               AR(1) with unit variance and a time constant of 0.5 s
    depth d                U(low, high) of ``depth``, in the log rate
    preferred phase p      uniform on the circle
    =====================  ===========================================================================

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"oscillation-<seed>"``.
        frequency: Mean frequency :math:`f_0` in hertz.
        jitter: Deviation of the frequency :math:`\sigma_f` in hertz.
        depth: Smallest and largest depth of the modulation.
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
        >>> simulate_oscillation(bins=100, neurons=30, recorded=10)
        Session('oscillation-0', 10 neurons x 100 bins of 0.01 s, 0 behaviours, 1 segment, cell_type,
        true graph of 14 edges)
    """
    check_population(bins, neurons, bin_size)
    if frequency <= 0 or jitter < 0 or not 0 <= depth[0] <= depth[1]:
        raise ValueError(
            f"Expected frequency > 0, jitter >= 0 and 0 <= depth[0] <= depth[1] (got {frequency}, {jitter}, {depth})."
        )
    random = np.random.default_rng(seed)
    now = frequency + jitter * slow_series(random, bins, 1, 0.5 / bin_size)
    phase = 2 * np.pi * (bin_size * now.cumsum(0) + random.random())
    preferred = 2 * np.pi * random.random(neurons)
    drive = random.uniform(*depth, neurons) * np.cos(phase - preferred)
    return driven_session(
        random,
        drive,
        recorded=recorded,
        bin_size=bin_size,
        name=f"oscillation-{seed}" if name is None else name,
        coupling=coupling,
        pulse=Pulse(response, horizon, starts),
    )
