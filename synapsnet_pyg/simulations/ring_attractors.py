"""Strongly coupled rings of neurons, in which most correlated pairs are not connected."""

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session

STEP = 1e-4
"""Time step of the spiking ring in seconds."""

DECAY = 0.01
"""Time constant of the spiking ring's synapses in seconds."""

RING_THRESHOLD = {
    0.0025: 1.3e-3,
    0.005: 1.2e-3,
    0.0075: 1.1e-3,
    0.01: 1.0e-3,
    0.0125: 9.55e-4,
    0.015: 8.93e-4,
    0.0175: 8.52e-4,
    0.02: 8.15e-4,
    0.0225: 7.75e-4,
    0.025: 7.4e-4,
}
"""Coupling r of the spiking ring -> threshold that gives about the same firing rate for every coupling."""


def ring_weights(neurons: int = 100) -> np.ndarray:
    r"""Returns the weights of a ring :math:`(N, N)`, in which inhibition almost cancels a narrower excitation.

    .. math::
        W_{ij} = e^{-d^2 / (2 \cdot 6.98^2)} - 1.0005\, e^{-d^2 / (2 \cdot 7^2)}

    with d the distance of i and j along the ring, in neurons.

    Args:
        neurons: Number of neurons N.

    Example:
        >>> ring_weights(100)[0, [0, 10, 50, 90]].round(6)
        array([-0.0005  , -0.002285, -0.      , -0.002285])
    """
    apart = np.abs(np.subtract.outer(np.arange(neurons), np.arange(neurons)))
    squared = np.minimum(apart, neurons - apart) ** 2
    weights: np.ndarray = np.exp(-squared / (2 * 6.98**2)) - 1.0005 * np.exp(-squared / (2 * 7.0**2))
    return weights


def simulate_ring(
    bins: int = 30_000,
    seed: int = 0,
    *,
    neurons: int = 100,
    coupling: float = 22.0,
    bin_size: float = 1.0,
    name: str | None = None,
) -> Session:
    r"""Simulates a ring of rate neurons with occasional noise (NetFormer, spurious correlations).

    .. math::
        x(t + 1) = \tanh\big(r\, W x(t) + 1 + n(t)\big), \qquad n_i(t) = \xi_i(t)\, [\zeta_i(t) > 1]

    with W of :func:`ring_weights`, :math:`\xi, \zeta \sim \mathcal{N}(0, 1)` and :math:`x(0) = 0`. Neurons with strong
    mutual inhibition receive inhibition from the same neurons, so that their activity is correlated nevertheless.

    Args:
        bins: Number of bins T.
        seed: Seed of the noise.
        neurons: Number of neurons.
        coupling: Factor r of the weights.
        bin_size: Duration of one bin in seconds; only a label here.
        name: Name of the session. None: ``"ring-<seed>"``.

    Returns:
        Session with :math:`r W` as its edges, including the diagonal.

    Raises:
        ValueError: A number is out of range.

    References:
        Das and Fiete, "Systematic errors in connectivity inferred from activity in strongly recurrent networks",
        Nature Neuroscience 23 (2020). Lu et al., "NetFormer: An interpretable model for recovering dynamical
        connectivity in neuronal population dynamics", ICLR 2025.

    Example:
        >>> simulate_ring(bins=50, neurons=7)
        Session('ring-0', 7 neurons x 50 bins of 1 s, 0 behaviours, 1 segment, true graph of 49 edges)
    """
    _check(bins, neurons)
    random, weights = np.random.default_rng(seed), coupling * ring_weights(neurons)
    activity = np.zeros((bins, neurons))
    for t in range(1, bins):
        activity[t] = np.tanh(weights @ activity[t - 1] + 1 + _gated(random, neurons, above=1.0))
    name = f"ring-{seed}" if name is None else name
    return Session.from_arrays(activity.T, bin_size=bin_size, name=name, true_connectivity=weights)


