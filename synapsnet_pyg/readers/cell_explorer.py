"""Sorted spikes of CellExplorer: ``<base>.spikes.cellinfo.mat`` and the files beside it."""

import re
from pathlib import Path

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import at_rows, plain_array, rows_of
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.usual_choices import counted

_SPIKES = ".spikes.cellinfo.mat"
"""Ending of the file of spikes."""

_KINDS = ("behavior", "events", "manipulation", "states")
"""Kinds of files beside the spikes, the last word before the ending of their names."""

_CLOCKS = ("timestamps", "time", "t")
"""Names of the clock of a behaviour."""


class CellExplorerReader(Reader):
    """Spikes of CellExplorer and buzcode, in seconds, with the fields of ``cell_metrics``; MATLAB v5 to v7.3.

    Behaviours, events and intervals are named by their file and field: ``animal``, ``animal.position.x``, ``ripples``,
    ``ripples.peaks``, ``SleepState.ints.NREMstate``, ``epochs`` (of ``<base>.session.mat``).
    """

    name = "cellexplorer"

    def recognises(self, path: Path) -> bool:
        """Returns True for a file of spikes, or a folder with one."""
        return (path.is_file() and path.name.endswith(_SPIKES)) or (path.is_dir() and len(_spike_files(path)) == 1)

    def files(self, path: Path) -> list[Path]:
        """Returns the spikes and the files beside them."""
        spikes = _spike_file(path)
        own = [file for kind in (*_KINDS, "cellinfo", "session") for file in _beside(spikes, f"*.{kind}.mat")]
        return sorted({spikes, *own, *_beside(spikes, "session.mat")})

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the units of a session as neurons.

        Raises:
            ValueError: A file is damaged, or there is no behaviour, event or interval of a name; the message lists all.
        """
        if selection.activity is not None:
            raise ValueError(
                f"Expected no --activity for CellExplorer, whose activity is spikes (got '{selection.activity}')."
            )
        spikes = _spike_file(path)
        with ArrayFile(spikes) as file:
            key = next((key for key in ("spikes/times", "spikes/ts") if file.has(key)), None)
            if key is None:
                raise ValueError(
                    f"Expected 'spikes.times' in '{spikes}' (it has {shorten(file.children('spikes'), 12) or 'none'})."
                )
            trains = file.ragged(key) if file.is_ragged(key) else [file.numbers(key).ravel()]
            columns = _fields(file, "spikes", len(trains), ("times", "ts", "ids", "spindices"))
        uid = columns.pop("UID", None)
        labels = np.arange(1, len(trains) + 1) if uid is None else plain_array(uid)
        columns |= {key: values for key, values in _metrics(spikes, labels).items() if key not in columns}
        session = _Session(spikes, selection)
        types = [] if "putativeCellType" not in columns else plain_array(columns["putativeCellType"]).tolist()
        hint = next((f" (--where 'putativeCellType=={kind}')" for kind in types if kind), "")
        notes = [f"cell types: {counted(types, 'unknown')}{hint}"] if types else []
        return Recording(
            name,
            Spikes.from_trains(trains, selection.sampling_rate, f"'{spikes.name}'"),
            NeuronTable(len(trains), labels=labels, columns=columns, prefix="cellexplorer"),
            behaviours=[*map(session.behaviour, selection.behaviour), *map(session.event, selection.events)],
            intervals=session.blocks(selection.intervals) if selection.intervals else None,
            excluded=selection.excluded(session.blocks),
            notes=notes,
        )

    def describe(self, path: Path) -> Rows:
        """Describes the units and the files beside them."""
        spikes = _spike_file(path)
        with ArrayFile(spikes) as file:
            shape = file.shape("spikes/times") if file.has("spikes/times") else None
            fields = file.children("spikes")
        rows = [("units", "unknown" if shape is None else str(int(np.prod(shape)))), ("spikes", shorten(fields, 12))]
        beside = {name: kind for kind in _KINDS for name in _named(spikes, kind)}
        rows += [
            (kind, ", ".join(name for name, own in beside.items() if own == kind))
            for kind in _KINDS
            if kind in beside.values()
        ]
        return [*rows, *next_rows(path, "--bin-size 0.0333")]


class _Session:
    """Behaviours, events and intervals in the files beside the spikes, by name.

    Args:
        spikes: File of spikes.
        selection: Choices of the user.
    """

    def __init__(self, spikes: Path, selection: Selection) -> None:
        self.spikes, self.selection = spikes, selection
        self.files = {name: file for kind in reversed(_KINDS) for name, file in _named(spikes, kind).items()}

    def behaviour(self, name: str) -> Behaviour:
        """Returns a behaviour with the clock of its file."""
        path, parts = self._file(name)
        with ArrayFile(path) as file:
            home = _home(file, path)
            clock = next((key for key in _CLOCKS if file.has(f"{home}/{key}")), None)
            if clock is None:
                raise ValueError(f"Expected timestamps in '{path}' (it has {shorten(file.children(home), 12)}).")
            times = file.numbers(f"{home}/{clock}").ravel()
            key = f"{home}/{'/'.join(parts or ['position'])}"
            inner = [f"{key}/{axis}" for axis in ("x", "y", "z") if file.has(f"{key}/{axis}")]
            keys = [key] if file.has(key) else inner or [f"{key}/{axis}" for axis in file.children(key)]
            if not keys:
                known = [entry.removeprefix(f"{home}/") for entry in file.keys if entry.startswith(f"{home}/")]
                raise ValueError(f"Expected a behaviour of '{path}' among {shorten(known, 20)} (got '{name}').")
            columns = [file.numbers(key) for key in keys]
        same = [column.reshape(-1, 1) if column.size == len(times) else column for column in columns]
        values = np.concatenate([column.T if column.shape[0] != len(times) else column for column in same], axis=1)
        return Series(
            name, values, times / (self.selection.behaviour_rate or 1.0), self.selection.period(name), label=f"'{name}'"
        )

    def event(self, name: str) -> Events | Intervals:
        """Returns moments, or intervals where a field has starts and stops."""
        values, path = self._times(name)
        if values.ndim == 2 and values.shape[1] == 2 and values.shape[0] != 1:
            return Intervals(name, blocks_of(values[:, 0], values[:, 1], f"'{path.name}'"))
        return Events(name, values.ravel())

    def blocks(self, name: str) -> Blocks:
        """Returns intervals: starts and stops of a file, or the epochs of the session."""
        if name == "epochs":
            return self._epochs()
        values, path = self._times(name)
        if values.ndim != 2 or values.shape[1] != 2:
            raise ValueError(f"Expected starts and stops [n, 2] in '{name}' of '{path}' (got {list(values.shape)}).")
        return blocks_of(values[:, 0], values[:, 1], f"'{path.name}'")

    def _times(self, name: str) -> tuple[np.ndarray, Path]:
        """Returns the times of events or intervals, and their file."""
        path, parts = self._file(name)
        with ArrayFile(path) as file:
            home = _home(file, path)
            key = f"{home}/{'/'.join(parts or ['timestamps'])}"
            if not file.has(key) and all(file.has(f"{key}/{end}") for end in ("start", "end")):
                return np.stack([file.numbers(f"{key}/{end}").ravel() for end in ("start", "end")], axis=1), path
            if not file.has(key):
                known = [entry.removeprefix(f"{home}/") for entry in file.keys if entry.startswith(f"{home}/")]
                raise ValueError(f"Expected times in '{path}' among {shorten(known, 20)} (got '{name}').")
            return file.numbers(key), path

    def _epochs(self) -> Blocks:
        """Returns the epochs of the session."""
        found = _beside(self.spikes, "session.mat")
        if not found:
            raise ValueError(f"Expected a file '{_base(self.spikes)}.session.mat' with epochs (there is none).")
        with ArrayFile(found[0]) as file:
            ends = [f"session/epochs/{key}" for key in ("startTime", "stopTime")]
            if not all(map(file.has, ends)):
                raise ValueError(f"Expected epochs with startTime and stopTime in '{found[0]}' (there are none).")
            start, stop = (file.numbers(key).ravel() for key in ends)
        return blocks_of(start, stop, "the session's epochs")

    def _file(self, name: str) -> tuple[Path, list[str]]:
        """Returns the file of a name, and the fields within."""
        for known, path in self.files.items():
            if name == known or re.match(rf"{re.escape(known)}[./]", name):
                return path, [part for part in re.split(r"[./]", name[len(known) :]) if part]
        raise ValueError(
            f"Expected a file beside '{self.spikes}' among {shorten(sorted(self.files), 20) or 'none'} (got '{name}')."
        )


def _spike_files(folder: Path) -> list[Path]:
    """Returns the files of spikes of a folder."""
    return sorted(file for file in folder.glob(f"*{_SPIKES}") if not file.name.startswith("."))


def _spike_file(path: Path) -> Path:
    """Returns the file of spikes of a path."""
    return path if path.is_file() else _spike_files(path)[0]


def _base(spikes: Path) -> str:
    """Returns the base of the names of a session's files."""
    return spikes.name.removesuffix(_SPIKES)


