"""Spiking network seen through a slow calcium indicator."""

from math import ceil

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.recorded import recorded_rows, recorded_session
from synapsnet_pyg.simulations.spiking_network import SpikingNetwork

FINE = 0.01
"""Longest bin in which spikes are counted before the indicator, in seconds."""
REACH = 0.06
"""Time after the longest delay within which changes of spikes are counted in a response, in seconds."""


def simulate_calcium_indicator(
    bins: int | None = None,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 1 / 30,
    name: str | None = None,
    decay: float = 0.5,
    rise: float = 0.0,
    noise: float = 0.5,
    delay: tuple[float, float] = (1.0, 4.0),
    coupling: float = 1.0,
    hidden_drive: float = 0.0,
    response: bool = False,
    horizon: int = 3,
    starts: int = 1000,
) -> Session:
    r"""Simulates the fluorescence of the network of :func:`simulate_spiking_network`.

    .. math::
        F_i(t) = \sum_s k(t - t_i^s) + \epsilon_i(t), \qquad k(u) = e^{-u / \tau_d} - [\tau_r > 0]\, e^{-u / \tau_r}

    with :math:`\epsilon_i` independent from frame to frame. Spikes are counted in bins of at most 10 ms, and a frame
    is the fluorescence at the end of its bin.

    Args:
        bins: Number of frames T. None: 20 minutes, 36,000 frames at 30 Hz.
        seed: Seed of all random numbers; with the same seed, sizes and delays, the network is that of
            :func:`simulate_spiking_network`.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Time from frame to frame in seconds.
        name: Name of the session. None: ``"indicator-<seed>"``.
        decay: Time constant of the decay :math:`\tau_d` in seconds.
        rise: Time constant of the rise :math:`\tau_r` in seconds, below the decay. 0: at once.
        noise: Deviation of a neuron's noise :math:`\epsilon`, as a factor of the deviation of its signal.
        delay: Shortest and longest delay of a synapse in milliseconds.
        coupling: Factor of all weights.
        hidden_drive: Share of the variance of a neuron's noise that comes from unseen shared drives.
        response: Compute the true response to one spike as well.
        horizon: Number of frames H of the response.
        starts: Number of states of the network from which the response is computed.

    Returns:
        Session of fluorescence, in units of one spike, with the neurons' ``cell_type`` and the true weights among the
        recorded neurons in mV as its edges; with ``response`` also ``true_response`` and ``true_response_error``
        :math:`(N, N, H)`. Changes of spikes within :data:`REACH` count.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_calcium_indicator(bins=90, neurons=30, recorded=10)
        Session('indicator-0', 10 neurons x 90 bins of 0.0333333 s, 0 behaviours, 1 segment, cell_type,
        true graph of 11 edges)
    """
    if bin_size <= 0 or not 0 <= rise < decay or noise < 0:
        raise ValueError(
            f"Expected bin_size > 0, 0 <= rise < decay and noise >= 0 (got {bin_size}, {rise}, {decay} and {noise})."
        )
    bins = round(1200 / bin_size) if bins is None else bins
    random = np.random.default_rng(seed)
    per_frame = ceil(bin_size / FINE - 1e-9)
    fine = bin_size / per_frame
    network = SpikingNetwork.draw(
        random, neurons, bin_size=fine, delay=delay, coupling=coupling, hidden_drive=hidden_drive
    )
    rows = recorded_rows(random, bins, neurons, recorded)
    settled = ceil(3 * decay / bin_size)
    spikes = network.counts(random, (settled + bins) * per_frame)
    signal = _through_indicator(spikes, fine, decay, rise)[per_frame - 1 :: per_frame][settled:]
    fluorescence = signal + noise * signal.std(0) * random.standard_normal(signal.shape)
    found = None
    if response:
        reach = ceil((REACH + delay[1] / 1000) / fine)
        kernel = _through_indicator(np.eye(horizon * per_frame, 1), fine, decay, rise)[:, 0]
        seen = _frames_of_spike(reach, horizon, per_frame, kernel)
        found = network.response(np.random.default_rng([seed, 1]), reach, starts, seen=seen)
    return recorded_session(
        fluorescence,
        rows,
        name=f"indicator-{seed}" if name is None else name,
        bin_size=bin_size,
        weights=network.weights,
        cell_type=network.cell_type,
        response=found,
    )


def _through_indicator(spikes: np.ndarray, fine: float, decay: float, rise: float) -> np.ndarray:
    """Returns the signal at the end of each fine bin for spike counts [bins, N]."""
    memory = np.exp(-fine / np.array([[decay], [max(rise, 1e-9)]]))
    parts, signal = np.zeros((2, spikes.shape[1])), np.empty(spikes.shape)
    for t, counts in enumerate(spikes):
        parts *= memory
        parts += counts
        signal[t] = parts[0] - parts[1] if rise else parts[0]
    return signal


def _frames_of_spike(reach: int, horizon: int, per_frame: int, kernel: np.ndarray) -> np.ndarray:
    """Returns the signal in each frame after a spike [reach, H], reach fine bins after a pulse at a random one.

    Args:
        reach: Number of fine bins after the pulse.
        horizon: Number of frames H; the first is that of the pulse.
        per_frame: Number of fine bins of a frame.
        kernel: Signal in each fine bin after a spike :math:`(H * per_frame)`.
    """
    seen = np.zeros((reach, horizon))
    for later in range(reach):
        for frame in range(horizon):
            age = (frame + 1) * per_frame - 1 - later - np.arange(per_frame)
            seen[later, frame] = kernel[age[age >= 0]].sum() / per_frame
    return seen
