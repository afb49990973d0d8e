"""Traces or counts of arrays: any order of axes, trials, groups of vectors, columns of tables."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.files import require_memory
from synapsnet_pyg.intake.clocks import frames
from synapsnet_pyg.intake.plain import kind_of, plain_array, row_blocks
from synapsnet_pyg.intake.recording import Selection, Traces
from synapsnet_pyg.readers.array_files import DATES, ArrayFile
from synapsnet_pyg.readers.array_keys import NEURON_NAMES, TIME_NAMES, ArrayKeys, last_name
from synapsnet_pyg.readers.table_files import TABLE

FRAME_RATES = frozenset({"frame_rate", "framerate", "fps", "imaging_rate", "frame_rate_hz"})
"""Names of numbers that are frames a second, in lower case."""

BIN_SIZES = frozenset({"bin_size", "binsize", "bin_width", "binwidth", "dt", "bin_size_s", "frame_period"})
"""Names of numbers that are the duration of a bin in seconds, in lower case."""


class Trials(NamedTuple):
    """Frames of an activity."""

    values: np.ndarray
    """Activity [N, T], trials one after the other."""
    lengths: list[int]
    """Number of frames of each trial."""
    in_trials: bool
    """True if the activity has an axis of trials."""
    labels: list[str] | None
    """Name of each neuron, None if the file has none."""


def read_trials(file: ArrayFile, keys: ArrayKeys, key: str | None, used: Collection[str]) -> Trials:
    """Reads the activity of all trials.

    Args:
        file: Opened file.
        keys: Keys, with the order of the axes.
        key: Key of the activity. None: the only array of the file.
        used: Keys that are no neurons, such as those of times and behaviours, among the columns of a table.

    Raises:
        ValueError: The key is missing, holds no numbers, or has another number of axes.
    """
    by_column = key == TABLE and file.has(key) and tuple(keys.axes) != ("neuron", "bin")
    if key is not None and (file.is_group(key) or "*" in key or by_column):
        return _columns(file, key, used)
    axes = tuple(keys.axes) or _named_axes(file, key)
    label = f"'{file.resolve(key)}' of '{file.path}'"
    if file.is_ragged(file.resolve(key)):
        return _cells(file, file.resolve(key), axes, label)
    shape = file.shape(key)
    if shape is not None and len(shape) == len(axes):
        require_memory(4 * int(np.prod(shape, dtype=np.int64)), label)
    values = _plain(file.get(key), label)
    if values.ndim == 1 and len(axes) == 2:
        values = values[None] if axes[0] == "neuron" else values[:, None]  # one neuron
    if values.ndim != len(axes):
        raise ValueError(f"Expected {len(axes)} axes ({','.join(axes)}) in {label} (got shape {list(values.shape)}).")
    if "trial" not in axes:
        values = values if axes[0] == "neuron" else np.ascontiguousarray(values.T)
        return Trials(values, [values.shape[1]], False, _coordinates(file, key, axes))
    values = values.transpose([axes.index(axis) for axis in ("neuron", "trial", "bin")])
    N, count, T = values.shape
    return Trials(values.reshape(N, count * T), [T] * count, True, _coordinates(file, key, axes))


def traces_of(file: ArrayFile, keys: ArrayKeys, trials: Trials, selection: Selection, notes: list[str]) -> Traces:
    """Returns the activity with its clock.

    Args:
        file: Opened file.
        keys: Keys, of which ``times`` may be given.
        trials: Activity of all trials.
        selection: Choices of the user.
        notes: List that is added to.

    Raises:
        ValueError: The times do not fit the frames.
    """
    T = trials.values.shape[1]
    ends = np.cumsum(trials.lengths)
    border = np.stack([ends - trials.lengths, ends], axis=1) if trials.in_trials else None
    label = f"the activity of '{file.path}'"
    counts = selection.rebin_by is None and _whole(trials.values)
    times, bin_size, rate = None, None, None
    if keys.times is not None:
        label = f"'{keys.times}' of '{file.path}'"
        stored, rate = file.numbers(keys.times), file.rate(keys.times)
        times = stored.ravel() if not trials.in_trials or stored.ndim < 2 else _in_trial_order(stored, trials)
        if trials.in_trials and times.size == trials.lengths[0] != T and len(set(trials.lengths)) == 1:
            # One clock for all trials tells the duration of a bin.
            own = rate if selection.sampling_rate is None else selection.sampling_rate
            times, bin_size = None, frames(stored.ravel(), label, own).bin_size
        elif times.size == T + 1 and "edge" in last_name(keys.times) and not trials.in_trials:
            times = (times[1:] + times[:-1]) / 2
        elif times.size != T:
            raise ValueError(f"Expected a time for each of the {T} bins in {label} (got {list(stored.shape)}).")
    elif selection.bin_size is None and selection.frame_rate is None:
        bin_size = stated_bin_size(file, notes)
    return Traces(trials.values, times, bin_size, rate, counts=counts, border=border, label=label)


def stated_bin_size(file: ArrayFile, notes: list[str]) -> float | None:
    """Returns the duration of a frame if a number of the file is named so, None if the file does not say.

    Args:
        file: Opened file.
        notes: List that is added to.
    """
    for key in file.keys:
        name, shape = last_name(key), file.shape(key)
        if name not in FRAME_RATES | BIN_SIZES or shape is None or int(np.prod(shape)) != 1:
            continue
        try:
            value = float(file.numbers(key).ravel()[0])
        except ValueError:
            continue
        size = 1 / value if name in FRAME_RATES and value > 0 else value / (file.rate(key) or 1.0)
        if np.isfinite(size) and 1e-4 <= size < 5:
            notes.append(f"frames of {size:.6g} s by '{key}' of the file")
            return size
    return None


def _named_axes(file: ArrayFile, key: str | None) -> tuple[str, ...]:
    """Returns the axes that a file names itself.

    Raises:
        ValueError: It names none.
    """
    named = tuple(axis_of(name) for name in file.entry(key).axes)
    if "neuron" in named and "bin" in named and len(set(named)) == len(named):
        return named
    raise ValueError(
        f"Expected the order of the axes of '{file.resolve(key)}' in '{file.path}' (shape "
        f"{list(file.shape(key) or ())}); give --axes neuron,bin or --axes bin,neuron, or, of trials, --axes "
        "trial,neuron,bin."
    )


def axis_of(name: str) -> str:
    """Returns the kind of an axis by its name in a file.

    Example:
        >>> [axis_of(name) for name in ("unit_id", "time", "trial", "x")]
        ['neuron', 'bin', 'trial', 'x']
    """
    low = name.lower().rstrip("s")
    if low in ("time", "bin", "frame", "t", "sample", "time_bin", "timestep", "timestamp"):
        return "bin"
    if low in ("neuron", "unit", "cell", "roi", "unit_id", "cell_id", "neuron_id", "roi_id", "cluster", "channel"):
        return "neuron"
    return "trial" if low in ("trial", "trial_id", "repeat", "repetition", "epoch") else name


def _coordinates(file: ArrayFile, key: str | None, axes: Sequence[str]) -> list[str] | None:
    """Returns the names of the neurons by the coordinate of their axis."""
    named = file.entry(key).axes
    if not named:
        return None
    coordinate = named[axes.index("neuron")]
    return file.texts(coordinate) if file.has(coordinate) and coordinate in file.entries else None


def _columns(file: ArrayFile, key: str, used: Collection[str]) -> Trials:
    """Reads a group with a vector for each neuron, or a table with a column for each."""
    start = "" if key == TABLE else f"{key.strip('/')}/"
    found = (
        file.matching(key)
        if "*" in key
        else {name: f"{start}{name}" for name in file.children("" if key == TABLE else key) if name != TABLE}
    )
    taken = {file.resolve(name) for name in used if file.has(name)}
    kept = {
        name: own
        for name, own in found.items()
        if own not in taken and last_name(name) not in TIME_NAMES and not file.dtype(own).startswith(("texts", *DATES))
    }
    if not kept:
        raise ValueError(f"Expected an array for each neuron in '{key}' of '{file.path}' (found none).")
    if all(last_name(own) in NEURON_NAMES for own in kept.values()) and len(kept) < len(found):
        raise ValueError(
            f"Expected an array for each neuron in '{key}' of '{file.path}' (it holds '{next(iter(kept))}', as if of "
            "spikes); give --spike-times."
        )
    columns = {name: file.numbers(own).ravel() for name, own in kept.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(
            f"Expected arrays of one length in '{key}' of '{file.path}' (got {min(lengths)} to {max(lengths)}); "
            "give --spike-times if they are spike times."
        )
    return Trials(np.stack(list(columns.values())), [lengths.pop()], False, list(columns))


def _cells(file: ArrayFile, key: str, axes: tuple[str, ...], label: str) -> Trials:
    """Reads cells that hold one array [N, T] for each trial; trials may differ in length."""
    order = tuple(axis for axis in axes if axis != "trial")
    pieces = [_plain(np.asarray(piece), label) for piece in file.pieces(key)]
    pieces = [piece if order[0] == "neuron" else piece.T for piece in pieces if piece.size]
    if not pieces or any(piece.ndim != 2 for piece in pieces) or len({len(piece) for piece in pieces}) > 1:
        shapes = sorted({tuple(piece.shape) for piece in pieces})[:3]
        raise ValueError(
            f"Expected one array of {','.join(order)} for each trial in {label} (got cells of shapes {shapes}); give "
            "--spike-times if they hold spike times."
        )
    return Trials(np.concatenate(pieces, axis=1), [piece.shape[1] for piece in pieces], True, None)


def _plain(values: np.ndarray, label: str) -> np.ndarray:
    """Returns numbers in an own kind that is small: 1 byte stays 1 byte.

    Raises:
        ValueError: The values are no real numbers.
    """
    kind = values.dtype.kind
    if kind == "b":
        return np.asarray(values).view(np.uint8)
    if kind in "iuf" and values.dtype.isnative and values.dtype.itemsize <= 8 and not np.ma.isMaskedArray(values):
        return values if kind != "f" or values.dtype.itemsize > 2 else values.astype(np.float32)
    array = plain_array(values)
    if array.dtype.kind not in "fib":
        raise ValueError(f"Expected real numbers in {label} (got {kind_of(array)}).")
    return array


def _in_trial_order(times: np.ndarray, trials: Trials) -> np.ndarray:
    """Returns times [trials, bins] in any order of the two axes, one trial after the other."""
    turned = times.shape[0] == trials.lengths[0] and times.shape[1] == len(trials.lengths)
    return (times.T if turned and times.shape[0] != times.shape[1] else times).ravel()


def _whole(values: np.ndarray) -> bool:
    """Returns True for counts: whole numbers from zero."""
    if values.dtype.kind == "u":
        return True
    for _, rows in row_blocks(values):
        good = rows[np.isfinite(rows)] if rows.dtype.kind == "f" else rows
        if good.size and (good.min() < 0 or (good.dtype.kind == "f" and (good != np.floor(good)).any())):
            return False
    return True
