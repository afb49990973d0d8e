"""Population connected by cell type, with connectivity that is constant or depends on the state of the brain."""

import numpy as np
from torch import Tensor

from synapsnet_pyg.data.session import Session

CELL_TYPES = ("EC", "Pvalb", "Sst", "Vip")
"""Types of neurons: excitatory cells and three kinds of inhibitory ones."""

SHARE = (0.76, 0.08, 0.08, 0.08)
"""Share of each type among the neurons."""

CONNECTION_PROBABILITY = np.array(
    [
        [13 / 229, 18 / 52, 13 / 56, 3 / 62],
        [22 / 53, 45 / 114, 15 / 84, 1 / 54],
        [20 / 67, 8 / 88, 8 / 154, 12 / 87],
        [11 / 68, 0 / 54, 25 / 84, 2 / 209],
    ]
)
"""Share of connected pairs among probed pairs, [type of receiver, type of sender] (Campagnola et al. 2022)."""

STRENGTH = np.array(
    [
        [0.11, -0.44, -0.16, -0.06],
        [0.27, -0.47, -0.18, -0.10],
        [0.10, -0.44, -0.19, -0.17],
        [0.45, -0.23, -0.17, -0.10],
    ]
)
"""Mean weight of an edge, [type of receiver, type of sender], from the postsynaptic potentials in millivolt."""

STATES = ("running", "stationary desynchronised", "stationary synchronised")
"""Names of the states, those of :class:`~synapsnet_pyg.datasets.bugeon.Bugeon`."""

STATE_GAIN = np.array([[0.8, 1.2, 0.5, 1.6], [1.0, 1.0, 1.0, 1.0], [1.3, 0.8, 1.5, 0.4]])
"""Factor of the weights of each type of sender in each state, [state, type]. Running strengthens Vip and weakens Sst;
synchrony does the opposite."""

STAY = 200
"""Mean number of bins that a state lasts."""


def simulate_cell_types(
    bins: int = 30_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    noise: float = 3.5,
    states: int = 0,
    bin_size: float = 1.0,
    name: str | None = None,
) -> Session:
    r"""Simulates a noisy population connected by cell type (NetFormer, connectivity-constrained simulation).

    .. math::
        x(t + 1) = \tanh\big(W x(t) + b\big) + \sigma\, \epsilon(t), \qquad
        W_{ij} \sim \begin{cases} \mathcal{N}(S_{kl}, 0.1^2) & \text{with probability } P_{kl} \\ 0 & \text{else}
        \end{cases}

    with k and l the types of receiver i and sender j, and :math:`b_i, x_i(0), \epsilon_i(t) \sim \mathcal{N}(0, 1)`. A
    neuron may drive itself.

    With ``states`` the brain is in one of S states at a time, each of which lasts :data:`STAY` bins on average. The
    weights of sender j in state s are multiplied by the gain :math:`g_{sl}`: :math:`W_{ij}(t) = g_{s(t)\,l} W_{ij}`.

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons, :data:`SHARE` of each type in the order of :data:`CELL_TYPES`.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        noise: Deviation :math:`\sigma` of the noise.
        states: Number of states S, 2 or 3; their indicators, 0 or 1, are the behaviour. 0: constant connectivity.
        bin_size: Duration of one bin in seconds; only a label here.
        name: Name of the session. None: ``"cell-types-<seed>"``.

    Returns:
        Session with the neurons' ``cell_type`` and the true weights among the recorded neurons as its edges. With
        states, the edges have their mean weight over time; :func:`true_weights_by_state` returns those of each state.

    Raises:
        ValueError: A number is out of range.

    References:
        Lu et al., "NetFormer: An interpretable model for recovering dynamical connectivity in neuronal population
        dynamics", ICLR 2025. Campagnola et al., "Local connectivity and synaptic dynamics in mouse and human
        neocortex", Science 375 (2022).

    Example:
        >>> simulate_cell_types(bins=100, neurons=50, recorded=20, states=3)
        Session('cell-types-0', 20 neurons x 100 bins of 1 s, 3 behaviours, 1 segment, cell_type, state_gain,
        true graph of 34 edges)
    """
    recorded = neurons if recorded is None else recorded
    if bins < 1 or not 1 <= recorded <= neurons or noise < 0 or states not in (0, 2, 3):
        raise ValueError(
            f"Expected bins >= 1, 1 <= recorded <= neurons, noise >= 0 and 0, 2 or 3 states "
            f"(got {bins}, {recorded}, {neurons}, {noise} and {states})."
        )
    random = np.random.default_rng(seed)
    type_of = _types(neurons)
    weights = _wiring(random, type_of)
    bias, state_of = random.standard_normal(neurons), _states(random, bins, max(states, 1))
    gain = STATE_GAIN[:states] if states else np.ones((1, len(CELL_TYPES)))
    activity = random.standard_normal((bins, neurons))  # the noise, which becomes the activity
    activity[1:] *= noise
    wiring = [weights * gain[state, type_of] for state in range(len(gain))]
    for t in range(1, bins):
        activity[t] += np.tanh(wiring[state_of[t - 1]] @ activity[t - 1] + bias)

    indicator = (state_of[:, None] == np.arange(len(gain))).astype(float)
    mean_gain = indicator.mean(0) @ gain
    rows, name = np.sort(random.permutation(neurons)[:recorded]), f"cell-types-{seed}" if name is None else name
    return Session.from_arrays(
        activity[:, rows].T,
        indicator if states else None,
        bin_size=bin_size,
        name=name,
        neuron_id=[f"{name}/{neuron}" for neuron in rows],
        behaviour_name=STATES[:states] if states else None,
        cell_type=[CELL_TYPES[type_of[neuron]] for neuron in rows],
        state_gain=(gain / mean_gain).T[type_of[rows]] if states else None,
        true_connectivity=(weights * mean_gain[type_of])[np.ix_(rows, rows)],
    )


