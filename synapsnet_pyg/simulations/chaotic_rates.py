"""Chaotic network of rate neurons with heavy-tailed weights, and its true response to a push."""

from math import ceil
from typing import Literal

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.recorded import recorded_rows, recorded_session
from synapsnet_pyg.simulations.responses import Response

LARGEST_STEP = 0.05
"""Longest step of the integration, in time constants."""
CHAOS = 0.02
"""Smallest Lyapunov exponent of a chaotic network, per time constant."""
SETTLE = 100.0
"""Time before the recording, in time constants."""


def simulate_chaotic_rates(
    bins: int = 30_000,
    seed: int = 0,
    *,
    neurons: int = 100,
    recorded: int | None = None,
    bin_size: float = 0.02,
    name: str | None = None,
    time_constant: float = 0.1,
    density: float = 0.1,
    weights: Literal["cauchy", "gaussian"] = "cauchy",
    coupling: float = 2.0,
    noise: float = 0.2,
    measurement_noise: float = 0.1,
    observed: Literal["rates", "state"] = "rates",
    response: bool = False,
    horizon: int = 3,
    starts: int = 300,
) -> Session:
    r"""Simulates a random network of rate neurons beyond the edge of chaos.

    .. math::
        \tau\, dx = (-x + g\, W \tanh x)\, dt + \sigma \sqrt{2 \tau}\; dB, \qquad
        y_i(t) = \tanh x_i(t) + \epsilon_i(t)

    =====================  ===========================================================================
    edges                  probability ``density`` for each pair; no self-edges
    weights W              Cauchy, cut off at ten times its scale, or Gaussian; divided by their spectral radius
    chaos                  a network of some hundred neurons may rest or cycle even at large g: of 20 draws, the first
                           one whose largest Lyapunov exponent without noise is above :data:`CHAOS`, or else the one
                           with the largest exponent
    noise                  independent white noise; alone, it would give x a deviation of :math:`\sigma`
    measurement            independent noise with ``measurement_noise`` times each neuron's deviation
    =====================  ===========================================================================

    The integration is Euler-Maruyama with steps of at most a twentieth of the time constant.

    Args:
        bins: Number of bins T; the state is observed once a bin.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Time from one observation to the next in seconds; a fifth of the time constant.
        name: Name of the session. None: ``"chaotic-rates-<seed>"``.
        time_constant: Time constant :math:`\tau` in seconds.
        density: Probability of an edge, above 0 and up to 1.
        weights: Distribution of the weights: cauchy or gaussian.
        coupling: Factor g of the weights.
        noise: Deviation :math:`\sigma` of the noise.
        measurement_noise: Deviation of the measurement's noise, as a factor of each neuron's deviation.
        observed: Observed activity: rates (:math:`\tanh x`) or state (x).
        response: Compute the true response to a push as well.
        horizon: Number of bins H of the response.
        starts: Number of times of the simulation from which the response is computed.

    Returns:
        Session of activity with the true weights g W among the recorded neurons as its edges; with ``response`` also
        ``true_response`` and ``true_response_error`` :math:`(N, N, H)`, the derivative of the observed activity at the
        end of a bin by the state :math:`x_j` at a random step of the first bin.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_chaotic_rates(bins=100, neurons=30, recorded=10)
        Session('chaotic-rates-0', 10 neurons x 100 bins of 0.02 s, 0 behaviours, 1 segment,
        true graph of 4 edges)
    """
    if bin_size <= 0 or time_constant <= 0 or not 0 < density <= 1 or min(noise, measurement_noise) < 0:
        raise ValueError(
            f"Expected bin_size > 0, time_constant > 0, 0 < density <= 1 and noise >= 0 "
            f"(got {bin_size}, {time_constant}, {density}, {noise} and {measurement_noise})."
        )
    random = np.random.default_rng(seed)
    rows = recorded_rows(random, bins, neurons, recorded)
    wiring = _draw_chaotic(random, neurons, density, weights, coupling)
    per_bin = ceil(bin_size / time_constant / LARGEST_STEP - 1e-9)
    step = bin_size / time_constant / per_bin
    states = _integrate(random, wiring, step, noise, steps=bins * per_bin).reshape(bins, per_bin, neurons)
    activity = np.tanh(states[:, -1]) if observed == "rates" else states[:, -1]
    activity = activity + measurement_noise * activity.std(0) * random.standard_normal(activity.shape)
    found = None
    if response:
        if horizon < 1 or starts < 1 or bins <= horizon:
            raise ValueError(f"Expected 1 <= horizon < {bins} bins and starts >= 1 (got {horizon} and {starts}).")
        pushed = np.random.default_rng([seed, 1]).integers(0, (bins - horizon) * per_bin, starts)
        found = _response(states, wiring, step, pushed=pushed, horizon=horizon, of_rates=observed == "rates")
    return recorded_session(
        activity,
        rows,
        name=f"chaotic-rates-{seed}" if name is None else name,
        bin_size=bin_size,
        weights=wiring,
        response=found,
    )


