"""Point-process population (GLM) with coupling filters over several bins, and its true response to one spike."""

from dataclasses import dataclass

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.recorded import cell_types, recorded_rows, recorded_session
from synapsnet_pyg.simulations.responses import Response

LARGEST_RATE = 0.8
"""Upper bound of the expected count of a bin; it keeps excitation from running away."""


def simulate_point_process(
    bins: int = 60_000,
    seed: int = 0,
    *,
    neurons: int = 200,
    recorded: int | None = None,
    bin_size: float = 0.01,
    name: str | None = None,
    coupling_bins: int = 6,
    refractory: int = 2,
    coupling: float = 1.0,
    response: bool = False,
    horizon: int | None = None,
    starts: int = 300,
) -> Session:
    r"""Simulates neurons that spike at most once a bin, coupled by filters whose shape differs from pair to pair.

    .. math::
        x_i(t) \sim \mathrm{Bernoulli}\Big(\min\big(\exp(b_i + \textstyle\sum_{l=1}^{L} \sum_k F_{ik}(l)\, x_k(t-l)),
        \rho\big)\Big)

    =====================  ===========================================================================
    synapses               probability 0.1 for each pair; four of five neurons are excitatory
    weights A              sum of the filter over lags: lognormal with median 0.4 and deviation 0.4 of the logarithm;
                           inhibitory ones -3 times as large. They scale with 1 / sqrt(neurons)
    filter F               A times a bell over lags with its peak at U(1, L - 1) and a width of U(0.5, 1.5) bins
    self filter            -10 for the ``refractory`` bins after a spike, then -1, -0.5, -0.25, ... until lag L
    baseline b             such that mean rates are about log-uniform between 3 and 20 spikes a second
    largest rate           :data:`LARGEST_RATE`
    =====================  ===========================================================================

    Args:
        bins: Number of bins T.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session. None: ``"point-process-<seed>"``.
        coupling_bins: Number of lags L of a filter, at least 2.
        refractory: Number of bins without a spike after a spike, at most L.
        coupling: Factor of all weights A.
        response: Compute the true response to one spike as well.
        horizon: Number of bins H of the response. None: L + 1.
        starts: Number of bins of the simulation from which the response is computed.

    Returns:
        Session of counts, 0 or 1, with the neurons' ``cell_type`` and the true weights A among the recorded neurons
        as its edges; with ``response`` also ``true_response`` and ``true_response_error`` :math:`(N, N, H)`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> simulate_point_process(bins=100, neurons=30, recorded=10)
        Session('point-process-0', 10 neurons x 100 bins of 0.01 s, 0 behaviours, 1 segment, cell_type,
        true graph of 12 edges)
    """
    if coupling_bins < 2 or not 0 <= refractory <= coupling_bins:
        raise ValueError(
            f"Expected coupling_bins >= 2 and 0 <= refractory <= coupling_bins (got {coupling_bins}, {refractory})."
        )
    random = np.random.default_rng(seed)
    rows = recorded_rows(random, bins, neurons, recorded)
    weights = coupling * draw_weights(random, neurons)
    lags = np.arange(1, coupling_bins + 1)[:, None, None]
    peak, width = random.uniform(1, coupling_bins - 1, weights.shape), random.uniform(0.5, 1.5, weights.shape)
    bell = np.exp(-(((lags - peak) / width) ** 2) / 2)
    filters = weights * bell / bell.sum(0)
    own = np.where(lags <= refractory, -10.0, -(0.5 ** np.maximum(lags - refractory - 1.0, 0)))
    process = PointProcess.draw(random, filters, own[:, 0, 0], bin_size=bin_size, binary=True)
    drive = np.zeros((bins, 1))
    counts = process.counts(random, drive)
    return recorded_session(
        counts,
        rows,
        name=f"point-process-{seed}" if name is None else name,
        bin_size=bin_size,
        weights=weights,
        cell_type=cell_types(is_inhibitory(neurons)),
        response=process.response(counts, drive, horizon or coupling_bins + 1, starts) if response else None,
    )


def is_inhibitory(neurons: int) -> np.ndarray:
    """Returns a mask of the inhibitory neurons: every fifth."""
    return np.arange(neurons) % 5 == 4


def draw_weights(random: np.random.Generator, neurons: int) -> np.ndarray:
    """Draws the sparse weights of :func:`simulate_point_process` by Dale's law :math:`(N, N)`, [receiver, sender]."""
    size = np.where(is_inhibitory(neurons), -3.0, 1.0) * random.lognormal(np.log(0.4), 0.4, (neurons, neurons))
    weights = np.where(random.random((neurons, neurons)) < 0.1, size, 0.0) * np.sqrt(200 / neurons)
    np.fill_diagonal(weights, 0)
    return weights


