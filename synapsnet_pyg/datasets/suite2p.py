"""Calcium traces in output folders of Suite2p."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.mapped_arrays import mapped_numbers
from synapsnet_pyg.datasets.readers import Reader, Rows, find_recordings, natural
from synapsnet_pyg.datasets.recordings import RecordingDataset
from synapsnet_pyg.datasets.suite2p_rate import frame_rate
from synapsnet_pyg.datasets.usual_choices import choice_note, named, only_activity
from synapsnet_pyg.files import require_memory, typed_path
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.recording import Recording, Selection, Traces

_NO_TRACES = frozenset({"ops", "stat", "iscell", "redcell", "db", "settings", "reg_outputs", "detect_outputs"})
"""Stems of the files of a plane that are no traces, most of them pickles."""


class Suite2pReader(Reader):
    """Output folders of Suite2p: all planes of a recording are one session.

    Planes are numbered by their names, so that ``plane10`` comes after ``plane2``. ``combined`` holds copies of the
    planes and is read only where they are absent. ``ops.npy`` and ``stat.npy`` are pickles and are never loaded.

    Args:
        neuropil: Share of the surround's fluorescence that the activity ``corrected`` subtracts.
    """

    name = "suite2p"
    generic = frozenset({"suite2p", "combined", *(f"plane{number}" for number in range(100))})

    def __init__(self, neuropil: float = 0.7) -> None:
        self.neuropil = neuropil

    def recognises(self, path: Path) -> bool:
        """Returns True for a folder of planes, or a plane itself."""
        return path.is_dir() and bool(_planes(path))

    def files(self, path: Path) -> list[Path]:
        """Returns the arrays of all planes."""
        files = [file for plane in _planes(path) for file in plane.glob("*.npy") if file.stem != "stat"]
        return sorted(file for file in files if not file.name.startswith("."))

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads and joins the planes of one recording.

        Raises:
            FileNotFoundError: A plane has no such activity.
            ValueError: A file is damaged, shapes do not fit, or no file states the frame rate.
        """
        excluded = only_activity(selection, "an output folder of Suite2p")
        planes = _planes(path)
        present = _trace_names(planes[0])
        activity = named(selection.activity, present, ["spks", "F"], f"'{planes[0]}'")
        notes = [choice_note(activity, present)]
        rate, source = frame_rate(planes)
        if selection.frame_rate is None and rate is None and selection.bin_size is None:
            raise ValueError(
                f"Expected the frame rate of '{path}' (it stands as 'fs' in ops.npy, a pickle, which is never loaded, "
                "and no other file states it); give --frame-rate, the frames a second of one plane."
            )
        if selection.frame_rate is None and rate is not None:
            notes.append(f"{rate:g} frames a second by {source}")
        parts, labels, gone = [], [], 0
        columns: dict[str, list[np.ndarray]] = {}
        for plane in planes:
            values, own = self._plane(plane, activity)
            kept = own.get("iscell", np.ones(len(values))) > 0.5
            every = selection.chooses("iscell", "cell_probability")
            rows = np.arange(len(values)) if every else np.flatnonzero(kept)
            gone += len(values) - len(rows)
            require_memory(4 * len(rows) * values.shape[1], f"{len(rows)} cells of '{plane}'")
            parts.append(np.asarray(values[rows], dtype=np.float32))
            labels += [f"{plane.name}/{row}" if _number(plane) is not None else str(row) for row in rows.tolist()]
            for key, entries in own.items():
                columns.setdefault(key, []).append(entries[rows])
        length = min(part.shape[1] for part in parts)
        if any(part.shape[1] != length for part in parts):
            warn(f"planes have {', '.join(str(part.shape[1]) for part in parts)} frames; the first {length} are kept.")
        if len(planes) > 1:
            notes.append(f"{len(planes)} planes, {planes[0].name} to {planes[-1].name}")
        if gone:
            notes.append(
                f"kept {len(labels)} of {len(labels) + gone}: {gone} are no cells by iscell.npy (--where 'iscell==0|1' "
                "takes all" + (", 'cell_probability>0.3' is another limit)" if "cell_probability" in columns else ")")
            )
        if not labels:
            raise ValueError(
                f"Expected cells in '{path}' (none of {gone} is one by iscell.npy); --where 'iscell==0|1'."
            )
        whole = {key: np.concatenate(entries) for key, entries in columns.items() if len(entries) == len(planes)}
        return Recording(
            name,
            Traces(
                np.concatenate([part[:, :length] for part in parts]),
                bin_size=None if (rate := selection.frame_rate or rate) is None else 1 / rate,
                label=f"'{path}'",
            ),
            NeuronTable(len(labels), labels=labels, columns=whole, prefix="suite2p"),
            excluded=excluded,
            notes=notes,
        )

    def describe(self, path: Path) -> Rows:
        """Describes the planes from the headers of their arrays."""
        planes, rows = _planes(path), []
        for plane in planes:
            names = _trace_names(plane)
            shape = mapped_numbers(plane / f"{next(n for n in names if n != 'corrected')}.npy", 2).shape
            cells = _cells(plane)
            kept = "no iscell.npy" if cells is None else f"{int((cells[:, 0] > 0.5).sum())} are cells"
            rows.append((plane.name, f"{list(shape)}, {kept}; {', '.join(names)}"))
        rate, source = frame_rate(planes)
        rows.append(("frame rate", f"{rate:g} Hz by {source}" if rate else "not stated"))
        option = "" if rate else " --frame-rate 30"
        return [*rows, ("next", f"synapsnet convert {typed_path(path)} out.h5{option}")]

    def _plane(self, plane: Path, activity: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Returns the traces of a plane [cells, frames] and the columns of its cells."""
        cells = _cells(plane)
        count = None if cells is None else len(cells)
        if activity == "corrected":
            values = _traces(plane, "F", count) - np.float32(self.neuropil) * _traces(plane, "Fneu", count)
        else:
            values = _traces(plane, activity, count)
        columns: dict[str, np.ndarray] = {}
        if _number(plane) is not None:
            columns["plane"] = np.full(len(values), _number(plane))
        if cells is None:
            warn(f"'{plane}' has no iscell.npy; all its {len(values)} regions are taken.")
        else:
            columns["iscell"] = (cells[:, 0] > 0.5).astype(np.int64)
            if cells.shape[1] > 1:
                columns["cell_probability"] = cells[:, 1]
        red = plane / "redcell.npy"
        if red.is_file() and len(marks := np.asarray(mapped_numbers(red, 2))) == len(values):
            columns["redcell"] = marks[:, 0]
        return values, columns


class Suite2p(RecordingDataset):
    """Calcium traces of the cells of Suite2p.

    Every folder with planes (``plane0/F.npy``, ...), or with the arrays themselves, is a session. Its neurons are the
    cells of all planes. Neuron fields are ``plane``, ``iscell`` and ``cell_probability``.

    Args:
        folder: Folder ``suite2p``, or a folder above several of them.
        frame_rate: Number of frames a second of each plane (``ops["fs"]``).
        activity: ``"spks"`` (deconvolved), ``"F"`` (fluorescence), ``"corrected"`` (``F - neuropil * Fneu``), or the
            stem of another file of the same shape.
        neuropil: Share of the surround's fluorescence that ``"corrected"`` subtracts.
        probability: Smallest probability of the classifier in kept cells. None: keep cells marked as cells.
        sessions: Names of sessions, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``processed`` in the folder.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.

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
        frame_rate: float,
        *,
        activity: str = "spks",
        neuropil: float = 0.7,
        probability: float | None = None,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        if not np.isfinite(frame_rate) or frame_rate <= 0:
            raise ValueError(f"Expected frame_rate, frames a second, above 0 (got {frame_rate}).")
        where = None if probability is None else f"cell_probability>={probability!r}"
        self.selection = Selection(activity=activity, frame_rate=frame_rate, where=where)
        self.reader = Suite2pReader(neuropil)
        super().__init__(folder, sessions, processed=processed, jobs=jobs, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """Returns the arrays of all planes of every session."""
        self._found = find_recordings(root, [self.reader])
        return {name: self.reader.files(found.path) for name, found in self._found.items()}

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads and joins the planes of one session."""
        recording = self.reader.read(self._found[name].path, name, self.selection)
        return Session.from_recording(recording, self.selection)


def _planes(path: Path) -> list[Path]:
    """Returns the folders of the planes in natural order; ``combined`` where they are absent; none without arrays."""
    if _is_plane(path):
        return [path]
    inside = sorted(path.glob("plane*"), key=lambda plane: natural(plane.name))
    planes = [plane for plane in inside if _number(plane) is not None and _is_plane(plane)]
    return planes or [plane for plane in [path / "combined"] if _is_plane(plane)]


def _is_plane(path: Path) -> bool:
    """Returns True if a folder has traces of Suite2p and one of its other files."""
    traces = any((path / f"{stem}.npy").is_file() for stem in ("F", "spks"))
    return traces and any((path / f"{stem}.npy").is_file() for stem in ("iscell", "ops", "stat"))


def _number(plane: Path) -> int | None:
    """Returns the number in the name of a plane; None for another folder."""
    found = re.fullmatch(r"plane[_ -]?(\d+)", plane.name, re.IGNORECASE)
    return int(found[1]) if found else None


def _trace_names(plane: Path) -> list[str]:
    """Returns the names of the activities of a plane."""
    stems = sorted(file.stem for file in plane.glob("*.npy") if not file.name.startswith("."))
    names = [stem for stem in stems if stem not in _NO_TRACES]
    return [*names, "corrected"] if {"F", "Fneu"} <= set(names) else names


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


def _traces(plane: Path, stem: str, cells: int | None) -> np.ndarray:
    """Opens an array of a plane as [cells, frames], from either order of axes."""
    path = plane / f"{stem}.npy"
    values = mapped_numbers(path, 2)
    if cells is None:
        return values
    if values.shape[0] != cells and values.shape[1] == cells:
        warn(f"'{path}' has axes [frame, cell] and was transposed.")
        values = values.T
    if values.shape[0] != cells:
        raise ValueError(f"Expected the {cells} cells of 'iscell.npy' in '{path}' (got shape {list(values.shape)}).")
    return values
