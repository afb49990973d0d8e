"""Sparsely coupled population whose rates drift over the recording."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.driven_population import Pulse, check_population, driven_session, slow_series


def simulate_drift(
    bins: int = 60_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 0.01,
    name: str | None = None,
    rate_drift: float = 0.6,
    gain_drift: float = 0.0,
    shared: float = 0.5,
    time_constant: float = 0.2,
    coupling: float = 1.0,
    response: bool = False,
    horizon: int = 4,
    starts: int = 300,
) -> Session:
    r"""Simulates coupled neurons whose rates, and if wanted gains, change slowly over the recording.

    .. math::
        u_i(t) = \sigma_r \big(\sqrt{s}\, a_i\, z_0(t) + \sqrt{1 - s}\, z_i(t)\big), \qquad
        g_i(t) = \exp(\sigma_g\, y_i(t))

    with :math:`u_i` and :math:`g_i` the drive and the gain of
    :func:`~synapsnet_pyg.simulations.driven_population.driven_session`.

    =====================  ===========================================================================
    drifts z, y            AR(1) with unit variance; :math:`z_0` is one for all neurons
    sign a                 -1 or 1 for each neuron
    =====================  ===========================================================================

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"drift-<seed>"``.
        rate_drift: Deviation :math:`\sigma_r` of the log rate.
        gain_drift: Deviation :math:`\sigma_g` of the log gain. The true weights are those for a gain of 1.
        shared: Share s of the variance of the log rate that all neurons have in common.
        time_constant: Time constant of the drifts, as a share of the recording.
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
        >>> simulate_drift(bins=100, neurons=30, recorded=10)
        Session('drift-0', 10 neurons x 100 bins of 0.01 s, 0 behaviours, 1 segment, cell_type,
        true graph of 7 edges)
    """
    check_population(bins, neurons, bin_size)
    if min(rate_drift, gain_drift) < 0 or not 0 <= shared <= 1 or time_constant <= 0:
        raise ValueError(
            f"Expected drifts >= 0, 0 <= shared <= 1 and time_constant > 0 "
            f"(got {rate_drift}, {gain_drift}, {shared} and {time_constant})."
        )
    random = np.random.default_rng(seed)
    series = slow_series(random, bins, 1 + 2 * neurons, time_constant * bins)
    common, own, gain = np.split(series, [1, 1 + neurons], axis=1)
    sign = random.choice([-1.0, 1.0], neurons)
    drive = rate_drift * (np.sqrt(shared) * sign * common + np.sqrt(1 - shared) * own)
    return driven_session(
        random,
        drive,
        recorded=recorded,
        bin_size=bin_size,
        name=f"drift-{seed}" if name is None else name,
        coupling=coupling,
        pulse=Pulse(response, horizon, starts),
        gain=np.exp(gain_drift * gain) if gain_drift else None,
    )
