"""Runs of a session of Bugeon et al.: frames, and behaviours brought onto them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.intake.behaviours import Columns, NotRecorded, OnFrames, Series
from synapsnet_pyg.intake.clocks import Frames, frames
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.readers.mapped_arrays import mapped_numbers

BEHAVIOUR = {
    "running speed": ("running.speed", "running.times"),
    "pupil size": ("eye.size", "eye.times"),
    "gaze x": ("eye.xPos", "eye.times"),
    "gaze y": ("eye.yPos", "eye.times"),
}
"""Name of a behaviour -> stems of the files of its samples and its clock."""

_SAME_RATE = 0.05
"""Largest relative difference of the frame durations of runs that are joined."""


class Run(NamedTuple):
    """Frames of one run."""

    folder: Path
    """Folder of the run."""
    activity: np.ndarray
    """Activity [N, T]."""
    clock: Frames
    """Frames with their times, T of them, and the blocks without a gap."""
    stored: int
    """Number of frames in the files, of which T have a time."""


class _RunGrid(NamedTuple):
    """Frames of a run as bins that behaviours are brought onto."""

    bin_size: float
    """Duration of a frame in seconds."""
    segment: np.ndarray
    """First frame and end of each block without a gap [S, 2]."""
    centres: np.ndarray
    """Time of each frame in seconds [T]."""


@dataclass(frozen=True)
class AtFrames(OnFrames):
    """Behaviour with a value for each frame, and where it was recorded.

    Args:
        recorded: True where it was recorded :math:`(T)`.
    """

    recorded: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def joined(self, frame: np.ndarray, segment: np.ndarray) -> Columns:
        """Returns the behaviour in bins that join frames."""
        return Columns([self.name], self.values[frame].mean(1)[:, None], self.recorded[frame].any(1)[:, None])


def read_run(folder: Path, neurons: int) -> Run | None:
    """Reads the frames of a run.

    Args:
        folder: Folder of the run.
        neurons: Number of neurons of the session.

    Returns:
        None, with a warning, unless the run has as many neurons and two frames.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or there are not as many times as frames.
    """
    path = folder / "frame.neuralActivity.npy"
    activity = mapped_numbers(path, 2)
    times = np.asarray(mapped_numbers(folder / "frame.times.npy", 1))
    if activity.shape[1] != neurons and activity.shape == (neurons, len(times)):
        warn(f"'{path}' has axes [neuron, frame] and was transposed to [frame, neuron].")
        activity = activity.T
    if activity.shape[1] != neurons:
        warn(f"'{folder}' is left out: it has {activity.shape[1]} neurons, the session {neurons}.")
        return None
    if len(activity) != len(times):
        raise ValueError(
            f"Expected a time in 'frame.times.npy' for each of the {len(activity)} frames of '{path}' "
            f"(got {len(times)})."
        )
    if len(times) < 2:
        warn(f"'{folder}' is left out: it has {len(times)} frames.")
        return None
    try:
        clock = frames(times, f"'{folder / 'frame.times.npy'}'")
    except ValueError as error:  # its hint names an option that this data set has not
        raise ValueError(str(error).partition("; give --sampling-rate")[0].rstrip(".") + ".") from None
    return Run(folder, np.asarray(activity[clock.frame], dtype=np.float32).T, clock, len(activity))


def of_one_rate(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs at the frame rate of most frames; the others are left out with a warning."""
    rates = np.array([1 / run.clock.bin_size for run in runs])
    votes = [
        sum(len(other.clock.times) for other, rate in zip(runs, rates, strict=True) if _alike(rate, own))
        for own in rates
    ]
    usual = rates[int(np.argmax(votes))]
    for run, rate in zip(runs, rates, strict=True):
        if not _alike(rate, usual):
            warn(
                f"'{run.folder}' is left out: it has {rate:.3g} frames a second, other runs {usual:.3g}; the bins of a "
                "session are equal."
            )
    return [run for run, rate in zip(runs, rates, strict=True) if _alike(rate, usual)]


def _alike(rate: float, other: float) -> bool:
    """Returns True for two frame rates that differ by little."""
    return abs(rate - other) <= _SAME_RATE * max(rate, other)


def behaviour_of(runs: Sequence[Run], name: str) -> AtFrames:
    """Returns a behaviour at the frames of all runs; a run without it is marked as not recorded.

    Args:
        runs: Runs of a session.
        name: Key of :data:`BEHAVIOUR`.

    Raises:
        ValueError: A file is damaged, or values and times differ in number.
    """
    parts = [_behaviour_in(run, name) for run in runs]
    values, recorded = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return AtFrames(name, values, recorded=recorded)


def _behaviour_in(run: Run, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns a behaviour at the frames of a run [T], and where it was recorded [T]."""
    grid = _RunGrid(run.clock.bin_size, run.clock.segment, run.clock.times)
    values, times = (run.folder / f"{stem}.npy" for stem in BEHAVIOUR[name])
    series: Series | NotRecorded = NotRecorded(name)
    if not values.is_file() or not times.is_file():
        fetch = "; 'datalad get' fetches it" if values.is_symlink() or times.is_symlink() else ""
        warn(f"'{run.folder}' has no {name} ({values.name}, {times.name}){fetch}.")
    else:
        samples, clock = (np.asarray(mapped_numbers(path, 1), dtype=np.float64) for path in (values, times))
        if len(samples) != len(clock):
            raise ValueError(
                f"Expected as many times in '{times}' as values in '{values.name}' (got {len(clock)} and "
                f"{len(samples)})."
            )
        empty = next((path for path, own in ((values, samples), (times, clock)) if not np.isfinite(own).any()), None)
        if empty is not None:
            warn(f"'{empty}' holds no number; {name} is marked as not recorded.")
        else:
            series = Series(name, samples, clock, label=f"'{values}'")
    columns = series.on(grid)
    return columns.values[:, 0], columns.recorded[:, 0]


def states_of(runs: Sequence[Run], names: Sequence[str]) -> list[AtFrames]:
    """Returns an indicator of each brain state at the frames of all runs.

    Args:
        runs: Runs of a session.
        names: Name of each state, by its number. Other numbers that occur become states without a name.

    Raises:
        ValueError: A file is damaged, or there are not as many states as frames.
    """
    states = np.concatenate([_states_in(run) for run in runs])
    recorded = np.isfinite(states)
    found = {int(code) if float(code).is_integer() else code for code in np.unique(states[recorded]).tolist()}
    unknown = sorted(found - set(range(len(names))))
    labels = [*enumerate(names), *((code, f"state {code:g}") for code in unknown)]
    if unknown:
        shown = ", ".join(f"{code:g}" for code in unknown)
        warn(f"states {shown} have no name among {', '.join(names)}; each is a behaviour 'state ...' of its own.")
    return [AtFrames(label, (states == code).astype(np.float64), recorded=recorded) for code, label in labels]


def _states_in(run: Run) -> np.ndarray:
    """Reads the state of each frame of a run [T]; NaN where it is missing."""
    path = run.folder / "frame.states.npy"
    if not path.is_file():
        warn(f"'{run.folder}' has no states ({path.name}).")
        return np.full(len(run.clock.times), np.nan)
    states = np.asarray(mapped_numbers(path, 1), dtype=np.float64)
    if len(states) != run.stored:
        raise ValueError(f"Expected a state for each of the {run.stored} frames in '{path}' (got {len(states)}).")
    return states[run.clock.frame]
