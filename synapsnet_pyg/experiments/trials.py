"""Trials: one method on one system, as jobs that are done once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.files.archives import read_npz

Arrays = Mapping[str, np.ndarray]
"""Name -> array, for the figure of an experiment."""

Scores = Mapping[str, float]
"""Name of a score -> its value."""


class Outcome(NamedTuple):
    """Scores of a method on a system."""

    scores: Sequence[Scores]
    """Scores of each seed; NaN is a score that is not defined."""
    arrays: Arrays = MappingProxyType({})
    """Arrays of the first seed."""

    def to_json(self) -> dict[str, Any]:
        """Returns the scores of each seed that are defined; arrays are kept beside them."""
        return {
            "seeds": [{name: value for name, value in scores.items() if math.isfinite(value)} for scores in self.scores]
        }


class Trial(NamedTuple):
    """A method on a system, from all its seeds."""

    case: str
    """Name of the system."""
    method: str
    """Name of the method."""
    find: Callable[[], Outcome]
    """Function that does the work; cloudpickle can send it to another process."""


@dataclass(frozen=True)
class TrialJob:
    """A trial with a folder of its own, a :class:`~synapsnet_pyg.benchmarks.jobs.Job`.

    Args:
        folder: Folder of the job alone; ``arrays.npz`` in it has the arrays of the outcome.
        case: Name of the system.
        method: Name of the method.
        parameters: Settings of the experiment that decide the numbers, ready for JSON.
        find: Function that does the work.
    """

    folder: Path
    case: str
    method: str
    parameters: Mapping[str, object]
    find: Callable[[], Outcome]

    def settings(self) -> dict[str, Any]:
        """Returns system, method and the settings of the experiment."""
        return {"case": self.case, "method": self.method, **self.parameters}

    def run(self) -> Outcome:
        """Does the work and writes the arrays, before the engine writes the scores."""
        outcome = self.find()
        with atomic_path(self.folder / "arrays.npz") as temporary:
            np.savez_compressed(temporary, **outcome.arrays)  # type: ignore[arg-type]
        return outcome

    def read(self, values: Mapping[str, Any]) -> Outcome | None:
        """Returns the outcome; None if its arrays are missing."""
        path = self.folder / "arrays.npz"
        if not path.is_file():
            return None
        return Outcome(values["seeds"], read_npz(path, (), "file of arrays"))

    def describe(self, result: Outcome) -> str:
        """Returns the mean of each score over seeds."""
        return ", ".join(f"{name} {np.mean(values):.3f}" for name, values in values_by_score(result.scores).items())


def values_by_score(scores: Sequence[Scores]) -> dict[str, list[float]]:
    """Returns the values of each score over the seeds in which it is defined.

    Args:
        scores: Scores of each seed.

    Example:
        >>> values_by_score([{"R2": 0.5}, {"R2": 0.75, "change": 0.25}])
        {'R2': [0.5, 0.75], 'change': [0.25]}
    """
    values: dict[str, list[float]] = {}
    for of_seed in scores:
        for name, value in of_seed.items():
            values.setdefault(name, []).append(value)
    return values
