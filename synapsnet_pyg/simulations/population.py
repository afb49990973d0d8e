"""Spiking population with known connectivity, and the true effect of perturbing one of its neurons."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session


def simulate_population(
    bins: int = 30_000,
    seed: int = 0,
    *,
    neurons: int = 600,
    recorded: int = 200,
    bin_size: float = 1 / 30,
    name: str | None = None,
    coupling: float = 1.0,
    hidden_drive: float = 1.0,
) -> Session:
    r"""Simulates spike counts of a population with known, sparse, directed connectivity (SynapsNet, section 3.2).

    .. math::
        R_i(t) &= \max\Big(\tanh\big(\bar R_i + g_i \sum_k A_{ik} x_k(t-1) + w_i^B \cdot B(t-1) + w_i^V \cdot V(t-1)
                  - s_i x_i(t-1) + n_i(t)\big), 0\Big) \\
        x_i(t) &\sim \mathrm{Poisson}(R_i(t))

    Some neurons are recorded. A model sees their counts and the behaviour :math:`B`, not the task variables :math:`V`.
    The paper leaves the distributions of the parameters open; these reproduce its published reference scores:

    =====================  ===========================================================================
    edges                  pairs with escape time 8..199 in the Mandelbrot set (:func:`mandelbrot`); no self-edges
    weights A              N(0, 1) / sqrt(mean in-degree)
    baseline               U(-0.2, 0.4)
    input gain g           2 U(0.5, 1.5)
    behaviour B, task V    two each, AR(1) with unit variance and time constants 20 and 10 bins; weights N(0, 0.5^2)
    self-inhibition s      U(0, 0.3)
    noise n                N(0, 0.1^2)
    =====================  ===========================================================================

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random.
        bin_size: Duration of one bin in seconds; only a label here.
        name: Name of the session. None: ``"simulated-<seed>"``.
        coupling: Factor of all weights A; 0: no neuron drives another.
        hidden_drive: Factor of all weights of the task variables, which are not recorded; 0: no task variables.

    Returns:
        Session of counts with the true weights among the recorded neurons as its edges.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_population(bins=100, neurons=30, recorded=10)
        Session('simulated-0', 10 neurons x 100 bins of 0.0333333 s, 2 behaviours, 1 segment, true graph of 9 edges)
    """
    simulation = run_population(
        bins, seed, neurons=neurons, recorded=recorded, coupling=coupling, hidden_drive=hidden_drive
    )
    rows, name = simulation.recorded, f"simulated-{seed}" if name is None else name
    counts, behaviour = simulation.counts.astype(np.float32)[:, rows], simulation.behaviour
    weights = simulation.parameters.weights[np.ix_(rows, rows)]
    del simulation  # in double precision, with the drive: four times the recording
    return Session.from_arrays(
        counts.T,
        behaviour,
        bin_size=bin_size,
        name=name,
        neuron_id=[f"{name}/{neuron}" for neuron in rows],
        true_connectivity=weights,
    )


@dataclass(frozen=True)
class PopulationParameters:
    """Parameters of a simulated population of N neurons, by the symbols of :func:`simulate_population`."""

    weights: np.ndarray
    """Weights A :math:`(N, N)`, [receiver, sender]."""
    baseline: np.ndarray
    """Baseline of each neuron :math:`(N)`."""
    gain: np.ndarray
    """Input gain g of each neuron :math:`(N)`."""
    behaviour_weights: np.ndarray
    """Weights of the behaviours :math:`(N, 2)`."""
    task_weights: np.ndarray
    """Weights of the task variables :math:`(N, 2)`."""
    inhibition: np.ndarray
    """Self-inhibition s of each neuron :math:`(N)`."""
    noise: float = 0.1
    """Deviation of the noise n."""

    @classmethod
    def draw(cls, random: np.random.Generator, neurons: int) -> "PopulationParameters":
        """Draws the parameters of a population of N neurons."""
        edges = mandelbrot(neurons)
        weights = np.where(edges, random.standard_normal((neurons, neurons)), 0.0)
        weights /= np.sqrt(max(edges.sum() / neurons, 1.0))
        baseline = random.uniform(-0.2, 0.4, neurons)
        gain = 2 * random.uniform(0.5, 1.5, neurons)
        behaviour_weights, task_weights = 0.5 * random.standard_normal((2, neurons, 2))
        return cls(
            weights=weights,
            baseline=baseline,
            gain=gain,
            behaviour_weights=behaviour_weights,
            task_weights=task_weights,
            inhibition=random.uniform(0, 0.3, neurons),
        )

    @property
    def coupling(self) -> np.ndarray:
        """Effect of one spike on the argument of tanh in the next bin :math:`(N, N)`, [receiver, sender]."""
        return self.gain[:, None] * self.weights - np.diag(self.inhibition)

    def rate(self, total: np.ndarray) -> np.ndarray:
        """Returns the expected counts for given arguments of tanh."""
        return np.maximum(np.tanh(total), 0)


@dataclass(frozen=True)
class Simulation:
    """Simulated counts of all neurons of a population."""

    parameters: PopulationParameters
    """Parameters of the population."""
    counts: np.ndarray
    """Counts of all neurons :math:`(T, N)`."""
    drive: np.ndarray
    """Sum of baseline, behaviour and task inputs of each bin to the next :math:`(T, N)`."""
    behaviour: np.ndarray
    """Behaviour :math:`(T, 2)`."""
    recorded: np.ndarray
    """Rows of the recorded neurons in the population, in order :math:`(R)`."""


def run_population(
    bins: int = 30_000,
    seed: int = 0,
    *,
    neurons: int = 600,
    recorded: int = 200,
    coupling: float = 1.0,
    hidden_drive: float = 1.0,
) -> Simulation:
    """Simulates all neurons of a population, of which :func:`simulate_population` returns the recorded ones.

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random.
        coupling: Factor of all weights A.
        hidden_drive: Factor of all weights of the task variables.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> run_population(bins=100, neurons=30, recorded=10).counts.shape
        (100, 30)
    """
    if bins < 1 or not 1 <= recorded <= neurons:
        raise ValueError(f"Expected bins >= 1 and 1 <= recorded <= neurons (got {bins}, {recorded}, {neurons}).")
    random = np.random.default_rng(seed)
    drawn = PopulationParameters.draw(random, neurons)
    parameters = replace(drawn, weights=coupling * drawn.weights, task_weights=hidden_drive * drawn.task_weights)
    behaviour = _autoregressive(random, bins, time_constant=20)
    task = _autoregressive(random, bins, time_constant=10)
    # Inputs that do not depend on the activity are computed once, before the recurrence.
    drive = behaviour @ parameters.behaviour_weights.T
    drive += parameters.baseline
    for start in range(0, bins, 4096):  # no second matrix of this size
        drive[start : start + 4096] += task[start : start + 4096] @ parameters.task_weights.T
    counts = poisson_network(random, drive, parameters.coupling, parameters.rate, parameters.noise)
    return Simulation(parameters, counts, drive, behaviour, np.sort(random.permutation(neurons)[:recorded]))


def true_effect(
    simulation: Simulation,
    neuron: int,
    *,
    spikes: float | None = None,
    horizon: int = 1,
    starts: int = 2000,
    seed: int = 0,
) -> Tensor:
    r"""Computes the true effect of silencing or driving one neuron on the expected counts of the recorded neurons.

    .. math::
        e_i(h) = \big\langle \mathbb{E}\, R_i^{\text{changed}}(t + h) - \mathbb{E}\, R_i(t + h) \big\rangle_t,
        \quad h = 1 \ldots H

    The changed and the unchanged population start from the same bins of the simulation and have the same drive and
    noise. One bin ahead their rates are compared, without drawing spikes. Further ahead the counts of both share a
    Poisson count with the smaller rate, to which each adds the rest, so that they differ only as much as their rates.

    Args:
        simulation: Result of :func:`run_population`.
        neuron: Row of the neuron among the recorded neurons, as in the session.
        spikes: Number of spikes added in the starting bin. None: no spikes in the starting bin and all later ones.
        horizon: Number of bins H ahead.
        starts: Number of starting bins, evenly spread over the simulation.
        seed: Seed of noise and counts.

    Returns:
        Effects :math:`(R, H)` in spikes per bin, float64.

    Raises:
        ValueError: There is no such neuron, or a number is out of range.

    Example:
        >>> effect = true_effect(run_population(bins=100, neurons=30, recorded=10), neuron=3, spikes=1)
        >>> effect[3:6, 0].round(decimals=2)  # it inhibits itself and neuron 4, and excites neuron 5
        tensor([-0.0300, -0.2700,  0.2200], dtype=torch.float64)
    """
    if not 0 <= neuron < len(simulation.recorded):
        raise ValueError(f"Expected a neuron among rows 0..{len(simulation.recorded) - 1} (got {neuron}).")
    column = simulation.recorded[neuron]

    def change(counts: np.ndarray, step: int) -> None:
        """Adds spikes in the starting bin, or takes them all away."""
        if spikes is None:
            counts[:, column] = 0
        elif step == 0:
            counts[:, column] += spikes

    coupling = simulation.parameters.coupling
    return _mean_difference(simulation, coupling, change, horizon=horizon, starts=starts, seed=seed)


def true_effect_of_removal(
    simulation: Simulation, edges: Tensor, *, horizon: int = 1, starts: int = 2000, seed: int = 0
) -> Tensor:
    r"""Computes the true effect of removing edges on the expected counts of the recorded neurons.

    The population with and the one without the edges start from the same bins and are compared as in
    :func:`true_effect`. Self-inhibition is no edge and stays.

    Args:
        simulation: Result of :func:`run_population`.
        edges: Mask of the removed edges among the R recorded neurons :math:`(R, R)`, ``[i, j]`` the edge from j to i.
        horizon: Number of bins H ahead.
        starts: Number of starting bins, evenly spread over the simulation.
        seed: Seed of noise and counts.

    Returns:
        Effects :math:`(R, H)` in spikes per bin, float64.

    Raises:
        ValueError: The mask has another shape, or a number is out of range.

    Example:
        >>> edges = torch.zeros(10, 10, dtype=torch.bool)
        >>> edges[4, 5] = edges[5, 9] = True  # neuron 5 excites neuron 4, neuron 9 inhibits neuron 5
        >>> effect = true_effect_of_removal(run_population(bins=100, neurons=30, recorded=10), edges)
        >>> effect[3:6, 0].round(decimals=2)
        tensor([ 0.0000, -0.1000,  0.0300], dtype=torch.float64)
    """
    R = len(simulation.recorded)
    if edges.shape != (R, R):
        raise ValueError(f"Expected a mask of edges [{R}, {R}] (got {list(edges.shape)}).")
    weights = simulation.parameters.weights.copy()
    rows, columns = np.nonzero(edges.cpu().numpy())
    weights[simulation.recorded[rows], simulation.recorded[columns]] = 0
    coupling = replace(simulation.parameters, weights=weights).coupling
    return _mean_difference(simulation, coupling, lambda *_: None, horizon=horizon, starts=starts, seed=seed)


def _mean_difference(
    simulation: Simulation,
    changed_coupling: np.ndarray,
    change: Callable[[np.ndarray, int], None],
    *,
    horizon: int,
    starts: int,
    seed: int,
) -> Tensor:
    """Computes the mean difference of a changed and the unchanged population, as :func:`true_effect` has it.

    Args:
        simulation: Simulation of the unchanged population.
        changed_coupling: Coupling of the changed population.
        change: Function ``change(counts, step)`` that changes its counts [starts, N] in place before each step.
        horizon: Number of bins H ahead.
        starts: Number of starting bins.
        seed: Seed of noise and counts.
    """
    parameters, T, R = simulation.parameters, len(simulation.counts), len(simulation.recorded)
    if not 1 <= horizon < T or starts < 1:
        raise ValueError(f"Expected 1 <= horizon < {T} bins and at least 1 start (got {horizon} and {starts}).")
    random, coupling, other = np.random.default_rng(seed), parameters.coupling.T, changed_coupling.T
    bins = np.unique(np.linspace(1, T - horizon, starts).round().astype(int))
    effect = np.zeros((R, horizon))
    for start in np.array_split(bins, len(bins) // 1000 + 1):
        counts, changed = simulation.counts[start], simulation.counts[start]
        for step in range(horizon):
            change(changed, step)
            drive = simulation.drive[start + step] + parameters.noise * random.standard_normal(counts.shape)
            rate = parameters.rate(counts @ coupling + drive)
            changed_rate = parameters.rate(changed @ other + drive)
            effect[:, step] += (changed_rate - rate)[:, simulation.recorded].sum(0)
            smaller = np.minimum(rate, changed_rate)
            shared = random.poisson(smaller)
            counts = shared + random.poisson(rate - smaller)
            changed = shared + random.poisson(changed_rate - smaller)
    return torch.from_numpy(effect / len(bins))


def poisson_network(
    random: np.random.Generator,
    drive: np.ndarray,
    coupling: np.ndarray,
    rate: Callable[[np.ndarray], np.ndarray],
    noise: float,
) -> np.ndarray:
    """Simulates counts [T, N] of neurons that excite and inhibit each other one bin later.

    Args:
        random: Generator of all random numbers.
        drive: Input of each bin to the next [T, N].
        coupling: Effect of one spike on the next bin, [receiver, sender].
        rate: Function from the sum of drive, coupling and noise to the expected counts.
        noise: Deviation of the noise of each neuron in each bin.
    """
    counts = np.zeros_like(drive)
    for t in range(1, len(drive)):
        total = coupling @ counts[t - 1] + drive[t - 1] + noise * random.standard_normal(drive.shape[1])
        counts[t] = random.poisson(rate(total))
    return counts


def mandelbrot(size: int) -> np.ndarray:
    """Returns a mask of edges [size, size], the border of the Mandelbrot set: escape time 8..199 within 200 steps.

    Rows (receivers) run along the imaginary axis from -1.15 to 1.15, columns (senders) along the real axis from -2 to
    0.6. The diagonal is False.
    """
    c = np.linspace(-2, 0.6, size)[None, :] + 1j * np.linspace(-1.15, 1.15, size)[:, None]
    z, escape = np.zeros_like(c), np.full(c.shape, 200)
    for step in range(200):
        inside = escape == 200
        z[inside] = z[inside] ** 2 + c[inside]
        escape[inside & (np.abs(z) > 2)] = step
    edges = (escape >= 8) & (escape < 200)
    np.fill_diagonal(edges, False)
    return edges


def _autoregressive(random: np.random.Generator, bins: int, time_constant: float) -> np.ndarray:
    """Draws two independent AR(1) time series of unit variance [bins, 2]."""
    memory = np.exp(-1 / time_constant)
    noise = np.sqrt(1 - memory**2) * random.standard_normal((bins, 2))
    series = np.empty((bins, 2))
    series[0] = random.standard_normal(2)
    for t in range(1, bins):
        series[t] = memory * series[t - 1] + noise[t]
    return series
