"""Simulation of Neuropixels recordings along the visual hierarchy with known connectivity."""

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.calcium import running_and_pupil
from synapsnet_pyg.simulations.population import poisson_network

AREAS = ("LGd", "VISp", "VISl", "VISal", "VISpm", "VISam")
"""Visual areas from the bottom of the hierarchy to its top (Siegle et al. 2021)."""


def simulate_neuropixels(
    session: int = 0,
    *,
    bins: int = 9_000,
    seed: int = 0,
    neurons: int = 360,
    recorded: int = 150,
    bin_size: float = 1 / 30,
    name: str | None = None,
) -> Session:
    r"""Simulates spike counts in six areas, each of which drives the next and receives feedback from it.

    .. math::
        r_i(t) = \max\big(\tanh(\bar r_i + \textstyle\sum_k A_{ik} x_k(t-1) + q_i\, v(t) + w_i\, b(t) - s_i x_i(t-1)
                 + n_i(t)), 0\big), \quad x_i(t) \sim \mathrm{Poisson}(r_i(t))

    =====================  ===========================================================================
    areas                  :data:`AREAS`, as many neurons in each; four of five excitatory, one inhibitory
    within an area         probability 0.15; excitatory 0.25 U(0.5, 1.5), inhibitory -0.75 U(0.5, 1.5)
    to the next area       excitatory neurons only: probability 0.15, 0.35 U(0.5, 1.5)
    back                   excitatory neurons only: probability 0.08, 0.15 U(0.5, 1.5)
    baseline               U(-0.2, 0.15)
    stimulus v             six AR(1) time series with time constant 5 bins; weights N(0, 0.4^2) in LGd, N(0, 0.2^2) in
                           VISp, 0 in other areas
    behaviour              running; weights N(0, 0.15^2)
    self-inhibition s      U(0, 0.3)
    noise n                N(0, 0.1^2)
    =====================  ===========================================================================

    A model does not see the stimulus. Sessions with equal ``seed`` are of one animal and differ in recorded neurons.

    Args:
        session: Number of the session of the animal, from 0.
        bins: Number of bins T; 9,000 are five minutes.
        seed: Seed of the animal.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded in a session, chosen at random.
        bin_size: Duration of one bin in seconds; only a label, except for the time constants of running.
        name: Name of the session. None: ``"neuropixels-<seed>-<session>"``.

    Returns:
        Session of counts with the true weights among the recorded neurons as its edges and the neurons' ``area``.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_neuropixels(bins=100, neurons=30, recorded=10)
        Session('neuropixels-0-0', 10 neurons x 100 bins of 0.0333333 s, 1 behaviour, 1 segment, area, cell_type,
        true graph of 3 edges)
    """
    if bins < 1 or not 1 <= recorded <= neurons:
        raise ValueError(f"Expected bins >= 1 and 1 <= recorded <= neurons (got {bins}, {recorded}, {neurons}).")
    animal, random = np.random.default_rng(seed), np.random.default_rng([seed, session])
    area, inhibitory = np.arange(neurons) * len(AREAS) // neurons, np.arange(neurons) % 5 == 4
    step = area[:, None] - area[None, :]  # areas from the sender (column) up to the receiver (row)
    within, forward, back = step == 0, (step == 1) & ~inhibitory, (step == -1) & ~inhibitory
    probability = 0.15 * within + 0.15 * forward + 0.08 * back
    size = np.where(within, np.where(inhibitory, -0.75, 0.25), 0.35 * forward + 0.15 * back)
    weights = np.where(animal.random((neurons, neurons)) < probability, size, 0.0)
    weights *= animal.uniform(0.5, 1.5, (neurons, neurons)) * (360 / max(neurons, 6))
    np.fill_diagonal(weights, 0)
    baseline = animal.uniform(-0.2, 0.15, neurons)
    answers = 0.4 * animal.standard_normal((neurons, 6)) * np.array([1, 0.5, 0, 0, 0, 0])[area][:, None]
    behaviour_weights = 0.15 * animal.standard_normal(neurons)
    inhibition = animal.uniform(0, 0.3, neurons)

    running = running_and_pupil(random, bins, bin_size)[:, :1]
    stimulus, memory = np.zeros((bins, 6)), np.exp(-1 / 5)
    for t in range(1, bins):
        stimulus[t] = memory * stimulus[t - 1] + np.sqrt(1 - memory**2) * random.standard_normal(6)
    drive = baseline + stimulus @ answers.T + running * behaviour_weights
    counts = poisson_network(
        random, drive, weights - np.diag(inhibition), lambda total: np.maximum(np.tanh(total), 0), noise=0.1
    )
    rows = np.sort(random.permutation(neurons)[:recorded])
    return Session.from_arrays(
        counts[:, rows].T,
        running,
        bin_size=bin_size,
        behaviour_name=["running"],
        name=f"neuropixels-{seed}-{session}" if name is None else name,
        neuron_id=[f"neuropixels-{seed}/{neuron}" for neuron in rows],
        area=[AREAS[area[neuron]] for neuron in rows],
        cell_type=[("inhibitory" if inhibitory[neuron] else "excitatory") for neuron in rows],
        true_connectivity=weights[np.ix_(rows, rows)],
    )