def _beside(spikes: Path, pattern: str) -> list[Path]:
    """Returns the files of a session whose names end in a pattern."""
    base = _base(spikes)
    found = [file for file in spikes.parent.iterdir() if file.name.startswith(f"{base}.")]
    return sorted(file for file in found if Path(file.name.removeprefix(f"{base}.")).match(pattern))


def _named(spikes: Path, kind: str) -> dict[str, Path]:
    """Returns the files of a kind by the word before it."""
    base, ending = _base(spikes), f".{kind}.mat"
    return {file.name[len(base) + 1 : -len(ending)]: file for file in _beside(spikes, f"*{ending}")}


def _home(file: ArrayFile, path: Path) -> str:
    """Returns the name of the struct of a file: the file's own name, or the only one."""
    names = list(dict.fromkeys(key.partition("/")[0] for key in file.keys))
    own = path.name.split(".")[-3]
    return own if own in names else names[0]


def _fields(file: ArrayFile, struct: str, count: int, skipped: tuple[str, ...]) -> Fields:
    """Returns the fields of a struct with one number or text for each unit."""
    columns: Fields = {}
    for key in file.children(struct):
        shape = file.shape(f"{struct}/{key}")
        if key in skipped or shape is None or int(np.prod(shape)) != count:
            continue
        try:
            values = plain_array(file.get(f"{struct}/{key}"))
        except ValueError as error:
            warn(f"{str(error).rstrip('.')}; the field '{key}' is left out.")
            continue
        if values.size == count and values.dtype.kind in "fibU":
            columns[key] = values.ravel()
    return columns


def _metrics(spikes: Path, labels: np.ndarray) -> Fields:
    """Returns the fields of ``cell_metrics`` in the order of the units, joined by their UID."""
    found = _beside(spikes, "cell_metrics.cellinfo.mat")
    if not found:
        return {}
    with ArrayFile(found[0]) as file:
        key = next((f"cell_metrics/{name}" for name in ("UID", "cellID") if file.has(f"cell_metrics/{name}")), None)
        count = len(labels) if key is None else int(np.prod(file.shape(key) or (len(labels),)))
        columns = _fields(file, "cell_metrics", count, ("UID",))
        ids = np.arange(1, count + 1) if key is None else plain_array(file.get(key)).ravel()
    place = rows_of(ids, labels)
    if (place < 0).any() or count != len(labels):
        warn(f"'{found[0]}' has {count} units and the spikes {len(labels)}; they are joined by UID.")
    return {key: at_rows(values, place) for key, values in columns.items()}
