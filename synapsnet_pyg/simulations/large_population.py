"""Population of any size with few senders for each neuron, wired by cell type."""

import numpy as np
import torch

from synapsnet_pyg.data.session import Session

_EXCITATORY = 0.5
"""Share of the types whose neurons excite; with more, the population would excite itself to its largest rate."""
_TYPICAL = 0.25
"""Count of a bin at which senders neither excite nor inhibit; without it, types would be silent or saturated."""
_WARM_UP = 100
"""Number of bins before the first recorded one."""


def simulate_large_population(
    bins: int = 8000,
    seed: int = 0,
    *,
    neurons: int = 10_000,
    senders: int = 30,
    types: int = 20,
    hidden_drive: float = 1.0,
    bin_size: float = 1 / 30,
    name: str | None = None,
) -> Session:
    r"""Simulates spike counts of a large population with known wiring, in memory that grows with its edges.

    .. math::
        R_i(t) &= \max\Big(\tanh\big(\bar R_i + \sum_{j \in S_i} A_{ij} (x_j(t-1) - 0.25) + w_i^B \cdot B(t-1)
                  + w_i^V \cdot V(t-1) - s_i x_i(t-1) + n_i(t)\big), 0\Big) \\
        x_i(t) &\sim \mathrm{Poisson}(R_i(t))

    The dynamics are those of :func:`~synapsnet_pyg.simulations.population.simulate_population`. Each neuron has a type,
    and each type prefers few types of senders (a Dirichlet distribution of concentration 0.3). The neurons of a type
    excite all or inhibit all their receivers. A model sees the counts and the behaviour B, not the task variables V.

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons N, all recorded.
        senders: Number of senders that are drawn for each neuron; one that is drawn twice counts once.
        types: Number of types.
        hidden_drive: Factor of all weights of the task variables; 0: no task variables.
        bin_size: Duration of one bin in seconds; only a label here.
        name: Name of the session. None: ``"large-<seed>"``.

    Returns:
        Session of counts with the weights A as its edges.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_large_population(bins=40, neurons=50, senders=4, types=3).num_neurons
        50
    """
    if min(bins, neurons, senders, types) < 1 or senders >= neurons or hidden_drive < 0:
        raise ValueError(
            f"Expected bins, neurons, senders, types >= 1, senders < neurons and hidden_drive >= 0 (got {bins}, "
            f"{neurons}, {senders}, {types} and {hidden_drive})."
        )
    random = np.random.default_rng(seed)
    edge_index, weight = _wiring(random, neurons, senders, types)
    receivers, first = np.unique(edge_index[1], return_index=True)
    baseline, inhibition = random.uniform(-0.2, 0.4, neurons), random.uniform(0.0, 0.3, neurons)
    by_behaviour, by_task = 0.5 * random.standard_normal((2, neurons, 2))
    keep = np.exp(-1 / np.array([20.0, 10.0]))[:, None]  # of behaviour and task variables
    slow, counts = np.zeros((2, 2)), np.zeros(neurons)
    activity, behaviour = np.zeros((neurons, bins), np.float32), np.zeros((bins, 2), np.float32)
    for t in range(-_WARM_UP, bins):
        received = baseline + by_behaviour @ slow[0] + hidden_drive * by_task @ slow[1] - inhibition * counts
        received[receivers] += np.add.reduceat(weight * (counts[edge_index[0]] - _TYPICAL), first)
        received += 0.1 * random.standard_normal(neurons)
        slow = keep * slow + np.sqrt(1 - keep**2) * random.standard_normal((2, 2))
        counts = random.poisson(np.maximum(np.tanh(received), 0.0)).astype(float)
        if t >= 0:
            activity[:, t], behaviour[t] = counts, slow[0]
    return Session(
        torch.from_numpy(activity),
        torch.from_numpy(behaviour),
        bin_size=bin_size,
        name=f"large-{seed}" if name is None else name,
        edge_index=torch.from_numpy(edge_index),
        edge_weight=torch.from_numpy(weight).float(),
    )


def _wiring(random: np.random.Generator, neurons: int, senders: int, types: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws edges [2, E], sorted by receiver, and their weights [E]."""
    types = min(types, neurons)
    kind = np.sort(np.concatenate([np.arange(types), random.integers(types, size=neurons - types)]))
    begin, size = np.searchsorted(kind, np.arange(types)), np.bincount(kind, minlength=types)
    preferred = random.dirichlet(np.full(types, 0.3), size=types).cumsum(1)
    drawn = (random.random((neurons, senders, 1)) > preferred[kind][:, None]).sum(2).clip(max=types - 1)
    sender = begin[drawn] + (random.random((neurons, senders)) * size[drawn]).astype(int)
    receiver = np.repeat(np.arange(neurons), senders)
    edges = np.unique(receiver * neurons + sender.ravel())
    edge_index = np.stack([edges % neurons, edges // neurons])
    edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    sign = np.where(np.arange(types) < round(_EXCITATORY * types), 1.0, -1.0)
    random.shuffle(sign)
    gain = 2 * random.uniform(0.5, 1.5, neurons)
    size_of_weight = np.abs(random.standard_normal(edge_index.shape[1])) / np.sqrt(senders)
    return edge_index, sign[kind[edge_index[0]]] * gain[edge_index[1]] * size_of_weight
