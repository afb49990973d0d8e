"""The folder of a report."""

from pathlib import Path

from synapsnet_pyg.files import atomic_path, make_folder
from synapsnet_pyg.report.page import FIGURES, SCRIPT, TABLES, chapter_html, page
from synapsnet_pyg.report.plotly_figures import script
from synapsnet_pyg.report.sections import Chapter, run_chapter, session_chapter
from synapsnet_pyg.report.session_results import find
from synapsnet_pyg.runs.evaluation import evaluate
from synapsnet_pyg.runs.run import Run


def write_report(run: Run, folder: Path, session: str | None = None) -> list[Path]:
    """Writes what a run found as a page that opens by a double click, without a network.

    Args:
        run: Any.
        folder: For the files, made if it is not there.
        session: Which session; None: all.

    Returns:
        The files written, each wholly or not at all: ``index.html``, the script beside it that draws its figures, every
        figure as PNG and SVG in ``figures``, every table as CSV in ``tables``.

    Raises:
        ValueError: The run has no such session, or a part of one is too short for the model.
        OSError: The folder cannot be made or written to.
    """
    if session is not None and session not in run.sessions:
        raise ValueError(f"Expected a session among {', '.join(run.sessions)} (got '{session}').")
    names = list(run.sessions) if session is None else [session]
    for part in (folder, folder / FIGURES, folder / TABLES):
        make_folder(part)
    scores = evaluate(run)
    chapters, bodies, written = [], [], []
    for name in [None, *names]:
        chapter = run_chapter(run, names, scores) if name is None else session_chapter(find(run, name, scores))
        written += _write_files(chapter, folder)
        bodies.append(chapter_html(chapter))
        # Only the titles are needed from now on: the figures of many sessions would fill the memory.
        chapters.append(chapter._replace(sections=[section._replace(drawings=()) for section in chapter.sections]))
    texts = {SCRIPT: script(), "index.html": page(f"SynapsNet report: {', '.join(names)}", chapters, bodies)}
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [folder / "index.html", folder / SCRIPT, *written]


def _write_files(chapter: Chapter, folder: Path) -> list[Path]:
    """Its figures and tables."""
    written = []
    for section in chapter.sections:
        for drawing in section.drawings:
            for ending in ("png", "svg"):
                path = folder / FIGURES / f"{chapter.prefix}-{drawing.name}.{ending}"
                with atomic_path(path) as temporary:
                    drawing.printed.savefig(temporary, dpi=150)
                written.append(path)
        for table in section.tables:
            path = folder / TABLES / f"{chapter.prefix}-{table.name}.csv"
            with atomic_path(path) as temporary:
                table.whole.to_csv(temporary, index=False)
            written.append(path)
    return written
