"""Files of tables, each written completely or not at all."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.files.texts import cells


def save_table(table: "pd.DataFrame | Iterable[pd.DataFrame]", stem: Path, *, float_format: str | None = None) -> Path:
    """Writes a table as CSV; returns its path.

    Args:
        table: Table, or its parts one after the other, at least one, of which one is in memory at a time.
        stem: Path of the file without its ending; the folder must exist.
        float_format: Format of numbers, such as ``"%.6g"``; None: all digits.
    """
    path = stem.with_name(f"{stem.name}.csv")
    parts = [table] if isinstance(table, pd.DataFrame) else table
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        for number, part in enumerate(parts):
            as_cells(part).to_csv(file, index=False, float_format=float_format, header=number == 0)
    return path


def as_cells(table: "pd.DataFrame") -> "pd.DataFrame":
    """Returns a table for a CSV file, in which no text is a formula of a spreadsheet.

    Example:
        >>> as_cells(pd.DataFrame({"area": ["=1+1", "V1"], "weight": [-1.0, 2.0]})).to_csv(index=False).split()
        ['area,weight', "'=1+1,-1.0", 'V1,2.0']
    """
    texts = [name for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    changed = table.assign(**{str(name): cells(table[name]) for name in texts}) if texts else table
    return changed.set_axis(cells(table.columns), axis=1)
