"""Tables of clusters beside sorted spikes (``cluster_group.tsv``, ``cluster_info.tsv``, ...), joined by the id."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import texts

_ID_NAMES = ("cluster_id", "id")
"""Names of the column of ids; old versions of phy wrote ``id``."""

_USUAL = {name.lower(): name for name in (*_ID_NAMES, "group", "KSLabel")}
"""Name in lower case -> name of the columns that are looked for, whatever their case."""

Cells = dict[str, dict[int, str]]
"""Name of a column -> cluster id -> text."""


def cluster_columns(folder: Path, ids: np.ndarray | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Returns the columns of all tables of a folder for some clusters, and notes on what was found.

    A cluster that a table lacks has an empty entry there. ``group`` is what was decided by hand in phy; where nobody
    did, it is Kilosort's own label.

    Args:
        folder: Folder with tables ``.tsv`` or ``.csv`` that have a column ``cluster_id``.
        ids: Ids of the clusters. None: all that the tables name.

    Returns:
        Name of a column -> N entries, numbers where all are numbers; sentences.
    """
    cells: Cells = {}
    notes: list[str] = []
    for path in sorted(folder.glob("*.[tc]sv"), key=_rank):
        if not path.name.startswith(".") and path.is_file():
            _join(cells, _read_table(path), path.name)
    if ids is None:
        ids = np.array(sorted({cluster for column in cells.values() for cluster in column}), dtype=np.int64)
    columns = {name: _entries([column.get(int(i), "") for i in ids]) for name, column in cells.items()}
    if "KSLabel" in columns and not any(texts(columns.get("group", [""]))):
        columns["group"] = columns["KSLabel"]
        notes.append("no cluster was sorted by hand; group is Kilosort's own label")
    return columns, notes


def _rank(path: Path) -> tuple[int, str]:
    """Returns the order of a table: decisions by hand first, summaries last."""
    order = {"cluster_group": 0, "cluster_KSLabel": 1, "cluster_info": 3}
    return order.get(path.stem, 2), path.name


def _join(cells: Cells, table: Cells, name: str) -> None:
    """Adds the columns of a table; an entry that is there already stays."""
    for column, entries in table.items():
        known = cells.setdefault(column, {})
        other = sum(1 for cluster, text in entries.items() if text and known.get(cluster, text) not in ("", text))
        if other and column != "n_spikes" and not _all_numbers([*entries.values()]):
            warn(f"'{name}' has another {column} for {other} clusters than a table before it, which is kept.")
        for cluster, text in entries.items():
            if not known.get(cluster):
                known[cluster] = text


def _read_table(path: Path) -> Cells:
    """Reads a table of texts; a file without a column of cluster ids is no such table."""
    raw = path.read_bytes()
    wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))  # Excel's "Unicode text"
    lines = raw.decode("utf-16" if wide else "utf-8-sig", errors="replace").splitlines()
    rows = list(csv.reader(lines, delimiter=max("\t,;", key=lines[0].count))) if lines else []
    header = [_USUAL.get(name.strip().lower(), name.strip()) for name in rows[0]] if rows else []
    key = next((header.index(name) for name in _ID_NAMES if name in header), None)
    if key is None:
        if lines and path.stem.startswith("cluster_"):
            warn(f"'{path}' has no column 'cluster_id' (got {shorten(header)}), and is left out.")
        return {}
    table: Cells = {}
    twice: list[int] = []
    seen: set[int] = set()
    for row in rows[1:]:
        cluster = _cluster_id(row[key] if key < len(row) else "")
        if cluster is None:
            continue
        twice += [cluster] if cluster in seen else []
        seen.add(cluster)
        for name, text in zip(header, row, strict=False):
            if name and name not in _ID_NAMES:
                table.setdefault(name, {})[cluster] = text.strip()
    if twice:
        warn(f"'{path}' names clusters twice ({shorten(twice)}); the last row of each counts, as in phy.")
    return table or {name: {} for name in header if name and name not in _ID_NAMES}


def _cluster_id(text: str) -> int | None:
    """Returns a cluster id; None for a row without one."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _entries(column: Sequence[str]) -> np.ndarray:
    """Returns entries as numbers, missing ones NaN, if all are numbers; else as texts."""
    if any(column) and _all_numbers(column):
        values = np.array([float(text) if text else np.nan for text in column])
        whole = np.isfinite(values).all() and (values == np.floor(values)).all() and np.abs(values).max() < 2**53
        return values.astype(np.int64) if whole and not any("." in text or "e" in text for text in column) else values
    return np.array(column, dtype=np.str_)


def _all_numbers(column: Sequence[str]) -> bool:
    """Returns True if all entries that are there are numbers."""
    try:
        return all(np.isreal(float(text)) for text in column if text)
    except ValueError:
        return False
