"""A simulated population whose wiring is known."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synapsnet_pyg.datasets.recordings import Recordings
from synapsnet_pyg.session import Session


def simulate(
    bins: int = 30_000,
    seed: int = 0,
    neurons: int = 600,
    recorded: int = 200,
    bin_size: float = 1 / 30,
    name: str | None = None,
) -> Session:
    r"""Spike counts of a population with known, sparse, directed wiring (SynapsNet, section 3.2).

    .. math::
        R_i(t) &= \max\Big(\tanh\big(\bar R_i + g_i \sum_k A_{ik} x_k(t-1) + w_i^B \cdot B(t-1) + w_i^V \cdot V(t-1)
                  - s_i x_i(t-1) + n_i(t)\big), 0\Big) \\
        x_i(t) &\sim \mathrm{Poisson}(R_i(t))

    Of the neurons, some are recorded; the model sees their counts and the behaviour :math:`B`, not the task variables
    :math:`V`. The paper leaves the laws of the parameters open; these reproduce its published anchors:

    =====================  ===========================================================================
    edges                  where the Mandelbrot set's escape time (up to 200) is 8..199; no self-edges
    weights A              N(0, 1) / sqrt(mean in-degree)
    baseline               U(-0.2, 0.4)
    input gain g           2 U(0.5, 1.5)
    behaviour, task        weights N(0, 0.5^2); two each, AR(1), unit variance, 20 and 10 bins
    self-inhibition s      U(0, 0.3)
    noise n                N(0, 0.1^2)
    =====================  ===========================================================================

    Args:
        bins: T.
        seed: Decides everything random.
        neurons: How many there are.
        recorded: How many of them are recorded, chosen at random.
        bin_size: Seconds a bin; only a label here.
        name: Of the session; None: ``"simulated-<seed>"``.

    Returns:
        A session of counts with the true weights among the recorded neurons as its edges.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate(bins=100, neurons=30, recorded=10)
        Session('simulated-0', 10 neurons x 100 bins of 0.0333333 s, 2 behaviours, 1 segment, true graph of 9 edges)
    """
    if bins < 1 or not 1 <= recorded <= neurons:
        raise ValueError(f"Expected bins >= 1 and 1 <= recorded <= neurons (got {bins}, {recorded}, {neurons}).")
    random = np.random.default_rng(seed)
    edges = mandelbrot(neurons)
    weights = np.where(edges, random.standard_normal((neurons, neurons)), 0.0)
    weights /= np.sqrt(max(edges.sum() / neurons, 1.0))
    baseline = random.uniform(-0.2, 0.4, neurons)
    gain = 2 * random.uniform(0.5, 1.5, neurons)
    behaviour_weights, task_weights = 0.5 * random.standard_normal((2, neurons, 2))
    inhibition = random.uniform(0, 0.3, neurons)
    behaviour = _autoregressive(random, bins, time_constant=20)
    task = _autoregressive(random, bins, time_constant=10)

    # All that does not depend on the activity, once; then the recurrence, a bin at a time.
    drive = baseline + behaviour @ behaviour_weights.T + task @ task_weights.T
    recurrent = gain[:, None] * weights - np.diag(inhibition)
    counts = poisson_network(random, drive, recurrent, lambda total: np.maximum(np.tanh(total), 0), noise=0.1)
    seen = np.sort(random.permutation(neurons)[:recorded])
    name = f"simulated-{seed}" if name is None else name
    return Session.from_arrays(
        counts[:, seen].T,
        behaviour,
        bin_size=bin_size,
        name=name,
        neuron_id=[f"{name}/{neuron}" for neuron in seen],
        true_connectivity=weights[np.ix_(seen, seen)],
    )


def poisson_network(
    random: np.random.Generator,
    drive: np.ndarray,
    coupling: np.ndarray,
    rate: Callable[[np.ndarray], np.ndarray],
    noise: float,
) -> np.ndarray:
    """Counts [T, N] of neurons that excite and inhibit each other one bin later.

    Args:
        random: What is random comes from here.
        drive: Of each bin on the next [T, N].
        coupling: [receiver, sender].
        rate: Expected count from the sum of drive, coupling and noise.
        noise: Deviation of what else a neuron hears in each bin.
    """
    counts = np.zeros_like(drive)
    for t in range(1, len(drive)):
        total = coupling @ counts[t - 1] + drive[t - 1] + noise * random.standard_normal(drive.shape[1])
        counts[t] = random.poisson(rate(total))
    return counts


def mandelbrot(size: int) -> np.ndarray:
    """Where edges are, [size, size]: escape time 8..199 on the real axis -2..0.6, imaginary axis -1.15..1.15.

    Rows (receivers) run along the imaginary axis, columns (senders) along the real one. No neuron drives itself.
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
    """Two independent AR(1) courses of unit variance: [bins, 2]."""
    memory = np.exp(-1 / time_constant)
    noise = np.sqrt(1 - memory**2) * random.standard_normal((bins, 2))
    course = np.empty((bins, 2))
    course[0] = random.standard_normal(2)
    for t in range(1, bins):
        course[t] = memory * course[t - 1] + noise[t]
    return course


class SimulatedPopulation(Recordings):
    """Sessions of :func:`simulate`, one a seed.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        seeds: One session each.
        transform: Applied to a session whenever it is taken.
        **laws: Arguments of :func:`simulate`; other laws make other files.

    Example:
        >>> dataset = SimulatedPopulation("data/simulated", seeds=range(3), bins=30_000)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('simulated-0', 200 neurons x 30000 bins of 0.0333333 s, 2 behaviours, 1 segment, true graph ...)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        seeds: Iterable[int] = (0,),
        transform: Callable[[Session], Session] | None = None,
        **laws: Any,
    ) -> None:
        self.seeds, self.laws = list(seeds), laws
        super().__init__(root, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """One session a seed."""
        return {f"simulated-{seed}": [] for seed in self.seeds}

    def read(self, name: str, files: list[Path]) -> Session:
        """Simulates."""
        return simulate(seed=int(name.removeprefix("simulated-")), name=name, **self.laws)


class SimulatedAnimal(Recordings):
    """Sessions of one simulated animal, which share wiring and neurons; a subclass says by which law."""

    kind: ClassVar[str]
    law: ClassVar[Callable[..., Session]]

    def __init__(
        self,
        root: str | os.PathLike[str],
        sessions: int = 4,
        seed: int = 0,
        transform: Callable[[Session], Session] | None = None,
        **laws: Any,
    ) -> None:
        self.count, self.seed, self.laws = sessions, seed, laws
        super().__init__(root, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """One a session."""
        return {f"{self.kind}-{self.seed}-{session}": [] for session in range(self.count)}

    def read(self, name: str, files: list[Path]) -> Session:
        """Simulates."""
        return type(self).law(int(name.rsplit("-", 1)[1]), seed=self.seed, **self.laws)