def true_weights_by_state(session: Session) -> Tensor:
    r"""Returns the true weights in each state of a session that :func:`simulate_cell_types` made with states.

    Args:
        session: Session, or a part of it. Its ``state_gain`` holds each sender's gain in each state, divided by the
            mean gain.

    Returns:
        Weights :math:`(S, N, N)`, ``[s, i, j]`` the effect of j on i in state s.

    Raises:
        ValueError: The session has no states.

    Example:
        >>> weights = true_weights_by_state(simulate_cell_types(bins=50, neurons=20, states=3))
        >>> bool((weights[0][:, 19].abs() >= weights[2][:, 19].abs()).all())  # Vip sends more in running
        True
    """
    if "state_gain" not in session or session.true_connectivity is None:
        raise ValueError(f"Expected a session simulated with states ('{session.name}' is not); pass states=3.")
    gain: Tensor = session.state_gain
    return session.true_connectivity * gain.t()[:, None].to(session.true_connectivity)


def _types(neurons: int) -> np.ndarray:
    """Returns the index in :data:`CELL_TYPES` of each neuron, in ascending order [N]."""
    borders = np.round(np.cumsum(SHARE)[:-1] * neurons)
    return np.searchsorted(borders, np.arange(neurons), side="right")


def _wiring(random: np.random.Generator, type_of: np.ndarray) -> np.ndarray:
    """Draws the weights W [N, N], zero where there is no edge."""
    block = np.ix_(type_of, type_of)
    edges = random.random((len(type_of), len(type_of))) < CONNECTION_PROBABILITY[block]
    return np.where(edges, STRENGTH[block] + 0.1 * random.standard_normal(edges.shape), 0.0)


def _states(random: np.random.Generator, bins: int, states: int) -> np.ndarray:
    """Draws a Markov chain [T] with equally likely transitions to all other states."""
    leaves = random.random(bins) < 1 / STAY
    steps = np.where(leaves, random.integers(1, max(states, 2), bins), 0)
    return np.cumsum(steps) % states
