"""Behaviours, events and intervals of arrays, in the frames of the activity or with their own clock."""

from collections.abc import Mapping, Sequence

import numpy as np

from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, OnFrames, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.plain import kind_of, plain_array
from synapsnet_pyg.intake.recording import Selection, Traces, literal_blocks
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.array_activity import Trials
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.array_keys import START_NAMES, STOP_NAMES, TIME_NAMES, ArrayKeys, last_name


def read_behaviours(
    file: ArrayFile, keys: ArrayKeys, selection: Selection, trials: Trials | None, notes: list[str]
) -> list[Behaviour | OnFrames]:
    """Finds the behaviours and events that a user names.

    A behaviour has a sample for each frame of the activity, for each trial or both, or a clock: that of
    ``keys.behaviour_times``, or times beside it in its group or table.

    Args:
        file: Opened file.
        keys: Keys.
        selection: Names of behaviours and events.
        trials: Activity of all trials. None: spikes, which have no frames.
        notes: List that is added to.

    Raises:
        ValueError: A key is missing, or lengths fit no order of axes or several.
    """
    found: list[Behaviour | OnFrames] = []
    for key in selection.behaviour:
        if file.is_group(key):
            start = key.strip("/")
            members = [name for name in file.children(key) if last_name(name) not in TIME_NAMES]
            found += [
                _behaviour(file, f"{start}/{name}", keys, selection, trials=trials, notes=notes) for name in members
            ]
        else:
            found.append(_behaviour(file, key, keys, selection, trials=trials, notes=notes))
    for key in selection.events:
        moments = _table(file, key, selection.behaviour_rate)
        if moments.ndim == 1:
            found.append(Events(key, moments))
        else:
            found.append(Intervals(key, blocks_of(moments[:, 0], moments[:, 1], f"'{key}' of '{file.path}'")))
    return found


def read_blocks(file: ArrayFile, key: str, rate: float | None) -> Blocks:
    """Returns intervals of a file as blocks in seconds.

    Args:
        file: Opened file.
        key: Key of starts and stops [n, 2] or [2, n], or group or table with a start and a stop of each.
        rate: Ticks a second of their clock. None: seconds.

    Raises:
        ValueError: The array holds no starts and stops.
    """
    table = _table(file, key, rate)
    if table.ndim == 1:
        raise ValueError(
            f"Expected starts and stops, [n, 2], in '{key}' of '{file.path}' (got {len(table)} times); --events takes "
            "times."
        )
    return blocks_of(table[:, 0], table[:, 1], f"'{key}' of '{file.path}'")


def excluded_blocks(file: ArrayFile, selection: Selection, activity: Traces | Spikes, notes: list[str]) -> Blocks:
    """Returns the intervals to leave out, those of the file and those given in seconds.

    Frames that an array of zeros and ones marks become missing in the traces themselves.

    Args:
        file: Opened file.
        selection: Names of intervals, or ``"START:STOP"``.
        activity: Spikes, or traces that are changed.
        notes: List that is added to.
    """
    blocks, names = literal_blocks(selection.exclude)
    for name in names:
        mask = masked_frames(file, name, activity.values.shape[1]) if isinstance(activity, Traces) else None
        if mask is not None and isinstance(activity, Traces):
            kind = np.float64 if activity.values.dtype == np.float64 else np.float32
            activity.values = np.where(mask, kind(np.nan), activity.values)
            notes.append(f"{int(mask.sum())} frames that '{name}' marks are left out")
        else:
            blocks += read_blocks(file, name, selection.behaviour_rate)
    return blocks


def _table(file: ArrayFile, key: str, rate: float | None) -> np.ndarray:
    """Returns times [n], or starts and stops [n, 2], in seconds."""
    label = f"'{key}' of '{file.path}'"
    if file.is_group(key):
        return _of_group(file, key, rate, label)
    stored = file.numbers(key)
    if max(stored.shape, default=0) == stored.size > 2 and np.isin(stored, (0, 1)).all():
        raise ValueError(
            f"Expected times in {label} (it holds zeros and ones alone, as if for each frame); name it as --behaviour."
        )
    values = stored.astype(np.float64) / (rate or file.rate(key) or 1.0)
    if values.ndim == 2 and 1 in values.shape and 2 not in values.shape:
        values = values.ravel()
    if values.ndim == 2 and values.shape[1] != 2:
        values = values.T
    if values.ndim == 2 and values.shape == (2, 2) and (values[:, 1] < values[:, 0]).any():
        values = values.T
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 2):
        raise ValueError(f"Expected times [n], or starts and stops [n, 2], in {label} (got {list(values.shape)}).")
    return values


