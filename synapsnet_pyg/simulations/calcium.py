"""Simulation of two-photon imaging of visual cortex with known connectivity."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.population import poisson_network


def simulate_calcium(
    session: int = 0,
    *,
    bins: int = 5_160,
    seed: int = 0,
    neurons: int = 300,
    recorded: int = 120,
    bin_size: float = 1 / 4.3,
    name: str | None = None,
) -> Session:
    r"""Simulates the fluorescence of a population that sees images while the animal runs and rests.

    .. math::
        r_i(t) &= \max\big(\bar r_i + \textstyle\sum_k A_{ik} s_k(t-1) + q_i(\text{image}(t)) + w_i \cdot b(t)
                  + n_i(t), 0\big), \quad s_i(t) \sim \mathrm{Poisson}(r_i(t)) \\
        c_i(t) &= e^{-\Delta / \tau_i}\, c_i(t-1) + s_i(t), \quad F_i(t) = c_i(t) + \epsilon_i(t)

    =====================  ===========================================================================
    neurons                four of five excitatory, one inhibitory (``cell_type``), wired with probability 0.1
    weights A              excitatory 0.08 U(0.5, 1.5), inhibitory -0.32 U(0.5, 1.5); no self-edges
    baseline               U(0.02, 0.2) spikes a bin
    images                 40, two bins each, then two grey bins; a neuron answers to one image in five with an
                           exponential number of mean 0.4
    behaviour              running (bouts of some 10 s) and pupil (smoothed running plus slow noise), unit variance;
                           weights N(0, 0.1^2)
    noise n                N(0, 0.05^2)
    indicator              decay :math:`\tau` of U(0.4, 1.0) s; noise :math:`\epsilon` of N(0, 0.2^2) spikes
    =====================  ===========================================================================

    A model sees running and pupil as behaviour, but not the images. Sessions with equal ``seed`` are of one animal:
    connectivity and answers to images are equal, recorded neurons and random numbers differ.

    Args:
        session: Number of the session of the animal, from 0.
        bins: Number of bins T; 5,160 are 20 minutes.
        seed: Seed of the animal.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded in a session, chosen at random.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"calcium-<seed>-<session>"``.

    Returns:
        Session of fluorescence, in units of one spike, with the true weights among the recorded neurons as edges.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_calcium(bins=100, neurons=30, recorded=10)
        Session('calcium-0-0', 10 neurons x 100 bins of 0.232558 s, 2 behaviours, 1 segment, cell_type,
        true graph of 9 edges)
    """
    if bins < 1 or not 1 <= recorded <= neurons:
        raise ValueError(f"Expected bins >= 1 and 1 <= recorded <= neurons (got {bins}, {recorded}, {neurons}).")
    animal, random = np.random.default_rng(seed), np.random.default_rng([seed, session])
    inhibitory = np.arange(neurons) % 5 == 4
    size = np.where(inhibitory, -0.32, 0.08) * animal.uniform(0.5, 1.5, (neurons, neurons))
    weights = np.where(animal.random((neurons, neurons)) < 0.1, size, 0.0) * (300 / max(neurons, 2))
    np.fill_diagonal(weights, 0)
    baseline = animal.uniform(0.02, 0.2, neurons)
    answers = np.where(animal.random((neurons, 40)) < 0.2, animal.exponential(0.4, (neurons, 40)), 0.0)
    behaviour_weights = 0.1 * animal.standard_normal((neurons, 2))
    decay = np.exp(-bin_size / animal.uniform(0.4, 1.0, neurons))

    behaviour = running_and_pupil(random, bins, bin_size)
    images = random.integers(0, 40, bins // 4 + 1).repeat(4)[:bins]
    shown = np.arange(bins) % 4 < 2
    drive = baseline + answers[:, images].T * shown[:, None] + behaviour @ behaviour_weights.T
    spikes = poisson_network(random, drive, weights, lambda total: np.maximum(total, 0), noise=0.05)
    calcium = np.zeros_like(spikes)
    for t in range(1, bins):
        calcium[t] = decay * calcium[t - 1] + spikes[t]
    fluorescence = calcium + 0.2 * random.standard_normal(calcium.shape)
    rows = np.sort(random.permutation(neurons)[:recorded])
    return Session.from_arrays(
        fluorescence[:, rows].T,
        behaviour,
        bin_size=bin_size,
        behaviour_name=["running", "pupil"],
        name=f"calcium-{seed}-{session}" if name is None else name,
        neuron_id=[f"calcium-{seed}/{neuron}" for neuron in rows],
        cell_type=[("inhibitory" if inhibitory[neuron] else "excitatory") for neuron in rows],
        true_connectivity=weights[np.ix_(rows, rows)],
    )


def running_and_pupil(random: np.random.Generator, bins: int, bin_size: float) -> np.ndarray:
    """Simulates bouts of running, and a pupil that follows them with additional slow noise [bins, 2]."""
    slow = np.exp(-bin_size / np.array([10.0, 3.0, 10.0]))
    noise = random.standard_normal((bins, 3)) * np.sqrt(1 - slow**2)
    series = np.zeros((bins, 3))
    for t in range(1, bins):
        series[t] = slow * series[t - 1] + noise[t]
    running = np.maximum(series[:, 0] - 0.3, 0) * np.exp(0.3 * series[:, 1])
    pupil = series[:, 2].copy()
    smoothed = 0.0
    for t in range(bins):
        smoothed += (1 - np.exp(-bin_size / 2.0)) * (running[t] - smoothed)
        pupil[t] += 1.5 * smoothed
    both = np.stack([running, pupil], axis=1)
    return (both - both.mean(0)) / np.maximum(both.std(0), 1e-9)
