"""Session from the published activity of a network trained on a task."""

import os
from pathlib import Path

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.readers.mapped_arrays import mapped_numbers
from synapsnet_pyg.simulations.task_networks import task_session


def read_task_network(folder: str | os.PathLike[str], name: str | None = None) -> Session:
    """Reads the published activity of a trained network as a session.

    :func:`~synapsnet_pyg.simulations.task_networks.simulate_task_network` returns sessions of the same form.

    Args:
        folder: Folder with ``hidden_activity_alltrials.npy`` (trials, steps, N), ``inputs_alltrials.npy`` (trials,
            steps, K) and ``W_hidden_GT.npy`` (N, N). Nothing is unpickled.
        name: Name of the session. None: name of the folder.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or the shapes of two files do not fit.

    References:
        Lu et al., "NetFormer: An interpretable model for recovering dynamical connectivity in neuronal population
        dynamics", ICLR 2025.

    Example:
        >>> read_task_network("data/PerceptualDecisionMaking/rnn4")  # doctest: +SKIP
        Session('rnn4', 4 neurons x 22000 bins of 0.1 s, 3 behaviours, 1000 segments, true graph of 16 edges)
    """
    folder = Path(folder)
    hidden = mapped_numbers(folder / "hidden_activity_alltrials.npy", 3)
    inputs = mapped_numbers(folder / "inputs_alltrials.npy", 3)
    weights = mapped_numbers(folder / "W_hidden_GT.npy", 2)
    N = hidden.shape[2]
    if inputs.shape[:2] != hidden.shape[:2] or weights.shape != (N, N):
        raise ValueError(
            f"Expected inputs [trials, steps, K] and weights [{N}, {N}] that fit the activity {list(hidden.shape)} in "
            f"'{folder}' (got {list(inputs.shape)} and {list(weights.shape)})."
        )
    return task_session(hidden, inputs, weights, name=folder.resolve().name if name is None else name)
