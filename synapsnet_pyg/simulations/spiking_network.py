"""Network of spiking neurons with known synapses, and the true response to one spike."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.recorded import cell_types, recorded_rows, recorded_session
from synapsnet_pyg.simulations.responses import Response

MEMBRANE = 20.0
"""Time constant of the membrane in milliseconds."""
SYNAPSE = 3.0
"""Time constant of the synaptic current in milliseconds."""
THRESHOLD = 20.0
"""Threshold in millivolt above rest."""
RESET = 10.0
"""Potential after a spike in millivolt above rest."""
REFRACTORY = 2.0
"""Time after a spike without another one, in milliseconds."""
DRIVE_MEMORY = 50.0
"""Time constant of the unseen shared drives in milliseconds."""
TOTAL_DRIVE = (7.0, 12.0)
"""Range of the mean of the potential without threshold, in millivolt, if all neurons fire at the typical rate."""
TYPICAL_RATE = 6.0
"""Spikes a second for which the mean drive makes up for the input from other neurons."""
SETTLE = 200.0
"""Time before the recording, or before a pulse, in milliseconds."""
CHUNK = 2000
"""Number of steps whose noise is drawn at once."""


def simulate_spiking_network(
    bins: int = 60_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 0.01,
    name: str | None = None,
    delay: tuple[float, float] = (1.0, 4.0),
    coupling: float = 1.0,
    hidden_drive: float = 0.0,
    response: bool = False,
    horizon: int = 3,
    starts: int = 3000,
) -> Session:
    r"""Simulates spike counts of leaky integrate-and-fire neurons, four of five excitatory and one inhibitory.

    .. math::
        \tau_m \dot v_i &= -v_i + I_i(t) + \mu_i + \sigma_i \sqrt{2 \tau_m}\, \xi_i(t) \\
        \tau_s \dot I_i &= -I_i + \textstyle\sum_j c\, A_{ij} \sum_s \tau_s \delta(t - t_j^s - d_{ij})

    A neuron spikes at the threshold, returns to the reset potential and stays there for the refractory time.

    =====================  ===========================================================================
    synapses               probability 0.1 for each pair; no self-synapses
    weights A              peak of the postsynaptic potential in mV: lognormal with median 1.1 and deviation 0.5 of
                           the logarithm; inhibitory ones -5 times as large. They scale with 1 / sqrt(neurons)
    delays d               U(low, high) of ``delay``, one for each synapse
    membrane, synapse      time constants of 20 ms and 3 ms
    threshold, reset       20 mV and 10 mV above rest; 2 ms refractory
    drive                  mean such that the potential without threshold has a mean of U(7, 12) mV;
                           independent white noise of deviation 5 mV in the potential
    =====================  ===========================================================================

    Steps are at most 0.5 ms, and 0.25 ms for bins below 5 ms. Neurons fire 2 to 15 spikes a second, asynchronously.

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"spiking-<seed>"``.
        delay: Shortest and longest delay of a synapse in milliseconds.
        coupling: Factor of all weights A.
        hidden_drive: Share of the variance of a neuron's noise, 0 to below 1, that comes from four unseen drives with
            a time constant of 50 ms, which all neurons hear with weights of either sign.
        response: Compute the true response to one spike as well, which takes longer than the simulation.
        horizon: Number of bins H of the response.
        starts: Number of states of the network from which the response is computed.

    Returns:
        Session of counts with the neurons' ``cell_type`` and the true weights among the recorded neurons in mV as
        its edges; with ``response`` also ``true_response`` and ``true_response_error`` :math:`(N, N, H)`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_spiking_network(bins=200, neurons=30, recorded=10)
        Session('spiking-0', 10 neurons x 200 bins of 0.01 s, 0 behaviours, 1 segment, cell_type,
        true graph of 11 edges)
    """
    random = np.random.default_rng(seed)
    network = SpikingNetwork.draw(
        random, neurons, bin_size=bin_size, delay=delay, coupling=coupling, hidden_drive=hidden_drive
    )
    rows = recorded_rows(random, bins, neurons, recorded)
    return recorded_session(
        network.counts(random, bins),
        rows,
        name=f"spiking-{seed}" if name is None else name,
        bin_size=bin_size,
        weights=network.weights,
        cell_type=network.cell_type,
        response=network.response(np.random.default_rng([seed, 1]), horizon, starts) if response else None,
    )


@dataclass(frozen=True)
class SpikingNetwork:
    """Network of N leaky integrate-and-fire neurons, by the symbols of :func:`simulate_spiking_network`."""

    weights: np.ndarray
    """Peaks of the postsynaptic potentials in mV :math:`(N, N)`, [receiver, sender]."""
    delay: np.ndarray
    """Delay of each synapse in milliseconds :math:`(N, N)`, [receiver, sender]."""
    mean: np.ndarray
    """Mean drive of each neuron in mV :math:`(N)`."""
    noise: np.ndarray
    """Deviation of the potential by independent noise in mV :math:`(N)`."""
    shared: np.ndarray
    """Weights of the unseen drives in mV :math:`(N, 4)`."""
    bin_steps: int
    """Number of steps of a bin."""
    step: float
    """Duration of a step in milliseconds."""

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        neurons: int,
        *,
        bin_size: float = 0.01,
        delay: tuple[float, float] = (1.0, 4.0),
        coupling: float = 1.0,
        hidden_drive: float = 0.0,
    ) -> "SpikingNetwork":
        """Draws the parameters of a network of N neurons.

        Raises:
            ValueError: A number is out of range.
        """
        if bin_size <= 0 or not 0 <= delay[0] <= delay[1] or not 0 <= hidden_drive < 1:
            raise ValueError(
                f"Expected bin_size > 0, 0 <= delay[0] <= delay[1] and 0 <= hidden_drive < 1 "
                f"(got {bin_size}, {delay} and {hidden_drive})."
            )
        inhibitory = np.arange(neurons) % 5 == 4
        size = np.where(inhibitory, -5.0, 1.0) * random.lognormal(np.log(1.1), 0.5, (neurons, neurons))
        weights = np.where(random.random((neurons, neurons)) < 0.1, size, 0.0) * coupling * np.sqrt(200 / neurons)
        np.fill_diagonal(weights, 0)
        delays = random.uniform(*delay, (neurons, neurons))
        # The mean input from other neurons is taken off, or neurons with many synapses of one kind would be silent.
        area = SYNAPSE / 1000 / _peak(0.01)
        mean = random.uniform(*TOTAL_DRIVE, neurons) - weights.sum(1) * TYPICAL_RATE * area
        direction = random.standard_normal((neurons, 4))
        direction *= 5 * np.sqrt(hidden_drive) / np.linalg.norm(direction, axis=1, keepdims=True)
        steps = ceil(bin_size * 1000 / (0.25 if bin_size < 0.005 else 0.5) - 1e-9)
        return cls(
            weights=weights,
            delay=delays,
            mean=mean,
            noise=np.full(neurons, 5 * np.sqrt(1 - hidden_drive)),
            shared=direction,
            bin_steps=steps,
            step=bin_size * 1000 / steps,
        )

    @property
    def neurons(self) -> int:
        """Number of neurons N."""
        return len(self.mean)

    @property
    def cell_type(self) -> list[str]:
        """Type of each neuron: every fifth is inhibitory."""
        return cell_types(np.arange(self.neurons) % 5 == 4)

    def counts(self, random: np.random.Generator, bins: int) -> np.ndarray:
        """Simulates the spike counts of all neurons :math:`(T, N)`, after the time to settle, which is left out."""
        state = _State.at_rest(self, random, (1,))
        for _ in state.run(self._drive(state, random, round(SETTLE / self.step))):
            pass
        counts = np.zeros((bins, self.neurons), dtype=np.float32)
        per_chunk = max(CHUNK // self.bin_steps, 1)
        for first in range(0, bins, per_chunk):
            size = min(per_chunk, bins - first) * self.bin_steps
            for step, fired in enumerate(state.run(self._drive(state, random, size))):
                if fired.size:
                    counts[first + step // self.bin_steps, fired] += 1
        return counts

    def response(
        self, random: np.random.Generator, horizon: int, starts: int, *, seen: np.ndarray | None = None
    ) -> Response:
        """Computes the mean change of every neuron's count, h bins after one more spike of each other neuron.

        Copies of the network start from the same state and hear the same noise. In copy j, neuron j is made to spike
        at a random time of the first bin: its potential is reset, and its synapses act. The spike itself counts.

        Args:
            random: Generator of all random numbers.
            horizon: Number of bins H; the first one is the bin of the spike.
            starts: Number of independent states of the network.
            seen: Weights of the H bins in each of F frames :math:`(H, F)`, of an indicator; the response is then that
                of the frames :math:`(N, N, F)`. None: the counts themselves.

        Raises:
            ValueError: ``horizon`` is below 1, or ``starts`` below 2.
        """
        if horizon < 1 or starts < 2:
            raise ValueError(f"Expected horizon >= 1 and starts >= 2 (got {horizon} and {starts}).")
        N, seen = self.neurons, np.eye(horizon, dtype=np.float32) if seen is None else seen.astype(np.float32)
        response = Response.empty(N, seen.shape[1])
        settled = _State.at_rest(self, random, (starts, 1))
        for _ in range(ceil(SETTLE / self.step / 50)):
            for _ in settled.run(self._drive(settled, random, 50)):
                pass
        together = max(400 // N, 1)  # the copies of a few states fit the processor's cache
        for first in range(0, starts, together):
            state = settled.copies(slice(first, first + together), N + 1)
            S = len(state.potential)
            offset = random.integers(0, self.bin_steps, S)
            counts = np.zeros((S * (N + 1) * N, horizon), dtype=np.int8)
            row = (np.arange(S)[:, None] * (N + 1) + np.arange(N)) * N + np.arange(N)
            drive = self._drive(state, random, horizon * self.bin_steps)
            for step, fired in enumerate(state.run(drive, forced=row.ravel())):
                bin_of = (offset[fired // ((N + 1) * N)] + step) // self.bin_steps
                within = bin_of < horizon
                counts[fired[within], bin_of[within]] += 1
            of_copy = counts.reshape(S, N + 1, N, horizon)
            response.add((of_copy[:, :N] - of_copy[:, N:]) @ seen)
        return response

    def _drive(self, state: "_State", random: np.random.Generator, steps: int) -> np.ndarray:
        """Draws what the noise and the mean drive add to the potential in each step [steps, ..., 1, N]."""
        decay, memory = np.exp(-self.step / MEMBRANE), np.exp(-self.step / DRIVE_MEMORY)
        shape = (steps, *state.potential.shape[:-2], 1, self.neurons)
        drive = random.standard_normal(shape, dtype=np.float32)
        drive *= (np.sqrt(1 - decay**2) * self.noise).astype(np.float32)
        drive += ((1 - decay) * self.mean).astype(np.float32)
        if self.shared.any():
            # Deviation of a potential that is driven by a signal with this memory, relative to the signal's.
            gain = np.sqrt(DRIVE_MEMORY / (MEMBRANE + DRIVE_MEMORY))
            for step in range(steps):
                fresh = random.standard_normal(state.shared.shape)
                state.shared = memory * state.shared + np.sqrt(1 - memory**2) * fresh
                drive[step] += ((1 - decay) / gain * state.shared @ self.shared.T).astype(np.float32)
        return drive


class _State:
    """Potentials, currents and spikes under way in copies of a network [..., C, N]."""

    def __init__(self, network: SpikingNetwork, parts: dict[str, np.ndarray]) -> None:
        self.network = network
        self.potential, self.current, self.until = parts["potential"], parts["current"], parts["until"]
        self.arriving, self.shared, self.now = parts["arriving"], parts["shared"], 0

    @classmethod
    def at_rest(cls, network: SpikingNetwork, random: np.random.Generator, copies: tuple[int, ...]) -> "_State":
        """Returns copies of a network without currents at random potentials."""
        shape = (*copies, network.neurons)
        slots = round(network.delay.max() / network.step) + 2
        return cls(
            network,
            {
                "potential": random.uniform(0, THRESHOLD, shape).astype(np.float32),
                "current": np.zeros(shape, dtype=np.float32),
                "until": np.zeros(shape, dtype=np.int32),
                "arriving": np.zeros((slots, *shape), dtype=np.float32),
                "shared": random.standard_normal((*copies[:-1], 1, 4)),
            },
        )

    def copies(self, chosen: slice, number: int) -> "_State":
        """Returns a number of equal copies of the chosen states [S, 1, N]."""
        parts = {key: getattr(self, key)[chosen].repeat(number, axis=1) for key in ("potential", "current", "until")}
        arriving = self.arriving[:, chosen].repeat(number, axis=2)
        state = _State(self.network, {**parts, "arriving": arriving, "shared": self.shared[chosen]})
        state.now = self.now
        return state

    def run(self, drive: np.ndarray, forced: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yields the places of the neurons that spike in each step, in the flattened copies.

        Args:
            drive: Drive of each step [steps, ..., 1 or C, N].
            forced: Places of neurons that spike in the first step in any case.
        """
        network, N, slots = self.network, self.network.neurons, len(self.arriving)
        targets, delays, weights = _outgoing(network)
        leak, decay = np.float32(np.exp(-network.step / MEMBRANE)), np.float32(np.exp(-network.step / SYNAPSE))
        charge = np.float32(1 - leak)
        size, arriving = self.potential.size, self.arriving.reshape(-1)
        potential, until = self.potential.reshape(-1), self.until.reshape(-1)
        refractory = max(round(REFRACTORY / network.step), 1)
        for fresh in drive:
            arrived = self.arriving[self.now % slots]
            self.current *= decay
            self.current += arrived
            arrived[...] = 0
            self.potential *= leak
            self.potential += charge * self.current
            self.potential += fresh
            np.copyto(self.potential, np.float32(RESET), where=self.until > self.now)
            fired = np.flatnonzero(potential >= THRESHOLD)
            if forced is not None:
                fired, forced = np.union1d(fired, forced), None
            if fired.size:
                potential[fired] = RESET
                until[fired] = self.now + 1 + refractory
                sender = fired % N
                place = (self.now + delays[sender]) % slots * size + (fired - sender)[:, None] + targets[sender]
                np.add.at(arriving, place, weights[sender])
            self.now += 1
            yield fired


def _outgoing(network: SpikingNetwork) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns receivers, delays in steps and current of the synapses of each neuron [N, K], padded with weight 0."""
    peak = _peak(network.step)
    exists = network.weights.T != 0
    K = max(int(exists.sum(1).max()), 1)
    targets = np.argsort(~exists, axis=1, kind="stable")[:, :K]
    sender = np.arange(network.neurons)[:, None]
    weights = (network.weights.T[sender, targets] / peak).astype(np.float32)
    delays = np.maximum(np.rint(network.delay.T[sender, targets] / network.step).astype(np.int64), 1)
    return targets, delays, weights


def _peak(step: float) -> float:
    """Returns the peak of the potential after one unit of current, for a duration of the steps in milliseconds."""
    leak, decay = np.exp(-step / MEMBRANE), np.exp(-step / SYNAPSE)
    steps = np.arange(1, 100 / step)
    return float(((1 - leak) * (leak**steps - decay**steps) / (leak - decay)).max())
