"""Sorted spikes in the formats of SpikeInterface's extractors."""

import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.intake.objects import SpikeSource, spikes_of
from synapsnet_pyg.intake.plain import plain_array, texts
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.readers.hdf5_files import survey_hdf5
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5, matlab_variables
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.sorting_files import hdsort, klusta, saved_folder, waveclus
from synapsnet_pyg.readers.usual_choices import only_activity, usual_rows


class _Format(NamedTuple):
    """Format that an extractor of SpikeInterface opens."""

    extractor: str
    """Name of the extractor's class."""
    argument: str
    """Name of its argument for the path."""
    fits: Callable[[Path], bool]
    """Function that returns True for a path of this format, by names and headers."""
    needs_rate: bool = False
    """Whether the format does not state the sampling rate."""
    package: str = ""
    """Package that the extractor needs."""


def _any_file(path: Path, *patterns: str) -> bool:
    """Returns True if a folder has a file of each pattern."""
    return path.is_dir() and all(any(path.glob(pattern)) for pattern in patterns)


def _is_mclust(path: Path) -> bool:
    """Returns True for a folder with clusters of MClust, which begin with a header."""
    files = [file for pattern in ("*.t64", "*.t32", "*.t") for file in path.glob(pattern)] if path.is_dir() else []
    if not files:
        return False
    with files[0].open("rb") as file:
        return file.read(13) == b"%%BEGINHEADER"


def _is_npz(path: Path) -> bool:
    """Returns True for an archive of numpy that SpikeInterface wrote."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"unit_ids.npy", "num_segment.npy", "sampling_frequency.npy"} <= set(archive.namelist())


def _is_zarr(path: Path) -> bool:
    """Returns True for a Zarr folder that SpikeInterface wrote."""
    return path.suffix == ".zarr" and (path / "unit_ids").is_dir() and (path / "spikes" / "sample_index").is_dir()


FORMATS = {
    "mda": _Format("MdaSortingExtractor", "file_path", lambda p: p.match("firings*.mda") and p.is_file(), True),
    "npz": _Format("NpzSortingExtractor", "file_path", _is_npz),
    "zarr": _Format("ZarrSortingExtractor", "folder_path", _is_zarr),
    "herdingspikes": _Format(
        "HerdingspikesSortingExtractor",
        "file_path",
        lambda p: {"cluster_id", "times", "centres"} <= set(keys_of_hdf5(p, ".hdf5", ".h5")),
    ),
    "spykingcircus": _Format(
        "SpykingCircusSortingExtractor", "folder_path", lambda p: _any_file(p, "*.params", "*/*.result*.hdf5")
    ),
    "yass": _Format(
        "YassSortingExtractor", "folder_path", lambda p: _any_file(p, "config.yaml", "tmp/output/spike_train.npy")
    ),
    "combinato": _Format(
        "CombinatoSortingExtractor", "folder_path", lambda p: _any_file(p, f"data_{p.stem}.h5", "sort_*/sort_cat.h5")
    ),
    "mclust": _Format("MClustSortingExtractor", "folder_path", _is_mclust, True),
    "xclust": _Format("XClustSortingExtractor", "folder_path", lambda p: _any_file(p, "*.CEL"), True),
    "tridesclous": _Format(
        "TridesclousSortingExtractor",
        "folder_path",
        lambda p: _any_file(p, "info.json", "channel_group_*/catalogues"),
        package="tridesclous",
    ),
    "neuroscope": _Format(
        "NeuroScopeSortingExtractor",
        "folder_path",
        lambda p: _any_file(p, "*.xml", "*.res.*", "*.clu.*"),
        package="lxml",
    ),
}
"""Name of a format, for ``--activity`` -> its extractor."""

DIRECT: dict[str, tuple[Callable[[Path], bool], Callable[[Path], SpikeSource]]] = {
    "spikeinterface": (lambda p: _any_file(p, "numpysorting_info.json", "spikes.npy"), saved_folder),
    "klusta": (lambda p: p.suffix == ".kwik" and p.is_file(), klusta),
    "waveclus": (
        lambda p: p.match("times_*.mat") and "cluster_class" in {*keys_of_hdf5(p, ".mat"), *matlab_variables(p)},
        waveclus,
    ),
    "hdsort": (lambda p: {"Units", "MultiElectrode", "samplingRate"} <= set(keys_of_hdf5(p, ".mat")), hdsort),
}
"""Name of a format, for ``--activity`` -> functions that recognise and read it without SpikeInterface."""


class SortingReader(Reader):
    """Sorted spikes that SpikeInterface saved, or that one of its extractors opens; Klusta's ``.kwik``.

    Formats are recognised by their marks; ``--activity`` names one where a folder has marks of several. Folders that
    SpikeInterface saved are read from their arrays, since its loader unpickles properties; ``.kwik`` too, since its
    extractor runs the parameters as a program.
    """

    name = "spikeinterface"
    generic = frozenset({"sorting", "sorter_output", "in_container_sorting"})

    def recognises(self, path: Path) -> bool:
        """Returns True for a folder or file of a known sorter."""
        return self._format(path) is not None

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the units of a sorting as neurons.

        Raises:
            ValueError: The files are incomplete, or the sampling rate is missing.
        """
        excluded = only_activity(selection, "a sorting")
        form = selection.activity or self._format(path)
        if form not in (*DIRECT, *FORMATS):
            raise ValueError(f"Expected --activity among {', '.join([*DIRECT, *FORMATS])} (got '{form}').")
        source = self._source(path, str(form), selection.sampling_rate)
        kept, reason, columns = _usual(source, str(form))
        rows, gone = usual_rows(kept, reason, selection, columns=columns, name=name)
        return Recording(
            name,
            source.spikes.take(rows),
            source.neurons.take(rows),
            observed=source.observed,
            excluded=excluded,
            notes=[f"sorting of {form}", *gone],
        )

    def describe(self, path: Path) -> Rows:
        """Describes the format; the spikes are not read."""
        form = self._format(path)
        unknown = "--sampling-rate" if form in FORMATS and FORMATS[str(form)].needs_rate else ""
        return [("sorting", f"of {form}, {_size(path)}"), *next_rows(path, "--bin-size 0.0333", unknown=unknown)]

    @staticmethod
    def _format(path: Path) -> str | None:
        """Returns the name of the format of a path."""
        direct = next((form for form, (fits, _) in DIRECT.items() if fits(path)), None)
        return direct or next((form for form, known in FORMATS.items() if known.fits(path)), None)

    @staticmethod
    def _source(path: Path, form: str, rate: float | None) -> SpikeSource:
        """Opens the spikes of a path."""
        if form in DIRECT:
            return DIRECT[form][1](path)
        if form == "zarr" and any('"pickle"' in file.read_text(errors="replace") for file in path.rglob(".zarray")):
            raise ValueError(f"Expected plain arrays in '{path}' (some are pickled objects, which are never read).")
        for file in path.rglob("*") if path.is_dir() else [path]:
            survey_hdf5(file)
        return _extracted(path, FORMATS[form], form, rate)


