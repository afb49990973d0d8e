"""Sessions as POCO's preprocessing leaves them: traces and principal components of fish, mice and worms."""

import zipfile
from pathlib import Path

import numpy as np

from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.usual_choices import choice_note, named, only_activity

_ACTIVITIES = ("M", "PC")
"""Names of the traces of neurons, and of the principal components of those."""

_MOUSE_AREAS = ("PPC", "RSP", "V1", "M2")
"""Areas of mice in the order of their numbers ``area_ids``."""

_MASK = "in_"
"""Begin of the keys of masks, which tell the neurons of one area of a fish."""


class PocoReader(Reader):
    """Files ``.npz`` that POCO's preprocessing writes, and the compressed HDF5 files of fish that it reads.

    ``M`` holds the traces (neurons, frames) and ``PC`` their principal components. Names of worms' neurons that begin
    with a capital letter are ids, the same in every worm. Files with a clock, ``time`` in seconds, need no frame rate.

    References:
        Duan et al. 2025, POCO, https://github.com/yuvenduan/POCO, ``preprocess/utils.py`` and ``datasets/datasets.py``
    """

    name = "poco"
    generic = frozenset({"poco"})

    def recognises(self, path: Path) -> bool:
        """Returns True for an archive with the keys of POCO, or an HDF5 file of its fish."""
        if path.suffix.lower() == ".npz" and path.is_file():
            try:
                with zipfile.ZipFile(path) as archive:
                    return {"M.npy", "valid_indices.npy"} <= set(archive.namelist())
            except (OSError, zipfile.BadZipFile):
                return False
        keys = keys_of_hdf5(path, ".h5")
        return "M" in keys and any(key.startswith((f"{_MASK}l_", f"{_MASK}r_")) for key in keys)

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the traces, or the principal components that ``selection.activity`` names.

        Raises:
            ValueError: The file is damaged, or nothing states the frame rate.
        """
        excluded = only_activity(selection, f"a recording of format {self.name}")
        with ArrayFile(path) as file:
            present = [key for key in _ACTIVITIES if file.has(key)]
            key = named(selection.activity, present, _ACTIVITIES, f"'{path}'")
            values = file.numbers(key)
            if values.ndim != 2:
                raise ValueError(f"Expected '{key}' of [neurons, frames] in '{path}' (got {list(values.shape)}).")
            times, notes = _times(file, values.shape[1])
            neurons = (
                _neurons(file, len(values)) if key == "M" else NeuronTable(len(values), labels=_components(values))
            )
        if times is None and selection.frame_rate is None and selection.bin_size is None:
            raise ValueError(f"Expected the frame rate of '{path}' ({notes[0]}); give --frame-rate.")
        if path.suffix.lower() == ".npz":
            notes.append(
                "POCO's preprocessing made each trace z-scores over the whole recording, its test part included"
            )
        return Recording(
            name,
            Traces(values, None if selection.frame_rate else times, rate=1.0, label=f"'{path}'"),
            neurons,
            excluded=excluded,
            notes=[choice_note(key, present), *notes],
        )

    def describe(self, path: Path) -> Rows:
        """Describes the traces and the fields of the neurons."""
        with ArrayFile(path) as file:
            rows: Rows = [(key, f"{list(file.shape(key) or ())}") for key in _ACTIVITIES if file.has(key)]
            count, frames = file.shape("M") or (0, 0)
            times, notes = _times(file, frames)
            columns = _neurons(file, count)
        fields = [*columns.columns, *(["names"] if columns.ids is not None else [])]
        rows.append(("fields", ", ".join(fields) or "none"))
        rows += [("note", note) for note in notes]
        return [*rows, *next_rows(path, unknown="--frame-rate" if times is None else "")]


def _components(values: np.ndarray) -> list[str]:
    """Returns a label for each principal component."""
    return [f"PC {i}" for i in range(len(values))]


def _times(file: ArrayFile, frames: int) -> tuple[np.ndarray | None, list[str]]:
    """Returns the time of each frame in seconds, or None with the reason as the first note."""
    if not file.has("time"):
        return None, ["the file has no 'time'"]
    times = file.numbers("time").ravel().astype(np.float64)
    if len(times) != frames:
        return None, [f"'time' has {len(times)} entries for {frames} frames"]
    step = np.diff(times)
    # The sessions of Atanas et al. have times that were multiplied with themselves.
    if not len(step) or not np.isfinite(step).all() or step.min() <= 0 or step.max() > 1.5 * np.median(step):
        return None, ["its 'time' has no even steps, and is left out"]
    return times, []


def _neurons(file: ArrayFile, count: int) -> NeuronTable:
    """Returns names and areas of the neurons."""
    columns: Fields = {}
    ids = None
    if file.has("neuron_names"):
        names = texts(file.get("neuron_names"))
        ids = [name if "A" <= name[:1] <= "Z" else "" for name in names]
    if file.has("area_ids"):
        numbers = file.numbers("area_ids").ravel().astype(int)
        columns["area"] = [_MOUSE_AREAS[i] if 0 <= i < len(_MOUSE_AREAS) else str(i) for i in numbers.tolist()]
    masks = [key for key in file.keys if key.startswith(_MASK)]
    if masks:
        columns["area"] = _areas({key.removeprefix(_MASK): file.get(key).ravel().astype(bool) for key in masks}, count)
    if file.has("valid_indices"):
        columns["valid"] = file.get("valid_indices").ravel().astype(bool)
    return NeuronTable(count, ids=ids, columns=columns, prefix="poco")


def _areas(masks: dict[str, np.ndarray], count: int) -> list[str]:
    """Returns the areas of each neuron, joined by ``+``; an empty text for none."""
    wrong = [key for key, mask in masks.items() if len(mask) != count]
    if wrong:
        raise ValueError(f"Expected an entry for each of the {count} neurons in '{_MASK}{wrong[0]}'.")
    return ["+".join(area for area, mask in masks.items() if mask[i]) for i in range(count)]
