"""Larval zebrafish of Chen et al. 2018, as FishExplorer saves them: ``TimeSeries.h5`` and ``data_full.mat``."""

from pathlib import Path

import numpy as np

from synapsnet_pyg.intake.behaviours import OnFrames
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.plain import numbers
from synapsnet_pyg.intake.recording import Recording, Selection, Traces, literal_blocks
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.hdf5_files import open_hdf5, require_stored
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.segmentations import stated_rate
from synapsnet_pyg.readers.usual_choices import choice_note, named

_SERIES, _DETAILS = "TimeSeries.h5", "data_full.mat"

_ACTIVITIES = ("CellResp", "CellRespZ")
"""Names of the traces, dF/F and z-scores; the others in the file are means over repeats."""

_BEHAVIOURS = {"motor": "Behavior_full", "motor_seed": "Behavior_full_motorseed", "stimulus": "stim_full"}
"""Behaviour -> field of the structure ``data``, each with a sample a frame."""


class FishExplorerReader(Reader):
    """Folders ``subject_1`` to ``subject_18`` of Chen et al. 2018, those that POCO reads as its fish of Ahrens.

    ``TimeSeries.h5`` holds the traces of the cells and ``data_full.mat`` beside it the frame rate, the positions
    (``CellXYZ_norm`` in the ZBrain atlas, else ``CellXYZ``), the fictive behaviour and the stimulus.

    References:
        Chen, Mu, Hu, Kuan et al. 2018, *Neuron* 100, 876; https://github.com/xiuyechen/FishExplorer
    """

    name = "fish-explorer"

    def recognises(self, path: Path) -> bool:
        """Returns True for a folder with the time series, or the file itself."""
        file = path / _SERIES if path.is_dir() else path
        return file.name == _SERIES and "CellResp" in keys_of_hdf5(file, ".h5")

    def files(self, path: Path) -> list[Path]:
        """Returns the time series and the details."""
        folder = path if path.is_dir() else path.parent
        return [file for file in (folder / _SERIES, folder / _DETAILS) if file.is_file()]

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads traces, positions and the chosen behaviours.

        Raises:
            ValueError: A file is damaged, has no such activity or behaviour, or nothing states the frame rate.
        """
        series, *details = self.files(path)
        excluded, names = literal_blocks(selection.exclude)
        with open_hdf5(series) as file:
            present = [key for key in _ACTIVITIES if key in file]
            key = named(selection.activity, present, _ACTIVITIES, f"'{series}'")
            require_stored(file[key], f"'{key}' of '{series}'")
            values = np.ascontiguousarray(numbers(file[key][()], f"'{key}' of '{series}'").T)  # MATLAB's order of axes
            cells = file["absIX"][()].ravel().astype(int) - 1 if "absIX" in file else None
        rate, columns, known = _details(details, values.shape, cells)
        asked = [*selection.events, *names, *([selection.intervals] if selection.intervals else [])]
        missing = [own for own in selection.behaviour if own not in known] + asked
        if missing:
            raise ValueError(
                f"Expected behaviours among {', '.join(known) or 'none'}, and no events or intervals, of '{path}' "
                f"(got {', '.join(missing)})."
            )
        if rate is None and selection.frame_rate is None and selection.bin_size is None:
            raise ValueError(
                f"Expected the frame rate of '{path}' (no 'data/fpsec' in a {_DETAILS} beside it); give --frame-rate, "
                "1.84 to 2.56 by fish."
            )
        rate = selection.frame_rate or rate
        return Recording(
            name,
            Traces(values, bin_size=None if rate is None else 1 / rate, label=f"'{series}'"),
            NeuronTable(len(values), labels=cells, columns=columns, prefix="fish"),
            [OnFrames(own, known[own], selection.period(own)) for own in selection.behaviour],
            excluded=excluded,
            notes=[choice_note(key, present), *([f"{rate:g} frames a second"] if rate else [])],
        )

    def describe(self, path: Path) -> Rows:
        """Describes traces and behaviours."""
        series, *details = self.files(path)
        with open_hdf5(series) as file:
            shapes = {key: file[key].shape[::-1] for key in _ACTIVITIES if key in file}
            cells = file["absIX"][()].ravel().astype(int) - 1 if "absIX" in file else None
        rate, columns, known = _details(details, shapes["CellResp"], cells)
        rows = [(key, f"{shape[0]} cells, {shape[1]} frames") for key, shape in shapes.items()]
        rows += [("frame rate", f"{rate:g} Hz" if rate else "not stated"), ("fields", ", ".join(columns) or "none")]
        rows += [("behaviours", ", ".join(known) or "none")]
        return [*rows, *next_rows(path, unknown="" if rate else "--frame-rate")]


def _details(
    paths: list[Path], shape: tuple[int, ...], cells: np.ndarray | None
) -> tuple[float | None, Fields, dict[str, np.ndarray]]:
    """Returns frame rate, fields of the cells and behaviours [T, K] of the file of details, if there is one."""
    columns: Fields = {}
    known: dict[str, np.ndarray] = {}
    if not paths:
        return None, columns, known
    with ArrayFile(paths[0]) as file:
        rate = stated_rate(file.get("data/fpsec"), "fpsec") if file.has("data/fpsec") else None
        for key in ("data/CellXYZ_norm", "data/CellXYZ"):
            if file.has(key) and "position" not in columns:
                position = file.numbers(key)
                rows = np.arange(shape[0]) if cells is None else cells
                if position.ndim == 2 and position.shape[1] == 3 and len(rows) and rows.max() < len(position):
                    columns["position"] = position[rows]
        for name, key in _BEHAVIOURS.items():
            if file.has(f"data/{key}"):
                values = file.numbers(f"data/{key}")
                if shape[1] in values.shape:
                    known[name] = values if values.shape[0] == shape[1] else values.T
    return None if rate is None else rate[0], columns, known
