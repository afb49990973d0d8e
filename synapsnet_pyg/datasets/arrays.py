"""A lab's own arrays, in .npz, .npy, .mat (v5 and v7.3) or .h5, as a session."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.session import Session

AXES = (("neuron", "bin"), ("bin", "neuron"), ("trial", "neuron", "bin"), ("trial", "bin", "neuron"))


class DataWarning(UserWarning):
    """Something in a recording that its owner should know of."""


def read_arrays(
    source: str | Path,
    activity: str | None,
    axes: Sequence[str],
    bin_size: float,
    behaviour: Sequence[str] = (),
    behaviour_axes: Sequence[str] | None = None,
    fields: dict[str, str] | None = None,
    neuron_ids: str | None = None,
    rebin: int = 1,
    rebin_mean: bool = False,
    name: str | None = None,
) -> Session:
    """Reads arrays of one file into a session.

    Neurons that hold NaN are left out with a warning, as are bins in which every neuron is NaN, which end a segment;
    NaN in behaviour is filled by linear interpolation. Silent and constant neurons are kept and told.

    Args:
        source: ``.npz``, ``.npy`` (activity alone), ``.mat`` or ``.h5``; keys of HDF5 groups are joined by ``/``.
        activity: Key of the activity; None for ``.npy``.
        axes: Its axes in order, one of :data:`AXES`; trials become segments.
        bin_size: Seconds a bin *as stored*; after rebinning it is ``rebin`` times as long.
        behaviour: Keys of what all neurons share; each has an axis as long as the activity's bins (and one as long as
            its trials), found by length. A value a trial holds for all its bins.
        behaviour_axes: The order of the behaviours' axes, of ``trial``, ``bin`` and ``value``, where lengths leave it
            open.
        fields: What is known of each neuron: name in the session -> key.
        neuron_ids: Key of the neurons' ids; None: name and row.
        rebin: Bins to join into one; what is left over at the end of a segment is dropped.
        rebin_mean: Average joined activity instead of adding it up (for dF/F; counts are added).
        name: Of the session; None: the file's stem.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A key is missing, a length does not fit, or the file cannot be read; the message says what is there.
    """
    source = Path(source)
    axes = tuple(axes)
    if axes not in AXES:
        raise ValueError(f"Expected axes among {'; '.join(','.join(a) for a in AXES)} (got {','.join(axes)}).")
    if rebin < 1:
        raise ValueError(f"Expected to join at least 1 bin (got rebin {rebin}).")
    name = source.stem if name is None else name
    with _Source(source) as file:
        values = file.numbers(activity)
        if values.ndim != len(axes):
            raise ValueError(
                f"Expected {len(axes)} axes ({','.join(axes)}) in '{activity}' of '{source}' "
                f"(got shape {list(values.shape)})."
            )
        trials = values.shape[0] if axes[0] == "trial" else None
        # [trials, N, bins of a trial], one trial for a continuous recording.
        values = np.moveaxis(values, axes.index("neuron"), -2)
        values = values if trials is not None else values[None]
        shared = [_Behaviour(key, file.numbers(key), trials, values.shape[-1], behaviour_axes) for key in behaviour]
        known: dict[str, Any] = {field: file.per_neuron(key, values.shape[1]) for field, key in (fields or {}).items()}
        ids = None if neuron_ids is None else file.per_neuron(neuron_ids, values.shape[1])
    N, length = values.shape[1], values.shape[2]
    over_time = np.concatenate([b.values for b in shared], axis=-1) if shared else np.zeros((len(values), length, 0))
    names = [n for b in shared for n in b.names]
    values = values.astype(np.float32)
    segments, activity_parts, behaviour_parts = [], [], []
    stop = 0
    over_time = _filled(over_time, names)
    for trial, covariate in zip(values, over_time, strict=True):
        for begin, end in _stretches(trial):
            joined = (end - begin) // rebin
            if joined:
                used = slice(begin, begin + joined * rebin)
                blocks = trial[:, used].reshape(N, joined, rebin)
                activity_parts.append(blocks.mean(-1) if rebin_mean else blocks.sum(-1))
                behaviour_parts.append(covariate[used].reshape(joined, rebin, -1).mean(1))
                segments.append((stop, stop + joined))
                stop += joined
    if not segments:
        raise ValueError(f"Expected activity in '{source}' (every bin is NaN, or shorter than the bins to join).")
    if len(segments) > len(values):
        warnings.warn(
            f"{len(segments) - len(values)} gaps, in which all neurons are NaN, were cut out and end a segment.",
            DataWarning,
            stacklevel=2,
        )
    recorded = np.concatenate(activity_parts, axis=1)
    kept = np.isfinite(recorded).all(axis=1)
    _tell_of_neurons(recorded, kept)
    if not kept.any():
        raise ValueError(f"Expected at least one neuron without NaN in '{source}' (all {N} hold some); fill the gaps.")
    if ids is None:
        ids = [f"{name}/{i}" for i in range(N)]
    return Session.from_arrays(
        recorded[kept],
        np.concatenate(behaviour_parts),
        bin_size=bin_size * rebin,
        name=name,
        segment=np.array(segments),
        neuron_id=[str(ids[i]) for i in np.flatnonzero(kept)],
        behaviour_name=names,
        **{field: np.asarray(entries)[kept] for field, entries in known.items()},
    )


class _Behaviour:
    """One behaviour as [trials, bins, values], whichever way its axes lie."""

    def __init__(
        self, key: str, values: np.ndarray, trials: int | None, bins: int, order: Sequence[str] | None
    ) -> None:
        wanted = ("trial", "bin", "value") if trials is not None else ("bin", "value")
        lengths = {"bin": bins} | ({} if trials is None else {"trial": trials})
        self.key, self.shape = key, values.shape
        order = self._found(values.shape, lengths, wanted) if order is None else self._given(order, lengths, wanted)
        for axis in wanted:
            if axis not in order:
                values, order = values[..., None], (*order, axis)
        values = values.transpose([order.index(axis) for axis in wanted])
        if trials is None:
            values = values[None]
        self.values = np.broadcast_to(values, (values.shape[0], bins, values.shape[2])).astype(np.float64)
        count = self.values.shape[-1]
        self.names = [key] if count == 1 else [f"{key} {k}" for k in range(count)]

    def _found(self, shape: tuple[int, ...], lengths: dict[str, int], wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The one order of axes that the lengths allow."""
        orders: set[tuple[str, ...]] = set()

        def extend(order: tuple[str, ...]) -> None:
            if len(order) == len(shape):
                # A value for each bin, or for each trial.
                if "bin" in order or "trial" in order:
                    orders.add(order)
                return
            for axis in wanted:
                if axis not in order and lengths.get(axis, shape[len(order)]) == shape[len(order)]:
                    extend((*order, axis))

        extend(())
        full = {order for order in orders if set(lengths) <= set(order)} or orders
        if not full:
            told = " and ".join(f"{length} {axis}s" for axis, length in lengths.items())
            raise ValueError(
                f"Expected an axis of the activity's {told} in behaviour '{self.key}' (got shape {list(shape)})."
            )
        if len(full) > 1:
            raise ValueError(
                f"Behaviour '{self.key}' of shape {list(shape)} fits in several ways; say which with --behaviour-axes "
                + " or ".join(",".join(order) for order in sorted(full))
                + "."
            )
        return full.pop()

    def _given(self, order: Sequence[str], lengths: dict[str, int], wanted: tuple[str, ...]) -> tuple[str, ...]:
        order = tuple(order)
        fits = len(order) == len(self.shape) and len(set(order)) == len(order) and set(order) <= set(wanted)
        if not fits or any(lengths.get(axis, n) != n for axis, n in zip(order, self.shape, strict=True)):
            raise ValueError(
                f"Behaviour '{self.key}' of shape {list(self.shape)} does not have the axes {','.join(order)}."
            )
        return order


