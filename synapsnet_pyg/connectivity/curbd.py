"""CURBD: a recurrent network that is trained to reproduce the recording, whose weights are read as connectivity."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.linalg.blas import dgemm
from threadpoolctl import threadpool_limits
from torch import Tensor

from synapsnet_pyg.data.session import Session


class CURBD(NamedTuple):
    """A network trained on a recording, and how well it reproduces it."""

    connectivity: np.ndarray
    """J [N, N], ``[i, j]`` the effect of j on i."""
    inverse_correlation: np.ndarray
    """P [N, N], what the learning knows of the states."""
    states: np.ndarray
    """r of the last run [N, steps], from -1 to 1."""
    p_var: np.ndarray
    """Share of the activity's variance that each run reproduces [runs], at most 1."""
    chi2: np.ndarray
    """Squared error of each run, mean over neurons, summed over bins [runs]."""
    training_runs: int
    """How many of the runs learned; the others, last, ran freely."""
    converged: bool
    """Whether learning ended because it brought no more."""


class RegionCurrent(NamedTuple):
    """What the neurons of one region send to those of another, [receivers, steps] each."""

    total: np.ndarray
    excitatory: np.ndarray
    """Through positive weights alone."""
    inhibitory: np.ndarray
    """Through negative weights alone; the two add up to the total."""


def curbd(session: Session, *, steps_per_bin: int = 2, **options: Any) -> Tensor:
    r"""Trains a recurrent network to reproduce the recording, and returns its weights.

    :func:`fit_curbd` tells how. The network knows nothing of behaviour, and learns the training part alone; at the
    first bin of each segment its state starts anew from the activity.

    A network without input reproduces what follows from the activity's own past. Of the simulated population's counts,
    mostly noise, that is little (``p_var`` below 0.01), and the weights tell next to nothing of the true ones; look at
    ``p_var`` before you read them.

    Args:
        session: A recording.
        steps_per_bin: As for :func:`fit_curbd`.
        **options: Others of :func:`fit_curbd`.

    Returns:
        :math:`J`, :math:`(N, N)`: what the sender's state adds to the sum that drives the receiver. It has no unit and
        is not that of the regressions.

    Raises:
        ValueError: As for :func:`fit_curbd`.
    """
    found = fit_curbd_to(session, steps_per_bin=steps_per_bin, **options)
    return torch.from_numpy(found.connectivity).float()


def fit_curbd_to(session: Session, *, steps_per_bin: int = 2, **options: Any) -> CURBD:
    """All that :func:`curbd` finds: the weights, and how well the network reproduces the training part."""
    activity, first_bins = join_segments(session.standardise().split().train)
    resets = [bin * steps_per_bin for bin in first_bins]
    return fit_curbd(activity, steps_per_bin=steps_per_bin, resets=resets, **options)


def join_segments(part: Session) -> tuple[np.ndarray, list[int]]:
    """Activity of all segments one after the other [N, T], and the first bin of each there."""
    segments = part.segment.tolist()
    activity = torch.cat([part.activity[:, start:stop] for start, stop in segments], dim=1)
    lengths = [stop - start for start, stop in segments]
    return activity.cpu().numpy(), np.cumsum([0, *lengths[:-1]]).tolist()


