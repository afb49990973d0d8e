"""Rate network on the measured wiring of the zebrafish oculomotor integrator."""

import os

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.recorded import recorded_rows, recorded_session
from synapsnet_pyg.simulations.responses import Response

SETTLE = 100
"""Number of bins before the recording."""


def simulate_integrator(
    bins: int = 20_000,
    seed: int = 0,
    *,
    wiring: str | os.PathLike[str],
    neurons: int | None = None,
    recorded: int | None = None,
    bin_size: float = 0.1,
    name: str | None = None,
    time_constant: float = 1.0,
    substeps: int = 1,
    noise: float = 0.5,
    measurement_noise: float = 0.0,
    pulses: float = 0.05,
    strength: float = 1.0,
    noise_free_target: bool = False,
    response: bool = False,
    horizon: int = 3,
) -> Session:
    r"""Simulates a linear rate network, whose leading eigenvalue of 0.9 remembers pulses of its input.

    .. math::
        r(t + \Delta) = r(t) + \frac{\Delta}{\tau} \big(-r(t) + W r(t) + I(t)\, v\big)
                        + \sigma \sqrt{\Delta / \tau}\; \xi(t), \qquad y_i(t) = r_i(t) + \epsilon_i(t)

    =====================  ===========================================================================
    wiring W               array ``weight`` of the file, [receiver, sender]
    input direction v      leading eigenvector of W, positive on average, of length :math:`\sqrt{N}`
    input I                0; in a share ``pulses`` of the bins ``strength`` times N(0, 1)
    noise                  independent of neuron and step
    measurement            independent noise with ``measurement_noise`` times each neuron's deviation
    =====================  ===========================================================================

    With ``noise_free_target``, bins come in pairs, each pair a segment: a state of the noisy network, and the state
    that follows from it without noise. With one substep and without measurement noise, the change within a pair is
    then exactly :math:`\frac{\Delta}{\tau} ((W - 1) r + I v)`, and least squares on all neurons and the input finds W.

    Args:
        bins: Number of bins T; even with ``noise_free_target``.
        seed: Seed of all random numbers.
        wiring: NumPy file (npz) with the square array ``weight`` and, if given, the texts ``cell_type``.
        neurons: Number of neurons of the file that are simulated, evenly spread over its rows. None: all.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Time :math:`\Delta` from one observation to the next in seconds, 0.05 to 0.2 time constants.
        name: Name of the session. None: ``"integrator-<seed>"``.
        time_constant: Time constant :math:`\tau` in seconds.
        substeps: Number of steps of the integration in a bin; the equation holds for each.
        noise: Deviation :math:`\sigma` of the noise.
        measurement_noise: Deviation of the measurement's noise, as a factor of each neuron's deviation.
        pulses: Share of the bins with a pulse, 0 to 1.
        strength: Deviation of the pulses.
        noise_free_target: Record pairs of a noisy state and its noise-free successor.
        response: Compute the true response to a push as well, which is exact.
        horizon: Number of bins H of the response.

    Returns:
        Session of activity with the input I as its behaviour, the neurons' ``cell_type`` and the true weights W among
        the recorded neurons as its edges; with ``response`` also ``true_response`` :math:`(N, N, H)`, the change of
        :math:`r_i` at the end of a bin after :math:`r_j` grew by one at a random step of the first bin.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no square array ``weight``, or a number is out of range.

    References:
        Vishwanathan et al., "Predicting modular functions and neural coding of behavior from a synaptic wiring
        diagram", Nature Neuroscience (2024).

    Example:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "wiring.npz")
        >>> np.savez(path, weight=np.diag(np.full(4, 0.9), k=1))
        >>> simulate_integrator(bins=50, wiring=path)
        Session('integrator-0', 5 neurons x 50 bins of 0.1 s, 1 behaviour, 1 segment, true graph of 4 edges)
    """
    step = bin_size / time_constant / max(substeps, 1)
    if substeps < 1 or not 0 < step < 1 or min(noise, measurement_noise) < 0 or not 0 <= pulses <= 1:
        raise ValueError(
            f"Expected substeps >= 1, 0 < bin_size < substeps * time_constant, noise >= 0 and 0 <= pulses <= 1 "
            f"(got {substeps}, {bin_size}, {time_constant}, {noise}, {measurement_noise} and {pulses})."
        )
    if horizon < 1 or (noise_free_target and bins % 2):
        raise ValueError(f"Expected horizon >= 1, and an even number of bins for pairs (got {horizon} and {bins}).")
    weights, cell_type = read_wiring(wiring)
    N = len(weights) if neurons is None else neurons
    if not 1 <= N <= len(weights):
        raise ValueError(f"Expected 1 <= neurons <= {len(weights)}, those of the file (got {N}).")
    kept = np.linspace(0, len(weights) - 1, N).round().astype(int)
    weights, cell_type = weights[np.ix_(kept, kept)], cell_type and [cell_type[row] for row in kept]
    random = np.random.default_rng(seed)
    rows = recorded_rows(random, bins, N, recorded)
    values, vectors = np.linalg.eig(weights)
    direction = vectors[:, values.real.argmax()].real
    direction *= np.sqrt(N) * np.sign(direction.sum() or 1) / np.linalg.norm(direction)
    steps = bins // 2 if noise_free_target else bins
    given = (random.random(SETTLE + steps) < pulses) * strength * random.standard_normal(SETTLE + steps)

    def advance(state: np.ndarray, given: float, noise: float) -> np.ndarray:
        """Returns the state one bin later."""
        for _ in range(substeps):
            change = step * (weights @ state - state + given * direction)
            state = state + change + noise * np.sqrt(step) * random.standard_normal(N)
        return state

    state, states = np.zeros(N), []
    for t in range(SETTLE + steps):
        if t >= SETTLE:
            states.append(state)
            if noise_free_target:
                states.append(advance(state, given[t], 0.0))
        state = advance(state, given[t], noise)
    activity = np.array(states)
    activity += measurement_noise * activity.std(0) * random.standard_normal(activity.shape)
    return recorded_session(
        activity,
        rows,
        name=f"integrator-{seed}" if name is None else name,
        bin_size=bin_size,
        weights=weights,
        cell_type=cell_type,
        behaviour=given[SETTLE:].repeat(2 if noise_free_target else 1)[:, None],
        behaviour_name=["input"],
        segment=np.arange(0, bins, 2)[:, None] + [0, 2] if noise_free_target else None,
        response=_response(np.eye(N) + step * (weights - np.eye(N)), substeps, horizon) if response else None,
    )


def read_wiring(path: str | os.PathLike[str]) -> tuple[np.ndarray, list[str] | None]:
    """Reads the weights :math:`(N, N)`, [receiver, sender], and the type of each neuron; None without types.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no square array ``weight`` of finite numbers.
    """
    with np.load(path, allow_pickle=False) as file:
        if "weight" not in file or file["weight"].ndim != 2 or len(set(file["weight"].shape)) != 1:
            raise ValueError(f"Expected a square array 'weight' in '{path}' (got {', '.join(file) or 'no array'}).")
        weights = file["weight"].astype(float)
        cell_type = [str(one).strip("_") for one in file["cell_type"]] if "cell_type" in file else None
    if not np.isfinite(weights).all():
        raise ValueError(f"Expected finite numbers in 'weight' of '{path}' (got NaN or infinity).")
    return weights, cell_type


def _response(once: np.ndarray, substeps: int, horizon: int) -> Response:
    """Returns the exact response to a push before or after each substep, given the matrix of one substep."""
    power, response = np.eye(len(once)), Response.empty(len(once), horizon)
    for number in range(horizon * substeps):
        response.total[..., number // substeps] += power / substeps
        power = once @ power
    response.squares, response.starts = response.total**2, 1
    return response
