"""Folder of a report: page, figures and tables."""

from dataclasses import replace
from pathlib import Path

from synapsnet_pyg.files import atomic_path, make_folder
from synapsnet_pyg.plots.canvas import write_image
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.page import FIGURES, SCRIPT, TABLES, chapter_html, page_html
from synapsnet_pyg.report.plotly_canvas import plotly_script
from synapsnet_pyg.report.sections import Chapter, run_chapter, session_chapter
from synapsnet_pyg.report.session_results import collect_results
from synapsnet_pyg.runs.evaluation import evaluate, with_anchors
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons, longest_horizon
from synapsnet_pyg.runs.run import Run

MOST_NEURON_BINS = 300_000
"""Largest number of neurons times bins of a test part that is forecast several bins ahead, half a minute's work."""


def write_report(run: Run, folder: Path, session: str | None = None) -> list[Path]:
    """Writes the results of a run as a page that opens in a browser without a network.

    Args:
        run: Fitted run.
        folder: Folder of the files, created if needed.
        session: Name of the session; None: all sessions.

    Returns:
        Paths of the files: ``index.html``, the script that draws its figures, every figure as PNG and SVG in
        ``figures``, every table as CSV in ``tables``. Each file is written completely or not at all.

    Raises:
        ValueError: The run has no such session, or a part of a session is too short for the model.
        OSError: The folder cannot be created or is not writable.
    """
    names = run.session_names(session)
    for part in (folder, folder / FIGURES, folder / TABLES):
        make_folder(part)
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
        written += _write_files(chapter, folder)
        bodies.append(chapter_html(chapter))
        # The page needs only titles from here on: the figures of many sessions would fill the memory.
        chapters.append(chapter._replace(sections=[replace(section, figures=()) for section in chapter.sections]))
    texts = {
        SCRIPT: plotly_script(),
        "index.html": page_html(f"SynapsNet report: {', '.join(names)}", chapters, bodies),
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [folder / "index.html", folder / SCRIPT, *written]


def _write_files(chapter: Chapter, folder: Path) -> list[Path]:
    """Writes the figures and tables of a chapter; returns their paths."""
    written = []
    for section in chapter.sections:
        for figure in steps(f"draw: {section.title}", section.figures):
            for ending in ("png", "svg"):
                path = folder / FIGURES / f"{chapter.prefix}-{figure.name}.{ending}"
                with atomic_path(path) as temporary:
                    write_image(figure.static, temporary, dpi=150)
                written.append(path)
        for table in section.tables:
            path = folder / TABLES / f"{chapter.prefix}-{table.name}.csv"
            with atomic_path(path) as temporary:
                table.whole.to_csv(temporary, index=False)
            written.append(path)
    return written
