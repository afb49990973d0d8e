"""Spike times of arrays: ragged, in columns, with an index, or with the neuron of each spike."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.intake.plain import plain_array, texts
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.array_keys import NEURON_NAMES, TIME_NAMES, ArrayKeys, last_name
from synapsnet_pyg.readers.cluster_rows import label_rows


class SpikeArrays(NamedTuple):
    """Spike times, and the label of each neuron."""

    spikes: Spikes
    """Spike times of N neurons."""
    labels: np.ndarray | None
    """Number or text of each neuron, None if the file has none."""


def read_spikes(file: ArrayFile, keys: ArrayKeys, rate: float | None, notes: list[str]) -> SpikeArrays:
    """Finds the spike times of a file.

    Args:
        file: Opened file.
        keys: Keys, of which ``spike_times`` is given.
        rate: Ticks a second of the clock. None: seconds, or by the unit that the file states.
        notes: List that is added to.

    Raises:
        ValueError: A key is missing, lengths do not fit, or nothing says to which neuron spikes belong.
    """
    key = str(keys.spike_times)
    label = f"'{key}' of '{file.path}'"
    if keys.spike_index is None and keys.spike_neuron is None:
        columns = _columns(file, key)
        if columns is None:
            return _ragged(file, key, rate, label=label)
        notes.append(f"spike times '{columns[0]}', their neurons '{columns[1]}'")
        key, neuron = columns
    else:
        neuron = str(keys.spike_neuron)
    times = file.sequence(key)
    rate = rate or file.rate(key)
    if not len(times):
        raise ValueError(f"Expected spikes in {label} (there are none).")
    if keys.spike_index is not None:
        return SpikeArrays(Spikes.from_ends(times, file.numbers(keys.spike_index), rate, label), None)
    owner = _owner(file, neuron)
    if len(owner) != len(times):
        raise ValueError(
            f"Expected a neuron for each of the {len(times)} spikes in '{neuron}' of '{file.path}' (got {len(owner)})."
        )
    labels, rows = label_rows(owner, f"'{neuron}'", notes)
    place, labels = _places(file, keys, labels, notes)
    count = len(labels)
    return SpikeArrays(Spikes(times, lambda a, b: place[rows(a, b)], count=count, rate=rate, label=label), labels)


def _owner(file: ArrayFile, key: str) -> Any:
    """Returns the label of each spike, whole numbers lazily."""
    if "texts" in file.dtype(key) or file.is_ragged(key):
        return plain_array(file.get(key)).ravel()
    return file.sequence(key)


def _columns(file: ArrayFile, key: str) -> tuple[str, str] | None:
    """Returns the keys of times and neurons in a group or a table of spikes, None if it is none."""
    names = file.children("" if key == "table" else key) if file.is_group(key) or key == "table" else []
    times = [name for name in names if last_name(name) in TIME_NAMES]
    neurons = [name for name in names if last_name(name) in NEURON_NAMES]
    if not times or not neurons:
        return None
    start = "" if key == "table" else f"{key.strip('/')}/"
    return f"{start}{times[0]}", f"{start}{neurons[0]}"


def trains_of(file: ArrayFile, key: str) -> dict[str, str]:
    """Returns the key of each neuron's array by the neuron's name, in natural order.

    Args:
        file: Opened file.
        key: Group of arrays, group of groups that hold an array of times each, or names with ``*``.
    """
    if "*" in key:
        return file.matching(key)
    group = key.strip("/")
    if names := file.children(group):
        return {name: f"{group}/{name}" for name in names}
    inner = file.matching(f"{group}/*/*")
    return {name.rsplit("/", 1)[0]: found for name, found in inner.items() if last_name(found) in TIME_NAMES}


def _ragged(file: ArrayFile, key: str, rate: float | None, *, label: str) -> SpikeArrays:
    """Returns spikes of one array for each neuron."""
    labels = None
    if "*" in key or file.is_group(key):
        found = trains_of(file, key)
        if not found:
            raise ValueError(f"Expected arrays of spike times in {label} (found none).")
        trains: Sequence[np.ndarray] = [file.numbers(own).ravel() for own in found.values()]
        labels = plain_array([int(name) for name in found] if all(n.isdigit() for n in found) else list(found))
    elif file.is_ragged(key):
        shape = file.shape(key) or ()
        if any(piece.dtype.kind == "O" for piece in file.pieces(key, 20)):
            raise ValueError(
                f"Expected one array of spike times for each neuron in {label} (its cells hold cells, such as those of "
                "trials or sessions); join the trials of each neuron on one clock."
            )
        trains = file.ragged(key)
        if sum(length > 1 for length in shape) > 1:
            raise ValueError(
                f"Expected one cell of spike times for each neuron in {label} (got cells of {list(shape)}, such as "
                "neurons and trials); join the trials of each neuron on one clock."
            )
    else:
        trains = _padded(file, key)
    if not any(len(train) for train in trains):
        raise ValueError(f"Expected spikes in {label} (there are none).")
    kind = next(train.dtype for train in trains if len(train))
    # An empty train has no precision of its own.
    trains = [train if len(train) else train.astype(kind) for train in trains]
    return SpikeArrays(Spikes.from_trains(trains, rate or file.rate(key), label), labels)


def _padded(file: ArrayFile, key: str) -> list[np.ndarray]:
    """Returns spike times of a table [N, n] or [n, N] that NaN fill up.

    Raises:
        ValueError: It is no such table.
    """
    shape = file.shape(key) or file.get(key).shape
    values = file.numbers(key) if len(shape) == 2 and min(shape) > 1 else np.zeros(0)
    if values.ndim == 2 and values.dtype.kind == "f":
        for table in (values, values.T):
            good = np.isfinite(table)
            if not good.all() and (good[:, :-1] >= good[:, 1:]).all():
                return [row[mask] for row, mask in zip(table, good, strict=True)]
    raise ValueError(
        f"Expected either the end of each neuron's spikes (--spike-index) or each spike's neuron (--spike-neuron) "
        f"beside '{key}' of '{file.path}' (shape {list(shape)}), or one array for each neuron."
    )


def _places(file: ArrayFile, keys: ArrayKeys, labels: np.ndarray, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the row among all neurons for each label that has spikes (and -1 after the last), and all labels.

    Ids and fields may be of more neurons than those with spikes: labels then are ids, or numbers of rows.
    """
    found, place = len(labels), np.append(np.arange(len(labels)), -1)
    ids = file.texts(keys.neuron_ids) if keys.neuron_ids is not None and file.has(keys.neuron_ids) else None
    if ids is not None:
        at = {text: row for row, text in enumerate(ids)}
        own = texts(labels)
        if len(at) == len(ids) and set(own) <= at.keys():
            _tell_silent(len(ids) - found, notes)
            return np.array([at[text] for text in own] + [-1]), plain_array(ids)
    lengths = {len(ids)} if ids is not None else {_length(file, key) for key in keys.fields.values()} - {0}
    if len(lengths) != 1 or labels.dtype.kind != "i" or lengths == {found} or not found:
        return place, labels
    count = lengths.pop()
    first = 1 if labels[-1] == count else 0
    if labels[0] < first or labels[-1] - first >= count:
        return place, labels
    _tell_silent(count - found, notes)
    return np.append(labels - first, -1), np.arange(first, count + first)


def _length(file: ArrayFile, key: str) -> int:
    """Returns the number of entries of a vector, 0 for another array."""
    shape = [length for length in (file.shape(key) or ()) if length != 1] if file.has(key) else []
    return shape[0] if len(shape) == 1 else 0


def _tell_silent(count: int, notes: list[str]) -> None:
    """Notes neurons without spikes."""
    if count:
        notes.append(f"{count} neurons have no spikes")
