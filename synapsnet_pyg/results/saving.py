"""Files of tables and figures, each written completely or not at all."""

from pathlib import Path

import pandas as pd

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.plots.canvas import Figure, write_image


def save_figure(figure: Figure, stem: Path, *, dpi: int = 200) -> list[Path]:
    """Writes a figure as PNG and SVG; returns the paths.

    Args:
        figure: Figure.
        stem: Path of the files without their endings; the folder must exist.
        dpi: Number of dots per inch.
    """
    paths = [stem.with_name(stem.name + ending) for ending in (".png", ".svg")]
    for path in paths:
        with atomic_path(path) as temporary:
            write_image(figure, temporary, dpi=dpi)
    return paths


def save_table(table: pd.DataFrame, stem: Path, *, float_format: str | None = None) -> Path:
    """Writes a table as CSV; returns its path.

    Args:
        table: Table.
        stem: Path of the file without its ending; the folder must exist.
        float_format: Format of numbers, such as ``"%.6g"``; None: all digits.
    """
    path = stem.with_name(f"{stem.name}.csv")
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format=float_format)
    return path
