"""Folder of a report: page, figures and tables."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synapsnet_pyg.files import atomic_path, make_folder
from synapsnet_pyg.plots.image_files import FIGURE_FORMATS, save_figure
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.page import FIGURES, SCRIPT, TABLES, chapter_html, page_html
from synapsnet_pyg.report.plotly_canvas import plotly_script
from synapsnet_pyg.report.sections import Chapter, run_chapter, session_chapter
from synapsnet_pyg.report.session_results import collect_results
from synapsnet_pyg.results.saving import as_cells
from synapsnet_pyg.runs.evaluation import evaluate, with_anchors
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons, longest_horizon
from synapsnet_pyg.runs.run import Run

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
    chapters, bodies, written = [], [], []
    for name in steps("report", [None, *names]):
        if name is None:
            chapter = run_chapter(run, names, scores)
        else:
            chapter = session_chapter(collect_results(run, name, scores, ahead))
        written += _write_files(chapter, folder, formats)
        body = chapter_html(chapter, formats)
        # The page needs only titles from here on: the figures of many sessions would fill the memory.
        chapters.append(chapter._replace(sections=[replace(section, figures=()) for section in chapter.sections]))
        if name is not None and len(names) > 1:  # a page of its own, so that each page stays small
            page = folder / f"{chapter.prefix}.html"
            _write(page, page_html(f"SynapsNet report: {name}", chapters[-1:], [body], page=page.name))
            written.append(page)
            body = ""
        bodies.append(body)
    title = names[0] if len(names) == 1 else f"{len(names)} sessions"
    _write(folder / SCRIPT, plotly_script())
    _write(folder / "index.html", page_html(f"SynapsNet report: {title}", chapters, bodies))
    return [folder / "index.html", folder / SCRIPT, *written]


def _write(path: Path, text: str) -> None:
    """Writes a text completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_files(chapter: Chapter, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes the figures and tables of a chapter; returns their paths."""
    written = []
    for section in chapter.sections:
        for figure in steps(f"draw: {section.title}", section.figures):
            stem = folder / FIGURES / f"{chapter.prefix}-{figure.name}"
            written += save_figure(figure.static, stem, formats=formats, dpi=150)
        for table in section.tables:
            path = folder / TABLES / f"{chapter.prefix}-{table.name}.csv"
            with atomic_path(path) as temporary:
                as_cells(table.whole).to_csv(temporary, index=False)
            written.append(path)
    return written
