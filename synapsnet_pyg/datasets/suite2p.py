"""Calcium traces in output folders of Suite2p."""

import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.lab_recordings import LabRecordings
from synapsnet_pyg.datasets.mapped_arrays import mapped_numbers
from synapsnet_pyg.datasets.readers import find_recordings, natural
from synapsnet_pyg.datasets.segmentations import Segmentation, SegmentationReader, oriented
from synapsnet_pyg.datasets.suite2p_rate import frame_rate
from synapsnet_pyg.intake.recording import Selection

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


class Suite2p(LabRecordings):
    """Calcium traces of the cells of Suite2p.

    Every folder with planes (``plane0/F.npy``, ...), or with the arrays themselves, is a session. Its neurons are the
    cells of all planes. Neuron fields are ``plane``, ``iscell`` and ``cell_probability``.

    Args:
        folder: Folder ``suite2p``, or a folder above several of them.
        frame_rate: Number of frames a second of each plane (``ops["fs"]``). None: as a file states.
        activity: ``"spks"`` (deconvolved), ``"F"`` (fluorescence), ``"corrected"`` (``F - neuropil * Fneu``), or the
            stem of another file of the same shape. None: ``"spks"``, or ``"F"`` where it is absent.
        neuropil: Share of the surround's fluorescence that ``"corrected"`` subtracts.
        probability: Smallest probability of the classifier in kept cells. None: keep cells marked as cells.
        sessions: Names of sessions, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``processed`` in the folder.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.
        **choices: Further choices, arguments of :class:`~synapsnet_pyg.intake.recording.Selection`.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ValueError: A file is damaged, or shapes do not fit; the message names it.

    Example:
        >>> Suite2p("mouse1/suite2p", frame_rate=6.0, activity="F")[0]  # doctest: +SKIP
        Session('mouse1', 10 neurons x 11160 bins of 0.166667 s, 0 behaviours, 1 segment, plane, iscell, ...)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        frame_rate: float | None = None,
        *,
        activity: str | None = None,
        neuropil: float = 0.7,
        probability: float | None = None,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
        **choices: Any,
    ) -> None:
        if probability is not None:
            choices["where"] = f"cell_probability>={probability!r}"
        self.neuropil = neuropil
        super().__init__(
            folder,
            Selection(activity=activity, frame_rate=frame_rate, **choices),
            sessions=sessions,
            processed=processed,
            jobs=jobs,
            transform=transform,
        )

    def find(self, root: Path) -> dict[str, list[Path]]:
        """Returns the arrays of all planes of every session."""
        self._found = find_recordings(root, [Suite2pReader(self.neuropil)])
        return {name: found.reader.files(found.path) for name, found in self._found.items()}


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
