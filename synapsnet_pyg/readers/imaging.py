"""Cells of CaImAn, CNMF-E and EXTRACT, in files of HDF5 and MATLAB."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.hdf5_files import open_hdf5, require_stored
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5, matlab_variables
from synapsnet_pyg.readers.matlab_survey import survey_matlab
from synapsnet_pyg.readers.segmentations import Segmentation, SegmentationReader, stated_rate


class CaimanReader(SegmentationReader):
    """HDF5 files of CaImAn: ``estimates`` of the present versions, or the same arrays at the root of older ones.

    The usual activity is ``F_dff``, or ``C`` where no dF/F was computed. Components outside ``idx_components`` are
    left out unless ``--where`` says otherwise; without that list all are kept.
    """

    name = "caiman"
    usual = ("F_dff", "C", "S")
    rate_place = "params/data/fr"

    def recognises(self, path: Path) -> bool:
        """Returns True for an HDF5 file with estimates of CaImAn."""
        keys = keys_of_hdf5(path, ".hdf5", ".h5", ".hdf")
        if "estimates" in keys:
            return len({"A", "C", "F_dff", "S", "YrA", "idx_components"} & keys["estimates"]) > 1
        own = {"A", "C", "YrA", "idx_components", "sn", "bl"} & set(keys)
        return {"A", "C"} <= own and len(own) > 3

    def found(self, path: Path) -> Segmentation:
        """Finds the components of a file."""
        try:
            return self._components(path)
        except (OSError, KeyError, RuntimeError):
            raise ValueError(f"Expected components of CaImAn in '{path}' (the file is damaged or cut short).") from None

    @staticmethod
    def _components(path: Path) -> Segmentation:
        """Finds the components of a sound file."""
        with open_hdf5(path) as file:
            home = "estimates/" if "estimates" in file else ""
            group = file.get("estimates", file)
            C, A = next(group[key] for key in ("C", "F_dff", "S") if key in group), group.get("A")
            cells = int(A["shape"][1]) if isinstance(A, h5py.Group) and "shape" in A else int(C.shape[0])
            if C.ndim != 2 or cells not in C.shape:
                raise ValueError(f"Expected C of {cells} components in '{path}' (got shape {list(C.shape)}).")
            frames = int(C.shape[1] if C.shape[0] == cells else C.shape[0])
            arrays = {
                key: data.shape
                for key, data in group.items()
                if isinstance(data, h5py.Dataset) and sorted(data.shape) == sorted((cells, frames))
            }
            fields = {
                key: data[()]
                for key, data in group.items()
                if isinstance(data, h5py.Dataset) and data.shape == (cells,) and data.dtype.kind in "fiub"
            }
            places = ("params/data/fr", "params/fr", "fr")
            rates = [
                stated_rate(file[place][()], place) for place in places if isinstance(file.get(place), h5py.Dataset)
            ]
            accepted = _indices(group.get("idx_components"), cells, path)
            rejected = _indices(group.get("idx_components_bad"), cells, path)
        fields = {key: values for key, values in fields.items() if not key.startswith("idx_")}
        names = [key for key in ("F_dff", "C", "S", "YrA", "R") if key in arrays]
        names += [key for key in sorted(arrays) if key not in names]
        traces = {key: _dataset(path, home + key) for key in names}
        if {"C", "YrA"} <= set(names):
            traces["C+YrA"] = lambda: traces["C"]() + traces["YrA"]()
        kept = None
        if accepted is not None and (len(accepted) or (rejected is not None and len(rejected))):
            kept = np.isin(np.arange(cells), accepted)
            fields["accepted"] = kept.astype(np.int64)
        return Segmentation(
            traces,
            (cells, frames),
            rate=next((rate for rate in rates if rate), None),
            columns=fields,
            kept=kept,
            rejected="the others are not in idx_components (--where 'accepted==0|1' takes all)",
            notes=[] if kept is not None else ["components were not evaluated (no idx_components): all are kept"],
        )


class _StructReader(SegmentationReader):
    """Base class of programs of MATLAB that keep traces in a struct."""

    marks: ClassVar[list[set[str]]]
    """Fields that the struct of one of the program's versions has."""
    images: ClassVar[tuple[str, ...]]
    """Names of the images of the cells."""
    rates: ClassVar[tuple[str, ...]]
    """Places of the frame rate."""

    def recognises(self, path: Path) -> bool:
        """Returns True for a file of MATLAB with a struct of the program."""
        return self._struct(path) is not None

    def found(self, path: Path) -> Segmentation:
        """Finds the cells of a file."""
        struct = self._struct(path)
        with ArrayFile(path) as file:
            names = [key for key in self.usual if file.has(f"{struct}/{key}")]
            images = [f"{struct}/{image}" for image in self.images]
            shape = _shape(file, f"{struct}/{names[0]}", images, names[0] == "temporal_weights")
            rate = _first_rate(file, [f"{struct}/{place}" for place in self.rates])
            total = f"{struct}/time/totalTime"
            if rate is None and file.has(total) and shape[1]:
                seconds = stated_rate(file.get(total), "")
                rate = (shape[1] / seconds[0], "time/totalTime") if seconds else None
            ids = plain_array(file.get(f"{struct}/ids")).ravel() if file.has(f"{struct}/ids") else np.zeros(0)
        return Segmentation(
            {key: _array(path, f"{struct}/{key}", key == "temporal_weights") for key in names},
            shape,
            rate=rate,
            labels=ids.tolist() if len(ids) == shape[0] else None,
        )

    def _struct(self, path: Path) -> str | None:
        """Returns the name of the first struct of the program in a file; None if there is none."""
        fields = keys_of_hdf5(path, ".mat") or _fields_of_structs(path)
        # A struct with A, B and C is a linear system.
        return next((key for key, own in fields.items() if any(m <= own for m in self.marks) and "B" not in own), None)


