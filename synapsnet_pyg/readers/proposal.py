"""Proposal of what the arrays of an unknown file are, as options of ``synapsnet convert``."""

from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.array_keys import ArrayKeys
from synapsnet_pyg.readers.array_survey import Proposal, Survey
from synapsnet_pyg.readers.spike_proposal import propose_spikes
from synapsnet_pyg.readers.trace_proposal import propose_traces


def propose(file: ArrayFile, activity: str | None = None, keys: ArrayKeys | None = None) -> Proposal:
    """Proposes what the arrays of a file are, by their names and sizes; only headers and short vectors are read.

    Args:
        file: Opened file.
        activity: Key of the activity, if the user names it.
        keys: Other keys that the user names.

    Example:
        >>> import numpy as np, tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", dff=np.zeros((5, 90)), speed=np.zeros(90), area=np.array(list("abcde")))
        ...     with ArrayFile(Path(f"{folder}/a.npz")) as file:
        ...         propose(file).options()
        '--activity dff --axes neuron,bin --behaviour speed --areas area --bin-size SECONDS'
    """
    survey = Survey(file)
    found = propose_spikes(survey) if activity is None else None
    return found or propose_traces(survey, activity, keys or ArrayKeys())
