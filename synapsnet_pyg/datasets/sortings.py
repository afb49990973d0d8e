"""Sorted spikes in the formats of SpikeInterface's extractors."""

import json
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from synapsnet_pyg.datasets.mapped_arrays import mapped
from synapsnet_pyg.datasets.readers import Reader, Rows
from synapsnet_pyg.datasets.usual_choices import keep_usual, only_activity
from synapsnet_pyg.files import optional_import, shorten
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.objects import SpikeSource, spikes_of
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.intake.spikes import Spikes

_PAUSE = 10.0
"""Seconds between the segments of a sorting, whose clocks all start at zero."""

_KLUSTA_GROUPS = {0: "noise", 1: "mua", 2: "good", 3: "unsorted"}
"""Number of a group in a ``.kwik`` file -> its name."""


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


def _has_keys(path: Path, keys: set[str], *suffixes: str) -> bool:
    """Returns True for an HDF5 file with some keys."""
    if path.suffix.lower() not in suffixes or not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return keys <= set(file)


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


FORMATS = {
    "mda": _Format("MdaSortingExtractor", "file_path", lambda p: p.match("firings*.mda") and p.is_file(), True),
    "npz": _Format("NpzSortingExtractor", "file_path", _is_npz),
    "herdingspikes": _Format(
        "HerdingspikesSortingExtractor",
        "file_path",
        lambda p: _has_keys(p, {"cluster_id", "times", "centres"}, ".hdf5", ".h5"),
    ),
    "hdsort": _Format(
        "HDSortSortingExtractor",
        "file_path",
        lambda p: _has_keys(p, {"Units", "MultiElectrode", "samplingRate"}, ".mat"),
    ),
    "waveclus": _Format("WaveClusSortingExtractor", "file_path", lambda p: p.match("times_*.mat") and p.is_file()),
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
        if selection.activity is not None and selection.activity not in FORMATS:
            raise ValueError(f"Expected --activity among {', '.join(FORMATS)} (got '{selection.activity}').")
        source = self._source(path, str(form), selection.sampling_rate)
        recording = Recording(
            name,
            source.spikes,
            source.neurons,
            observed=source.observed,
            excluded=excluded,
            notes=[f"sorting of {form}"],
        )
        return _without_noise(recording, str(form), selection)

    def describe(self, path: Path) -> Rows:
        """Describes the format; the spikes are not read."""
        form = self._format(path)
        option = " --sampling-rate 30000" if form in FORMATS and FORMATS[str(form)].needs_rate else ""
        command = f"synapsnet convert {shlex.quote(str(path))} out.h5 --bin-size 0.0333{option}"
        return [("sorting", f"of {form}, {_size(path)}"), ("next", command)]

    @staticmethod
    def _format(path: Path) -> str | None:
        """Returns the name of the format of a path."""
        if (path / "numpysorting_info.json").is_file() and (path / "spikes.npy").is_file():
            return "spikeinterface"
        if path.suffix == ".zarr" and (path / "unit_ids").is_dir() and (path / "spikes").is_dir():
            return "zarr"
        if path.suffix == ".kwik" and path.is_file():
            return "klusta"
        return next((form for form, known in FORMATS.items() if known.fits(path)), None)

    @staticmethod
    def _source(path: Path, form: str, rate: float | None) -> SpikeSource:
        """Opens the spikes of a path."""
        if form == "spikeinterface":
            return _saved_folder(path)
        if form == "klusta":
            return _kwik(path)
        if form == "zarr":
            if any('"pickle"' in file.read_text(errors="replace") for file in path.rglob(".zarray")):
                raise ValueError(f"Expected plain arrays in '{path}' (some are pickled objects, which are never read).")
            return _extracted(path, _Format("ZarrSortingExtractor", "folder_path", lambda p: True), form, rate)
        return _extracted(path, FORMATS[form], form, rate)


def _extracted(path: Path, form: _Format, label: str, rate: float | None) -> SpikeSource:
    """Opens a sorting with an extractor of SpikeInterface."""
    extractors = optional_import("spikeinterface.extractors", "lab")
    if form.package:
        optional_import(form.package, "lab")
    choices: dict[str, Any] = {form.argument: path}
    if form.needs_rate:
        if rate is None:
            raise ValueError(
                f"Expected the sampling rate of '{path}' ({label} does not state it); give --sampling-rate."
            )
        choices["sampling_frequency"] = rate
    if label in ("waveclus", "combinato", "hdsort"):
        choices["keep_good_only"] = False
    try:
        sorting = getattr(extractors, form.extractor)(**choices)
        return spikes_of(sorting)
    except Exception:  # extractors have errors of any kind for a missing or damaged file
        raise ValueError(
            f"Expected a sorting of {label} in '{path}' (files are missing or damaged, or it is of another format; "
            f"--activity names one of {', '.join(FORMATS)})."
        ) from None


def _without_noise(recording: Recording, form: str, selection: Selection) -> Recording:
    """Returns a sorting without the units that hold no neuron by their format."""
    columns, count = recording.neurons.columns, recording.neurons.count
    for key in [key for key, values in columns.items() if np.ndim(values) > 2]:  # templates
        del columns[key]
    if form in ("waveclus", "hdsort"):
        columns["cluster"] = plain_array(recording.neurons.labels).astype(np.int64)
        kept = columns["cluster"] % (1000 if form == "hdsort" else 1 << 40) != 0
        reason = "the others hold spikes without a cluster (--where 'cluster>=0' takes them too)"
        return keep_usual(recording, kept, reason, selection)
    if form == "combinato":
        bad = plain_array(columns["artifact"]).astype(bool) | plain_array(columns["unsorted"]).astype(bool)
        return keep_usual(recording, ~bad, "artifact or unsorted (--where 'artifact==0' chooses otherwise)", selection)
    groups = plain_array(columns["group"]) if "group" in columns else np.array([""] * count)
    noise = groups == "noise"
    return keep_usual(
        recording, ~noise, f"{int(noise.sum())} noise (--where 'group==good|mua|noise' takes all)", selection
    )


def _saved_folder(path: Path) -> SpikeSource:
    """Reads a folder that SpikeInterface saved: spikes of all units in the order of time, and properties."""
    try:
        info = json.loads((path / "numpysorting_info.json").read_text())
        rate, ids = float(info["sampling_frequency"]), list(info["unit_ids"])
        spikes = mapped(path / "spikes.npy")
        sample, unit, part = (spikes[key] for key in ("sample_index", "unit_index", "segment_index"))
    except (KeyError, TypeError, IndexError, json.JSONDecodeError):
        raise ValueError(f"Expected a sorting of SpikeInterface in '{path}' (its files are damaged).") from None
    times = sample / rate
    observed, offset = [], 0.0
    for segment in range(int(part.max()) + 1 if len(part) else 0):
        own = np.flatnonzero(part == segment)
        if not len(own):
            continue
        shift = offset - float(times[own[0]]) if segment else 0.0
        times[own] += shift
        observed.append((float(times[own].min()), float(times[own].max()) + 0.5 / rate))
        offset = observed[-1][1] + _PAUSE
    table = NeuronTable(len(ids), labels=ids, columns=_properties(path / "properties", len(ids)))
    source = Spikes.from_neurons(times, unit, len(ids), rate=1.0)
    return SpikeSource(source, table, observed if len(observed) > 1 else None)


def _properties(folder: Path, count: int) -> dict[str, Any]:
    """Reads the properties of units; pickled ones are left out with a warning."""
    columns: dict[str, Any] = {}
    lost = []
    for path in sorted(folder.glob("*.npy")) if folder.is_dir() else []:
        try:
            values = np.asarray(mapped(path))
        except ValueError:
            lost.append(path.stem)
            continue
        if values.ndim and len(values) == count and path.stem != "contact_vector":
            columns[path.stem] = values
    if lost:
        warn(f"properties of '{folder}' hold pickled objects, which are never read, and are left out: {shorten(lost)}.")
    return columns


def _kwik(path: Path) -> SpikeSource:
    """Reads a ``.kwik`` file: clusters of all channel groups, with the group that they were sorted into."""
    trains, labels, groups = [], [], []
    try:
        with h5py.File(path, "r") as file:
            rate = float(next(iter(file["recordings"].values())).attrs["sample_rate"])
            several = len(file["channel_groups"]) > 1
            for shank, group in file["channel_groups"].items():
                times, clusters = group["spikes/time_samples"][()], group["spikes/clusters/main"][()]
                table = group.get("clusters/main", {})
                for cluster in np.unique(clusters).tolist():
                    trains.append(times[clusters == cluster] / rate)
                    labels.append(f"{shank}/{cluster}" if several else str(cluster))
                    number = table[str(cluster)].attrs.get("cluster_group", 3) if str(cluster) in table else 3
                    groups.append(_KLUSTA_GROUPS.get(int(number), ""))
    except (KeyError, OSError, StopIteration, ValueError):
        raise ValueError(f"Expected spikes of Klusta in '{path}' (the file is damaged or incomplete).") from None
    return SpikeSource(
        Spikes.from_trains(trains, rate=1.0), NeuronTable(len(trains), labels=labels, columns={"group": groups}), None
    )


def _size(path: Path) -> str:
    """Returns the size of a file, or of the files of a folder, in words."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
