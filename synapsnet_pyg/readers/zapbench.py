"""Traces of ZAPBench: 71,721 neurons of one larval zebrafish in Zarr, and the frames of its nine conditions."""

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.files import optional_import, require_memory
from synapsnet_pyg.intake.behaviours import OnFrames
from synapsnet_pyg.intake.blocks import Blocks
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.recording import Recording, Selection, Traces, literal_blocks
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows


class Condition(NamedTuple):
    """Condition of ZAPBench's recording: a block of frames with one kind of stimulus."""

    name: str
    """Name of the condition."""
    start: int
    """First frame."""
    stop: int
    """End, exclusive."""
    held_out: bool
    """True if no frame of it is for training."""


_OFFSETS = (0, 649, 2422, 3078, 3735, 5047, 5638, 6623, 7279, 7879)
_NAMES = ("gain", "dots", "flash", "taxis", "turning", "position", "open loop", "rotation", "dark")

CONDITIONS = tuple(
    Condition(name, start, stop, name == "taxis")
    for name, (start, stop) in zip(_NAMES, pairwise(_OFFSETS), strict=True)
)
"""Conditions in the order in which they were recorded; each is a segment of the session."""

PADDING = 1
"""Number of frames at the start and at the end of each condition that the benchmark leaves out."""

VALIDATION_SHARE, TEST_SHARE = 0.1, 0.2
"""Shares of a condition's frames without padding, rounded down: validation follows training, and test validation."""

LONGEST_CONTEXT = 256
"""Largest number of frames that a model may see; forecasts of the held out condition begin after as many."""

HORIZON = 32
"""Number of frames to forecast."""

FRAME_DURATION = 0.914
"""Duration of a frame in seconds."""

_STIMULI = "stimuli_features"
"""Folder beside the traces with the stimulus in each frame."""


