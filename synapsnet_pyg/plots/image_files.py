"""Files of figures, each written completely or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

from synapsnet_pyg.files.writing import atomic_path

if TYPE_CHECKING:
    import matplotlib.figure

FIGURE_FORMATS = ("png", "svg", "pdf")
"""Formats of a figure's files, the endings of their names."""
_UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def save_figure(
    figure: "matplotlib.figure.Figure", stem: Path, *, formats: Sequence[str] = FIGURE_FORMATS, dpi: int = 200
) -> list[Path]:
    """Writes a figure in several formats; returns the paths.

    Args:
        figure: Figure.
        stem: Path of the files without their endings; the folder must exist.
        formats: Formats among :data:`FIGURE_FORMATS`.
        dpi: Number of dots per inch of a PNG file, and of images in the others.

    Raises:
        OSError: The folder is missing or cannot be written.
    """
    paths, layout = [], figure.get_layout_engine()
    try:
        for ending in formats:
            paths.append(write_image(figure, stem.with_name(f"{stem.name}.{ending}"), dpi=dpi))
            figure.set_layout_engine("none")  # every format has the places of the first, which take half of the time
    finally:
        figure.set_layout_engine(layout)
    return paths


def write_image(figure: "matplotlib.figure.Figure", path: Path, *, dpi: int = 120) -> Path:
    """Writes a figure to one file, whose ending is its format; returns the path.

    The same figure gives the same bytes, without dates and random names within SVG and PDF.

    Args:
        figure: Figure.
        path: Path of the file; its folder must exist.
        dpi: Number of dots per inch of a PNG file, and of images in the others.

    Raises:
        ValueError: The name does not end with a format among :data:`FIGURE_FORMATS`.
        OSError: The folder is missing or cannot be written.
    """
    ending = path.suffix.lower()
    if ending.removeprefix(".") not in FIGURE_FORMATS:
        endings = ", ".join(f".{name}" for name in FIGURE_FORMATS)
        raise ValueError(f"Expected the name of a figure to end with one of {endings} (got '{path.name}').")
    with atomic_path(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "synapsnet"}):
        if ending == ".png":  # higher levels take half as long again and save nothing
            figure.savefig(temporary, dpi=dpi, format="png", pil_kwargs={"compress_level": 3})
        else:
            figure.savefig(temporary, dpi=dpi, format=ending[1:], metadata=_UNDATED[ending])
    return path