def simulate_spiking_ring(
    bins: int = 100_000,
    seed: int = 0,
    *,
    neurons: int = 100,
    coupling: float = 0.015,
    threshold: float | None = None,
    skip: int = 10_000,
    name: str | None = None,
) -> Session:
    r"""Simulates a ring of spiking neurons (NetFormer, spurious correlations, after Das and Fiete).

    .. math::
        I(t) &= r\, W s(t) + 0.001\, (1 + 0.3\, \xi(t)\, [\zeta(t) > 1.5]), \qquad
        z_i(t) = [I_i(t) > \theta] \\
        s(t + \delta) &= s(t) + z(t) - s(t)\, \delta / \tau

    with W of :func:`ring_weights`, :math:`\delta` = 0.1 ms, :math:`\tau` = 10 ms, :math:`s(0) = 0` and :math:`\xi_i,
    \zeta_i \sim \mathcal{N}(0, 1)`. Each step draws :math:`\xi` of all neurons, then :math:`\zeta`. The seed 0 gives
    the published spikes.

    Args:
        bins: Number of bins T of 0.1 ms.
        seed: Seed of the noise.
        neurons: Number of neurons.
        coupling: Factor r of the weights; with a larger factor more pairs without an edge are correlated.
        threshold: Threshold :math:`\theta` of a spike. None: :data:`RING_THRESHOLD` of the coupling.
        skip: Number of steps before the first bin.
        name: Name of the session. None: ``"spiking-ring-<seed>"``.

    Returns:
        Session of spikes, 0 or 1, with :math:`r W` as its edges, including the diagonal. The neuron field
        ``activation_before`` is the synaptic activation s before the first bin, for :func:`synaptic_activation`.

    Raises:
        ValueError: A number is out of range, or no threshold is known for the coupling.

    References:
        Das and Fiete (2020) and Lu et al. (2025), see :func:`simulate_ring`.

    Example:
        >>> simulate_spiking_ring(bins=50, skip=300)
        Session('spiking-ring-0', 100 neurons x 50 bins of 0.0001 s, 0 behaviours, 1 segment, activation_before,
                true graph of 10000 edges)
    """
    _check(bins, neurons)
    if skip < 0:
        raise ValueError(f"Expected skip >= 0 (got {skip}).")
    if threshold is None and coupling not in RING_THRESHOLD:
        known = ", ".join(map(str, RING_THRESHOLD))
        raise ValueError(f"Expected a coupling among {known} (got {coupling}); pass a threshold for other couplings.")
    threshold = RING_THRESHOLD[coupling] if threshold is None else threshold
    random, weights = np.random.default_rng(seed), coupling * ring_weights(neurons)
    spikes, activation = np.zeros((bins, neurons), dtype=np.float32), np.zeros(neurons)
    before = activation
    for t in range(-skip, bins):
        before = activation if t == 0 else before
        current = weights @ activation + 0.001 * (1 + 0.3 * _gated(random, neurons, above=1.5))
        fires = (current > threshold).astype(np.float32)
        activation = _decayed(activation, fires)
        if t >= 0:
            spikes[t] = fires
    return Session.from_arrays(
        spikes.T,
        bin_size=STEP,
        name=f"spiking-ring-{seed}" if name is None else name,
        true_connectivity=weights,
        activation_before=before,
    )


def synaptic_activation(spikes: Tensor, before: Tensor | None = None) -> Tensor:
    r"""Computes the synaptic activation of a spiking ring in each bin, which acts on the next bin.

    Args:
        spikes: Spikes in bins of 0.1 ms, 0 or 1, :math:`(N, T)`.
        before: Synaptic activation before the first bin :math:`(N)`, such as ``session.activation_before``. None: 0.

    Returns:
        Synaptic activation :math:`(N, T)` in float64, bit-identical to the simulation.

    Example:
        >>> synaptic_activation(torch.tensor([[0, 1.0, 0, 1]]))
        tensor([[0.0000, 1.0000, 0.9900, 1.9801]], dtype=torch.float64)
    """
    series = np.empty(spikes.t().shape)
    activation = np.zeros(len(spikes)) if before is None else before.double().cpu().numpy()
    for t, fires in enumerate(spikes.t().cpu().numpy()):
        series[t] = activation = _decayed(activation, fires)
    return torch.from_numpy(series.T.copy())


def _decayed(activation: np.ndarray, fires: np.ndarray) -> np.ndarray:
    """Returns the synaptic activation one step later."""
    return activation + fires - activation * (STEP / DECAY)


def _gated(random: np.random.Generator, neurons: int, above: float) -> np.ndarray:
    """Draws noise [N] that is zero unless a second standard normal number exceeds ``above``."""
    size = random.standard_normal(neurons)
    return size * (random.standard_normal(neurons) > above)


def _check(bins: int, neurons: int) -> None:
    """Raises an error unless both numbers are at least 1."""
    if bins < 1 or neurons < 1:
        raise ValueError(f"Expected bins >= 1 and neurons >= 1 (got {bins} and {neurons}).")
