"""Two-photon calcium imaging with transcriptomic cell types (Bugeon et al. 2022)."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.array_files import load_lines, load_npy, load_numbers
from synapsnet_pyg.datasets.download import figshare
from synapsnet_pyg.datasets.recordings import LeftOutError, RecordingDataset, listed, require_folder, without_nan
from synapsnet_pyg.datasets.time_bins import frames, onto, warn

STIMULI = {"natural scenes": "Natural Scenes", "drifting gratings": "Drifting Gratings", "spontaneous": "Blank"}
"""Name of a stimulus -> name of its folder."""

BEHAVIOUR = {
    "running speed": ("running.speed", "running.times"),
    "pupil size": ("eye.size", "eye.times"),
    "gaze x": ("eye.xPos", "eye.times"),
    "gaze y": ("eye.yPos", "eye.times"),
}
"""Name of a behaviour -> stems of the files of its samples and its clock."""

_STATES = ("running", "stationary desynchronised", "stationary synchronised")


class _Run(NamedTuple):
    """Recording of one run."""

    activity: np.ndarray
    """Activity [N, T]."""
    behaviour: list[np.ndarray | None]
    """Time series [T] of each behaviour; None for a missing behaviour."""
    segment: np.ndarray
    """First frame and end of each block without a gap [S, 2]."""
    bin_size: float
    """Median duration of a frame in seconds."""


class Bugeon(RecordingDataset):
    """Calcium activity of mouse V1: 4 mice, 17 sessions, 178 to 868 neurons each, about 4.3 frames a second.

    The folder has the files ``<mouse>/<date>/<stimulus folder>/<run>/frame.neuralActivity.npy`` and others beside them,
    as unpacked from figshare 19448531. Frames are bins; the runs of a stimulus are segments of one session.

    - *Behaviour* has its own clocks and is interpolated at the frames. Blinks (NaN in the pupil) are filled with a
      warning. A behaviour that a run lacks gets the mean of the session's other runs, or zero, with a warning.
    - *Neuron ids* are ``"<mouse>/<id>"`` for a finite ``neuron.UniqueID``, which stands for the same neuron in all
      sessions of the mouse. A neuron with NaN there belongs to one session only.
    - *Neuron fields* are ``cell_type``, ``subclass`` (the cell type before the first ``-``), ``ei`` (``E`` for subclass
      EC, else ``I``), ``position`` (x, y of the reference stack and depth, micrometres), ``depth`` and ``plane``.
    - Runs with another number of neurons than the session, and neurons that hold NaN, are left out with a warning.

    Args:
        root: Folder of the mice.
        stimulus: One or several of ``"natural scenes"``, ``"drifting gratings"`` and ``"spontaneous"``. Sessions
            without any of them are left out.
        behaviour: Some of ``"running speed"``, ``"pupil size"``, ``"gaze x"`` and ``"gaze y"``.
        states: Whether to add three behaviours that indicate the brain state of each frame by 0 and 1: running,
            stationary desynchronised, stationary synchronised.
        gene_counts: Whether to add the neuron field ``gene_count`` (N, genes).
        sessions: Names of sessions, such as ``"SB025-2019-10-23"``, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``root/processed``.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.

    Raises:
        FileNotFoundError: There is no session, or a file is missing.
        ValueError: A file is damaged or has a wrong shape; the message names it.

    References:
        Bugeon et al., "A transcriptomic axis predicts state modulation of cortical interneurons", Nature 607 (2022).

    Example:
        >>> Bugeon("data/bugeon", stimulus="spontaneous")[0]  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        stimulus: str | Sequence[str] = "natural scenes",
        *,
        behaviour: Sequence[str] = ("running speed", "pupil size"),
        states: bool = False,
        gene_counts: bool = False,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        self.stimuli, self.behaviour = listed(stimulus), listed(behaviour)
        for label, names, known in (("stimuli", self.stimuli, STIMULI), ("behaviours", self.behaviour, BEHAVIOUR)):
            if not set(names) <= set(known):
                raise ValueError(f"Expected {label} among {', '.join(known)} (got {', '.join(names)}).")
        self.states, self.gene_counts = states, gene_counts
        super().__init__(root, sessions, processed=processed, jobs=jobs, transform=transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns the files of every mouse and date with a run."""
        require_folder(root, "fetch it with Bugeon.download(root) or 'synapsnet download bugeon'")
        runs: dict[Path, list[Path]] = {}
        for path in sorted(root.rglob("frame.neuralActivity.npy")):
            runs.setdefault(path.parents[2], []).append(path.parent)
        sources: dict[str, list[Path]] = {}
        for date, own in runs.items():
            files = [path for folder in (date, *own) for path in sorted(folder.iterdir()) if path.is_file()]
            names = date.parents[1] / "states.names.txt"
            sources[f"{date.parent.name}-{date.name}"] = files + ([names] if names.is_file() else [])
        return sources

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads the runs of one session."""
        all_runs = [path.parent for path in files if path.name == "frame.neuralActivity.npy"]
        runs = [run for stimulus in self.stimuli for run in all_runs if run.parent.name == STIMULI[stimulus]]
        if not runs:
            raise LeftOutError(f"it has no {' or '.join(self.stimuli)}")
        date = runs[0].parents[1]
        types = load_lines(date / "neuron.ttype.txt")
        read = [part for part in (self._run(run, len(types)) for run in runs) if part is not None]
        if not read:
            raise LeftOutError(f"no run has the {len(types)} neurons of 'neuron.ttype.txt'")
        activity = np.concatenate([part.activity for part in read], axis=1)
        good = without_nan(activity, "neurons")
        if not good.any():
            raise LeftOutError("every neuron holds NaN in some 'frame.neuralActivity.npy'")
        names, behaviour = self._behaviours(read, date.parents[1])
        segments, first = [], 0
        for part in read:
            segments.append(part.segment + first)
            first += part.activity.shape[1]
        known = {key: entries[good] for key, entries in self._neuron_fields(date, types).items()}
        ids = np.array(self._ids(date, name, len(types)))[good]
        return Session(
            torch.from_numpy(np.ascontiguousarray(activity[good], dtype=np.float32)),
            torch.from_numpy(behaviour.astype(np.float32)),
            bin_size=float(np.median([part.bin_size for part in read])),
            segment=torch.from_numpy(np.concatenate(segments).astype(np.int64)),
            neuron_id=ids.tolist(),
            behaviour_name=names,
            name=name,
            **known,
        )

    def _run(self, run: Path, N: int) -> _Run | None:
        """Reads one run; returns None, with a warning, unless it has N neurons and two frames."""
        path = run / "frame.neuralActivity.npy"
        activity = load_numbers(path, 2)
        times = load_numbers(run / "frame.times.npy", 1)
        if activity.shape[1] != N and activity.shape == (N, len(times)):
            warn(f"'{path}' has axes [neuron, frame] and was transposed to [frame, neuron].")
            activity = activity.T
        if activity.shape[1] != N:
            warn(f"'{run}' is left out: it has {activity.shape[1]} neurons, the session {N}.")
            return None
        if len(activity) != len(times):
            raise ValueError(
                f"Expected a time in 'frame.times.npy' for each of the {len(activity)} frames of '{path}' "
                f"(got {len(times)})."
            )
        if len(times) < 2:
            warn(f"'{run}' is left out: it has {len(times)} frames.")
            return None
        clock = frames(times, f"'{run / 'frame.times.npy'}'")
        behaviour = [self._behaviour_at(clock.times, run, name) for name in self.behaviour]
        if self.states:
            behaviour += self._states_of(run, len(times), clock.order)
        return _Run(activity[clock.order].T, behaviour, clock.segment, clock.bin_size)

    def _behaviour_at(self, at: np.ndarray, run: Path, name: str) -> np.ndarray | None:
        """Interpolates a behaviour of a run at the frames' times; returns None, with a warning, if it is missing."""
        values, times = (run / f"{stem}.npy" for stem in BEHAVIOUR[name])
        if not values.is_file() or not times.is_file():
            warn(f"'{run}' has no {name} ({values.name}, {times.name}).")
            return None
        samples, clock = load_numbers(values, 1), load_numbers(times, 1)
        if len(samples) != len(clock):
            raise ValueError(
                f"Expected as many times in '{times}' as values in '{values.name}' "
                f"(got {len(clock)} and {len(samples)})."
            )
        for path, numbers in ((values, samples), (times, clock)):
            if not np.isfinite(numbers).any():
                warn(f"'{path}' holds no number.")
                return None
        return onto(at, clock, samples, f"'{values}'")

    def _states_of(self, run: Path, T: int, order: np.ndarray) -> list[np.ndarray | None]:
        """Reads the indicator of each brain state in a run; returns None for each if states are missing."""
        path = run / "frame.states.npy"
        if not path.is_file():
            warn(f"'{run}' has no states ({path.name}).")
            return [None] * len(_STATES)
        states = load_numbers(path, 1)
        if len(states) != T:
            raise ValueError(f"Expected a state for each of the {T} frames in '{path}' (got {len(states)}).")
        return [(states[order] == code).astype(float) for code in range(len(_STATES))]

    def _behaviours(self, read: list[_Run], root: Path) -> tuple[list[str], np.ndarray]:
        """Returns names [K] and behaviours [T, K] of all runs; a missing behaviour gets the mean of the other runs."""
        names = list(self.behaviour)
        if self.states:
            path = root / "states.names.txt"
            lines = load_lines(path) if path.is_file() else []
            names += lines if len(lines) == len(_STATES) else list(_STATES)
        lengths, columns = [run.activity.shape[1] for run in read], []
        for k, name in enumerate(names):
            series = [run.behaviour[k] for run in read]
            present = [values for values in series if values is not None]
            mean = float(np.concatenate(present).mean()) if present else 0.0
            if len(present) < len(read):
                warn(f"{name} is taken as {mean:.3g} throughout {len(read) - len(present)} of {len(read)} runs.")
            complete = [np.full(T, mean) if c is None else c for T, c in zip(lengths, series, strict=True)]
            columns.append(np.concatenate(complete))
        return names, np.stack(columns, axis=1) if columns else np.zeros((sum(lengths), 0))

    def _ids(self, date: Path, name: str, N: int) -> list[str]:
        """Returns an id for each of N neurons."""
        path = date / "neuron.UniqueID.npy"
        if path.is_file():
            unique = _per_neuron(path, N)
        else:
            warn(f"'{date}' has no neuron.UniqueID.npy: its neurons are taken as new.")
            unique = np.full(N, np.nan)
        ids, seen = [], set()
        for row, number in enumerate(unique.tolist()):
            known = np.isfinite(number) and number not in seen
            if np.isfinite(number) and not known:
                warn(f"'{path}' names {number:g} twice; the second is taken as a new neuron.")
            seen.add(number)
            # 17 digits distinguish all whole numbers that a float can hold.
            ids.append(f"{date.parent.name}/{number:.17g}" if known else f"{name}/{row}")
        return ids

    def _neuron_fields(self, date: Path, types: list[str]) -> dict[str, np.ndarray]:
        """Reads the fields of the neurons of a session."""
        N = len(types)
        subclass = [name.split("-")[0] for name in types]
        known: dict[str, np.ndarray] = {
            "cell_type": np.array(types, dtype=np.str_),
            "subclass": np.array(subclass, dtype=np.str_),
            "ei": np.array(["E" if name == "EC" else "I" for name in subclass], dtype=np.str_),
        }
        for field, stem in (("depth", "neuron.depth"), ("plane", "neuron.plane")):
            if (date / f"{stem}.npy").is_file():
                known[field] = _per_neuron(date / f"{stem}.npy", N)
        path = date / "neuron.stackPosCorrected.npy"
        if path.is_file():
            stack = load_numbers(path, 2)
            if len(stack) != N or stack.shape[1] < 2:
                raise ValueError(f"Expected x and y of {N} neurons in '{path}' (got shape {list(stack.shape)}).")
            depth = known.get("depth", np.full(N, np.nan))
            known["position"] = np.column_stack([stack[:, :2], depth])
        if self.gene_counts:
            path = date / "neuron.gene_count.npy"
            counts = load_numbers(path, 2)
            if len(counts) != N:
                raise ValueError(f"Expected genes of {N} neurons in '{path}' (got shape {list(counts.shape)}).")
            known["gene_count"] = counts
        return known

    @classmethod
    def download(cls, root: str | os.PathLike[str], sessions: Iterable[str] = (), *, source: str | None = None) -> None:
        """Fetches and unpacks figshare 19448531 with a progress bar; an interrupted download continues.

        Args:
            root: Folder to fill.
            sessions: Unused, since the archives hold all sessions.
            source: Unused; figshare is the only source.

        Raises:
            OSError: figshare cannot be reached; the message describes a download by hand.
            ValueError: A file differs from the published one.
        """
        figshare(19448531, Path(root))


def _per_neuron(path: Path, N: int) -> np.ndarray:
    """Reads a number for each neuron [N] from an array (N) or (N, 1)."""
    values = load_npy(path)
    if values.dtype.kind not in "fiub" or values.size != N:
        raise ValueError(
            f"Expected {N} numbers in '{path}', as many as lines in 'neuron.ttype.txt' "
            f"(got {values.dtype} {list(values.shape)})."
        )
    return values.ravel().astype(np.float64)