def _draw_chaotic(random: np.random.Generator, neurons: int, density: float, kind: str, coupling: float) -> np.ndarray:
    """Draws weights g W until the network is chaotic [N, N]."""
    best, largest = None, -np.inf
    for _ in range(20):
        wiring = coupling * _draw_weights(random, neurons, density, kind)
        exponent = lyapunov_exponent(wiring, random.standard_normal(neurons))
        if exponent > largest:
            best, largest = wiring, exponent
        if exponent > CHAOS:
            break
    assert best is not None
    return best


def lyapunov_exponent(wiring: np.ndarray, start: np.ndarray, time: float = 100.0) -> float:
    """Returns the largest Lyapunov exponent of the network without noise, per time constant.

    Args:
        wiring: Weights g W :math:`(N, N)`.
        start: State at the start :math:`(N)`.
        time: Time over which it is averaged, after as long a time to settle, in time constants.

    Example:
        >>> round(lyapunov_exponent(np.zeros((2, 2)), np.ones(2)), 2)  # every neuron decays on its own
        -1.03
    """
    steps, state, growth = ceil(time / LARGEST_STEP), start, 0.0
    tangent = np.ones(len(wiring)) / np.sqrt(len(wiring))
    for number in range(2 * steps):
        rates = np.tanh(state)
        tangent = tangent + LARGEST_STEP * (wiring @ ((1 - rates**2) * tangent) - tangent)
        state = state + LARGEST_STEP * (wiring @ rates - state)
        length = max(float(np.linalg.norm(tangent)), 1e-300)
        tangent, growth = tangent / length, growth + (np.log(length) if number >= steps else 0.0)
    return float(growth / time)


def _draw_weights(random: np.random.Generator, neurons: int, density: float, kind: str) -> np.ndarray:
    """Draws sparse weights with a spectral radius of one [N, N]."""
    shape = (neurons, neurons)
    if kind not in ("cauchy", "gaussian"):
        raise ValueError(f"Expected weights among cauchy, gaussian (got '{kind}').")
    size = random.standard_cauchy(shape).clip(-10, 10) if kind == "cauchy" else random.standard_normal(shape)
    wiring = np.where(random.random(shape) < density, size, 0.0)
    np.fill_diagonal(wiring, 0)
    radius = np.abs(np.linalg.eigvals(wiring)).max()
    return wiring / radius if radius > 1e-6 else wiring


def _integrate(random: np.random.Generator, wiring: np.ndarray, step: float, noise: float, *, steps: int) -> np.ndarray:
    """Returns the state after each step [steps, N], once the network has settled."""
    settle = ceil(SETTLE / step)
    state, states = random.standard_normal(len(wiring)), np.empty((steps, len(wiring)))
    size = noise * np.sqrt(2 * step)
    for number in range(-settle, steps):
        state = state + step * (wiring @ np.tanh(state) - state) + size * random.standard_normal(len(state))
        if number >= 0:
            states[number] = state
    return states


def _response(
    states: np.ndarray, wiring: np.ndarray, step: float, *, pushed: np.ndarray, horizon: int, of_rates: bool
) -> Response:
    """Computes the derivative of the observed activity by the state at some steps, along the simulated states.

    Args:
        states: State after each step [bins, steps of a bin, N].
        wiring: Weights g W [N, N].
        step: Step in time constants.
        pushed: Numbers of the steps after which the state is pushed.
        horizon: Number of bins.
        of_rates: Rates are observed.
    """
    _, per_bin, N = states.shape
    flat, response = states.reshape(-1, N), Response.empty(N, horizon)
    for first in pushed:
        change, seen = np.eye(N), []
        end = (first // per_bin + horizon) * per_bin
        for now in range(first, end):
            if (now + 1) % per_bin == 0:
                seen.append((1 - np.tanh(flat[now]) ** 2)[:, None] * change if of_rates else change)
            change = change + step * ((wiring * (1 - np.tanh(flat[now]) ** 2)) @ change - change)
        response.add(np.stack(seen, axis=-1).swapaxes(0, 1)[None])
    return response
