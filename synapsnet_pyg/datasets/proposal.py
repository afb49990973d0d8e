"""Proposal of what the arrays of an unknown file are, as options of ``synapsnet convert``."""

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np

from synapsnet_pyg.datasets.array_activity import axis_of, stated_bin_size
from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.array_keys import ID_NAMES, NEURON_NAMES, TIME_NAMES, ArrayKeys, last_name
from synapsnet_pyg.datasets.array_spikes import trains_of
from synapsnet_pyg.datasets.table_files import TABLE
from synapsnet_pyg.intake.recording import Selection

_ACTIVITY = re.compile(
    r"spike|spk|activit|count|rate|trace|dff|df_f|fluo|calcium|event|deconv|firing|raster|signal|^f$|^r$"
)
_NOT_ACTIVITY = re.compile(
    r"pos|coord|xyz|centroid|vel|speed|behav|weight|connect|truth|mask|image|contour|stim|wave|template|trial|interval"
    r"|epoch|iscell|frame|wheel|pupil|eye|lick|reward|label|^w$|_sc$|bad|corr"
)
_AREAS, _TYPES = re.compile(r"area|region|acronym|location|brain"), re.compile(r"cell_?type|class|subclass|ttype|^type")
_POSITIONS = re.compile(r"pos|coord|xyz|centroid|_loc|ccf")
_SAMPLING_RATES = frozenset({"sampling_rate", "sample_rate", "fs", "sampling_frequency", "srate", "samplerate"})


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
    """

    keys: ArrayKeys = field(default_factory=ArrayKeys)
    reasons: tuple[str, ...] = ()
    behaviour: tuple[str, ...] = ()
    where: str = ""
    sampling_rate: float | None = None
    missing: tuple[str, ...] = ()
    certain: bool = False

    def clear(self, selection: Selection) -> bool:
        """Returns True if nothing is left to ask beside what the user chose."""
        given = {
            "--bin-size": selection.bin_size or selection.frame_rate,
            "--sampling-rate": selection.sampling_rate,
        }
        return self.certain and all(given.get(option.split()[0]) for option in self.missing)

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
        options = "" if self.certain and not self.missing and not self.behaviour else f" {self.options()}"
        return f"synapsnet convert {shlex.quote(str(path))} {shlex.quote(name)}{options}"


def propose(file: ArrayFile, activity: str | None = None, keys: ArrayKeys | None = None) -> Proposal:
    """Proposes what the arrays of a file are, by their names and sizes; only headers and short vectors are read.

    Args:
        file: Opened file.
        activity: Key of the activity, if the user names it.
        keys: Other keys that the user names.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", dff=np.zeros((5, 90)), speed=np.zeros(90), area=np.array(list("abcde")))
        ...     with ArrayFile(Path(f"{folder}/a.npz")) as file:
        ...         propose(file).options()
        '--activity dff --axes neuron,bin --behaviour speed --areas area --bin-size SECONDS'
    """
    survey = _Survey(file)
    if activity is None:
        found = survey.spikes()
        if found is not None:
            return found
    return survey.traces(activity, keys or ArrayKeys())


class _Survey:
    """Headers of a file, and what they seem to be."""

    def __init__(self, file: ArrayFile) -> None:
        self.file = file
        self.readable = {key: entry for key, entry in file.entries.items() if not entry.refusal}
        # Axes of length one are MATLAB's way to write a vector.
        self.shape = {
            key: tuple(n for n in entry.shape or () if n != 1) if entry.pieces is None else ()
            for key, entry in self.readable.items()
        }

    def numeric(self, key: str) -> bool:
        """Returns True for an array of numbers."""
        kind = self.readable[key].dtype
        return kind[:3] in ("int", "uin", "flo", "boo", "spa", ">i2", "com") and self.readable[key].pieces is None

    def vectors(self, length: int | None = None) -> list[str]:
        """Returns the keys of all vectors, or of those of one length."""
        return [
            key for key in self.file.keys if len(self.shape.get(key, ())) == 1 and length in (None, self.shape[key][0])
        ]

    # Spikes

    def spikes(self) -> Proposal | None:
        """Returns a proposal for spike times, None if there are none."""
        for find in (self._named_pair, self._indexed, self._ragged, self._group):
            found = find()
            if found is not None:
                return self._finished_spikes(found)
        return None

    def _named_pair(self) -> Proposal | None:
        """Returns times and neurons of the same length, such as two columns of a table."""
        pairs = []
        for key in self.vectors():
            if last_name(key) in TIME_NAMES and self.numeric(key):
                group = key.rpartition("/")[0]
                partners = [
                    own
                    for own in self.vectors(self.shape[key][0])
                    if own != key and own.rpartition("/")[0] == group and _is_neuron_name(last_name(own))
                ]
                pairs += [(key, own) for own in partners[:1]]
        pairs += self._unknown_length_pair() if not pairs else []
        if not pairs:
            return None
        pairs.sort(key=lambda pair: "spike" not in pair[0].lower())
        times, neuron = pairs[0]
        reason = f"spike times '{times}' with the neuron of each, '{neuron}'"
        return Proposal(ArrayKeys(spike_times=times, spike_neuron=neuron), (reason,), certain=True)

    def _unknown_length_pair(self) -> list[tuple[str, str]]:
        """Returns columns of times and neurons of a table whose length is not known."""
        names = [key for key, entry in self.readable.items() if entry.shape is None]
        times = [key for key in names if last_name(key) in TIME_NAMES]
        neurons = [key for key in names if _is_neuron_name(last_name(key))]
        return [(times[0], neurons[0])] if times and neurons else []

    def _indexed(self) -> Proposal | None:
        """Returns times and the index after the last spike of each neuron, as in NWB."""
        for key in self.vectors():
            if last_name(key) not in TIME_NAMES and "spike" not in key.lower():
                continue
            count = self.shape[key][0]
            for own in self.vectors():
                likely = re.search(r"index|end|last", own.lower()) and own != key and self.numeric(own)
                if likely and self.shape[own][0] < count:
                    ends = self.file.numbers(own).ravel()
                    if ends[-1] == count and (np.diff(ends) >= 0).all():
                        reason = f"spike times '{key}' of {len(ends)} neurons that end at '{own}'"
                        return Proposal(ArrayKeys(spike_times=key, spike_index=own), (reason,), certain=True)
        return None

    def _ragged(self) -> Proposal | None:
        """Returns cells, lists or struct arrays with spike times of one neuron each."""
        found = []
        for key, entry in self.readable.items():
            if entry.pieces is None or "texts" in entry.dtype:
                continue
            try:
                pieces = self.file.pieces(key)
            except ValueError:
                continue
            flat = all(max(np.shape(piece), default=0) == np.size(piece) for piece in pieces)
            if flat and pieces and any(np.size(piece) > 1 for piece in pieces) and _numbers(pieces):
                found.append((key, len(pieces)))
        if not found:
            return None
        found.sort(key=lambda pair: (last_name(pair[0]) not in TIME_NAMES and "spike" not in pair[0].lower(), pair[0]))
        key, count = found[0]
        certain = len(found) == 1 or last_name(key) in TIME_NAMES or "spike" in key.lower()
        reason = f"spike times '{key}', one array for each of {count} neurons"
        others = [name for name, _ in found[1:]]
        reasons = (reason, *([f"also ragged: {', '.join(others)}"] if others else []))
        return Proposal(ArrayKeys(spike_times=key), reasons, certain=certain)

    def _group(self) -> Proposal | None:
        """Returns a group with an array of spike times for each neuron, or arrays whose names differ in a number."""
        groups = dict.fromkeys(key.rpartition("/")[0] for key in self.vectors() if "/" in key)
        groups |= dict.fromkeys(key.split("/")[0] for key in self.vectors() if key.count("/") == 2)
        patterns = [group for group in groups if not group.count("*")]
        stems = {re.sub(r"\d+$", "*", key) for key in self.vectors() if re.search(r"\d$", key) and "/" not in key}
        patterns += [stem for stem in sorted(stems) if stem != "*" or len(self.vectors()) == len(self.file.keys)]
        for pattern in patterns:
            found = trains_of(self.file, pattern)
            lengths = [self.shape.get(key, (0,)) for key in found.values()]
            numbered = all(re.search(r"\d", name) for name in found)
            sizes = {length[0] for length in lengths if len(length) == 1}
            likely = "spike" in pattern.lower() or len(sizes) > 1
            if len(found) > 1 and numbered and likely and all(self.numeric(key) for key in found.values()):
                reason = f"spike times '{pattern}', one array for each of {len(found)} neurons"
                return Proposal(ArrayKeys(spike_times=pattern), (reason,), certain=True)
        return None

    def _finished_spikes(self, proposal: Proposal) -> Proposal:
        """Returns a proposal of spikes with its clock, behaviours and fields of neurons."""
        keys = proposal.keys
        key = str(keys.spike_times)
        missing: tuple[str, ...] = ()
        rate = self._sampling_rate()
        if self._counts_ticks(key):
            missing = () if rate else ("--sampling-rate HZ",)
        else:
            rate = None
        taken = {key, keys.spike_neuron, keys.spike_index}
        clock, behaviour = self._behaviours_on_a_clock(taken)
        N = self._count_of_neurons(keys)
        known = self._neuron_keys(N, taken | {clock} | set(behaviour)) if N else ArrayKeys()
        reasons = proposal.reasons + ((f"clock '{clock}' of {', '.join(behaviour)}",) if behaviour else ())
        if missing:
            reasons += (f"'{key}' counts ticks: --sampling-rate is their number a second (1000 for milliseconds)",)
        return replace(
            proposal,
            keys=replace(keys, behaviour_times=clock, fields=known.fields, neuron_ids=known.neuron_ids),
            reasons=reasons,
            behaviour=tuple(behaviour),
            where=self._where(N),
            sampling_rate=rate,
            missing=missing,
        )

    def _counts_ticks(self, key: str) -> bool:
        """Returns True if spike times look like whole numbers of ticks."""
        if key in self.readable and self.readable[key].pieces is None:
            if self.file.rate(key) is not None:
                return False
            head = self.file.head(key)
        elif key in self.readable:
            head = np.concatenate([np.ravel(piece) for piece in self.file.pieces(key)] or [np.zeros(0)])
        else:
            head = np.concatenate([self.file.numbers(own).ravel() for own in trains_of(self.file, key).values()])
        if head is None or head.dtype.kind not in "iuf":
            return False
        good = head[np.isfinite(head)]
        return bool(len(good) and (good == np.floor(good)).all() and (len(good) >= 20 or good.max() >= 100))

    def _sampling_rate(self) -> float | None:
        """Returns a number of the file that is named like a sampling rate."""
        for key, shape in self.shape.items():
            if shape == () and last_name(key) in _SAMPLING_RATES and self.numeric(key):
                value = float(self.file.numbers(key).ravel()[0])
                if np.isfinite(value) and value >= 100:
                    return value
        return None

    def _count_of_neurons(self, keys: ArrayKeys) -> int | None:
        """Returns the number of neurons of spikes, None if it takes reading them all."""
        if keys.spike_index is not None:
            return self.shape[keys.spike_index][0]
        if keys.spike_neuron is not None:
            return None
        key = str(keys.spike_times)
        return len(self.file.pieces(key)) if key in self.readable else len(trains_of(self.file, key))

    def _behaviours_on_a_clock(self, taken: Collection[str | None]) -> tuple[str | None, list[str]]:
        """Returns a clock, and the behaviours of its length."""
        for clock in self.vectors():
            if clock in taken or not _is_clock_name(last_name(clock)) or not self.numeric(clock):
                continue
            R = self.shape[clock][0]
            shared = [
                key
                for key in self.file.keys
                if key not in (*taken, clock, TABLE) and R in self.shape.get(key, ())[:2] and self.numeric(key)
            ]
            if shared and R > 20:
                return clock, shared
        return None, []

    # Traces and counts

    def traces(self, activity: str | None, given: ArrayKeys) -> Proposal:
        """Returns a proposal for traces or counts."""
        key = activity or self._likely_activity()
        if key is None:
            return Proposal(missing=("--activity KEY", "--axes neuron,bin", "--bin-size SECONDS"))
        if key == TABLE and key in self.readable:
            return self._wide_table(given)
        key = self.file.resolve(key)
        entry = self.file.entry(key)
        shape = entry.shape or ()
        if entry.pieces is not None:
            return self._cells(key)
        axes, reasons, certain = self._axes(key, shape)
        sizes = dict(zip(axes, shape, strict=False))
        T, N = sizes.get("bin", 0), sizes.get("neuron", 0)
        clock = given.times or next(
            (own for own in self.vectors(T) if _is_clock_name(last_name(own)) and self.numeric(own) and T > 1), None
        )
        if clock is None and entry.axes and "bin" in axes:
            named = entry.axes[axes.index("bin")]
            clock = named if named in self.readable else None
        size = None if clock else stated_bin_size(self.file, reasons)
        taken = {key, clock}
        behaviour = [
            own
            for own in self.file.keys
            if own not in (*taken, TABLE) and self.numeric(own) and self._fits_frames(own, sizes) and T > 1
        ]
        known = self._neuron_keys(N, taken | set(behaviour))
        if clock:
            reasons.append(f"times of the bins '{clock}'")
        return Proposal(
            replace(known, activity=key, axes=axes, times=clock),
            tuple(reasons),
            tuple(behaviour),
            where=self._where(N),
            missing=() if clock or size else ("--bin-size SECONDS",),
            certain=certain,
        )

    def _likely_activity(self) -> str | None:
        """Returns the key of the most likely activity."""
        if len(self.file.keys) == 1:
            return self.file.keys[0]
        if TABLE in self.readable and all(len(shape) < 2 for key, shape in self.shape.items() if key != TABLE):
            return TABLE
        scores = {}
        for key, entry in self.readable.items():
            shape = [n for n in entry.shape or () if n != 1] if entry.pieces is None else []
            cells = entry.pieces is not None and entry.dtype == "cells"
            if not (self.numeric(key) and len(shape) in (2, 3) and min(entry.shape or (0,)) > 0) and not cells:
                continue
            name = last_name(key)
            fit = bool(_ACTIVITY.search(name)) - bool(_NOT_ACTIVITY.search(name))
            scores[key] = (fit, len(set(entry.axes) & {"time"}), int(np.prod(entry.shape or (1,))))
        return max(scores, key=lambda key: scores[key]) if scores else None

    def _axes(self, key: str, shape: tuple[int, ...]) -> tuple[tuple[str, ...], list[str], bool]:
        """Returns the likely axes of an activity, why, and whether the file names them."""
        named = tuple(axis_of(name) for name in self.file.entry(key).axes)
        told = f"'{key}' {list(shape)}"
        if set(named) in ({"neuron", "bin"}, {"neuron", "bin", "trial"}):
            return named, [f"activity {told} with the axes {', '.join(self.file.entry(key).axes)} of the file"], True
        wanted = ["neuron", "bin"] if len(shape) < 3 else ["neuron", "bin", "trial"]
        if len(shape) not in (2, 3):
            return ("neuron", "bin"), [f"activity {told}"], False
        votes = {axis: self._votes(key, axis) for axis in wanted}
        axes: list[str] = [""] * len(shape)
        reasons = []
        for axis in sorted(wanted, key=lambda axis: -max([votes[axis].count(n) for n in shape] + [0])):
            free = [place for place in range(len(shape)) if not axes[place] and shape[place] in votes[axis]]
            if len({shape[place] for place in free}) == 1 and free:
                axes[free[0]] = axis
                reasons.append(f"{shape[free[0]]} {axis}s by other arrays")
        left = [axis for axis in wanted if axis not in axes]
        places = [place for place in range(len(shape)) if not axes[place]]
        if len(left) == 2 and set(left) == {"neuron", "bin"}:  # most recordings have more bins than neurons
            places.sort(key=lambda place: shape[place])
            reasons.append("the longer axis taken for bins")
        elif len(left) == 3:
            matlab = self.file.path.suffix.lower() == ".mat"
            left = ["neuron", "bin", "trial"] if matlab else ["trial", "neuron", "bin"]
            reasons.append("the usual order of axes taken")
        for place, axis in zip(places, left, strict=True):
            axes[place] = axis
        return tuple(axes), [f"activity {told}: {', '.join(axes)} ({'; '.join(reasons)})"], False

    def _votes(self, key: str, axis: str) -> list[int]:
        """Returns lengths of other arrays whose names speak of an axis."""
        lengths = []
        for own, shape in ((own, self.shape[own]) for own in self.readable if own not in (key, TABLE)):
            name = last_name(own)
            if not shape or len(shape) > 2:
                continue
            of_trial = len(shape) == 1 and re.search(r"trial|contrast|choice|outcome|stim", name)
            if (axis == "bin" and _is_clock_name(name)) or (axis == "trial" and of_trial):
                lengths.append(shape[0])
            elif axis == "neuron" and _is_neuron_field(name, shape):
                lengths += [max(shape)] if len(shape) == 2 else [shape[0]]
            elif axis == "bin" and len(shape) == 1 and self.numeric(own) and not _is_neuron_field(name, shape):
                lengths.append(shape[0])
        entry = self.readable[key]
        if axis == "neuron":
            lengths += [
                entry.shape[0]
                for own, entry in self.readable.items()
                if entry.dtype == "cells of texts" and entry.shape
            ]
            lengths += [
                max(e.shape) for e in self.readable.values() if "texts" in e.dtype and e.shape and len(e.shape) <= 2
            ]
        return [n for n in lengths if n > 1 and n in (entry.shape or ())]

    def _fits_frames(self, key: str, sizes: dict[str, int]) -> bool:
        """Returns True if an array has a sample for each bin or each trial, and none for each neuron."""
        shape, T, trials = self.shape[key], sizes["bin"], sizes.get("trial")
        if not shape or len(shape) > 3 or sizes["neuron"] in shape:
            return False
        fits = T in shape or (trials is not None and trials in shape)
        unsure = shape.count(T) + (shape.count(trials) if trials else 0) > (2 if trials else 1)
        return fits and not unsure and not _is_clock_name(last_name(key))

    def _cells(self, key: str) -> Proposal:
        """Returns a proposal for cells with one array for each trial."""
        pieces = [np.shape(piece) for piece in self.file.pieces(key) if np.size(piece)]
        first = {shape[0] for shape in pieces if len(shape) == 2}
        axes = ("trial", "neuron", "bin") if len(first) == 1 else ("trial", "bin", "neuron")
        reason = f"activity '{key}', one array for each of {len(pieces)} trials"
        return Proposal(ArrayKeys(key, axes), (reason,), missing=("--bin-size SECONDS",))

    def _wide_table(self, given: ArrayKeys) -> Proposal:
        """Returns a proposal for a table with a row a bin and a column a neuron."""
        columns = [key for key in self.file.children("") if key != TABLE and self.numeric(key)]
        clock = given.times or next((key for key in columns if _is_clock_name(last_name(key))), None)
        rest = [key for key in columns if key != clock]
        stems = [re.sub(r"\d+", "", key) for key in rest]
        usual = max(set(stems), key=stems.count) if stems else ""
        neurons = [key for key, stem in zip(rest, stems, strict=True) if stem == usual]
        others = [key for key in rest if key not in neurons] if len(neurons) > 1 else []
        reason = f"a table with a column for each of {len(rest) - len(others)} neurons" + (
            f", and times '{clock}'" if clock else ""
        )
        size = None if clock else stated_bin_size(self.file, [])
        return Proposal(
            ArrayKeys(TABLE, times=clock),
            (reason,),
            tuple(others),
            missing=() if clock or size else ("--bin-size SECONDS",),
            certain=clock is not None and not others,
        )

    # Neurons

    def _neuron_keys(self, N: int, taken: Collection[str | None]) -> ArrayKeys:
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

    def _where(self, N: int | None) -> str:
        """Returns a condition that keeps the accepted neurons, if the file marks them."""
        for key, shape in self.shape.items():
            if last_name(key) in ("iscell", "is_cell", "accepted") and shape and N in (shape[0], None):
                return f"{key}==1"
        return ""


def _is_neuron_name(name: str) -> bool:
    """Returns True for names of arrays with the neuron of each spike."""
    return name in NEURON_NAMES or bool(re.search(r"cluster|neuron|unit", name))


def _is_clock_name(name: str) -> bool:
    """Returns True for names of clocks."""
    return name in TIME_NAMES or bool(re.search(r"(^|_)(time|times|timestamps?|clock|t|ts)($|_)", name))


def _is_neuron_field(name: str, shape: tuple[int, ...]) -> bool:
    """Returns True for names of arrays with an entry for each neuron."""
    words = r"neuron|unit|cell|roi|cluster|area|region|acronym|depth|tetrode|channel|quality"
    return bool(re.search(words, name)) or name in ID_NAMES or (len(shape) == 2 and bool(_POSITIONS.search(name)))


def _numbers(pieces: Collection[np.ndarray]) -> bool:
    """Returns True if all arrays hold real numbers."""
    return all(np.asarray(piece).dtype.kind in "iufb" for piece in pieces if np.size(piece))
