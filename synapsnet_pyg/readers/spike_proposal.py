"""Proposal of spike times in an unknown file: columns, an index, cells, groups."""

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from synapsnet_pyg.readers.array_keys import TIME_NAMES, ArrayKeys, last_name
from synapsnet_pyg.readers.array_spikes import trains_of
from synapsnet_pyg.readers.array_survey import Proposal, Survey, is_neuron_name, is_other
from synapsnet_pyg.readers.table_files import TABLE

_SAMPLING_RATES = frozenset({"sampling_rate", "sample_rate", "fs", "sampling_frequency", "srate", "samplerate"})
"""Names of numbers that are ticks a second, in lower case."""

_SAMPLE = 20
"""Number of ragged entries that are read to know what they hold."""


def propose_spikes(survey: Survey) -> Proposal | None:
    """Returns a proposal for spike times, None if there are none."""
    for find in (_named_pair, _indexed, _ragged, _group):
        found = find(survey)
        if found is not None:
            return _finished_spikes(survey, found)
    return None


def _named_pair(survey: Survey) -> Proposal | None:
    """Returns times and neurons of the same length, such as two columns of a table."""
    pairs = []
    for key in survey.vectors():
        if last_name(key) in TIME_NAMES and survey.numeric(key):
            group = key.rpartition("/")[0]
            partners = [
                own
                for own in survey.vectors(survey.shape[key][0])
                if own != key and own.rpartition("/")[0] == group and is_neuron_name(last_name(own))
            ]
            pairs += [(key, own) for own in partners[:1]]
    certain = bool(pairs)
    pairs += _only_whole_numbers(survey) if not pairs else []
    if not pairs:
        return None
    pairs.sort(key=lambda pair: "spike" not in pair[0].lower())
    times, neuron = pairs[0]
    reason = f"spike times '{times}' with the neuron of each, '{neuron}'"
    return Proposal(ArrayKeys(spike_times=times, spike_neuron=neuron), (reason,), certain=certain)


def _only_whole_numbers(survey: Survey) -> list[tuple[str, str]]:
    """Returns times and the only other vector of their length, if the file has no more and it holds whole numbers."""
    times = [key for key in survey.vectors() if last_name(key) in TIME_NAMES and survey.numeric(key)]
    others = [key for key in survey.file.keys if key not in (*times, TABLE)]
    if len(times) != 1 or len(others) != 1 or survey.shape.get(others[0]) != survey.shape[times[0]]:
        return []
    return [(times[0], others[0])] if survey.readable[others[0]].dtype.lstrip("u").startswith("int") else []


def _indexed(survey: Survey) -> Proposal | None:
    """Returns times and the index after the last spike of each neuron, as in NWB."""
    for key in survey.vectors():
        if last_name(key) not in TIME_NAMES and "spike" not in key.lower():
            continue
        count = survey.shape[key][0]
        for own in survey.vectors():
            likely = re.search(r"index|end|last", own.lower()) and own != key and survey.numeric(own)
            if likely and survey.shape[own][0] < count:
                ends = survey.file.numbers(own).ravel()
                if ends[-1] == count and (np.diff(ends) >= 0).all():
                    reason = f"spike times '{key}' of {len(ends)} neurons that end at '{own}'"
                    return Proposal(ArrayKeys(spike_times=key, spike_index=own), (reason,), certain=True)
    return None


def _ragged(survey: Survey) -> Proposal | None:
    """Returns cells, lists or struct arrays with spike times of one neuron each."""
    found = []
    for key, entry in survey.readable.items():
        if entry.pieces is None or "texts" in entry.dtype:
            continue
        try:
            pieces = survey.file.pieces(key, _SAMPLE)
        except ValueError:
            continue
        flat = all(max(np.shape(piece)) == np.size(piece) for piece in pieces if np.size(piece))
        if not _named_spikes(key) and (is_other(key) or not flat or not _rising(pieces)):
            continue
        if flat and pieces and any(np.size(piece) > 1 for piece in pieces) and _numbers(pieces):
            found.append((key, int(np.prod(entry.shape or (0,)))))
    found.sort(key=lambda pair: (not _named_spikes(pair[0]), pair[0]))
    if not found or (not _named_spikes(found[0][0]) and survey.matrices()):
        return None
    key, count = found[0]
    certain = len(found) == 1 or _named_spikes(key)
    reason = f"spike times '{key}', one array for each of {count} neurons"
    others = [name for name, _ in found[1:]]
    reasons = (reason, *([f"also ragged: {', '.join(others)}"] if others else []))
    return Proposal(ArrayKeys(spike_times=key), reasons, certain=certain)


def _named_spikes(key: str) -> bool:
    """Returns True for names of spike times."""
    return last_name(key) in TIME_NAMES or bool(re.search(r"spike|spk", key.lower()))


