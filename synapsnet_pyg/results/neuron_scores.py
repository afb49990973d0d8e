"""Table of the scores of each neuron as a file."""

from pathlib import Path

import pandas as pd

from synapsnet_pyg.results.saving import save_table
from synapsnet_pyg.runs.evaluation import Evaluation


def save_neuron_scores(scores: Evaluation, path: Path) -> Path:
    """Writes the scores of each neuron as CSV, with the name of its session in the first column; returns the path.

    Args:
        scores: Scores from :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
        path: Path of the file, ending in ``.csv``; the folder must exist.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    tables = [details.neurons.assign(session=name) for name, details in scores.details.items()]
    table = pd.concat(tables, ignore_index=True)
    return save_table(table[["session", *table.columns.drop("session")]], path.with_suffix(""), float_format="%.6g")
