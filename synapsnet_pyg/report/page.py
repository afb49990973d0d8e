"""HTML of the page; it opens without a network."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from synapsnet_pyg.files.texts import html, plain
from synapsnet_pyg.plots.image_files import FIGURE_FORMATS
from synapsnet_pyg.report.figure import ReportFigure
from synapsnet_pyg.report.plotly_canvas import to_html
from synapsnet_pyg.report.report import FIGURES, TABLES
from synapsnet_pyg.report.sections import ReportTable, Section

SCRIPT = "plotly.min.js"

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; padding: 1rem 1.5rem;
  max-width: 1100px; }
h1 { font-size: 1.7rem; margin: 1rem 0 0.5rem; }
h2 { font-size: 1.4rem; margin: 2.5rem 0 0; padding-top: 0.8rem; border-top: 2px solid #222; }
h3 { font-size: 1.1rem; margin: 1.8rem 0 0.3rem; }
p { margin: 0.4rem 0; max-width: 54rem; }
nav { display: flex; flex-wrap: wrap; gap: 0 2.5rem; font-size: 0.9rem; }
nav ul { margin: 0.2rem 0; padding-left: 1.1rem; }
a { color: #1f5fa8; text-decoration: none; }
a:hover { text-decoration: underline; }
pre { background: #f5f5f5; padding: 0.6rem 0.8rem; overflow-x: auto; font-size: 0.85rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.table { overflow: auto; margin: 0.6rem 0; max-height: 30rem; }
.summary { background: #f3f6fa; border-left: 4px solid #1f5fa8; padding: 0.5rem 1rem; margin: 0.8rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th { text-align: right; border-bottom: 1px solid #999; padding: 0.2rem 0.7rem; }
td { text-align: right; border-bottom: 1px solid #eee; padding: 0.15rem 0.7rem; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.files { font-size: 0.8rem; color: #777; text-align: right; max-width: none; }
"""


class Contents(NamedTuple):
    """Chapter in the contents of a report."""

    title: str
    prefix: str
    """Prefix of the names of its files."""
    sections: Sequence[str]
    """Titles of its sections."""
    summary: Sequence[str]
    """Sentences that say all that matters most."""


def page_html(title: str, chapters: Sequence[Contents], bodies: Sequence[str], *, page: str = "index.html") -> str:
    """Returns a whole page.

    Args:
        title: Title of the page.
        chapters: Chapters of all pages in order: their summaries, and links to their sections.
        bodies: HTML of each chapter, from :func:`chapter_html`; empty for a chapter with a page of its own.
        page: Name of the file.
    """
    places = [page if body else f"{chapter.prefix}.html" for chapter, body in zip(chapters, bodies, strict=True)]
    summaries = "".join(
        f'<div class="summary"><strong>{html(chapter.title)}</strong>'
        + "".join(f"<p>{html(sentence)}</p>" for sentence in chapter.summary)
        + "</div>\n"
        for chapter in chapters
        if chapter.summary
    )
    contents = "".join(
        f'<ul><li><a href="{place}#{_anchor(chapter)}">{html(chapter.title)}</a><ul>'
        + "".join(
            f'<li><a href="{place}#{_anchor(chapter)}-{number}">{html(section)}</a></li>'
            for number, section in enumerate(chapter.sections)
        )
        + "</ul></li></ul>"
        for chapter, place in zip(chapters, places, strict=True)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<style>{_STYLE}</style>\n<script src="{SCRIPT}"></script>\n</head>\n<body>\n'
        f"<h1>{html(title)}</h1>\n{summaries}<nav>{contents}</nav>\n{''.join(bodies)}</body>\n</html>\n"
    )


def chapter_html(contents: Contents, bodies: Sequence[str]) -> str:
    """Returns the HTML of one chapter.

    Args:
        contents: Its title, and the titles of its sections.
        bodies: HTML of each section, from :func:`section_html`.
    """
    anchor = _anchor(contents)
    sections = "".join(
        f'<h3 id="{anchor}-{place}">{html(title)}</h3>\n{body}'
        for place, (title, body) in enumerate(zip(contents.sections, bodies, strict=True))
    )
    return f'<h2 id="{anchor}">{html(contents.title)}</h2>\n{sections}'


def section_html(section: Section, prefix: str, formats: Sequence[str] = FIGURE_FORMATS) -> str:
    """Returns the HTML of one section without its title.

    Args:
        section: Section with its figures.
        prefix: Prefix of the names of the chapter's files.
        formats: Formats of the files of each figure.
    """
    parts = [f"<p>{html(sentence)}</p>\n" for sentence in section.sentences]
    parts += [f"<pre>{chr(10).join(map(html, section.commands))}</pre>\n"] if section.commands else []
    parts += [_figure_html(figure, prefix, formats) for figure in section.figures]
    parts += [_table_html(table, prefix) for table in section.tables]
    return "".join(parts)


def _figure_html(figure: ReportFigure, prefix: str, formats: Sequence[str]) -> str:
    """Returns the HTML of a figure with links to its files."""
    sentence = f"<p>{html(figure.sentence)}</p>\n" if figure.sentence else ""
    stem = f"{FIGURES}/{prefix}-{figure.name}"
    links = " ".join(f'<a href="{stem}.{ending}">{ending.upper()}</a>' for ending in formats)
    drawing = to_html(figure.plotly, f"c-{prefix}-{figure.name}")
    return f'{sentence}{drawing}\n<p class="files">{figure.name}: {links}</p>\n'


def _table_html(table: ReportTable, prefix: str) -> str:
    """Returns the HTML of a table with a link to its file."""
    link = f'<a href="{TABLES}/{prefix}-{table.name}.csv">CSV</a>'
    rows = len(table.whole)
    count = f"{table.name}, {rows} row{'s' * (rows != 1)}: {link}"
    shown = "" if table.shown is None else f'<div class="table">{_rows_html(table.shown)}</div>\n'
    return f'{shown}<p class="files">{count}</p>\n'


def _rows_html(frame: pd.DataFrame) -> str:
    """Returns the rows of a table as HTML, numbers with three digits."""
    shown = frame.map(lambda entry: plain(entry) if isinstance(entry, str) else entry)
    return str(shown.to_html(index=False, border=0, na_rep="-", float_format=lambda value: f"{value:.3g}"))


def _anchor(chapter: Contents) -> str:
    """Returns the identifier of a chapter in links."""
    return f"c-{chapter.prefix}"
