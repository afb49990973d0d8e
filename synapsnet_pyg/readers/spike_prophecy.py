"""Spike counts of SpikeProphecy: a file for each session, and one of metadata for all."""

import json
import re
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.plain import is_positive
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.readers.mapped_arrays import mapped_numbers
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.usual_choices import only_activity

_FILE = re.compile(r"session_(\d+)\.npy")

_METADATA = "metadata.json"

_AREAS = "brain_regions"
"""Key of the units' areas in the metadata; any other list with an entry for each unit is a field too."""


class SpikeProphecyReader(Reader):
    """Folders with ``session_000.npy``, ``session_001.npy``, ... and ``metadata.json``, each file one session.

    A file holds the counts of every unit in every bin (of 50 ms), in either order of its axes: the metadata gives the
    numbers of units and bins. A neuron's id is the original recording's file with the row, the same in the set of
    Steinmetz et al. alone and in the one with the sessions of the IBL.

    References:
        Minnick et al. 2026, SpikeProphecy, https://arxiv.org/abs/2605.12992
    """

    name = "spike-prophecy"

    def recognises(self, path: Path) -> bool:
        """Returns True for a file of counts beside metadata of this form."""
        if not _FILE.fullmatch(path.name) or not path.is_file() or not (path.parent / _METADATA).is_file():
            return False
        text = (path.parent / _METADATA).read_bytes()
        return b'"sessions"' in text and b'"bin_width_ms"' in text

    def files(self, path: Path) -> list[Path]:
        """Returns the counts and the metadata."""
        return [path, path.parent / _METADATA]

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the counts of one session.

        Raises:
            ValueError: A file is damaged, or the metadata does not fit the counts.
        """
        excluded = only_activity(selection, f"a recording of format {self.name}")
        known = _metadata(path)
        values = _counts(path, known)
        return Recording(
            name,
            Traces(values, bin_size=known.bin_size, counts=True, label=f"'{path}'"),
            NeuronTable(known.units, ids=[f"{known.source}/{row}" for row in range(known.units)], columns=known.fields),
            excluded=excluded,
            notes=[f"counts of {known.source} in bins of {known.bin_size:g} s", *known.parts],
        )

    def describe(self, path: Path) -> Rows:
        """Describes the counts by their header and the metadata."""
        known = _metadata(path)
        _counts(path, known)
        rows = [("recording", known.source), ("units", str(known.units))]
        rows += [("bins", f"{known.bins} of {known.bin_size:g} s"), ("fields", ", ".join(known.fields) or "none")]
        return [*rows, *(("note", part) for part in known.parts), *next_rows(path)]


class _SessionMetadata(NamedTuple):
    """What the metadata tell of one session."""

    source: str
    """File of the original recording, without its folder."""
    units: int
    """Number of units."""
    bins: int
    """Number of bins."""
    bin_size: float
    """Duration of a bin in seconds."""
    fields: Fields
    """Lists with an entry for each unit."""
    parts: list[str]
    """Note on the published parts; none if they are not stated."""


def _metadata(path: Path) -> _SessionMetadata:
    """Returns the metadata of a session."""
    place = path.parent / _METADATA
    number = int("".join(filter(str.isdigit, path.stem)))
    try:
        whole = json.loads(place.read_text(encoding="utf-8"))
        size, sessions = float(whole["bin_width_ms"]) / 1000, {int(own["index"]): own for own in whole["sessions"]}
        own = sessions.get(number)
        units, bins = (0, 0) if own is None else (int(own["num_units"]), int(own["num_bins"]))
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"Expected JSON with 'bin_width_ms' and 'sessions' with index, num_units and num_bins in '{place}' (it is "
            "damaged, cut short or of another form)."
        ) from None
    if own is None:
        raise ValueError(f"Expected a session of index {number} in '{place}' (it has {len(sessions)} others).")
    if not is_positive(size):
        raise ValueError(f"Expected 'bin_width_ms' above 0 in '{place}' (got {1000 * size:g}).")
    source = PureWindowsPath(str(own.get("file") or path.stem)).name.removesuffix(".nwb")  # takes both kinds of slashes
    lists = {key: column for key, column in own.items() if isinstance(column, list) and len(column) == units}
    fields = {"area": lists.pop(_AREAS), **lists} if _AREAS in lists else lists
    ends = own.get("split_boundaries") or {}
    parts = []
    if {"train_end", "val_end"} <= set(ends):
        parts.append(f"published parts: training ends at bin {ends['train_end']}, validation at {ends['val_end']}")
    return _SessionMetadata(source, units, bins, bin_size=size, fields=fields, parts=parts)


def _counts(path: Path, known: _SessionMetadata) -> np.ndarray:
    """Opens counts as [units, bins], whichever axis is first in the file."""
    counts, shape = mapped_numbers(path, 2), (known.units, known.bins)
    if counts.shape == shape:
        return counts
    if counts.shape == shape[::-1]:
        return counts.T
    raise ValueError(
        f"Expected counts of {known.units} units in {known.bins} bins in '{path}', by {_METADATA} (got shape "
        f"{list(counts.shape)}); the two are of different versions."
    )
