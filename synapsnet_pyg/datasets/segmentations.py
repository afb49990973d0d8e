"""Cells that a program found in a movie: the form that the formats of such programs share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synapsnet_pyg.datasets.readers import Reader, Rows
from synapsnet_pyg.datasets.usual_choices import choice_note, keep_usual, named, only_activity
from synapsnet_pyg.files import typed_path
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import numbers
from synapsnet_pyg.intake.recording import Recording, Selection, Traces


@dataclass
class Segmentation:
    """Cells and their traces, not yet read.

    Args:
        traces: Name of an activity -> function that reads it, cells or frames first.
        shape: Number of cells, and of frames if it is known.
        rate: Number of frames a second, and the place that states it. None: not stated.
        times: Time of each frame in seconds. None: even steps.
        labels: Name of each cell. None: the row.
        columns: Fields of the cells.
        kept: True for the cells that the program or a person accepted. None: all.
        rejected: Reason of the others, with the condition that chooses otherwise.
        notes: Sentences on what was found.
    """

    traces: dict[str, Callable[[], np.ndarray]]
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
        values = oriented(found.traces[activity](), found.shape, f"'{activity}' of '{path}'")
        rate, notes = found.rate, [choice_note(activity, list(found.traces)), *found.notes]
        traces = Traces(values, label=f"'{path}'")
        if found.times is not None:
            traces = Traces(values, times=found.times, rate=selection.frame_rate and 1.0, label=f"'{path}'")
        elif selection.frame_rate is not None or rate is not None:
            chosen = selection.frame_rate or (rate[0] if rate else 1.0)
            notes += [f"{chosen:g} frames a second by {rate[1]}"] if rate and selection.frame_rate is None else []
            traces = Traces(values, bin_size=1 / chosen, label=f"'{path}'")
        elif selection.bin_size is None:
            raise ValueError(
                f"Expected the frame rate of '{path}' ({self.rate_place} does not state it); give --frame-rate, the "
                "frames a second."
            )
        labels = np.arange(len(values)) if found.labels is None else found.labels
        neurons = NeuronTable(len(values), labels=labels, columns=found.columns, prefix=self.name)
        recording = Recording(name, traces, neurons, excluded=excluded, notes=notes)
        kept = np.ones(len(values), dtype=bool) if found.kept is None else found.kept
        return keep_usual(recording, kept, found.rejected, selection, columns=("accepted", "status"))

    def describe(self, path: Path) -> Rows:
        """Describes the cells and the activities from headers."""
        found = self.found(path)
        cells, frames = found.shape
        kept = "" if found.kept is None or found.kept.all() else f", {int(found.kept.sum())} accepted"
        rows = [("cells", f"{cells}{kept}"), ("frames", "unknown" if frames is None else str(frames))]
        rows += [("activity", ", ".join(found.traces)), ("fields", ", ".join(found.columns) or "none")]
        if found.times is None:
            rows.append(("frame rate", f"{found.rate[0]:g} Hz by {found.rate[1]}" if found.rate else "not stated"))
        option = "" if found.rate or found.times is not None else " --frame-rate 30"
        return [*rows, ("next", f"synapsnet convert {typed_path(path)} out.h5{option}")]


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
