"""Spike trains in files that neo opens: of acquisition systems, and its own MATLAB layout."""

from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import optional_import, shorten
from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, OnFrames, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.objects import PAUSE
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.hdf5_files import survey_hdf5
from synapsnet_pyg.readers.mapped_arrays import matlab_variables
from synapsnet_pyg.readers.matlab_survey import survey_matlab
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows

_ENDINGS = {
    ".plx": "PlexonIO",
    ".pl2": "Plexon2IO",
    ".nev": "BlackrockIO",
    ".nex": "NeuroExplorerIO",
    ".nse": "NeuralynxIO",
    ".ntt": "NeuralynxIO",
    ".smr": "CedIO",
    ".smrx": "CedIO",
    ".nix": "NixIO",
    ".mat": "NeoMatlabIO",
}
"""Ending of a file -> neo's class that reads it. Pickles are never read."""


class NeoReader(Reader):
    """Spike trains of a block of neo, with its events, epochs and signals by name.

    Units are named as in the file. Segments keep their times; where these overlap, as in trials that all start at
    zero, segments follow each other with a pause between them.
    """

    name = "neo"

    def recognises(self, path: Path) -> bool:
        """Returns True for files of acquisition systems with sorted units, and for a block in MATLAB's form."""
        suffix = path.suffix.lower()
        if suffix not in _ENDINGS or not path.is_file():
            return False
        if suffix == ".nev":  # that of Neuralynx holds events only
            with path.open("rb") as file:
                return file.read(8) in (b"NEURALEV", b"BREVENTS")
        return suffix != ".mat" or matlab_variables(path).get("block") == "struct"

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the spike trains of a file.

        Raises:
            ValueError: The file is damaged, has no spike trains, or no events, epochs or signals of a name.
        """
        if selection.activity is not None:
            raise ValueError(f"Expected no --activity for spike trains of neo (got '{selection.activity}').")
        segments = _segments(path)
        trains: dict[str, list[np.ndarray]] = {}
        columns: dict[str, Fields] = {}
        shifts, observed, end = [], [], -np.inf
        for segment in segments:
            start = min((_seconds(train.t_start) for train in segment.spiketrains), default=0.0)
            stop = max((_seconds(train.t_stop) for train in segment.spiketrains), default=0.0)
            shift = end + PAUSE - start if start < end else 0.0
            shifts.append(shift)
            if start < stop:
                observed.append((start + shift, stop + shift))
                end = stop + shift
            for i, train in enumerate(segment.spiketrains):
                label = str(train.name or train.annotations.get("id") or i)
                trains.setdefault(label, []).append(_seconds(train.times) + shift)
                columns.setdefault(label, dict(train.annotations))
        if not trains:
            raise ValueError(f"Expected spike trains in '{path}' (it has none).")
        keys = sorted({key for own in columns.values() for key in own if _is_plain(own[key])})
        fields = {key: [own.get(key) if _is_plain(own.get(key)) else None for own in columns.values()] for key in keys}
        notes = [f"{len(segments)} segments, one after the other"] if any(shifts) else []
        found = _Named(path, segments, shifts, selection)
        return Recording(
            name,
            Spikes.from_trains([np.concatenate(own) for own in trains.values()], rate=1.0, label=f"spikes of '{path}'"),
            NeuronTable(len(trains), labels=list(trains), columns=fields, prefix="neo"),
            behaviours=[*map(found.behaviour, selection.behaviour), *map(found.event, selection.events)],
            observed=observed or None,
            intervals=found.blocks(selection.intervals) if selection.intervals else None,
            excluded=selection.excluded(found.blocks),
            notes=notes,
        )

    def describe(self, path: Path) -> Rows:
        """Describes the segments of a file by neo's headers."""
        segments = _segments(path)
        trains = max(len(segment.spiketrains) for segment in segments)
        rows = [("neo", f"{len(segments)} segments, up to {trains} spike trains")]
        for label, kind in (("events", "events"), ("epochs", "epochs"), ("signals", "analogsignals")):
            names = sorted({str(item.name) for segment in segments for item in getattr(segment, kind) if item.name})
            rows += [(label, shorten(names, 12))] if names else []
        return [*rows, *next_rows(path, "--bin-size 0.0333")]


