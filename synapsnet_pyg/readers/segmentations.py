"""Cells that a program found in a movie: the form that the formats of such programs share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synapsnet_pyg.files import require_memory
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import numbers
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.usual_choices import choice_note, named, only_activity, usual_rows


@dataclass
class Segmentation:
    """Cells and their traces, not yet read.

    Args:
        traces: Name of an activity -> function that reads it, cells or frames first; or that opens a list of arrays,
            cells first, each with some of the cells.
        shape: Number of cells, and of frames if it is known.
        rate: Number of frames a second, and the place that states it. None: not stated.
        times: Time of each frame in seconds. None: even steps.
        labels: Name of each cell. None: the row.
        columns: Fields of the cells.
        kept: True for the cells that the program or a person accepted. None: all.
        rejected: Reason of the others, with the condition that chooses otherwise.
        notes: Sentences on what was found.
    """

    traces: Mapping[str, Callable[[], np.ndarray | list[np.ndarray]]]
    shape: tuple[int, int | None]
    rate: tuple[float, str] | None = None
    times: np.ndarray | None = None
    labels: Sequence[Any] | None = None
    columns: Fields = field(default_factory=dict)
    kept: np.ndarray | None = None
    rejected: str = ""
    notes: list[str] = field(default_factory=list)


class SegmentationReader(Reader):
    """Base class of the formats of programs that find cells in movies."""

    usual: ClassVar[tuple[str, ...]]
    """Names of the activities, the usual one first."""
    choosing: ClassVar[tuple[str, ...]] = ("accepted", "status")
    """Fields by which the format itself chooses cells, in lower case."""
    rate_place: ClassVar[str] = "the file"
    """Place where the format keeps the frame rate, for messages."""

    def found(self, path: Path) -> Segmentation:
        """Finds cells and traces of a recording, from headers and small arrays.

        Raises:
            ValueError: The file is damaged, or has no traces.
        """
        raise NotImplementedError

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the traces of the accepted cells.

        Raises:
            ValueError: The file is damaged, has no such activity, or nothing states the frame rate.
        """
        excluded = only_activity(selection, f"a recording of format {self.name}")
        found = self.found(path)
        activity = named(selection.activity, list(found.traces), self.usual, f"'{path}'")
        rate, notes = found.rate, [choice_note(activity, list(found.traces)), *found.notes]
        size = None if found.times is not None else _frame_duration(rate, selection, notes)
        if found.times is None and size is None and selection.bin_size is None:
            raise ValueError(
                f"Expected the frame rate of '{path}' (it is not stated in {self.rate_place}); give --frame-rate, the "
                "frames a second of each cell."
            )
        count = found.shape[0]
        kept = np.ones(count, dtype=bool) if found.kept is None else found.kept
        rows, gone = usual_rows(kept, found.rejected, selection, columns=self.choosing, name=name)
        arrays = found.traces[activity]()
        parts = arrays if isinstance(arrays, list) else [oriented(arrays, found.shape, f"'{activity}' of '{path}'")]
        values = _joined(parts, rows, f"the traces of '{path}'")
        labels = np.arange(count) if found.labels is None else found.labels
        return Recording(
            name,
            Traces(values, found.times, size, rate=selection.frame_rate and 1.0, label=f"'{path}'"),
            NeuronTable(count, labels=labels, columns=found.columns, prefix=self.name).take(rows),
            excluded=excluded,
            notes=[*notes, *gone],
        )

    def describe(self, path: Path) -> Rows:
        """Describes the cells and the activities from headers."""
        found = self.found(path)
        cells, frames = found.shape
        kept = "" if found.kept is None or found.kept.all() else f", {int(found.kept.sum())} accepted"
        rows = [("cells", f"{cells}{kept}"), ("frames", "unknown" if frames is None else str(frames))]
        rows += [("activity", ", ".join(found.traces)), ("fields", ", ".join(found.columns) or "none")]
        if found.times is None:
            rows.append(("frame rate", f"{found.rate[0]:g} Hz by {found.rate[1]}" if found.rate else "not stated"))
        rows += [("note", note) for note in found.notes]
        return [*rows, *next_rows(path, unknown="" if found.rate or found.times is not None else "--frame-rate")]


def _frame_duration(rate: tuple[float, str] | None, selection: Selection, notes: list[str]) -> float | None:
    """Returns the duration of a frame by the user's rate, or by the stated one, which is noted; None if unknown."""
    if selection.frame_rate is not None:
        if rate is not None and abs(selection.frame_rate / rate[0] - 1) > 0.01:
            warn(f"--frame-rate {selection.frame_rate:g} replaces the {rate[0]:g} frames a second of {rate[1]}.")
        return 1 / selection.frame_rate
    if rate is None:
        return None
    notes.append(f"{rate[0]:g} frames a second by {rate[1]}")
    return 1 / rate[0]


def _joined(parts: list[np.ndarray], rows: np.ndarray, label: str) -> np.ndarray:
    """Returns the traces of some cells of several arrays, in as many frames as the shortest has."""
    if len(parts) == 1 and len(rows) == len(parts[0]):
        return parts[0]
    lengths = [part.shape[1] for part in parts]
    if len(set(lengths)) > 1:
        warn(f"planes have {', '.join(map(str, lengths))} frames; the first {min(lengths)} are kept.")
    require_memory(4 * len(rows) * min(lengths), label)
    ends = np.cumsum([0, *map(len, parts)])
    own = [rows[(rows >= a) & (rows < b)] - a for a, b in pairwise(ends.tolist())]
    return np.concatenate([part[taken][:, : min(lengths)] for part, taken in zip(parts, own, strict=True)])


def oriented(values: np.ndarray, shape: tuple[int, int | None], label: str) -> np.ndarray:
    """Returns traces as [cells, frames], from either order of axes.

    Args:
        values: Traces.
        shape: Number of cells, and of frames if it is known.
        label: Name of the traces in messages.

    Raises:
        ValueError: No axis is that of the cells.
    """
    array = numbers(values, label)
    cells, frames = shape
    if array.ndim == 1 and cells == 1:
        array = array[None]
    if array.ndim != 2 or cells not in array.shape:
        raise ValueError(f"Expected traces of {cells} cells in {label} (got shape {list(array.shape)}).")
    if array.shape[0] != cells or (frames is not None and array.shape[1] != frames and array.shape[0] == frames):
        warn(f"{label} has axes [frame, cell] and was transposed.")
        array = array.T
    return array


def stated_rate(value: Any, place: str) -> tuple[float, str] | None:
    """Returns a frame rate and its place; None if the value is no rate.

    Example:
        >>> stated_rate([[20]], "Fs"), stated_rate("NoneType", "Fs"), stated_rate(0, "Fs")
        ((20.0, 'Fs'), None, None)
    """
    array = np.asarray(value).ravel()
    if array.size != 1 or array.dtype.kind not in "fiu":
        return None
    rate = float(array[0])
    return (rate, place) if np.isfinite(rate) and rate > 0 else None
