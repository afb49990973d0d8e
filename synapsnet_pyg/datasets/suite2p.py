"""Sessions from output folders of Suite2p, as a PyG dataset."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.lab_recordings import LabRecordings
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.reader import find_recordings
from synapsnet_pyg.readers.suite2p import Suite2pReader


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
