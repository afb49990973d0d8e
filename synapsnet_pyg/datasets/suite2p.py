"""Sessions from output folders of Suite2p."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.array_files import load_numbers
from synapsnet_pyg.datasets.recordings import LeftOutError, RecordingDataset, without_nan
from synapsnet_pyg.datasets.time_bins import warn


class Suite2p(RecordingDataset):
    """Calcium traces of the cells of Suite2p.

    Every folder with planes (``plane0/F.npy``, ...), or with the arrays themselves, is a session. Its neurons are the
    cells of all planes. ``ops.npy`` and ``stat.npy`` are pickles and are never read, so that the frame rate is an
    argument and positions are unknown. Neuron fields are ``plane`` and ``cell_probability``.

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
        Session('mouse1', 10 neurons x 11160 bins of 0.166667 s, 0 behaviours, 1 segment, plane, cell_probability)
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
        self.frame_rate, self.activity, self.neuropil, self.probability = frame_rate, activity, neuropil, probability
        super().__init__(folder, sessions, processed=processed, jobs=jobs, transform=transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns the arrays of all planes of every session."""
        if not root.is_dir():
            raise FileNotFoundError(f"Expected an output folder of Suite2p (there is no folder '{root}').")
        sources: dict[str, list[Path]] = {}
        for cells in sorted(root.rglob("iscell.npy")):
            plane = cells.parent
            if plane.name == "combined":  # copies of the planes
                continue
            home = plane.parent if plane.name.startswith("plane") else plane
            home = home.parent if home.name == "suite2p" and home != root else home
            named = home.resolve()
            named = named.parent if named.name == "suite2p" else named
            parts = home.relative_to(root).parts if root in home.parents else (named.name,)
            sources.setdefault("-".join(part for part in parts if part != "suite2p"), []).extend(
                sorted(path for path in plane.glob("*.npy") if path.stem not in ("ops", "stat"))
            )
        return sources

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads and joins the planes of one session."""
        planes = list(dict.fromkeys(path.parent for path in files))
        parts, fields, ids = [], [], []
        for p, plane in enumerate(planes):
            cells = load_numbers(plane / "iscell.npy")
            if cells.ndim != 2 or cells.shape[1] != 2:
                raise ValueError(f"Expected '{plane / 'iscell.npy'}' of shape [cells, 2] (got {list(cells.shape)}).")
            kept = cells[:, 0] > 0.5 if self.probability is None else cells[:, 1] >= self.probability
            rows = np.flatnonzero(kept)
            parts.append(self._traces(plane, len(cells))[rows])
            fields += [(p, cells[row, 1]) for row in rows]
            within = f"{name}/{plane.name}" if plane.name.startswith("plane") else name
            ids += [f"{within}/{row}" for row in rows]
        length = min(part.shape[1] for part in parts)
        if any(part.shape[1] != length for part in parts):
            warn(f"planes have {', '.join(str(part.shape[1]) for part in parts)} frames; the first {length} are kept.")
        activity = np.concatenate([part[:, :length] for part in parts])
        good = without_nan(activity, "cells")
        if not good.any():
            raise LeftOutError("it has no cell without NaN")
        chosen = np.flatnonzero(good)
        return Session(
            torch.from_numpy(activity[chosen].astype(np.float32)),
            bin_size=1 / self.frame_rate,
            neuron_id=[ids[i] for i in chosen],
            name=name,
            plane=np.array([fields[i][0] for i in chosen]),
            cell_probability=np.array([fields[i][1] for i in chosen]),
        )

    def _traces(self, plane: Path, cells: int) -> np.ndarray:
        """Reads the chosen traces of a plane [cells, frames]."""
        if self.activity == "corrected":
            return self._transposed(plane, "F", cells) - self.neuropil * self._transposed(plane, "Fneu", cells)
        return self._transposed(plane, self.activity, cells)

    def _transposed(self, plane: Path, stem: str, cells: int) -> np.ndarray:
        """Reads an array of a plane as [cells, frames], from either order of axes."""
        path = plane / f"{stem}.npy"
        values = load_numbers(path, 2)
        if values.shape[0] != cells and values.shape[1] == cells:
            warn(f"'{path}' has axes [frame, cell] and was transposed.")
            values = values.T
        if values.shape[0] != cells:
            raise ValueError(
                f"Expected the {cells} cells of 'iscell.npy' in '{path}' (got shape {list(values.shape)})."
            )
        return values
