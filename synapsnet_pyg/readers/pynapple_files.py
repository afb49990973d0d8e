"""Files of pynapple (``.npz`` with the name of a class): groups of spikes, frames of traces, series, intervals."""

import zipfile
from pathlib import Path

import numpy as np

from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, OnFrames, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.array_spikes import label_rows
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows

_OWN = frozenset({"t", "d", "index", "keys", "start", "end", "columns", "type", "_metadata"})
"""Names of the arrays that pynapple writes itself."""


class PynappleReader(Reader):
    """Reader of a ``TsGroup`` or a ``TsdFrame``; behaviours and intervals are pynapple's files beside it, by name."""

    name = "pynapple"

    def recognises(self, path: Path) -> bool:
        """Returns True for a group of spikes, or a frame of traces without a group of spikes beside it."""
        kind = _kind(path)
        if kind == "TsdFrame":
            return not any(_kind(other) == "TsGroup" for other in path.parent.glob("*.npz"))
        return kind == "TsGroup"

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads spikes or traces; names of behaviours, events and intervals are stems of files in the same folder."""
        notes: list[str] = []
        with ArrayFile(path) as file:
            observed = _support(file)
            columns = {}
            activity: Spikes | Traces
            if _kind(path) == "TsGroup":
                labels = file.get("keys")
                known, rows = label_rows(file.get("index"), f"'{path}'", notes)
                place = np.append(np.searchsorted(labels, known), -1)
                times = file.numbers("t")
                activity = Spikes(
                    times, lambda a, b: place[rows(a, b)], count=len(labels), rate=1.0, label=f"the spikes of '{path}'"
                )
                columns = {key: file.per_neuron(key, len(labels)) for key in file.keys if key not in _OWN}
            else:
                values = file.numbers("d")
                times = file.numbers("t")
                step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
                # The time support ends at the time of the last frame, which belongs to it.
                observed = None if observed is None else [(start, stop + step / 2) for start, stop in observed]
                activity = Traces(values.T, times, rate=1.0, label=f"the frames of '{path}'")
                known_names = "columns" in file.entries and not file.entry("columns").refusal
                labels = file.get("columns") if known_names else np.arange(values.shape[1])
                if not known_names:
                    notes.append("names of the columns are absent, or pickled and never read; they are numbered")
            if "_metadata" in file.entries and file.entry("_metadata").refusal:
                notes.append(
                    "fields of the neurons, if any, are pickled, which is never read (--neuron-table takes a table)"
                )
        return Recording(
            name,
            activity,
            NeuronTable(len(labels), labels=labels, columns=columns),
            behaviours=[
                *(_series(path, key, selection) for key in selection.behaviour),
                *(_events(path, key) for key in selection.events),
            ],
            observed=observed,
            intervals=None if selection.intervals is None else _blocks(path, selection.intervals),
            excluded=selection.excluded(lambda key: _blocks(path, key)),
            notes=notes,
        )

    def files(self, path: Path) -> list[Path]:
        """Returns the file, and pynapple's other files in its folder."""
        return sorted({path, *(other for other in path.parent.glob("*.npz") if _kind(other))})

    def describe(self, path: Path) -> Rows:
        """Describes the file, and pynapple's other files in its folder."""
        rows: Rows = []
        for other in [path, *(other for other in self.files(path) if other != path)]:
            with ArrayFile(other) as file:
                shapes = {key: list(file.shape(key) or ()) for key in file.keys if key in ("t", "d", "keys", "start")}
                told = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
            rows.append((other.stem, f"{_kind(other)}: {told}"))
        return [*rows, *next_rows(path, "--bin-size 0.0333" if _kind(path) == "TsGroup" else "")]


def _kind(path: Path) -> str:
    """Returns the class of pynapple that a file holds, an empty text for another file."""
    if path.suffix.lower() != ".npz" or path.name.startswith(".") or not path.is_file():
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            if "type.npy" not in archive.namelist():
                return ""
        with ArrayFile(path) as file:
            kind = file.texts("type")[0]
    except (zipfile.BadZipFile, OSError, ValueError, IndexError):
        return ""
    return kind if kind in ("TsGroup", "TsdFrame", "Tsd", "TsdTensor", "Ts", "IntervalSet") else ""


def _beside(path: Path, name: str, *kinds: str) -> Path:
    """Returns the file of a name in the folder of a recording.

    Raises:
        ValueError: There is none of these classes; the message lists those that fit.
    """
    other = path.parent / f"{name}.npz"
    if _kind(other) not in kinds:
        known = sorted(own.stem for own in path.parent.glob("*.npz") if _kind(own) in kinds)
        raise ValueError(
            f"Expected a file of pynapple's {' or '.join(kinds)} beside '{path}' among {', '.join(known) or 'none'} "
            f"(got '{name}')."
        )
    return other


def _support(file: ArrayFile) -> Blocks | None:
    """Returns the blocks of time in which an object is defined."""
    if not {"start", "end"} <= file.entries.keys():
        return None
    start, end = file.numbers("start"), file.numbers("end")
    return blocks_of(start, end, f"the time support of '{file.path}'") if (end > start).any() else None


def _blocks(path: Path, name: str) -> Blocks:
    """Returns the intervals of a file beside a recording."""
    with ArrayFile(_beside(path, name, "IntervalSet")) as file:
        return blocks_of(file.numbers("start"), file.numbers("end"), f"'{file.path}'")


def _series(path: Path, name: str, selection: Selection) -> Behaviour | OnFrames:
    """Returns the series of a file beside a recording."""
    with ArrayFile(_beside(path, name, "Tsd", "TsdFrame", "TsdTensor")) as file:
        values = file.get("d")
        values = values if values.ndim < 3 else values.reshape(len(values), -1)
        return Series(name, values, file.numbers("t"), selection.period(name), f"'{file.path}'")


def _events(path: Path, name: str) -> Behaviour:
    """Returns the moments or the intervals of a file beside a recording."""
    other = _beside(path, name, "Ts", "Tsd", "IntervalSet")
    if _kind(other) == "IntervalSet":
        return Intervals(name, _blocks(path, name))
    with ArrayFile(other) as file:
        return Events(name, file.numbers("t"))
