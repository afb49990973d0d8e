"""Tables of text (``.csv``, ``.tsv``, ``.txt``) and ``.parquet``: every column is an array."""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.readers.array_entry import Entries, Entry, UnreadableFileError

TABLE = "table"
"""Key of all columns of numbers of a table, as one array [rows, columns]."""

_SMALL = 1 << 24
"""Largest number of bytes of a table that is read to describe it."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan|inf|-inf|na|", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_UNIT = re.compile(
    r"[\[(]?(s|sec|ms|[u\u00b5]s|ns|min|h|hz|khz|[cmu\u00b5]?m(/s)?|rad(/s)?|deg(/s)?|\u00b0|%|a\.?u\.?|m?v|id|count|bool|-|)[\])]?",
    re.IGNORECASE,
)
"""Entry of a line of units below the names."""


@dataclass(frozen=True)
class TableForm:
    """Form of a table of text, as found in its first lines.

    Args:
        separator: Text between two columns; a regular expression for blanks.
        decimal: Character before decimals.
        encoding: Encoding of the text.
        names: Names of the columns. Empty: in the first line that is no comment.
        skipped: Number of lines before the first row, or before the line of names.
        comment: Character that begins a comment. None: there are none.
        lines: Number of lines that make up the names.
    """

    separator: str
    decimal: str
    encoding: str
    names: tuple[str, ...]
    skipped: int
    comment: str | None
    lines: int = 1

    def told(self) -> str:
        """Returns what is unusual about the form; an empty text for a plain one."""
        words = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", r"\s+": "blanks"}
        parts = (
            [] if self.separator in ",\t" and self.decimal == "." else [f"columns separated by {words[self.separator]}"]
        )
        parts += ["decimal commas"] if self.decimal == "," else []
        parts += ["names of columns in several lines"] if self.lines > 1 else []
        parts += ["no names of columns"] if self.names and self.names[0] == "0" else []
        return ", ".join(parts)


def form_of(path: Path) -> TableForm:
    """Finds separator, decimal character, encoding and header of a table of text.

    Raises:
        UnreadableFileError: The file is empty, or no text.
    """
    with path.open("rb") as file:
        begin = file.read(1 << 16)
    encoding = _encoding(begin)
    text = begin.decode(encoding, "replace").lstrip("\ufeff")
    lines = text.splitlines()
    if len(begin) == 1 << 16:
        lines = lines[:-1]
    if not any(line.strip() for line in lines):
        raise UnreadableFileError("it is empty")
    if "\0" in text:
        raise UnreadableFileError("it is no table of text")
    declared = lines[0].lower().startswith("sep=")  # a line for Excel
    comment = next((sign for sign in "#%" if lines[0].lstrip().startswith(sign)), None)
    skipped = next(
        i
        for i, line in enumerate(lines)
        if line.strip() and not (comment and line.lstrip().startswith(comment)) and not (declared and i == 0)
    )
    rows = [line for line in lines[skipped : skipped + 100] if line.strip()]
    separator = _separator(rows)
    cells = [_cells(row, separator) for row in rows]
    body = cells[1:] or cells
    single = separator == "," and len(cells[0]) == 1 and all(len(row) == 2 for row in cells[1:]) and len(cells) > 1
    if single:
        separator, cells, body = ";", [[row] for row in rows], [[row] for row in rows[1:]]
    entries = [cell for row in body for cell in row]
    commas = [cell for cell in entries if _COMMA_NUMBER.fullmatch(cell)]
    # Between commas only quoted cells hold one; 1,234 alone may be a thousand there.
    decimal = "," if commas and (separator != "," or not all(_THOUSANDS.fullmatch(cell) for cell in commas)) else "."
    number = _COMMA_NUMBER if decimal == "," else _NUMBER
    headless = all(_NUMBER.fullmatch(cell) or number.fullmatch(cell) for cell in cells[0]) and any(cells[0])
    names, lines_of_names = _names_in_lines(cells, number)
    if lines_of_names:
        return TableForm(
            separator,
            decimal,
            encoding,
            names=names,
            skipped=skipped + lines_of_names,
            comment=comment,
            lines=lines_of_names,
        )
    if headless:
        names = tuple(str(i) for i in range(len(cells[0])))
        told = _cells(lines[skipped - 1].lstrip(f"{comment} "), separator) if comment and skipped else []
        if len(told) == len(names) and not all(_NUMBER.fullmatch(cell) for cell in told):
            names = tuple(told)  # numpy writes the names into a comment
    return TableForm(separator, decimal, encoding, names=names, skipped=skipped, comment=comment)


def text_table_entries(path: Path, notes: list[str]) -> Entries:
    """Returns the columns of a table of text, and its numbers as one array.

    Args:
        path: File of text.
        notes: List to which unusual separators are added.

    Raises:
        UnreadableFileError: The file is empty, or no text.
    """
    form = form_of(path)
    if form.told():
        notes.append(f"'{path.name}': {form.told()}")
    pandas = optional_import("pandas", "lab")

    def read(rows: int | None) -> Any:
        """Reads the first rows, or all."""
        try:
            return rows_of(rows)
        except pandas.errors.ParserError as error:
            uneven = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            if not uneven:
                raise
            raise UnreadableFileError(f"its line {uneven[2]} has {uneven[3]} cells, the others {uneven[1]}") from None

    def rows_of(rows: int | None) -> Any:
        """Reads rows as they are."""
        options = {"thousands": "."} if form.decimal == "," else {}
        frame = pandas.read_csv(
            path,
            sep=form.separator,
            decimal=form.decimal,
            encoding=form.encoding,
            encoding_errors="replace",
            header=None if form.names else 0,
            names=list(form.names) or None,
            skiprows=form.skipped,
            comment=form.comment,
            nrows=rows,
            index_col=False,
            skipinitialspace=True,
            low_memory=False,
            **options,
        )
        for name in frame.columns[[_is_date(frame.iloc[:, place]) for place in range(frame.shape[1])]]:
            dates = pandas.to_datetime(frame[name], format="ISO8601", errors="coerce", utc=True)
            frame[name] = dates.dt.tz_localize(None)
        return frame

    return _frame_entries(read, path)


def parquet_entries(path: Path) -> Entries:
    """Returns the columns of a parquet file, read one by one; columns of lists are ragged."""
    pandas, parquet = optional_import("pandas", "lab"), optional_import("pyarrow.parquet", "lab")
    with parquet.ParquetFile(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows

    def whole() -> Any:
        """Reads all columns."""
        require_memory(8 * rows * len(schema), f"'{path}' of {rows} rows and {len(schema)} columns")
        return pandas.read_parquet(path)

    entries: Entries = {}
    for field in schema:
        if field.name.startswith("__index_level"):
            continue

        def load(name: str = field.name) -> Any:
            """Reads one column."""
            require_memory(8 * rows, f"'{name}' of '{path}', {rows} rows,")
            return pandas.read_parquet(path, columns=[name]).reset_index()[name]

        kind = str(field.type)
        entries[field.name] = (
            Entry(load, (rows,), "ragged", partial(_lists, load))
            if "list" in kind
            else Entry(load, (rows,), _plain_kind(kind))
        )
    return _with_table(entries, rows, whole)


def _is_date(column: Any) -> bool:
    """Returns True for a column whose first entry is a date and a time, such as ``2024-05-01T10:00:00.05``."""
    first = column.iloc[0] if len(column) else None
    return isinstance(first, str) and bool(re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", first))


def _names_in_lines(cells: list[list[str]], number: re.Pattern[str]) -> tuple[tuple[str, ...], int]:
    """Returns names of columns that several lines make up, as DeepLabCut writes them, and the number of these lines.

    Lines that repeat one text, such as the name of a network, are left out. There are none if one line has all names.
    """

    def is_named(row: list[str]) -> bool:
        """Returns True for a line without numbers after its first column."""
        return len(row) > 1 and not any(_NUMBER.fullmatch(cell) or number.fullmatch(cell) for cell in row[1:])

    count = next((i for i, row in enumerate(cells) if not is_named(row)), len(cells))
    if not 2 <= count <= 4 or count == len(cells) or len({len(row) for row in cells}) > 1:
        return (), 0
    units = cells[count - 1] if all(_UNIT.fullmatch(cell) for cell in cells[count - 1]) else []
    rows = cells[: count - 1] if units else cells[:count]
    told = [row for row in rows if len(set(row[1:])) > 1] or rows[-1:]
    joined = tuple("_".join(parts) if i else parts[-1] for i, parts in enumerate(zip(*told, strict=True)))
    if units:
        joined = tuple(
            f"{name} ({unit.strip('[]()')})" if unit else name for name, unit in zip(joined, units, strict=True)
        )
    return (joined, count) if len(set(joined)) == len(joined) else ((), 0)


def _lists(load: Callable[[], Any], limit: int | None) -> list[np.ndarray]:
    """Reads a column of lists."""
    return [np.zeros(0) if row is None else np.asarray(row) for row in load()[:limit]]


def _encoding(begin: bytes) -> str:
    """Returns the encoding of a text by its first bytes."""
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _cells(row: str, separator: str) -> list[str]:
    """Returns the cells of a line, without quotes."""
    if separator == r"\s+":
        return row.split()
    quoted = re.sub(r'"[^"]*"', lambda found: found[0].replace(separator, "\0"), row)
    return [cell.replace("\0", separator).strip().strip('"') for cell in quoted.split(separator)]


def _separator(rows: list[str]) -> str:
    """Returns the separator that gives every line as many columns; semicolons before commas, blanks last."""
    for separator in ("\t", ";", "|", ",", r"\s+"):
        lengths = {len(_cells(row, separator)) for row in rows}
        if len(lengths) == 1 and lengths != {1}:
            return separator
    for separator in ("\t", ";", "|", ","):  # lines of several lengths
        if sum(separator in row for row in rows) > len(rows) / 2:
            return separator
    return ","


@dataclass
class _Frame:
    """Table that is read once, when an array of it is needed."""

    read: Callable[[], Any]
    frame: Any = None

    def column(self, place: int) -> Any:
        """Returns a column."""
        return self.whole().iloc[:, place]

    def whole(self) -> Any:
        """Returns all columns."""
        if self.frame is None:
            self.frame = self.read()
        return self.frame


def _frame_entries(read: Callable[[int | None], Any], path: Path) -> Entries:
    """Returns the columns of a frame as entries."""
    small = path.stat().st_size <= _SMALL

    @cache
    def begin() -> Any:
        """Reads the first rows."""
        return read(None if small else 1000)

    def whole() -> Any:
        """Reads all rows."""
        if small:
            return begin()
        require_memory(3 * path.stat().st_size, f"the table '{path}'")
        return read(None)

    table, first = _Frame(whole), begin()
    if not len(first):
        raise UnreadableFileError("it has names of columns, but no rows")
    first_rows = _Frame(lambda: first[:1000])
    rows = len(first) if small else None
    entries: Entries = {}
    for place, name in enumerate(first.columns):
        kind = first.iloc[:, place].dtype
        entries[str(name).strip()] = Entry(
            partial(table.column, place),
            None if rows is None else (rows,),
            _plain_kind(str(kind)),
            head=partial(first_rows.column, place),
        )
    return _with_table(entries, rows, table.whole)


def _with_table(entries: Entries, rows: int | None, whole: Callable[[], Any]) -> Entries:
    """Adds all columns of numbers as one array, if there are several."""
    columns = [key for key, entry in entries.items() if entry.dtype[:3] in ("int", "uin", "flo", "boo", "dou")]
    if len(columns) < 2 or TABLE in entries:
        return entries

    def load() -> np.ndarray:
        """Reads all columns of numbers."""
        frame = whole()
        frame.columns = [str(name).strip() for name in frame.columns]
        numbers: np.ndarray = frame[columns].to_numpy(dtype=np.float64)
        return numbers

    shape = None if rows is None else (rows, len(columns))
    return {**entries, TABLE: Entry(load, shape, "float64", axes=("row", "column"))}


def _plain_kind(kind: str) -> str:
    """Returns a kind of pandas or arrow in numpy's words."""
    if kind.startswith(("dictionary", "category")):
        return "texts"
    return {"object": "texts", "str": "texts", "string": "texts", "double": "float64", "large_string": "texts"}.get(
        kind, kind
    )