class CnmfeReader(_StructReader):
    """MATLAB files of CNMF-E: a struct such as ``neuron`` or ``results`` with ``C``, ``C_raw`` and ``S``.

    The layout with ``extractedSignals`` and ``extractedImages`` is read too. The usual activity is ``C``, as in CaImAn.
    """

    name = "cnmfe"
    usual = ("C", "C_raw", "extractedSignals", "S")
    marks: ClassVar = [{"C", "A"}, {"extractedSignals", "extractedImages"}]
    images = ("A", "extractedImages")
    rates = ("Fs", "inputOptions/Fs", "P/Fs")
    rate_place = "Fs"


class ExtractReader(_StructReader):
    """MATLAB files of EXTRACT: ``output.temporal_weights``, or ``extractAnalysisOutput.traces`` of older versions."""

    name = "extract"
    usual = ("temporal_weights", "traces")
    marks: ClassVar = [{"temporal_weights", "spatial_weights"}, {"traces", "filters"}]
    images = ("spatial_weights", "filters")
    rates = ("config/frame_rate", "config/fps", "config/Fs")
    rate_place = "output.config"


def _indices(data: Any, cells: int, path: Path) -> np.ndarray | None:
    """Returns indices of components; None where CaImAn wrote none."""
    if not isinstance(data, h5py.Dataset):
        return None
    require_stored(data, f"'{data.name}' of '{path}'")
    values = np.atleast_1d(np.asarray(data[()]))
    if values.dtype.kind not in "iufb":  # CaImAn writes None as the text NoneType
        return None
    if values.dtype.kind == "b" and len(values) == cells:
        return np.flatnonzero(values)
    indices = values.astype(np.int64).ravel()
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < cells:
        raise ValueError(
            f"Expected idx_components of the {cells} components of '{path}' (got up to {int(indices.max())})."
        )
    return indices


def _dataset(path: Path, key: str) -> Callable[[], np.ndarray]:
    """Returns the function that reads a data set."""

    def read() -> np.ndarray:
        """Reads the data set."""
        try:
            with open_hdf5(path) as file:
                data = file[key]
                require_stored(data, f"'{key}' of '{path}'")
                values: np.ndarray = data.astype(np.float32)[()]
                return values
        except (OSError, RuntimeError):
            raise ValueError(f"Expected numbers in '{key}' of '{path}' (they are damaged or cut short).") from None

    return read


def _array(path: Path, key: str, frames_first: bool = False) -> Callable[[], np.ndarray]:
    """Returns the function that reads traces of a file of MATLAB, cells first."""

    def read() -> np.ndarray:
        """Reads the traces."""
        with ArrayFile(path) as file:
            values = file.numbers(key)
        return values.T if frames_first else values

    return read


def _shape(file: ArrayFile, key: str, images: list[str], frames_first: bool = False) -> tuple[int, int | None]:
    """Returns the number of cells and of frames of traces, by the images of the cells where these tell."""
    lengths = file.shape(key) or np.shape(file.get(key))
    if len(lengths) != 2:
        raise ValueError(f"Expected traces of two axes in '{key}' of '{file.path}' (got shape {list(lengths)}).")
    cells, frames = (int(length) for length in (lengths[::-1] if frames_first else lengths))
    for image in images:
        if file.has(image):
            shape = file.shape(image) or np.shape(file.get(image))
            if frames in (shape[-1], shape[0]) and cells not in (shape[-1], shape[0]):
                cells, frames = frames, cells
            break
    return cells, frames


def _first_rate(file: ArrayFile, keys: list[str]) -> tuple[float, str] | None:
    """Returns the first frame rate that a file states."""
    rates = [stated_rate(plain_array(file.get(key)), key.partition("/")[2]) for key in keys if file.has(key)]
    return next((rate for rate in rates if rate), None)


def _fields_of_structs(path: Path) -> dict[str, set[str]]:
    """Returns the fields of the structs of a file of MATLAB before v7.3."""
    structs = [name for name, kind in matlab_variables(path).items() if kind == "struct"]
    if not structs:
        return {}
    try:
        survey_matlab(path)
        loaded = optional_import("scipy.io", "lab").loadmat(path, variable_names=structs)
    except Exception:  # scipy has errors of many kinds for a file that is cut short
        return {}
    return {name: set(loaded[name].dtype.names or ()) for name in structs}