class _Named:
    """Events, epochs and signals of a block by their names.

    Args:
        path: Path of the file.
        segments: Segments of the block.
        shifts: Seconds by which each segment is moved.
        selection: Choices of the user.
    """

    def __init__(self, path: Path, segments: list[Any], shifts: list[float], selection: Selection) -> None:
        self.path, self.segments, self.shifts, self.selection = path, segments, shifts, selection

    def behaviour(self, name: str) -> Behaviour | OnFrames:
        """Returns a signal with its own clock."""
        found = [(_loaded(signal), shift) for signal, shift in self._all("analogsignals", name)]
        values = np.concatenate([np.asarray(signal.magnitude) for signal, _ in found])
        times = np.concatenate([_seconds(signal.times) + shift for signal, shift in found])
        return Series(name, values, times, self.selection.period(name), label=f"'{name}'")

    def event(self, name: str) -> Events | Intervals:
        """Returns events, or epochs."""
        if any(str(item.name) == name for segment in self.segments for item in segment.epochs):
            return Intervals(name, self.blocks(name))
        found = self._all("events", name)
        return Events(name, np.concatenate([_seconds(_loaded(event).times) + shift for event, shift in found]))

    def blocks(self, name: str) -> Blocks:
        """Returns the blocks of epochs."""
        blocks: Blocks = []
        for epoch, shift in self._all("epochs", name):
            whole = _loaded(epoch)
            start = _seconds(whole.times) + shift
            blocks += blocks_of(start, start + _seconds(whole.durations), f"'{name}'")
        return sorted(blocks)

    def _all(self, kind: str, name: str) -> list[tuple[Any, float]]:
        """Returns all objects of a kind and name with the shifts of their segments."""
        pairs = list(zip(self.segments, self.shifts, strict=True))
        found = [(item, shift) for segment, shift in pairs for item in getattr(segment, kind) if str(item.name) == name]
        if not found:
            known = sorted({str(item.name) for segment in self.segments for item in getattr(segment, kind)})
            raise ValueError(f"Expected {kind} among {shorten(known, 12) or 'none'} in '{self.path}' (got '{name}').")
        return found


def _segments(path: Path) -> list[Any]:
    """Returns the segments of the first block of a file, lazily where neo can; spike trains are loaded."""
    io = optional_import("neo.io", "lab")
    survey_hdf5(path)
    if path.suffix.lower() == ".mat":
        survey_matlab(path)
    try:
        opened = getattr(io, _ENDINGS[path.suffix.lower()])(filename=str(path))
        block = opened.read_block(lazy=True) if getattr(opened, "support_lazy", False) else opened.read_block()
        segments = list(block.segments)
        for segment in segments:
            segment.spiketrains = [_loaded(train) for train in segment.spiketrains]
    except Exception as error:  # neo has errors of many kinds, and asks for packages of its own
        if isinstance(error, ImportError):
            raise ImportError(
                f"Expected the package that neo needs for '{path}' ({str(error).splitlines()[0]})."
            ) from None
        raise ValueError(
            f"Expected a file that neo can open at '{path}' (it is damaged or of another version)."
        ) from None
    if not segments:
        raise ValueError(f"Expected segments in '{path}' (there are none).")
    return segments


def _loaded(item: Any) -> Any:
    """Returns an object of neo whose data are in memory."""
    return item.load() if hasattr(item, "load") else item


def _seconds(quantity: Any) -> Any:
    """Returns a quantity in seconds as a float or an array."""
    values = np.asarray(quantity.rescale("s").magnitude, dtype=np.float64)
    return values if values.ndim else float(values)


def _is_plain(value: Any) -> bool:
    """Returns True for a number or text."""
    return isinstance(value, str | int | float | np.number)
