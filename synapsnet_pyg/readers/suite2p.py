"""Calcium traces in output folders of Suite2p."""

import re
from functools import partial
from pathlib import Path

import numpy as np

from synapsnet_pyg.readers.mapped_arrays import mapped_numbers
from synapsnet_pyg.readers.reader import natural
from synapsnet_pyg.readers.segmentations import Segmentation, SegmentationReader, oriented
from synapsnet_pyg.readers.suite2p_rate import frame_rate

_NO_TRACES = frozenset({"ops", "stat", "iscell", "redcell", "db", "settings", "reg_outputs", "detect_outputs"})
"""Stems of the files of a plane that are no traces, most of them pickles."""


class Suite2pReader(SegmentationReader):
    """Output folders of Suite2p: all planes of a recording are one session.

    Planes are numbered by their names, so that ``plane10`` comes after ``plane2``. ``combined`` holds copies of the
    planes and is read only where they are absent. ``ops.npy`` and ``stat.npy`` are pickles and are never loaded.

    Args:
        neuropil: Share of the surround's fluorescence that the activity ``corrected`` subtracts.
    """

    name = "suite2p"
    generic = frozenset({"suite2p", "combined", *(f"plane{number}" for number in range(100))})
    usual = ("spks", "F")
    choosing = ("iscell", "cell_probability")
    rate_place = "ops.npy, a pickle that is searched for 'fs' and never loaded, or the planes differ"

    def __init__(self, neuropil: float = 0.7) -> None:
        self.neuropil = neuropil

    def recognises(self, path: Path) -> bool:
        """Returns True for a folder of planes, or a plane itself."""
        return path.is_dir() and bool(_planes(path))

    def files(self, path: Path) -> list[Path]:
        """Returns the arrays of all planes."""
        files = [file for plane in _planes(path) for file in plane.glob("*.npy") if file.stem != "stat"]
        return sorted(file for file in files if not file.name.startswith("."))

    def found(self, path: Path) -> Segmentation:
        """Finds the regions of all planes, and whether they are cells."""
        folders = _planes(path)
        planes = [_Plane(folder, self.neuropil) for folder in folders]
        shared = [name for name in planes[0].names if all(name in plane.names for plane in planes)]
        counts = [plane.shape[0] for plane in planes]
        columns = {
            key: np.concatenate([plane.columns[key] for plane in planes])
            for key in planes[0].columns
            if all(key in plane.columns for plane in planes)
        }
        notes = [f"{len(planes)} planes, {folders[0].name} to {folders[-1].name}"] if len(planes) > 1 else []
        notes += [
            f"{plane.folder.name} has no iscell.npy; all its {plane.shape[0]} regions are taken"
            for plane in planes
            if plane.cells is None
        ]
        kept = np.concatenate([plane.kept for plane in planes])
        rate, source = frame_rate(folders)
        limit = ", 'cell_probability>0.3' is another limit" if "cell_probability" in columns else ""
        return Segmentation(
            {name: partial(_opened, planes, name) for name in shared},
            (sum(counts), min(plane.shape[1] for plane in planes)),
            rate=None if rate is None else (rate, source),
            labels=[label for plane in planes for label in plane.labels],
            columns=columns,
            kept=kept,
            rejected=f"{int((~kept).sum())} are no cells by iscell.npy (--where 'iscell==0|1' takes all{limit})",
            notes=notes,
        )


class _Plane:
    """Regions of one plane.

    Args:
        folder: Folder of the plane.
        neuropil: Share of the surround's fluorescence that is subtracted.
    """

    def __init__(self, folder: Path, neuropil: float) -> None:
        self.folder, self.neuropil = folder, neuropil
        stems = sorted(file.stem for file in folder.glob("*.npy") if not file.name.startswith("."))
        self.names = [stem for stem in stems if stem not in _NO_TRACES]
        self.names += ["corrected"] if {"F", "Fneu"} <= set(self.names) else []
        self.cells = _cells(folder)
        lengths = mapped_numbers(folder / f"{'F' if 'F' in self.names else 'spks'}.npy").shape
        lengths = (1, *lengths) if len(lengths) == 1 else lengths
        count = lengths[0] if self.cells is None else len(self.cells)
        self.shape = (count, lengths[1] if lengths[0] == count else lengths[0])
        number = _number(folder)
        self.labels = [str(row) if number is None else f"{folder.name}/{row}" for row in range(count)]
        self.columns = {} if number is None else {"plane": np.full(count, number)}
        self.kept = np.ones(count, dtype=bool)
        if self.cells is not None:
            self.kept = self.cells[:, 0] > 0.5
            self.columns["iscell"] = self.kept.astype(np.int64)
            if self.cells.shape[1] > 1:
                self.columns["cell_probability"] = self.cells[:, 1]
        red = folder / "redcell.npy"
        if red.is_file() and len(marks := np.asarray(mapped_numbers(red, 2))) == count:
            self.columns["redcell"] = marks[:, 0]

    def traces(self, name: str) -> np.ndarray:
        """Opens the traces of all regions [cells, frames], from either order of axes."""
        if name == "corrected":
            return self.traces("F") - np.float32(self.neuropil) * self.traces("Fneu")
        path = self.folder / f"{name}.npy"
        return oriented(mapped_numbers(path), (self.shape[0], None), f"'{path}'")


def _opened(planes: list[_Plane], name: str) -> list[np.ndarray]:
    """Opens the traces of all planes."""
    return [plane.traces(name) for plane in planes]


def _planes(path: Path) -> list[Path]:
    """Returns the folders of the planes in natural order; ``combined`` where they are absent; none without arrays."""
    if _is_plane(path):
        return [path]
    inside = sorted(path.glob("plane*"), key=lambda plane: natural(plane.name))
    planes = [plane for plane in inside if _number(plane) is not None and _is_plane(plane)]
    return planes or [plane for plane in [path / "combined"] if _is_plane(plane)]


def _is_plane(path: Path) -> bool:
    """Returns True if a folder has traces of Suite2p and its name, or one of its other files."""
    traces = any((path / f"{stem}.npy").is_file() for stem in ("F", "spks"))
    marks = ("iscell", "ops", "stat", "Fneu")
    return traces and (_number(path) is not None or any((path / f"{stem}.npy").is_file() for stem in marks))


def _number(plane: Path) -> int | None:
    """Returns the number in the name of a plane; None for another folder."""
    found = re.fullmatch(r"plane[_ -]?(\d+)", plane.name, re.IGNORECASE)
    return int(found[1]) if found else None


def _cells(plane: Path) -> np.ndarray | None:
    """Reads whether each region is a cell, and its probability [cells, 1 or 2]; None without the file."""
    path = plane / "iscell.npy"
    if not path.is_file():
        return None
    cells = np.asarray(mapped_numbers(path), dtype=np.float64)
    if cells.ndim == 1:
        cells = cells[:, None]
    if cells.ndim != 2 or cells.shape[1] not in (1, 2):
        raise ValueError(f"Expected '{path}' of shape [cells, 2] (got {list(cells.shape)}).")
    return cells
