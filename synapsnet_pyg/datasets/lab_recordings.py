"""Sessions of any lab's recordings, in any format that the package reads."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_file import is_session_file
from synapsnet_pyg.datasets.recordings import RecordingDataset
from synapsnet_pyg.datasets.registry import READERS, readers
from synapsnet_pyg.intake.behaviours import Behaviour, OnFrames
from synapsnet_pyg.intake.blocks import Blocks
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.readers.array_behaviours import read_behaviours, read_blocks
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.array_keys import ArrayKeys
from synapsnet_pyg.readers.array_neurons import read_table
from synapsnet_pyg.readers.arrays import ArraysReader
from synapsnet_pyg.readers.readable import readable
from synapsnet_pyg.readers.reader import Found, Reader, find_recordings


def recordings_at(path: str | os.PathLike[str], reader: str | None = None) -> dict[str, Found]:
    """Finds the recordings in a file or below a folder, or at the address of a remote file.

    Args:
        path: File, folder, or URL of an NWB file (``https://``, ``dandi://``).
        reader: Format, a key of :data:`~synapsnet_pyg.datasets.registry.READERS`. None: found out.

    Returns:
        Name of a session -> format and path.

    Raises:
        FileNotFoundError: There is no such file or folder, or no recording in it.
        ValueError: There is no such format, or nothing but files that are no recordings: session files, pickles.
    """
    found = find_recordings(str(path) if "://" in str(path) else Path(path).expanduser(), readers(reader))
    if not found and is_session_file(path):
        raise ValueError(
            f"Expected a recording to read (got '{path}', a session file already; 'fit' takes it as it is)."
        )
    if not found and (pickle := _pickle_at(Path(path).expanduser())):
        raise ValueError(
            f"Expected a recording without pickles (got '{pickle}', which is never loaded: a pickle can run any code); "
            "load it in your own Python and save its arrays, such as numpy.savez('session.npz', M=traces)."
        )
    if not found:
        formats = (
            f"a recording of format {reader}" if reader else f"a recording in a known format ({', '.join(READERS)})"
        )
        raise FileNotFoundError(f"Expected {formats} in '{path}' (found none).")
    return found


def _pickle_at(path: Path) -> Path | None:
    """Returns a file of pickled objects at a path or below it, None if there is none."""
    files = path.rglob("*") if path.is_dir() else [path]
    return next((file for file in files if file.suffix.lower() in (".pkl", ".pickle", ".joblib")), None)


@dataclass(frozen=True)
class BehaviourFile:
    """File of behaviours beside a recording, such as a table of tracked positions beside sorted spikes.

    Events and intervals, such as trials, are taken from it too where it holds them.

    Args:
        path: File of arrays or table, see :class:`~synapsnet_pyg.readers.array_files.ArrayFile`; each recording's own
            where a file of this name lies in or beside it.
        times: Key of the clock of its behaviours, which is the recording's. None: times beside each behaviour, such as
            ``wheel/t`` of ``wheel/speed``.
    """

    path: str
    times: str | None = None

    def read(self, source: Path, selection: Selection) -> "Beside":
        """Reads the chosen behaviours, and the events and intervals that the file holds.

        Args:
            source: File or folder of the recording.
            selection: Choices of the user.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: A key is missing, has no clock, or is no behaviour of numbers or texts.
        """
        own = [folder / self.path for folder in (source, source.parent) if (folder / self.path).exists()]
        notes: list[str] = []
        with readable(self.path), ArrayFile(own[0] if own else Path(self.path)) as file:
            named = [*selection.events, *([] if selection.intervals is None else [selection.intervals])]
            held = {name for name in named if file.is_group(name) or file.has(name)}
            here = replace(selection, events=[name for name in selection.events if name in held])
            behaviours = read_behaviours(file, ArrayKeys(behaviour_times=self.times), here, None, notes)
            intervals = (
                read_blocks(file, selection.intervals, selection.behaviour_rate)
                if selection.intervals is not None and selection.intervals in held
                else None
            )
        left = replace(
            selection,
            behaviour=(),
            events=[name for name in selection.events if name not in held],
            intervals=selection.intervals if intervals is None else None,
        )
        return Beside(behaviours, intervals, notes, left)


class Beside(NamedTuple):
    """Choices of a user that a file of behaviours holds."""

    behaviours: Sequence[Behaviour | OnFrames]
    """Behaviours and events."""
    intervals: Blocks | None
    """Blocks that become segments; None if they are not in the file."""
    notes: list[str]
    """Sentences on what was found."""
    left: Selection
    """Choices that are left to the recording."""

    def add_to(self, recording: Recording) -> None:
        """Adds all to a recording."""
        recording.behaviours = [*recording.behaviours, *self.behaviours]
        recording.notes += self.notes
        if self.intervals is not None:
            recording.intervals = self.intervals


def read_session(
    path: str | os.PathLike[str],
    selection: Selection | None = None,
    *,
    keys: ArrayKeys | None = None,
    behaviour_file: BehaviourFile | None = None,
    reader: str | None = None,
    name: str | None = None,
) -> Session:
    """Reads one recording of any format into a session.

    Args:
        path: File or folder of the recording, or URL of an NWB file.
        selection: Choices of the user: activity, bins, behaviours, neurons, time. None: the usual ones.
        keys: Keys of the arrays in files that have no format of their own (``.npz``, ``.mat``, ``.h5``, ``.csv``).
        behaviour_file: File beside the recording that holds the behaviours. None: the recording itself.
        reader: Format, a key of :data:`~synapsnet_pyg.datasets.registry.READERS`. None: found out.
        name: Name of the session. None: from the path.

    Raises:
        FileNotFoundError: There is no such file, or no recording in it.
        ValueError: There are several recordings, or the recording cannot be read; the message gives the reason.

    Example:
        >>> import numpy as np, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/mouse.npz", spikes=np.eye(3, 40), speed=np.zeros(40))
        ...     keys = ArrayKeys("spikes", ["neuron", "bin"])
        ...     read_session(f"{folder}/mouse.npz", Selection(bin_size=0.05, behaviour=["speed"]), keys=keys)
        Session('mouse', 3 neurons x 40 bins of 0.05 s, 1 behaviour, 1 segment)
    """
    found = recordings_at(path, reader)
    if len(found) > 1:
        raise ValueError(f"Expected one recording in '{path}' (found {', '.join(found)}); give the path of one.")
    only, recording = next(iter(found.items()))
    return read_found(recording, name or only, selection or Selection(), keys=keys, behaviour_file=behaviour_file)


def read_found(
    found: Found,
    name: str,
    selection: Selection,
    *,
    keys: ArrayKeys | None = None,
    behaviour_file: BehaviourFile | None = None,
) -> Session:
    """Reads a recording that was found.

    Args:
        found: Format and path.
        name: Name of the session.
        selection: Choices of the user.
        keys: Keys of arrays. Keys other than those that the format reads itself make it a recording of arrays.
        behaviour_file: File beside the recording that holds the behaviours. None: the recording itself.

    Raises:
        ValueError: The recording cannot be read.
    """
    beside = None if behaviour_file is None else behaviour_file.read(found.path, selection)
    with readable(found.path):
        recording = _read(found, name, selection if beside is None else beside.left, keys)
        if beside is not None:
            beside.add_to(recording)
        return Session.from_recording(recording, selection)


def _read(found: Found, name: str, selection: Selection, keys: ArrayKeys | None) -> Recording:
    """Reads a recording; spikes and traces stay in the file until the session is made."""
    reader = reader_of(found, keys)
    if isinstance(reader, ArraysReader):
        return reader.read(found.path, name, selection, keys)
    recording = reader.read(found.path, name, selection)
    if keys is not None and keys.neuron_table is not None:
        _join_table(recording, found.path, keys.neuron_table)
    return recording


def _join_table(recording: Recording, source: Path, path: str) -> None:
    """Adds the columns of a table of neurons to a recording, by the neurons' ids or labels, or else by row."""
    neurons = recording.neurons
    known = neurons.ids if neurons.ids is not None else neurons.labels
    labels = None if known is None else texts(known)
    neurons.columns |= read_table(source, path, neurons.count, labels=labels, notes=recording.notes)


def reader_of(found: Found, keys: ArrayKeys | None) -> Reader:
    """Returns the reader of a recording: that of arrays if keys are given that its format does not read itself."""
    own = keys is None or keys.names <= found.reader.own_keys or isinstance(found.reader, ArraysReader)
    return found.reader if own else ArraysReader()


class LabRecordings(RecordingDataset):
    """Sessions of all recordings below a folder, in any format that the package reads.

    Args:
        root: Folder, or one recording.
        selection: Choices for all recordings. None: the usual ones.
        reader: Format, a key of :data:`~synapsnet_pyg.datasets.registry.READERS`. None: found out for each.
        keys: Keys of the arrays in files that have no format of their own.
        sessions: Names of sessions, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``processed`` beside the file or in the folder.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.

    Raises:
        FileNotFoundError: There is no recording.
        ValueError: No recording can be read.

    Example:
        >>> LabRecordings("sorted", Selection(bin_size=0.02, where="group==good"))  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        selection: Selection | None = None,
        *,
        reader: str | None = None,
        keys: ArrayKeys | None = None,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        self.selection, self.reader, self.keys = selection or Selection(), reader, keys
        path = Path(root).expanduser()
        if processed is None:
            processed = (path if path.is_dir() else path.parent) / "processed"
        super().__init__(path, sessions, processed=processed, jobs=jobs, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """Returns the files of every recording by the name of its session."""
        self._found = recordings_at(root, self.reader)
        return {name: found.files() for name, found in self._found.items()}

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads one recording."""
        return read_found(self._found[name], name, self.selection, keys=self.keys)