def _of_group(file: ArrayFile, key: str, rate: float | None, label: str) -> np.ndarray:
    """Returns times, or starts and stops, of a group or table: starts with stops, with durations, or alone."""
    start, stop, last = _ends(file, key)
    if start is None:
        names = ", ".join(last_name(name) for name in file.children(key))
        raise ValueError(
            f"Expected a start and a stop of each interval in {label}, such as 'start' and 'stop' or names that end in "
            f"'on' and 'off' (got {names})."
        )
    ticks = rate or file.rate(start) or 1.0
    begin = file.numbers(start).ravel() / ticks
    if stop is None and last is None:
        return begin
    end = file.numbers(stop).ravel() / ticks if stop is not None else begin + file.numbers(str(last)).ravel() / ticks
    if len(begin) != len(end):
        raise ValueError(f"Expected as many starts as stops in {label} (got {len(begin)} and {len(end)}).")
    return np.stack([begin, end], axis=1)


def _ends(file: ArrayFile, key: str) -> tuple[str | None, str | None, str | None]:
    """Returns the keys of starts, stops and durations in a group or table; None for what it does not hold.

    Without a usual name of a start, that of starts and stops which alone end so is taken: ``stimOn`` and ``stimOff``.
    """
    names = {last_name(name): f"{key.strip('/')}/{name}" for name in file.children(key)}
    start, stop, last = (
        next((names[name] for name in known if name in names), None)
        for known in (START_NAMES, STOP_NAMES, ("duration",))
    )
    pairs = [
        (own, names[other])
        for name, own in names.items()
        for begin, end in (("start", "stop"), ("start", "end"), ("onset", "offset"), ("on", "off"))
        if name.endswith(begin) and (other := name.removesuffix(begin) + end) in names
    ]
    if start is None and len(pairs) == 1:
        start, stop = pairs[0]
    return start, stop, last


def masked_frames(file: ArrayFile, key: str, T: int) -> np.ndarray | None:
    """Returns the frames that an array of zeros and ones marks [T], None if it is another array."""
    if file.is_group(key) or not file.has(key) or T not in (file.shape(key) or ()):
        return None
    values = file.numbers(key).ravel()
    return values == 1 if values.size == T and np.isin(values, (0, 1)).all() else None


def _behaviour(
    file: ArrayFile,
    key: str,
    keys: ArrayKeys,
    selection: Selection,
    *,
    trials: Trials | None,
    notes: list[str],
) -> Behaviour | OnFrames:
    """Returns one behaviour."""
    period = selection.period(key)
    values = plain_array(file.get(key)) if not file.is_ragged(key) or trials is None else _joined(file, key, trials)
    if values.dtype.kind not in "fibU":
        raise ValueError(
            f"Expected real numbers or texts in behaviour '{key}' of '{file.path}' (got {kind_of(values)})."
        )
    clock = keys.behaviour_times
    if clock is None and (trials is None or _frames_axis(values, trials) is None):
        clock = _clock_beside(file, key, values, notes)
    if clock is not None:
        times = file.numbers(clock).ravel().astype(np.float64) / (selection.behaviour_rate or file.rate(clock) or 1.0)
        own = _along(values, len(times), key, clock)
        return Series(key, own, times, period, label=f"'{key}' of '{file.path}'")
    if trials is None and (held := _held(file, key, values, selection)) is not None:
        notes.append(f"'{key}' holds from each start of its group to the stop")
        return Series(key, *held, period, label=f"'{key}' of '{file.path}'")
    if trials is None:
        raise ValueError(f"Expected the key of the clock of behaviour '{key}' (got none); give --behaviour-times.")
    return OnFrames(key, _on_frames(key, values, trials, keys.behaviour_axes), period)


