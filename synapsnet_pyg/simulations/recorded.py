"""Recorded part of a simulated population, as a session with its truth."""

from collections.abc import Sequence

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.responses import Response


def recorded_rows(random: np.random.Generator, bins: int, neurons: int, recorded: int | None) -> np.ndarray:
    """Draws the rows of the recorded neurons, in order; all for None.

    Raises:
        ValueError: There are no bins, or not 1 <= recorded <= neurons.
    """
    recorded = neurons if recorded is None else recorded
    if bins < 1 or not 1 <= recorded <= neurons:
        raise ValueError(f"Expected bins >= 1 and 1 <= recorded <= neurons (got {bins}, {recorded}, {neurons}).")
    return np.sort(random.permutation(neurons)[:recorded])


def recorded_session(
    activity: np.ndarray,
    rows: np.ndarray,
    *,
    name: str,
    bin_size: float,
    weights: np.ndarray,
    cell_type: Sequence[str] | None = None,
    response: Response | None = None,
    behaviour: np.ndarray | None = None,
    behaviour_name: Sequence[str] | None = None,
    segment: np.ndarray | None = None,
) -> Session:
    """Returns the session of the recorded neurons of a population of N.

    Args:
        activity: Activity of all neurons :math:`(T, N)`.
        rows: Rows of the recorded neurons.
        name: Name of the session.
        bin_size: Duration of one bin in seconds.
        weights: True weights :math:`(N, N)`, [receiver, sender].
        cell_type: Type of each of the N neurons.
        response: True response to a pulse, of all neurons.
        behaviour: Behaviour :math:`(T, K)`.
        behaviour_name: Name of each behaviour.
        segment: First bin and end of each block of consecutive bins :math:`(S, 2)`. None: one segment.

    Example:
        >>> recorded_session(np.zeros((7, 3)), np.array([0, 2]), name="two", bin_size=0.1, weights=np.ones((3, 3)))
        Session('two', 2 neurons x 7 bins of 0.1 s, 0 behaviours, 1 segment, true graph of 4 edges)
    """
    chosen = np.ix_(rows, rows)
    mean = None if response is None else torch.from_numpy(response.mean[chosen].astype(np.float32))
    error = None if response is None else torch.from_numpy(response.error[chosen].astype(np.float32))
    return Session.from_arrays(
        activity[:, rows].T,
        behaviour,
        behaviour_name=behaviour_name,
        segment=segment,
        bin_size=bin_size,
        name=name,
        neuron_id=[f"{name}/{neuron}" for neuron in rows],
        cell_type=None if cell_type is None else [cell_type[neuron] for neuron in rows],
        true_connectivity=weights[chosen],
        true_response=mean,
        true_response_error=error,
    )


def cell_types(inhibitory: np.ndarray) -> list[str]:
    """Returns the type of each neuron as text."""
    return ["inhibitory" if one else "excitatory" for one in inhibitory]
