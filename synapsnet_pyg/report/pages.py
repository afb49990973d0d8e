"""Pages of a report, with their figures and tables."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.page import SCRIPT, chapter_html, page_html
from synapsnet_pyg.report.plotly_canvas import plotly_script
from synapsnet_pyg.report.report import FIGURES, TABLES
from synapsnet_pyg.report.sections import Chapter, run_chapter, session_chapter
from synapsnet_pyg.report.session_results import SessionResults
from synapsnet_pyg.results.saving import as_cells
from synapsnet_pyg.runs.evaluation import Evaluation
from synapsnet_pyg.runs.run import Run


def write_pages(
    run: Run,
    scores: Evaluation,
    results: Iterator[SessionResults],
    names: Sequence[str],
    *,
    folder: Path,
    formats: Sequence[str],
) -> list[Path]:
    """Writes the pages with their figures and tables; returns the paths of the files.

    Args:
        run: Fitted run.
        scores: Its scores.
        results: Results of each session, which may be computed as they are asked for.
        names: Names of these sessions.
        folder: Folder of the files, with one for figures and one for tables.
        formats: Formats of each figure.
    """
    chapters, bodies, written = [], [], []
    for name in (None, *names):
        chapter = run_chapter(run, list(names), scores) if name is None else session_chapter(next(results))
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