def _held(file: ArrayFile, key: str, values: np.ndarray, selection: Selection) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns samples and times of one value for each interval of a group, at start and stop; None if it is not."""
    group = file.resolve(key).rpartition("/")[0]
    if not group or _ends(file, group)[0] is None:
        return None
    table = _of_group(file, group, selection.behaviour_rate, f"'{group}' of '{file.path}'")
    one_each = table.ndim == 2 and values.size == len(table) == max(values.shape, default=0)
    if not one_each or (np.diff(table.ravel()) <= 0).any():
        return None
    return np.repeat(values.ravel(), 2), table.ravel()


def _joined(file: ArrayFile, key: str, trials: Trials) -> np.ndarray:
    """Returns a behaviour of one array for each trial, or one text or number for each, as an array of all frames."""
    values = plain_array(file.get(key))
    if values.dtype.kind != "O":
        return values.ravel()
    pieces = [np.asarray(piece, dtype=np.float64) for piece in file.pieces(key) if np.size(piece)]
    lengths = [max(piece.shape, default=0) for piece in pieces]
    if lengths != trials.lengths:
        raise ValueError(
            f"Expected an array of as many frames as the activity for each trial in behaviour '{key}' (got "
            f"{lengths[:3]}..., the activity has {trials.lengths[:3]}...)."
        )
    turned = [
        piece.reshape(n, -1) if piece.shape[0] == n else piece.T for piece, n in zip(pieces, lengths, strict=True)
    ]
    joined = np.concatenate(turned)
    return joined[:, 0] if joined.shape[1] == 1 else joined


def _frames_axis(values: np.ndarray, trials: Trials) -> int | None:
    """Returns an axis with a sample for each frame or each trial, None if there is none."""
    fits = {sum(trials.lengths), trials.lengths[0], *([len(trials.lengths)] if trials.in_trials else [])}
    return next((axis for axis, length in enumerate(values.shape) if length in fits), None)


def _clock_beside(file: ArrayFile, key: str, values: np.ndarray, notes: list[str]) -> str | None:
    """Returns the key of times beside a behaviour, of as many entries; None if there is none."""
    name = file.resolve(key)
    axes = file.entry(key).axes
    beside = [axis for axis in axes if axis in file.entries]
    group = name.rpartition("/")[0]
    beside += [f"{group}/{own}" if group else own for own in file.children(group) if last_name(own) in TIME_NAMES]
    stem = name.rsplit("_", 1)[0]
    beside += [
        own
        for own in (f"{name}_time", f"{name}_times", f"{name}_timestamps", f"{stem}_time", f"{stem}_times")
        if own in file.entries
    ]
    for clock in beside:
        shape = [length for length in (file.shape(clock) or file.get(clock).shape) if length != 1]
        if clock != name and len(shape) == 1 and shape[0] in values.shape:
            notes.append(f"clock of '{key}': '{clock}'")
            return clock
    return None


def _along(values: np.ndarray, R: int, key: str, clock: str) -> np.ndarray:
    """Returns samples with an axis of times as [R] or [R, k]."""
    turned = values.T if values.ndim == 2 and values.shape[0] != R else values
    if turned.ndim not in (1, 2) or turned.shape[0] != R:
        raise ValueError(f"Expected an axis of the {R} times of '{clock}' in '{key}' (got shape {list(values.shape)}).")
    return turned[:, 0] if turned.ndim == 2 and turned.shape[1] == 1 else turned


def _on_frames(key: str, values: np.ndarray, trials: Trials, axes: Sequence[str] | None) -> np.ndarray:
    """Returns a behaviour in all frames of all trials, [T] or [T, k], from any order of axes."""
    count, T = len(trials.lengths), trials.lengths[0]
    if len(set(trials.lengths)) > 1:  # trials of several lengths: a sample a frame, or a trial
        flat = values.reshape(max(values.shape), -1) if values.shape[0] == max(values.shape) else values.T
        if len(flat) == sum(trials.lengths):
            return flat[:, 0] if flat.ndim == 2 and flat.shape[1] == 1 else flat
        if values.size == count:
            return np.repeat(values.ravel(), trials.lengths)
    lengths = {"bin": T, "trial": count} if trials.in_trials else {"bin": T}
    wanted = ("trial", "bin", "value") if trials.in_trials else ("bin", "value")
    if axes is None and trials.in_trials and values.ndim == 1 and len(values) == count * T:
        return values  # all frames, one trial after the other
    order = _axes_by_length(key, values.shape, lengths, wanted, given=axes)
    for axis in wanted:
        if axis not in order:
            values, order = values[..., None], (*order, axis)
    values = values.transpose([order.index(axis) for axis in wanted])
    values = values if trials.in_trials else values[None]
    values = np.broadcast_to(values, (values.shape[0], T, values.shape[2]))
    flat = np.broadcast_to(values, (count, T, values.shape[2])).reshape(count * T, values.shape[2])
    return flat[:, 0] if flat.shape[1] == 1 else flat


def _axes_by_length(
    key: str,
    shape: tuple[int, ...],
    lengths: Mapping[str, int],
    wanted: tuple[str, ...],
    *,
    given: Sequence[str] | None,
) -> tuple[str, ...]:
    """Returns the order of axes that is given, or the only one that the lengths allow."""
    orders = _possible_orders(shape, lengths, wanted)
    if given is not None and tuple(given) not in orders:
        raise ValueError(
            f"Expected behaviour '{key}' to have the axes {','.join(given)} (its shape {list(shape)} does not fit)."
        )
    if given is not None:
        return tuple(given)
    full = {order for order in orders if set(lengths) <= set(order)} or orders
    if not full:
        needed = " and ".join(f"{length} {axis}s" for axis, length in lengths.items())
        raise ValueError(
            f"Expected an axis of the activity's {needed} in behaviour '{key}' (got shape {list(shape)}); "
            "--behaviour-times names a clock of its own."
        )
    if len(full) > 1:
        raise ValueError(
            f"Expected behaviour '{key}' to fit one order of axes (its shape {list(shape)} fits several); give "
            f"--behaviour-axes {' or '.join(','.join(order) for order in sorted(full))}."
        )
    return full.pop()


def _possible_orders(
    shape: tuple[int, ...], lengths: Mapping[str, int], wanted: tuple[str, ...]
) -> set[tuple[str, ...]]:
    """Returns all orders of axes that fit a shape and hold a value for each bin or each trial."""
    orders: set[tuple[str, ...]] = {()}
    for length in shape:
        orders = {
            (*order, axis)
            for order in orders
            for axis in wanted
            if axis not in order and lengths.get(axis, length) == length
        }
    return {order for order in orders if "bin" in order or "trial" in order}