def _group(survey: Survey) -> Proposal | None:
    """Returns a group with an array of spike times for each neuron, or arrays whose names differ in a number."""
    groups = dict.fromkeys(key.rpartition("/")[0] for key in survey.vectors() if "/" in key)
    times = [key for key in survey.vectors() if key.count("/") >= 2 and last_name(key) in TIME_NAMES]
    groups |= dict.fromkeys(key.rsplit("/", 2)[0] for key in times)
    patterns = [group for group in groups if not group.count("*")]
    stems = {re.sub(r"\d+$", "*", key) for key in survey.vectors() if re.search(r"\d$", key) and "/" not in key}
    patterns += [stem for stem in sorted(stems) if stem != "*" or len(survey.vectors()) == len(survey.file.keys)]
    for pattern in patterns:
        found = trains_of(survey.file, pattern)
        lengths = [survey.shape.get(key, (0,)) for key in found.values()]
        numbered = all(re.search(r"\d", name) for name in found)
        sizes = {length[0] for length in lengths if len(length) == 1}
        named = all(last_name(key) in TIME_NAMES for key in found.values())
        likely = "spike" in pattern.lower() or len(sizes) > 1 or named
        if len(found) > 1 and numbered and likely and all(survey.numeric(key) for key in found.values()):
            reason = f"spike times '{pattern}', one array for each of {len(found)} neurons"
            return Proposal(ArrayKeys(spike_times=pattern), (reason,), certain=True)
    return None


def _finished_spikes(survey: Survey, proposal: Proposal) -> Proposal:
    """Returns a proposal of spikes with its clock, behaviours and fields of neurons."""
    keys = proposal.keys
    key = str(keys.spike_times)
    missing: tuple[str, ...] = ()
    rate = _sampling_rate(survey)
    if _counts_ticks(survey, key):
        missing = () if rate else ("--sampling-rate HZ",)
    else:
        rate = None
    taken = {key, keys.spike_neuron, keys.spike_index}
    clock, behaviour = _behaviours_on_a_clock(survey, taken)
    N = _count_of_neurons(survey, keys)
    known = survey.neuron_keys(N, taken | {clock} | set(behaviour)) if N else ArrayKeys()
    reasons = proposal.reasons + ((f"clock '{clock}' of {', '.join(behaviour)}",) if behaviour else ())
    if missing:
        reasons += (f"'{key}' counts ticks: --sampling-rate is their number a second (1000 for milliseconds)",)
    return replace(
        proposal,
        keys=replace(keys, behaviour_times=clock, fields=known.fields, neuron_ids=known.neuron_ids),
        reasons=reasons,
        behaviour=tuple(behaviour),
        where=survey.where(N),
        sampling_rate=rate,
        missing=missing,
    )


def _counts_ticks(survey: Survey, key: str) -> bool:
    """Returns True if spike times look like whole numbers of ticks."""
    if key in survey.readable and survey.readable[key].pieces is None:
        if survey.file.rate(key) is not None:
            return False
        head = survey.file.head(key)
    elif key in survey.readable:
        head = np.concatenate([np.ravel(piece) for piece in survey.file.pieces(key, _SAMPLE)] or [np.zeros(0)])
    else:
        head = np.concatenate([survey.file.numbers(own).ravel() for own in trains_of(survey.file, key).values()])
    if head is None or head.dtype.kind not in "iuf":
        return False
    good = head[np.isfinite(head)]
    return bool(len(good) and (good == np.floor(good)).all() and (len(good) >= 20 or good.max() >= 100))


def _sampling_rate(survey: Survey) -> float | None:
    """Returns a number of the file that is named like a sampling rate."""
    for key, shape in survey.shape.items():
        if shape == () and last_name(key) in _SAMPLING_RATES and survey.numeric(key):
            value = float(survey.file.numbers(key).ravel()[0])
            if np.isfinite(value) and value >= 100:
                return value
    return None


def _count_of_neurons(survey: Survey, keys: ArrayKeys) -> int | None:
    """Returns the number of neurons of spikes, None if it takes reading them all."""
    if keys.spike_index is not None:
        return survey.shape[keys.spike_index][0]
    if keys.spike_neuron is not None:
        return None
    key = str(keys.spike_times)
    return int(np.prod(survey.file.shape(key) or (0,))) if key in survey.readable else len(trains_of(survey.file, key))


def _behaviours_on_a_clock(survey: Survey, taken: Collection[str | None]) -> tuple[str | None, list[str]]:
    """Returns a clock, and the behaviours of its length."""
    for clock in survey.vectors():
        if clock in taken or not survey.is_clock(clock):
            continue
        R = survey.shape[clock][0]
        shared = [
            key
            for key in survey.file.keys
            if key not in (*taken, clock, TABLE) and R in survey.shape.get(key, ())[:2] and survey.numeric(key)
        ]
        if shared and R > 20:
            return clock, shared
    return None, []


def _rising(pieces: Collection[np.ndarray]) -> bool:
    """Returns True if all arrays hold numbers that never fall, as times of spikes do."""
    return _numbers(pieces) and all((np.diff(np.ravel(piece)) >= 0).all() for piece in pieces)


def _numbers(pieces: Collection[np.ndarray]) -> bool:
    """Returns True if all arrays hold real numbers."""
    return all(np.asarray(piece).dtype.kind in "iufb" for piece in pieces if np.size(piece))