def fit_curbd(
    activity: np.ndarray,
    *,
    steps_per_bin: int = 2,
    time_constant: float = 2.0,
    gain: float = 1.5,
    noise_amplitude: float = 0.01,
    noise_time_constant: float = 0.1,
    plasticity: float = 1.0,
    training_runs: int = 500,
    free_runs: int = 1,
    patience: int | None = 20,
    resets: Iterable[int] = (),
    noise: np.ndarray | None = None,
    start: np.ndarray | None = None,
    seed: int = 0,
    legacy_alignment: bool = False,
) -> CURBD:
    r"""Trains a recurrent network, one unit a neuron, to reproduce the activity (current-based decomposition).

    .. math::
        \tau \dot h = -h + J r + \xi, \qquad r = \tanh(h)

    by Euler steps, and at every bin :math:`k` recursive least squares (FORCE) on :math:`e = r - d_k`:

    .. math::
        g = P r, \qquad c = \frac{1}{1 + r \cdot g}, \qquad P \leftarrow P - c\, g g^\top, \qquad
        J \leftarrow J - c\, e g^\top

    with :math:`d` the activity divided by its largest value and clipped to :math:`\pm 0.999`. Each run starts from
    :math:`h = d_0`; :math:`J` and :math:`P` go on from run to run. Everything is in double precision, since :math:`P`
    decays over many runs.

    Args:
        activity: :math:`(N, T)`, for instance standardised.
        steps_per_bin: Euler steps in a bin.
        time_constant: :math:`\tau`, in bins. Less than a step is refused; less than about four steps can end in
            states that jump between -1 and 1 (``p_var`` far below 0), which no learning ends.
        gain: Deviation of :math:`\sqrt N J` at the start; above 1 the network is chaotic before it learns.
        noise_amplitude: Of :math:`\xi`.
        noise_time_constant: Over which :math:`\xi` is correlated, in bins.
        plasticity: :math:`P` is this times the identity at the start.
        training_runs: Runs with learning at most.
        free_runs: Runs without, after them: what the network does by itself. All are alike, since the noise is.
        patience: Learning ends when ``p_var`` has not risen by 1e-4 for this many runs; None: never before
            ``training_runs``.
        resets: Steps at which the state starts anew from the activity, for instance the first of each trial.
        noise: :math:`\xi` :math:`(N, \text{steps})`, with :math:`(T - 1)` times ``steps_per_bin`` plus 1 steps. None:
            drawn, the same in every run.
        start: :math:`J` at the start. None: drawn.
        seed: Of all that is drawn.
        legacy_alignment: Learn as the published program does, in which state and activity are apart by
            :math:`1 - 1/q` bins for :math:`q` steps a bin, ``p_var`` by :math:`1/q`, and the last bin is never learned.

    Returns:
        The network. Its states at ``[:, ::steps_per_bin]`` reproduce the activity.

    Raises:
        ValueError: An argument is out of its range or of another shape.

    References:
        Perich et al., "Inferring brain-wide interactions using data-constrained recurrent neural network models", 2021.
        Sussillo and Abbott, "Generating coherent patterns of activity from chaotic neural networks", 2009.

    Example:
        >>> time = np.arange(60)
        >>> activity = np.stack([np.sin(time / 4 + phase) for phase in range(5)])
        >>> found = fit_curbd(activity, time_constant=4.0, training_runs=20)
        >>> found.connectivity.shape, bool(found.p_var[-1] > 0.9)
        ((5, 5), True)
    """
    N, T = activity.shape
    steps = (T - 1) * steps_per_bin + 1
    if min(steps_per_bin, training_runs, T) < 1 or free_runs < 0:
        raise ValueError(
            "Expected at least one bin, one step a bin and one training run (got "
            f"{T}, {steps_per_bin} and {training_runs}, with {free_runs} free runs)."
        )
    if time_constant * steps_per_bin < 1:
        raise ValueError(
            f"Expected a time constant of at least a step, {1 / steps_per_bin:g} bins (got {time_constant:g}); "
            "take a longer one or more steps a bin."
        )
    random = np.random.default_rng(seed)
    if start is None:
        start = gain * random.standard_normal((N, N)) / np.sqrt(N)
    if noise is None:
        white = random.standard_normal((N, steps))
        noise = noise_amplitude * correlated_noise(white, noise_time_constant * steps_per_bin)
    if start.shape != (N, N) or noise.shape != (N, steps):
        raise ValueError(
            f"Expected a start of shape {[N, N]} and noise of shape {[N, steps]} "
            f"(got {list(start.shape)} and {list(noise.shape)})."
        )
    network = _Network(
        normalise(activity), noise, start, plasticity, steps_per_bin, time_constant, resets, legacy_alignment
    )
    # Products this small wait longer for other threads than they take.
    with threadpool_limits(1, "blas"):
        scores, converged = _train(network, training_runs, patience)
        trained = len(scores)
        scores += [network.run(learning=False) for _ in range(free_runs)]
    p_var, chi2 = np.array(scores).T
    return CURBD(network.J.copy(), network.P.copy(), network.states.T, p_var, chi2, trained, converged)


def _train(network: "_Network", runs: int, patience: int | None) -> tuple[list[tuple[float, float]], bool]:
    """p_var and chi2 of each run, and whether the last ones brought no more."""
    scores: list[tuple[float, float]] = []
    best, best_run = -np.inf, 0
    for run in range(runs):
        scores.append(network.run(learning=True))
        if scores[-1][0] > best + 1e-4:
            best, best_run = scores[-1][0], run
        if patience is not None and run - best_run >= patience:
            return scores, True
    return scores, False


def normalise(activity: np.ndarray) -> np.ndarray:
    """Activity divided by its largest value and clipped to what a state can reach, +-0.999.

    Raises:
        ValueError: No value is above zero.
    """
    largest = float(activity.max())
    if not largest > 0:
        raise ValueError(f"Expected activity above 0 somewhere (its largest value is {largest:g}).")
    return np.clip(activity.astype(np.float64) / largest, -0.999, 0.999)


def correlated_noise(white: np.ndarray, time_constant: float) -> np.ndarray:
    r"""Noise that forgets over some steps.

    .. math::
        w_t = \sqrt{\tau}\, n_t, \qquad y_t = w_t + (y_{t-1} - w_t)\, e^{-1 / \tau}, \qquad y_0 = 1

    Args:
        white: :math:`n`, standard normal :math:`(N, \text{steps})`.
        time_constant: :math:`\tau`, in steps.
    """
    memory = np.exp(-1 / time_constant)
    noise = np.ones_like(white)
    for t in range(1, white.shape[1]):
        noise[:, t] = (1 - memory) * np.sqrt(time_constant) * white[:, t] + memory * noise[:, t - 1]
    return noise


