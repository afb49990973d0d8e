"""Sections of a report: sentences, figures and tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from synapsnet_pyg.report.figure import ReportFigure


class ReportTable(NamedTuple):
    """A table of the report: whole in a file, partly on the page."""

    name: str
    """Stem of the file name."""
    whole: pd.DataFrame
    shown: pd.DataFrame | None = None
    """Part of the table on the page; None: only a link to the file."""


@dataclass(frozen=True)
class Section:
    """Part of the page under one title, with sentences, commands, figures and tables in this order."""

    title: str
    sentences: Sequence[str] = ()
    commands: Sequence[str] = ()
    figures: Sequence[ReportFigure] = field(default=(), repr=False)
    tables: Sequence[ReportTable] = ()


class Part(NamedTuple):
    """Sections on one matter of a run or of a session."""

    sections: list[Section]
    summary: Sequence[str] = ()
    """Sentences that say all that matters most."""
