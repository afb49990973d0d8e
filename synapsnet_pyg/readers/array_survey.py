"""Headers of the arrays of an unknown file, and what a file seems to be, as options of ``synapsnet convert``."""

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from synapsnet_pyg.files import typed_path
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.array_files import DATES, ArrayFile
from synapsnet_pyg.readers.array_keys import ID_NAMES, NEURON_NAMES, TIME_NAMES, ArrayKeys, last_name
from synapsnet_pyg.readers.table_files import TABLE

_ACTIVITY = re.compile(
    r"spike|spk|activit|count|rate|trace|dff|df_f|fluo|calcium|event|deconv|firing|raster|signal|^f$|^r$"
)
"""Names of arrays of activity."""

_NOT_ACTIVITY = re.compile(
    r"pos|coord|xyz|centroid|vel|speed|behav|weight|connect|truth|mask|image|contour|stim|wave|template|^trial|interval"
    r"|epoch|iscell|frame|wheel|pupil|eye|lick|reward|label|^w$|^w_|_sc$|bad|corr|synap|chem|wiring|adjac|matrix_index"
)
"""Names of arrays of something else."""

_AREAS, _TYPES = re.compile(r"area|region|acronym|location|brain"), re.compile(r"cell_?type|class|subclass|ttype|^type")
_POSITIONS = re.compile(r"pos|coord|xyz|centroid|_loc|ccf")


@dataclass(frozen=True)
class Proposal:
    """Options that fit an unknown file.

    Args:
        keys: Keys of the arrays.
        reasons: Sentences on what the arrays seem to be, and why.
        behaviour: Keys of behaviours.
        where: Condition on the neurons.
        sampling_rate: Ticks a second, by a number of the file.
        missing: Options that only the user knows, with a word in the place of their value.
        certain: Whether the file itself says what the arrays are.
        unsure: Columns that may be neurons or behaviours, unless the user names them.
        possible: Whether some array may be an activity at all.
    """

    keys: ArrayKeys = field(default_factory=ArrayKeys)
    reasons: tuple[str, ...] = ()
    behaviour: tuple[str, ...] = ()
    where: str = ""
    sampling_rate: float | None = None
    missing: tuple[str, ...] = ()
    certain: bool = False
    unsure: tuple[str, ...] = ()
    possible: bool = True

    def clear(self, selection: Selection) -> bool:
        """Returns True if nothing is left to ask beside what the user chose."""
        given = {
            "--bin-size": selection.bin_size or selection.frame_rate,
            "--sampling-rate": selection.sampling_rate,
        }
        named = set(self.unsure) <= set(selection.behaviour)
        return self.certain and named and all(given.get(option.split()[0]) for option in self.missing)

    def completed(self, keys: ArrayKeys, selection: Selection) -> tuple[ArrayKeys, Selection]:
        """Returns keys and choices in which those that are not given are taken from the proposal."""
        own = {
            entry.name: getattr(self.keys, entry.name)
            for entry in fields(ArrayKeys)
            if entry.name != "_" and not getattr(keys, entry.name) and entry.name not in ("fields", "neuron_ids")
        }
        return replace(keys, **own), selection.changed(sampling_rate=selection.sampling_rate or self.sampling_rate)

    def options(self) -> str:
        """Returns the options of ``synapsnet convert``; words in capitals stand for what only the user knows."""
        keys, parts = self.keys, []
        named = {
            "--activity": keys.activity,
            "--axes": ",".join(keys.axes),
            "--times": keys.times,
            "--spike-times": keys.spike_times,
            "--spike-index": keys.spike_index,
            "--spike-neuron": keys.spike_neuron,
            "--sampling-rate": f"{self.sampling_rate:g}" if self.sampling_rate else None,
            "--behaviour": ",".join(self.behaviour),
            "--behaviour-times": keys.behaviour_times,
            "--neuron-ids": keys.neuron_ids,
            "--areas": keys.fields.get("area"),
            "--types": keys.fields.get("cell_type"),
            "--positions": keys.fields.get("position"),
            "--truth": keys.truth,
            "--where": self.where,
        }
        parts = [f"{option} {shlex.quote(value)}" for option, value in named.items() if value]
        return " ".join([*parts, *self.missing])

    def command(self, path: Path) -> str:
        """Returns the command that converts the file."""
        name = f"{path.stem}.h5" if path.suffix.lower() not in (".h5", ".hdf5") else f"{path.stem}-session.h5"
        more = self.missing or self.behaviour or self.where or self.keys.fields or self.keys.neuron_ids
        options = "" if self.certain and not more else f" {self.options()}"
        return f"synapsnet convert {typed_path(path)} {typed_path(name)}{options}"


