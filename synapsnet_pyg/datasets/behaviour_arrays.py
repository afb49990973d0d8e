"""Behaviour from a lab's own arrays, in the bins of the activity or with its own clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.time_bins import onto, warn


class Behaviours(NamedTuple):
    """Behaviours of all bins, with their names."""

    names: list[str]
    """Name of each behaviour."""
    values: np.ndarray
    """Values [..., T, K]."""


@dataclass(frozen=True)
class BehaviourSource:
    """Keys of the behaviours in a file, and their axes or clock.

    Args:
        keys: Keys of variables that all neurons share.
        axes: Order of the axes of each behaviour, among ``trial``, ``bin`` and ``value``. None: the only order that
            fits the lengths.
        times: Key of the clock of the behaviours in seconds. None: there is a sample for each bin or each trial.
    """

    keys: Sequence[str] = ()
    axes: Sequence[str] | None = None
    times: str | None = None

    def on_bins(self, file: ArrayFile, trials: int | None, bins: int) -> Behaviours:
        """Reads behaviours with a sample for each bin or each trial, as [trials, bins, K].

        Args:
            file: Opened file.
            trials: Number of trials. None: a continuous recording, which counts as one trial.
            bins: Number of bins of a trial.

        Raises:
            ValueError: A key is missing, or the lengths fit no order of axes or several.
        """
        lengths = {"bin": bins} if trials is None else {"bin": bins, "trial": trials}
        parts = [_aligned(key, file.numbers(key), lengths, self.axes) for key in self.keys]
        names = [name for part in parts for name in part.names]
        values = np.concatenate([part.values for part in parts], -1) if parts else np.zeros((trials or 1, bins, 0))
        return Behaviours(names, _without_gaps(values, names))

    def on_clock(self, file: ArrayFile, at: np.ndarray) -> Behaviours:
        """Reads behaviours with their own clock and interpolates them at other times, as [T, K].

        Args:
            file: Opened file.
            at: Wanted times in seconds [T].

        Raises:
            ValueError: A key is missing, or lengths do not fit the clock.
        """
        names: list[str] = []
        columns: list[np.ndarray] = []
        times = file.numbers(self.times).ravel() if self.keys else np.zeros(0)
        for key in self.keys:
            values = file.numbers(key)
            values = values.T if values.ndim == 2 and values.shape[0] != len(times) else values
            if values.ndim not in (1, 2) or values.shape[0] != len(times):
                raise ValueError(
                    f"Expected an axis of the {len(times)} times of '{self.times}' in '{key}' "
                    f"(got shape {list(values.shape)})."
                )
            values = values.reshape(len(times), -1)
            for name, column in zip(_names(key, values.shape[1]), values.T, strict=True):
                names.append(name)
                columns.append(onto(at, times, column, f"'{name}' of '{file.path}'"))
        return Behaviours(names, np.stack(columns, axis=1) if columns else np.zeros((len(at), 0)))


def _names(key: str, count: int) -> list[str]:
    """Returns a name for each column of a behaviour."""
    return [key] if count == 1 else [f"{key} {k}" for k in range(count)]


def _aligned(key: str, values: np.ndarray, lengths: Mapping[str, int], axes: Sequence[str] | None) -> Behaviours:
    """Returns one behaviour as [trials, bins, values], from any order of axes."""
    wanted = ("trial", "bin", "value") if "trial" in lengths else ("bin", "value")
    order = _axes_by_length(key, values.shape, lengths, wanted) if axes is None else tuple(axes)
    _check_axes(key, values.shape, lengths, order)
    for axis in wanted:
        if axis not in order:
            values, order = values[..., None], (*order, axis)
    values = values.transpose([order.index(axis) for axis in wanted])
    if "trial" not in lengths:
        values = values[None]
    values = np.broadcast_to(values, (values.shape[0], lengths["bin"], values.shape[2])).astype(np.float64)
    return Behaviours(_names(key, values.shape[-1]), values)


def _axes_by_length(
    key: str, shape: tuple[int, ...], lengths: Mapping[str, int], wanted: tuple[str, ...]
) -> tuple[str, ...]:
    """Returns the only order of axes that the lengths allow."""
    orders = _possible_orders(shape, lengths, wanted)
    full = {order for order in orders if set(lengths) <= set(order)} or orders
    if not full:
        needed = " and ".join(f"{length} {axis}s" for axis, length in lengths.items())
        raise ValueError(f"Expected an axis of the activity's {needed} in behaviour '{key}' (got shape {list(shape)}).")
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


def _check_axes(key: str, shape: tuple[int, ...], lengths: Mapping[str, int], order: tuple[str, ...]) -> None:
    """Raises an error unless axes are different, known and of the recording's lengths."""
    fits = len(order) == len(shape) and len(set(order)) == len(order) and set(order) <= {*lengths, "value"}
    if not fits or any(lengths.get(axis, n) != n for axis, n in zip(order, shape, strict=True)):
        raise ValueError(
            f"Expected behaviour '{key}' to have the axes {','.join(order)} (its shape {list(shape)} does not fit)."
        )


def _without_gaps(behaviour: np.ndarray, names: list[str]) -> np.ndarray:
    """Returns behaviour [trials, bins, K] with NaN interpolated along the bins, and warns of them."""
    bad = ~np.isfinite(behaviour)
    for k in np.flatnonzero(bad.any(axis=(0, 1))):
        warn(f"behaviour '{names[k]}' holds {int(bad[..., k].sum())} NaN, filled by linear interpolation.")
        series, missing = behaviour[..., k].ravel(), bad[..., k].ravel()
        if missing.all():
            raise ValueError(f"Expected numbers in behaviour '{names[k]}' (all are NaN); leave it out.")
        series[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), series[~missing])
        behaviour[..., k] = series.reshape(bad.shape[:2])
    return behaviour