def region_currents(
    connectivity: np.ndarray, states: np.ndarray, region: Sequence[str]
) -> dict[tuple[str, str], RegionCurrent]:
    r"""Decomposes the current of every neuron into what each region sends it.

    .. math::
        I^{a \leftarrow b}(t) = J_{ab}\, r_b(t)

    Args:
        connectivity: :math:`J`, :math:`(N, N)`.
        states: :math:`r`, :math:`(N, \text{steps})`.
        region: Of each neuron, N texts.

    Returns:
        (receiving region, sending region) -> its current.

    Raises:
        ValueError: There is not one region a neuron.

    Example:
        >>> connectivity = np.array([[0.0, 2.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> currents = region_currents(connectivity, np.ones((3, 2)), ["V1", "LM", "LM"])
        >>> currents["V1", "LM"].total, currents["V1", "LM"].inhibitory
        (array([[1., 1.]]), array([[-1., -1.]]))
    """
    if len(region) != len(connectivity):
        raise ValueError(f"Expected one region for each of the {len(connectivity)} neurons (got {len(region)}).")
    member = {name: np.flatnonzero(np.asarray(region) == name) for name in dict.fromkeys(region)}
    currents = {}
    for receiving, receivers in member.items():
        for sending, senders in member.items():
            weights, sent = connectivity[np.ix_(receivers, senders)], states[senders]
            excitatory, inhibitory = np.maximum(weights, 0) @ sent, np.minimum(weights, 0) @ sent
            currents[receiving, sending] = RegionCurrent(excitatory + inhibitory, excitatory, inhibitory)
    return currents


class _Network:
    """J and P with the updates of the newest bins pending.

    Recursive least squares changes all of J and P at every bin. Both change by multiples of the same vectors g, so the
    newest changes are kept as vectors and brought in together, as one matrix product: between, J r and P r are what
    the old matrices say, minus what the vectors say. The numbers are the same, but a bin reads J and P once
    instead of reading each twice and writing it once.
    """

    PENDING = 16

    def __init__(
        self,
        activity: np.ndarray,
        noise: np.ndarray,
        start: np.ndarray,
        plasticity: float,
        steps_per_bin: int,
        time_constant: float,
        resets: Iterable[int],
        legacy_alignment: bool,
    ) -> None:
        self.activity, self.noise = np.ascontiguousarray(activity.T), np.ascontiguousarray(noise.T)
        self.steps_per_bin, self.step = steps_per_bin, 1 / (time_constant * steps_per_bin)
        self.resets, self.lead = frozenset(resets), int(legacy_alignment)
        self.total_power = activity.size * activity.std() ** 2
        self.states = np.empty_like(self.noise)
        N = len(start)
        self.JP = np.concatenate([start, plasticity * np.eye(N)])
        self.J, self.P = self.JP[:N], self.JP[N:]
        self.pending, self.along = 0, np.empty((self.PENDING, N))
        self.changes = np.empty((self.PENDING, 2 * N))

    def run(self, learning: bool) -> tuple[float, float]:
        """Runs once through the recording; returns p_var and chi2."""
        N, q, chi2 = len(self.J), self.steps_per_bin, 0.0
        h = self.activity[0].copy()
        self.states[0] = np.tanh(h)
        # In the published program the state of step t has had t - 1 updates.
        for t in range(self.lead, len(self.states)):
            if t in self.resets:
                h = self.activity[t // q].copy()
            r = np.tanh(h, out=self.states[t])
            at_bin = t % q == 0
            sent = self._sent(r) if learning and at_bin else self._sent_by_connectivity(r)
            h += self.step * (sent[:N] + self.noise[t] - h)
            if at_bin:
                error = r - self.activity[t // q - self.lead]
                chi2 += error.dot(error) / N
                if learning:
                    self._learn(error, sent[N:], r)
        self._bring_in()
        left = self.states[::q] - self.activity
        return 1 - float(np.vdot(left, left)) / self.total_power, float(chi2)

    def _sent(self, r: np.ndarray) -> np.ndarray:
        """J r and P r, one after the other."""
        k = self.pending
        sent = self.JP.dot(r)
        sent -= self.along[:k].dot(r).dot(self.changes[:k])
        return sent

    def _sent_by_connectivity(self, r: np.ndarray) -> np.ndarray:
        """J r."""
        k = self.pending
        return self.J.dot(r) - self.along[:k].dot(r).dot(self.changes[:k, : len(r)])

    def _learn(self, error: np.ndarray, g: np.ndarray, r: np.ndarray) -> None:
        k, c = self.pending, 1 / (1 + r.dot(g))
        self.along[k] = g
        np.multiply(error, c, out=self.changes[k, : len(r)])
        np.multiply(g, c, out=self.changes[k, len(r) :])
        self.pending += 1
        if self.pending == self.PENDING:
            self._bring_in()

    def _bring_in(self) -> None:
        if self.pending:
            # In place, and transposed because BLAS counts columns first: numpy would make another J and P.
            changes, along = self.changes[: self.pending].T, self.along[: self.pending].T
            dgemm(-1.0, along, changes, trans_b=True, beta=1.0, c=self.JP.T, overwrite_c=True)
            self.pending = 0
