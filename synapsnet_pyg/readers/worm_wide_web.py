"""Worms of WormWideWeb (Atanas & Kim et al. 2023): traces, names and behaviour in JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.intake.behaviours import OnFrames
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.plain import is_positive
from synapsnet_pyg.intake.recording import Recording, Selection, Traces, literal_blocks
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.usual_choices import choice_note, named

_ACTIVITIES = ("trace_array", "trace_original")
"""Names of the traces as z-scores [N, T], and of the fluorescence over its mean [T, N]."""

_FIELDS = {"neuron_class": "cell_type", "region": "region", "confidence": "confidence"}
"""Key of a label -> field of the neurons."""


class WormWideWebReader(Reader):
    """JSON files of single worms as https://wormwideweb.org hands them out, among them those that POCO reads.

    A neuron's id is its name, the same in every worm, unless the name is in doubt (``DB?``). Behaviours, such as
    ``velocity`` and ``head_curvature``, have a sample a frame.

    References:
        Atanas & Kim et al. 2023, *Cell* 186, 4134
    """

    name = "worm-wide-web"

    def recognises(self, path: Path) -> bool:
        """Returns True for a JSON file with the key of the traces."""
        return path.suffix.lower() == ".json" and path.is_file() and b'"trace_array"' in path.read_bytes()

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads traces, names and the chosen behaviours.

        Raises:
            ValueError: The file is damaged, or has no such activity or behaviour.
        """
        worm = _worm(path)
        key = named(selection.activity, list(worm.traces), _ACTIVITIES, f"'{path}'")
        excluded, names = literal_blocks(selection.exclude)
        asked = [*selection.events, *names, *([selection.intervals] if selection.intervals else [])]
        missing = [own for own in selection.behaviour if own not in worm.behaviours] + asked
        if missing:
            raise ValueError(
                f"Expected behaviours among {', '.join(worm.behaviours) or 'none'}, and no events or intervals, of "
                f"'{path}' (got {', '.join(missing)})."
            )
        return Recording(
            name,
            Traces(worm.traces[key], worm.times, worm.bin_size, rate=1.0, label=f"'{path}'"),
            worm.neurons,
            [OnFrames(own, worm.behaviours[own], selection.period(own)) for own in selection.behaviour],
            excluded=excluded,
            notes=[choice_note(key, list(worm.traces)), worm.clock],
        )

    def describe(self, path: Path) -> Rows:
        """Describes traces, names and behaviours."""
        worm = _worm(path)
        neurons, frames = worm.traces["trace_array"].shape
        rows = [("neurons", f"{neurons}, {sum(map(bool, worm.neurons.ids))} with a name")]
        rows += [("frames", f"{frames}, {worm.clock}"), ("activity", ", ".join(worm.traces))]
        rows += [("behaviours", ", ".join(worm.behaviours) or "none")]
        return [*rows, *next_rows(path)]


class _Worm(NamedTuple):
    """Content of a file."""

    traces: dict[str, np.ndarray]
    """Name -> traces [N, T]."""
    times: np.ndarray | None
    """Time of each frame in seconds."""
    bin_size: float | None
    """Duration of a frame in seconds, where there are no times."""
    clock: str
    """Note on times or duration."""
    neurons: NeuronTable
    """Names and fields."""
    behaviours: dict[str, np.ndarray]
    """Name -> samples [T]."""


def _worm(path: Path) -> _Worm:
    """Reads a file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"Expected JSON in '{path}' (it is damaged or cut short).") from None
    if not isinstance(found, dict) or "trace_array" not in found:
        raise ValueError(f"Expected 'trace_array' at the top of the JSON in '{path}' (there is none).")
    traces = {key: _table(found[key], f"'{key}' of '{path}'") for key in _ACTIVITIES if key in found}
    shape = traces["trace_array"].shape
    traces = {key: values if values.shape == shape else values.T for key, values in traces.items()}
    times, minutes = found.get("timestamp_confocal"), found.get("avg_timestep")
    if isinstance(times, list) and len(times) == shape[1]:
        clock, size, seconds = "frame times by timestamp_confocal", None, np.array(times, dtype=np.float64)
    elif minutes is not None and is_positive(minutes):
        size, seconds = 60 * minutes, None
        clock = f"frames of {size:.4g} s by avg_timestep"
    else:
        raise ValueError(
            f"Expected 'timestamp_confocal' in seconds with {shape[1]} entries, or 'avg_timestep' in minutes, in "
            f"'{path}' (it has neither)."
        )
    inner = found.get("behavior")
    behaviours = _on_frames({**found, **(inner if isinstance(inner, dict) else {})}, shape[1])
    neurons = _neurons(found.get("labeled"), shape[0], path)
    return _Worm(traces, seconds, size, clock=clock, neurons=neurons, behaviours=behaviours)


def _table(rows: object, label: str) -> np.ndarray:
    """Returns traces as an array; missing entries are NaN."""
    values: np.ndarray
    try:
        values = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"Expected {label} as rows of numbers of the same length (got others).")
    return values


def _on_frames(found: Mapping[str, object], frames: int) -> dict[str, np.ndarray]:
    """Returns the lists with a number for each frame; newer files keep them below ``behavior``."""
    lists = {key: values for key, values in found.items() if isinstance(values, list) and len(values) == frames}
    return {
        key: np.array(values, dtype=np.float64)
        for key, values in lists.items()
        if not key.startswith(("trace", "timestamp"))
        and all(isinstance(value, int | float) or value is None for value in values)
    }


def _neurons(labeled: object, count: int, path: Path) -> NeuronTable:
    """Returns names and fields of the neurons; ``labeled`` counts them from 1."""
    known = labeled if isinstance(labeled, dict) else {}
    found = [known.get(str(i + 1), {}) for i in range(count)]
    if not all(isinstance(own, dict) for own in found):
        raise ValueError(f"Expected 'labeled' of '{path}' as neuron -> label and class (got another form).")
    names = [str(own.get("label", "")) for own in found]
    columns: Fields = {}
    for key, field in _FIELDS.items():
        if any(isinstance(own.get(key), str | int | float) for own in found):
            number = key == "confidence"
            columns[field] = [own.get(key, float("nan")) if number else str(own.get(key) or "") for own in found]
    return NeuronTable(count, ids=["" if "?" in name else name for name in names], columns=columns, prefix="worm")
