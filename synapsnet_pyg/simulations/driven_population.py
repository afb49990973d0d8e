"""Sparsely coupled Poisson population under inputs that nobody records; the body of several simulations."""

from dataclasses import dataclass

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.point_process import PointProcess, draw_weights, is_inhibitory
from synapsnet_pyg.simulations.recorded import cell_types, recorded_rows, recorded_session

FILTER = np.array([0.5, 0.3, 0.2])
"""Share of a synapse's weight that acts one, two and three bins later."""
SELF_FILTER = np.array([-2.0, -1.0, -0.5])
"""Effect of a spike on the neuron's own log rate one, two and three bins later."""


@dataclass(frozen=True)
class Pulse:
    """Size of the true response to one spike, if it is asked for."""

    response: bool
    """Compute the response."""
    horizon: int
    """Number of bins H."""
    starts: int
    """Number of bins of the simulation from which it is computed."""


def driven_session(
    random: np.random.Generator,
    drive: np.ndarray,
    *,
    recorded: int | None,
    bin_size: float,
    name: str,
    coupling: float,
    pulse: Pulse,
    gain: np.ndarray | None = None,
) -> Session:
    r"""Simulates counts of a coupled population under a given drive.

    .. math::
        x_i(t) \sim \mathrm{Poisson}\Big(\min\big(\exp(b_i + u_i(t) + g_i(t) \textstyle\sum_{l=1}^{3} \sum_k
        F_{ik}(l)\, x_k(t-l)), \rho\big)\Big)

    with the weights and largest rate of :func:`~synapsnet_pyg.simulations.point_process.simulate_point_process`,
    filters :math:`F(l)` of :data:`FILTER` times the weights, :data:`SELF_FILTER` on the diagonal, and the baseline b
    such that mean rates are about log-uniform between 3 and 20 spikes a second.

    Args:
        random: Generator of all random numbers.
        drive: Drive u of all neurons in each bin :math:`(T, N)`, up to a constant.
        recorded: Number of neurons that are recorded, chosen at random. None: all.
        bin_size: Duration of one bin in seconds.
        name: Name of the session.
        coupling: Factor of all weights.
        pulse: Size of the true response.
        gain: Gain g of all neurons in each bin :math:`(T, N)`. None: 1.

    Returns:
        Session of the recorded neurons with their true weights, and with the response if it is asked for.

    Raises:
        ValueError: A number is out of range.
    """
    T, N = drive.shape
    rows = recorded_rows(random, T, N, recorded)
    weights = coupling * draw_weights(random, N)
    process = PointProcess.draw(random, FILTER[:, None, None] * weights, SELF_FILTER, bin_size=bin_size)
    # Modulation alone leaves the mean rate unchanged.
    drive = drive - np.log(np.exp(drive).mean(0))
    counts = process.counts(random, drive, gain)
    response = process.response(counts, drive, pulse.horizon, pulse.starts, gain) if pulse.response else None
    return recorded_session(
        counts,
        rows,
        name=name,
        bin_size=bin_size,
        weights=weights,
        cell_type=cell_types(is_inhibitory(N)),
        response=response,
    )


def slow_series(random: np.random.Generator, bins: int, series: int, time_constant: float) -> np.ndarray:
    """Draws independent AR(1) time series of unit variance with a time constant in bins [bins, series]."""
    memory = np.exp(-1 / time_constant)
    values = random.standard_normal((bins, series))
    values[1:] *= np.sqrt(1 - memory**2)
    for t in range(1, bins):
        values[t] += memory * values[t - 1]
    return values


def check_population(bins: int, neurons: int, bin_size: float) -> None:
    """Raises an error unless there are bins and neurons, and bins last.

    Raises:
        ValueError: A number is out of range.
    """
    if bins < 1 or neurons < 1 or bin_size <= 0:
        raise ValueError(f"Expected bins >= 1, neurons >= 1 and bin_size > 0 (got {bins}, {neurons} and {bin_size}).")