class ZapBenchReader(Reader):
    """Traces (dF/F) of ZAPBench, a folder of Zarr 2 or 3 with the axes frame and neuron.

    Each condition is a segment; bins are the frames of the file, so that :data:`CONDITIONS` hold for the session too.
    The features of the stimulus in ``stimuli_features`` beside the traces are a behaviour.

    References:
        Lueckmann et al. 2025, ZAPBench, ICLR, sections 2 and 3; constants of https://github.com/google-research/zapbench
    """

    name = "zapbench"
    generic = frozenset({"traces", "traces.zarr"})

    def recognises(self, path: Path) -> bool:
        """Returns True for an array of Zarr with as many frames as ZAPBench has; stimuli and sorted copies are none."""
        if not path.is_dir() or any(word in f"{path.parent.name}/{path.name}" for word in ("stimul", "rastermap")):
            return False
        shape = _shape(path)
        return len(shape) == 2 and shape[0] == CONDITIONS[-1].stop

    def files(self, path: Path) -> list[Path]:
        """Returns the headers of the arrays."""
        folders = (path, path.parent / _STIMULI)
        return [file for folder in folders for name in _HEADERS if (file := folder / name).is_file()]

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the traces block by block into one array.

        Raises:
            ValueError: The folder is damaged, or has no such behaviour or intervals.
            ImportError: The library that reads the folder is not installed.
        """
        _check_names(path, selection)
        array = _open(path)
        behaviours = [OnFrames(key, _stimuli(path.parent / key), selection.period(key)) for key in selection.behaviour]
        size = FRAME_DURATION if selection.frame_rate is None else 1 / selection.frame_rate
        values = _traces(array, f"the traces of '{path}'")
        border = np.array([condition[1:3] for condition in CONDITIONS])
        told = [f"{c.name} {c.start}-{c.stop}" + (" (held out)" if c.held_out else "") for c in CONDITIONS]
        return Recording(
            name,
            Traces(values, bin_size=size, border=border, label=f"'{path}'"),
            NeuronTable(len(values), ids=[f"zapbench/{i}" for i in range(len(values))]),
            behaviours,
            intervals=_blocks(selection.intervals, size) if selection.intervals else None,
            excluded=selection.excluded(lambda key: _blocks(key, size)),
            notes=[f"conditions of ZAPBench, first frame and end: {', '.join(told)}"],
        )

    def describe(self, path: Path) -> Rows:
        """Describes the traces by their header."""
        frames, neurons = _shape(path)
        rows = [("neurons", str(neurons))]
        rows += [("frames", f"{frames} of {FRAME_DURATION} s"), ("conditions", ", ".join(_NAMES))]
        stimuli = _shape(path.parent / _STIMULI)
        if stimuli:
            rows.append(("behaviour", f"{_STIMULI}, {stimuli[1]} columns"))
        return [*rows, *next_rows(path)]


_HEADERS = ("zarr.json", ".zarray")
"""Headers of an array in Zarr 3 and in Zarr 2."""


def _shape(path: Path) -> tuple[int, ...]:
    """Returns the shape of an array of Zarr by its header; an empty one for another folder."""
    for name in _HEADERS:
        try:
            return tuple(map(int, json.loads((path / name).read_text(encoding="utf-8"))["shape"]))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return ()


def _check_names(path: Path, selection: Selection) -> None:
    """Raises an error for names of behaviours, events or intervals that there are not."""
    known = [_STIMULI] if _shape(path.parent / _STIMULI) else []
    for key in (*selection.behaviour, *selection.events):
        if key not in known or key in selection.events:
            raise ValueError(
                f"Expected a behaviour among {', '.join(known) or 'none'} of '{path}' (got '{key}'); the folder "
                f"'{_STIMULI}' of ZAPBench, placed beside the traces, is one."
            )
    for key in [*literal_blocks(selection.exclude)[1], *([selection.intervals] if selection.intervals else [])]:
        _blocks(key, FRAME_DURATION)


def _blocks(key: str, size: float) -> Blocks:
    """Returns the time of a condition, or of all for ``conditions``, in seconds."""
    if key not in (*_NAMES, "conditions"):
        raise ValueError(f"Expected intervals among conditions, {', '.join(_NAMES)} (got '{key}').")
    return [(size * c.start, size * c.stop) for c in CONDITIONS if key in (c.name, "conditions")]


def _open(path: Path) -> Any:
    """Opens an array of Zarr; a chunk that is missing is an error when it is read, not zeros."""
    tensorstore = optional_import(
        "tensorstore", "lab"
    )  # zarr reads Zarr 3 from its version 3 on, which few others take
    driver = "zarr3" if (path / "zarr.json").is_file() else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(path)}, "fill_missing_data_reads": False}
    try:
        return tensorstore.open(spec, read=True).result()
    except Exception:  # it has many errors for a folder without its files
        raise ValueError(f"Expected an array of Zarr in '{path}' (its header is damaged).") from None


def _stimuli(path: Path) -> np.ndarray:
    """Reads the features of the stimulus [T, K]."""
    return _read(lambda: np.asarray(_open(path), dtype=np.float64), f"'{path}'")


def _traces(array: Any, label: str) -> np.ndarray:
    """Reads an array [T, N] as [N, T], float32, in blocks of whole chunks along one axis."""
    T, N = array.shape
    require_memory(4 * N * T, label)
    values = np.empty((N, T), dtype=np.float32)
    frames, neurons = array.chunk_layout.read_chunk.shape
    if neurons * T <= frames * N:  # the smaller of the blocks that hold a chunk
        for start in range(0, N, neurons):
            part = slice(start, min(start + neurons, N))
            values[part] = _read(partial(np.asarray, array[:, part]), label).T
    else:
        for start in range(0, T, frames):
            part = slice(start, min(start + frames, T))
            values[:, part] = _read(partial(np.asarray, array[part]), label).T
    return values


def _read(load: Callable[[], np.ndarray], label: str) -> np.ndarray:
    """Reads a part of an array; the codecs have errors of many kinds."""
    try:
        return load()
    except Exception:
        raise ValueError(
            f"Expected all chunks of {label} (one is missing or damaged); fetch the folder anew."
        ) from None
