"""Pages of a report, with their figures and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.page import SCRIPT, Contents, chapter_html, page_html, section_html
from synapsnet_pyg.report.plotly_canvas import plotly_script
from synapsnet_pyg.report.report import FIGURES, TABLES
from synapsnet_pyg.report.sections import Part
from synapsnet_pyg.results.saving import as_cells


class WrittenPart(NamedTuple):
    """Sections whose figures and tables are written."""

    titles: list[str]
    bodies: list[str]
    """HTML of each section."""
    summary: Sequence[str]
    files: list[Path]


class WrittenChapter(NamedTuple):
    """A chapter whose figures and tables are written."""

    contents: Contents
    body: str
    """Its HTML; empty if it has a page of its own."""
    files: list[Path]


def write_part(part: Part, prefix: str, folder: Path, formats: Sequence[str]) -> WrittenPart:
    """Writes the figures and tables of some sections.

    Args:
        part: Sections on the run or on a session.
        prefix: Prefix of the names of the files.
        folder: Folder of the files, with one for figures and one for tables.
        formats: Formats of each figure.
    """
    files = _write_files(part, prefix, folder, formats)
    titles = [section.title for section in part.sections]
    return WrittenPart(
        titles, [section_html(section, prefix, formats) for section in part.sections], part.summary, files
    )


def write_chapter(
    title: str, prefix: str, parts: Sequence[WrittenPart], folder: Path, *, own_page: bool
) -> WrittenChapter:
    """Joins parts to a chapter, and writes its page if it has one of its own.

    Args:
        title: Title of the chapter.
        prefix: Prefix of the names of its files.
        parts: Its parts in their order.
        folder: Folder of the files.
        own_page: Whether it has a page of its own, so that each page stays small.
    """
    contents = Contents(
        title,
        prefix,
        [heading for part in parts for heading in part.titles],
        [sentence for part in parts for sentence in part.summary],
    )
    body = chapter_html(contents, [section for part in parts for section in part.bodies])
    files = [path for part in parts for path in part.files]
    if not own_page:
        return WrittenChapter(contents, body, files)
    page = folder / f"{prefix}.html"
    _write(page, page_html(f"SynapsNet report: {title}", [contents], [body], page=page.name))
    return WrittenChapter(contents, "", [*files, page])


def write_index(folder: Path, title: str, chapters: Sequence[WrittenChapter]) -> list[Path]:
    """Writes the first page, and the script that draws the figures; returns the paths of all files of the report.

    Args:
        folder: Folder of the files.
        title: What the report is about.
        chapters: Chapters in their order.
    """
    index, contents = folder / "index.html", [chapter.contents for chapter in chapters]
    _write(folder / SCRIPT, plotly_script())
    _write(index, page_html(f"SynapsNet report: {title}", contents, [chapter.body for chapter in chapters]))
    return [index, folder / SCRIPT, *(path for chapter in chapters for path in chapter.files)]


def _write(path: Path, text: str) -> None:
    """Writes a text completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_files(part: Part, prefix: str, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes the figures and tables of some sections; returns their paths."""
    written = []
    for section in part.sections:
        for figure in steps(f"draw: {section.title}", section.figures):
            stem = folder / FIGURES / f"{prefix}-{figure.name}"
            written += save_figure(figure.static, stem, formats=formats, dpi=150)
        for table in section.tables:
            path = folder / TABLES / f"{prefix}-{table.name}.csv"
            with atomic_path(path) as temporary:
                as_cells(table.whole).to_csv(temporary, index=False)
            written.append(path)
    return written