class Survey:
    """Headers of a file, and what they seem to be."""

    def __init__(self, file: ArrayFile) -> None:
        self.file = file
        self.readable = {key: entry for key, entry in file.entries.items() if not entry.refusal}
        # Axes of length one are MATLAB's way to write a vector; columns of a large table have an unknown length.
        self.shape = {
            key: tuple(n for n in ((0,) if entry.shape is None else entry.shape) if n != 1)
            if entry.pieces is None
            else ()
            for key, entry in self.readable.items()
        }

    def numeric(self, key: str) -> bool:
        """Returns True for an array of numbers."""
        if key not in self.readable:
            return False
        kind = self.readable[key].dtype
        return kind[:3] in ("int", "uin", "flo", "boo", "spa", ">i2") and self.readable[key].pieces is None

    def is_clock(self, key: str) -> bool:
        """Returns True for times: numbers or dates whose name speaks of them."""
        dates = self.readable[key].dtype.startswith(DATES) if key in self.readable else False
        return is_clock_name(last_name(key)) and (dates or self.numeric(key))

    def in_seconds(self, clock: str) -> bool:
        """Returns True if the steps of a clock may be seconds, or its unit is known."""
        head = self.file.head(clock) if self.file.rate(clock) is None else None
        if head is None or head.dtype.kind not in "iuf" or head.size < 2:
            return True
        return bool(1e-4 <= np.median(np.abs(np.diff(head.ravel().astype(np.float64)))) < 5)

    def vectors(self, length: int | None = None) -> list[str]:
        """Returns the keys of all vectors, or of those of one length."""
        return [
            key for key in self.file.keys if len(self.shape.get(key, ())) == 1 and length in (None, self.shape[key][0])
        ]

    def matrices(self) -> list[str]:
        """Returns the keys of numbers with two axes or three whose names speak of activity."""
        return [
            key for key in self.file.keys if self.numeric(key) and len(self.shape[key]) in (2, 3) and is_activity(key)
        ]

    def neuron_keys(self, N: int, taken: Collection[str | None]) -> ArrayKeys:
        """Returns keys of ids, areas, types and positions of N neurons."""
        known: dict[str, str] = {}
        ids = truth = None
        for key in self.file.keys:
            shape, name = self.shape.get(key, ()), last_name(key)
            entry = self.file.entry(key)
            if entry.pieces is not None or "texts" in entry.dtype:
                shape = tuple(n for n in entry.shape or () if n != 1)
            if key in taken or key == TABLE or entry.refusal or N not in shape or N < 2:
                continue
            text = "texts" in entry.dtype
            if shape == (N, N):
                truth = key if re.search(r"weight|connect|truth|^w$", name) else truth
            elif _AREAS.search(name) and text:
                known.setdefault("area", key)
            elif _TYPES.search(name) and text:
                known.setdefault("cell_type", key)
            elif _POSITIONS.search(name) and len(shape) == 2 and min(shape) in (2, 3):
                known.setdefault("position", key)
            elif ids is None and len(shape) == 1 and name in ID_NAMES:
                ids = key
        return ArrayKeys(neuron_ids=ids, fields=known, truth=truth)

    def where(self, N: int | None) -> str:
        """Returns a condition that keeps the accepted neurons, if the file marks them."""
        for key, shape in self.shape.items():
            if last_name(key) in ("iscell", "is_cell", "accepted") and shape and N in (shape[0], None):
                return f"{key}==1"
        return ""


def is_activity(key: str) -> bool:
    """Returns True for names of activity."""
    return bool(_ACTIVITY.search(last_name(key))) and not _NOT_ACTIVITY.search(last_name(key))


def is_other(key: str) -> bool:
    """Returns True for names of something else than activity."""
    return bool(_NOT_ACTIVITY.search(last_name(key)))


def is_position(name: str) -> bool:
    """Returns True for names of positions, of neurons or of the animal."""
    return bool(_POSITIONS.search(name))


def is_neuron_name(name: str) -> bool:
    """Returns True for names of arrays with the neuron of each spike."""
    return name in NEURON_NAMES or bool(re.search(r"cluster|neuron|unit", name))


def names_an_array(name: str) -> bool:
    """Returns True for names that speak of what an array holds, in lower case."""
    return is_activity(name) or is_other(name) or is_clock_name(name) or is_neuron_field(name, ()) or len(name) < 3


def is_clock_name(name: str) -> bool:
    """Returns True for names of clocks."""
    return name in TIME_NAMES or bool(re.search(r"(^|_)(time|times|timestamps?|clock|t|ts)($|_)", name))


def is_neuron_field(name: str, shape: tuple[int, ...]) -> bool:
    """Returns True for names of arrays with an entry for each neuron."""
    words = r"neuron|unit|cell|roi|cluster|area|region|acronym|depth|tetrode|channel|quality"
    return bool(re.search(words, name)) or name in ID_NAMES or (len(shape) == 2 and bool(_POSITIONS.search(name)))
