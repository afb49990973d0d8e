"""Folder of a report: page, figures and tables."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from synapsnet_pyg.files import make_folder
from synapsnet_pyg.plots.image_files import FIGURE_FORMATS
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.session_results import collect_results
from synapsnet_pyg.runs.evaluation import evaluate, with_anchors
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons, longest_horizon
from synapsnet_pyg.runs.run import Run

FIGURES, TABLES = "figures", "tables"
"""Names of the folders of figures and tables."""
MOST_NEURON_BINS = 100_000
"""Largest number of neurons times bins of a test part that is forecast several bins ahead, to bound the time."""


def write_report(
    run: Run, folder: Path, session: str | None = None, *, formats: Sequence[str] = FIGURE_FORMATS
) -> list[Path]:
    """Writes the results of a run as a page that opens in a browser without a network.

    Args:
        run: Fitted run.
        folder: Folder of the files, created if needed.
        session: Name of the session; None: all sessions.
        formats: Formats of each figure among :data:`~synapsnet_pyg.plots.image_files.FIGURE_FORMATS`.

    Returns:
        Paths of the files, that is, ``index.html``, a page for each session if there are several, the script that draws
        the figures of the pages, every figure in ``figures``, every table as CSV in ``tables``. Each file is written
        completely or not at all.

    Raises:
        ValueError: The run has no such session, or a part of a session is too short for the model.
        OSError: The folder cannot be created or is not writable.
        BlockingIOError: Another process writes a report into the folder.
    """
    names = run.session_names(session)
    for part in (folder, folder / FIGURES, folder / TABLES):
        make_folder(part)
    with held(folder):
        return _write_report(run, names, folder, formats)


def _write_report(run: Run, names: list[str], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes the page with its figures and tables; returns the paths of the files."""
    compared = with_anchors(run, run.split())
    scores = evaluate(run, compared)
    horizon = longest_horizon(run)
    ahead = (
        evaluate_horizons(run, horizon, most_neuron_bins=MOST_NEURON_BINS, compared=compared) if horizon > 1 else None
    )
    del compared  # large; the chapters do not need it
    results = (collect_results(run, name, scores, ahead) for name in steps("report", names))
    first = next(results)
    from synapsnet_pyg.report.pages import write_pages  # plots take memory that the largest matrices have used before

    return write_pages(run, scores, chain([first], results), names, folder=folder, formats=formats)