class _Source:
    """The arrays of one file by key, read when asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "_Source":
        if not self.path.is_file():
            raise FileNotFoundError(f"Expected a file of arrays (there is no file '{self.path}').")
        readers: dict[str, Callable[[], None]] = {
            ".npy": self._open_npy,
            ".npz": self._open_npz,
            ".mat": self._open_mat,
            ".h5": self._open_hdf5,
            ".hdf5": self._open_hdf5,
        }
        suffix = self.path.suffix.lower()
        if suffix not in readers:
            raise ValueError(f"Expected a file ending in {', '.join(readers)} (got '{self.path}').")
        self._file: h5py.File | None = None
        self.turned = False
        try:
            readers[suffix]()
        except ValueError as error:
            raise ValueError(f"'{self.path}' cannot be read: {error}") from None
        except Exception as error:  # each reader has its own ways to fail on a damaged file
            raise ValueError(f"'{self.path}' is damaged or no {suffix} file ({error}).") from None
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file is not None:
            self._file.close()

    def _open_npy(self) -> None:
        whole = np.load(self.path, allow_pickle=False)
        self.keys, self._get = ["activity"], lambda key: whole

    def _open_npz(self) -> None:
        archive = np.load(self.path, allow_pickle=False)
        self.keys, self._get = list(archive.files), lambda key: archive[key]

    def _open_mat(self) -> None:
        import scipy.io
        import scipy.sparse

        if h5py.is_hdf5(self.path):  # v7.3
            self._open_hdf5()
            self.turned = True  # MATLAB writes the first axis last
            return
        loaded = scipy.io.loadmat(self.path)
        self.keys = [key for key in loaded if not key.startswith("__")]
        # Spikes are often stored as a sparse matrix.
        self._get = lambda key: loaded[key].toarray() if scipy.sparse.issparse(loaded[key]) else loaded[key]

    def _open_hdf5(self) -> None:
        file = self._file = h5py.File(self.path, "r")
        self.keys = []

        def note(key: str, item: h5py.Dataset | h5py.Group) -> None:
            if isinstance(item, h5py.Dataset) or "MATLAB_sparse" in item.attrs:
                self.keys.append(key)

        file.visititems(note)
        self._get = lambda key: file[key][()] if isinstance(file[key], h5py.Dataset) else _sparse(file[key])

    def get(self, key: str | None) -> np.ndarray:
        """The array of a key."""
        if key is None and len(self.keys) == 1:
            key = self.keys[0]
        if key not in self.keys and self.path.suffix.lower() != ".npy":
            raise ValueError(f"Expected a key among {', '.join(sorted(self.keys))} in '{self.path}' (got '{key}').")
        try:
            array = np.asarray(self._get(str(key)))
        except Exception as error:  # pickled entries of npz, unreadable filters of HDF5
            raise ValueError(f"'{key}' of '{self.path}' cannot be read ({error}).") from None
        if self.turned and self._file is not None:
            array = self._matlab(array, str(key))
        return array

    def numbers(self, key: str | None) -> np.ndarray:
        """The array of a key, which must hold real numbers."""
        array = self.get(key)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"Expected real numbers in '{key}' of '{self.path}' (got {array.dtype}).")
        return array

    def per_neuron(self, key: str, N: int) -> Any:
        """An array with an entry for each neuron, along whichever axis is as long."""
        array = self.get(key)
        array = array.squeeze() if N > 1 else array.reshape(N, -1).squeeze(-1) if array.size == N else array
        if array.dtype == object:  # MATLAB's cell arrays
            array = np.array([str(np.asarray(entry).squeeze()) for entry in array.ravel()])
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8")
        fitting = [axis for axis, length in enumerate(array.shape) if length == N]
        if not fitting or array.ndim > 2:
            raise ValueError(
                f"Expected {N} entries, one a neuron, in '{key}' of '{self.path}' (got {list(array.shape)})."
            )
        array = np.moveaxis(array, fitting[0], 0)
        return np.char.strip(array) if array.dtype.kind == "U" else array

    def _matlab(self, array: np.ndarray, key: str) -> np.ndarray:
        """Turns what MATLAB v7.3 stores: axes reversed, texts as numbers, cells as references."""
        assert self._file is not None
        stored = self._file[key]
        if array.dtype == object:  # a cell array: references to one dataset an entry
            return np.array([self._matlab_entry(self._file[reference]) for reference in array.T.ravel()])
        if stored.attrs.get("MATLAB_class") == b"char":
            return np.array(["".join(chr(c) for c in row) for row in array.T])
        return array.T

    @staticmethod
    def _matlab_entry(entry: h5py.Dataset) -> str:
        values = entry[()]
        if entry.attrs.get("MATLAB_class") == b"char":
            return "".join(chr(c) for c in values.ravel())
        return str(values.squeeze())


def _sparse(group: h5py.Group) -> np.ndarray:
    """A sparse matrix of MATLAB v7.3 (columns compressed), its axes reversed like those of its other arrays."""
    start = group["jc"][()]
    rows, columns = int(group.attrs["MATLAB_sparse"]), np.repeat(np.arange(len(start) - 1), np.diff(start))
    matrix = np.zeros((len(start) - 1, rows))
    if len(columns):  # an empty one has no entries at all
        matrix[columns, group["ir"][()]] = group["data"][()]
    return matrix


def _stretches(trial: np.ndarray) -> list[tuple[int, int]]:
    """Runs of bins in which not every neuron is NaN, as (begin, end)."""
    seen = ~np.isnan(trial).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _filled(behaviour: np.ndarray, names: list[str]) -> np.ndarray:
    """Behaviour [trials, bins, values] with NaN interpolated along the bins."""
    bad = ~np.isfinite(behaviour)
    for k in np.flatnonzero(bad.any(axis=(0, 1))):
        warnings.warn(
            f"behaviour '{names[k]}' holds {int(bad[..., k].sum())} NaN, filled by linear interpolation.",
            DataWarning,
            stacklevel=3,
        )
        course, missing = behaviour[..., k].ravel(), bad[..., k].ravel()
        if missing.all():
            raise ValueError(f"Expected numbers in behaviour '{names[k]}' (all are NaN); leave it out.")
        course[missing] = np.interp(np.flatnonzero(missing), np.flatnonzero(~missing), course[~missing])
        behaviour[..., k] = course.reshape(bad.shape[:2])
    return behaviour


def _tell_of_neurons(activity: np.ndarray, kept: np.ndarray) -> None:
    """Warns of neurons that hold NaN, are silent (all zero) or constant (all the same)."""
    constant = np.zeros(len(activity), bool)
    constant[kept] = np.ptp(activity[kept], axis=1) == 0
    silent = constant & (activity[:, 0] == 0)
    for which, what in (
        (~kept, "hold NaN and are left out"),
        (silent, "are silent: no score will count them"),
        (constant & ~silent, "are constant: no score will count them"),
    ):
        rows = np.flatnonzero(which)
        if len(rows):
            shown = ", ".join(map(str, rows[:8])) + (" ..." if len(rows) > 8 else "")
            warnings.warn(f"{len(rows)} of {len(activity)} neurons (rows {shown}) {what}.", DataWarning, stacklevel=3)