@dataclass(frozen=True)
class PointProcess:
    """Population of N neurons whose log rate is a sum of filtered spikes, by the symbols of the simulation."""

    filters: np.ndarray
    """Filters with the self filters on their diagonal :math:`(L, N, N)`, [lag - 1, receiver, sender]."""
    baseline: np.ndarray
    """Log of the expected count without any spike :math:`(N)`."""
    binary: bool = False
    """Neurons spike at most once a bin (Bernoulli); otherwise counts are Poisson."""

    @classmethod
    def draw(
        cls,
        random: np.random.Generator,
        filters: np.ndarray,
        own: np.ndarray,
        *,
        bin_size: float,
        binary: bool = False,
        rates: tuple[float, float] = (3.0, 20.0),
    ) -> "PointProcess":
        """Draws a population with log-uniform rates.

        Args:
            random: Generator of all random numbers.
            filters: Filters between neurons :math:`(L, N, N)`.
            own: Filter from each neuron to itself :math:`(L)`.
            bin_size: Duration of one bin in seconds.
            binary: Neurons spike at most once a bin.
            rates: Range of the mean rates in spikes a second.

        Raises:
            ValueError: ``bin_size`` is not above 0.
        """
        if bin_size <= 0:
            raise ValueError(f"Expected bin_size > 0 (got {bin_size}).")
        N = filters.shape[1]
        rate = np.exp(random.uniform(np.log(rates[0]), np.log(rates[1]), N)) * bin_size
        # The mean of a neuron's input is taken off, so that its rate is about the drawn one.
        of_spikes = (np.expm1(filters) @ rate).sum(0) + np.expm1(own).sum() * rate
        filters = filters + own[:, None, None] * np.eye(N)
        return cls(filters, np.log(rate) - of_spikes, binary)

    def expected(self, total: np.ndarray) -> np.ndarray:
        """Returns the expected counts for the sums of baseline, drive and filtered spikes."""
        return np.minimum(np.exp(total), LARGEST_RATE)

    def counts(self, random: np.random.Generator, drive: np.ndarray, gain: np.ndarray | None = None) -> np.ndarray:
        """Simulates the counts of all neurons :math:`(T, N)`.

        Args:
            random: Generator of all random numbers.
            drive: What is added to the log rate in each bin :math:`(T, N)`, or :math:`(T, 1)` for all neurons.
            gain: Factor of the filtered spikes in each bin :math:`(T, N)`. None: 1.
        """
        L, N, _ = self.filters.shape
        sent = np.ascontiguousarray(self.filters.transpose(2, 0, 1))  # [sender, lag, receiver]
        coming, counts = np.zeros((L, N)), np.zeros((len(drive), N))
        for t in range(len(drive)):
            received = coming[0] if gain is None else gain[t] * coming[0]
            rate = self.expected(self.baseline + drive[t] + received)
            counts[t] = random.random(N) < rate if self.binary else random.poisson(rate)
            coming[:-1] = coming[1:]
            coming[-1] = 0
            spiked = np.flatnonzero(counts[t])
            coming += np.tensordot(counts[t, spiked], sent[spiked], axes=1)
        return counts

    def response(
        self, counts: np.ndarray, drive: np.ndarray, horizon: int, starts: int, gain: np.ndarray | None = None
    ) -> Response:
        r"""Computes the mean change of expected counts after one more spike, along the simulated counts.

        .. math::
            r_{ij}(0) = \delta_{ij}, \qquad r_{ij}(h) = \Big\langle \sum_{l=1}^{\min(h, L)} \sum_k
            \big[f(u_i(t+h) + F_{ik}(l)) - f(u_i(t+h))\big]\, r_{kj}(h - l) \Big\rangle_t

        with f the expected count and u the sum of baseline, drive and filtered spikes. The direct effect (with
        :math:`l = h`) is exact. Paths through further spikes are so to first order in their change: interactions of
        several changed spikes are left out.

        Args:
            counts: Simulated counts :math:`(T, N)`.
            drive: Drive of the simulation.
            horizon: Number of bins H; the first one is the bin of the spike, in which nothing else changes.
            starts: Largest number of bins t, evenly spread.
            gain: Gain of the simulation.

        Raises:
            ValueError: ``horizon`` or ``starts`` is below 1, or the simulation is shorter than filters and horizon.
        """
        (L, N, _), T = self.filters.shape, len(counts)
        if horizon < 1 or starts < 1 or L + horizon >= T:
            raise ValueError(
                f"Expected horizon >= 1, starts >= 1 and more than {L + horizon} bins (got {horizon}, {starts}, {T})."
            )
        response = Response.empty(N, horizon)
        for t in np.unique(np.linspace(L, T - horizon, starts).round().astype(int)):
            change = [np.eye(N)]
            for later in range(t + 1, t + horizon):
                factor = np.ones(N) if gain is None else gain[later]
                received = np.einsum("lik,lk->i", self.filters, counts[later - L : later][::-1])
                total = (self.baseline + drive[later] + factor * received)[:, None]
                rate, next_change = self.expected(total), np.zeros((N, N))
                for lag, earlier in enumerate(change[: -L - 1 : -1]):
                    more = self.expected(total + factor[:, None] * self.filters[lag]) - rate
                    next_change += more @ earlier
                change.append(next_change)
            response.add(np.stack(change, axis=-1).swapaxes(0, 1)[None])
        return response