def _extracted(path: Path, form: _Format, label: str, rate: float | None) -> SpikeSource:
    """Opens a sorting with an extractor of SpikeInterface."""
    extractors = optional_import("spikeinterface.extractors.extractor_classes", "lab")
    if form.package:
        optional_import(form.package, "lab")
    choices: dict[str, object] = {form.argument: path}
    if form.needs_rate:
        if rate is None:
            raise ValueError(
                f"Expected the sampling rate of '{path}' ({label} does not state it); give --sampling-rate."
            )
        choices["sampling_frequency"] = rate
    if label == "combinato":
        choices["keep_good_only"] = False
    opener = getattr(extractors, form.extractor)
    try:
        with redirect_stdout(None):  # one of them prints its errors
            return spikes_of(opener(**choices))
    except Exception:  # extractors have errors of any kind for a missing or damaged file
        raise ValueError(
            f"Expected a sorting of {label} in '{path}' (files are missing or damaged, or it is of another format; "
            f"--activity names one of {', '.join(FORMATS)})."
        ) from None


def _usual(source: SpikeSource, form: str) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Returns which units hold a neuron by their format, the reason of the others, and the fields that say so."""
    columns, count = source.neurons.columns, source.neurons.count
    for key in [key for key, values in columns.items() if np.ndim(values) > 2]:  # templates
        del columns[key]
    if form in ("waveclus", "hdsort"):
        kept = columns["cluster"] % (1000 if form == "hdsort" else 1 << 40) != 0
        return kept, "the others hold spikes without a cluster (--where 'cluster>=0' takes them too)", ("cluster",)
    if form == "combinato":
        bad = plain_array(columns["artifact"]).astype(bool) | plain_array(columns["unsorted"]).astype(bool)
        return ~bad, "artifact or unsorted (--where 'artifact==0|1' takes all)", ("artifact", "unsorted")
    # SpikeInterface calls phy's group quality.
    key = next((key for key in ("group", "quality") if key in columns), "group")
    noise = np.array([text.lower() == "noise" for text in texts(columns.get(key, [""] * count))], dtype=bool)
    return ~noise, f"{int(noise.sum())} noise (--where '{key}!=none' takes all)", (key,)


def _size(path: Path) -> str:
    """Returns the size of a file, or of the files of a folder, in words."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
