"""Sortings that are read without SpikeInterface 0.105, which unpickles, runs programs or opens for writing for them."""

import json
from pathlib import Path

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.neuron_table import Fields, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.objects import PAUSE, SpikeSource
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.hdf5_files import open_hdf5, require_stored
from synapsnet_pyg.readers.mapped_arrays import mapped

_KLUSTA_GROUPS = {0: "noise", 1: "mua", 2: "good", 3: "unsorted"}
"""Number of a group in a ``.kwik`` file -> its name."""


def saved_folder(path: Path) -> SpikeSource:
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
        offset = observed[-1][1] + PAUSE
    table = NeuronTable(len(ids), labels=ids, columns=_properties(path / "properties", len(ids)))
    source = Spikes.from_neurons(times, unit, len(ids), rate=1.0)
    return SpikeSource(source, table, observed if len(observed) > 1 else None)


def _properties(folder: Path, count: int) -> Fields:
    """Reads the properties of units; pickled ones are left out with a warning."""
    columns: Fields = {}
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


def klusta(path: Path) -> SpikeSource:
    """Reads a ``.kwik`` file: clusters of all channel groups, with the group that they were sorted into."""
    trains, labels, groups = [], [], []
    try:
        with open_hdf5(path) as file:
            rate = float(next(iter(file["recordings"].values())).attrs["sample_rate"])
            several = len(file["channel_groups"]) > 1
            for shank, group in file["channel_groups"].items():
                for name in ("spikes/time_samples", "spikes/clusters/main"):
                    require_stored(group[name], f"'{name}' of '{path}'")
                times, clusters = group["spikes/time_samples"][()], group["spikes/clusters/main"][()]
                table = group.get("clusters/main", {})
                for cluster in np.unique(clusters).tolist():
                    trains.append(times[clusters == cluster] / rate)
                    labels.append(f"{shank}/{cluster}" if several else str(cluster))
                    number = table[str(cluster)].attrs.get("cluster_group", 3) if str(cluster) in table else 3
                    groups.append(_KLUSTA_GROUPS.get(int(number), ""))
    except (KeyError, OSError, StopIteration, ValueError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"Expected spikes of Klusta in '{path}' (the file is damaged or incomplete).") from None
    return SpikeSource(
        Spikes.from_trains(trains, rate=1.0), NeuronTable(len(trains), labels=labels, columns={"group": groups}), None
    )


def waveclus(path: Path) -> SpikeSource:
    """Reads ``times_*.mat`` of WaveClus: the cluster of each spike, 0 for none, and its time in milliseconds.

    Args:
        path: Path of the file.

    Raises:
        ValueError: The file has no such table.
    """
    with ArrayFile(path) as file:
        table = file.numbers("cluster_class")
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError(f"Expected 'cluster_class' of two columns in '{path}' (got shape {list(table.shape)}).")
    ids, neuron = np.unique(table[:, 0].astype(np.int64), return_inverse=True)
    spikes = Spikes.from_neurons(table[:, 1], neuron.ravel(), len(ids), rate=1000.0)
    return SpikeSource(spikes, NeuronTable(len(ids), labels=ids, columns={"cluster": ids}), None)


def hdsort(path: Path) -> SpikeSource:
    """Reads a file of HDSort; ids that are multiples of 1000 hold spikes without a cluster.

    Args:
        path: Path of the file.

    Raises:
        ValueError: The file has no units.
    """
    with ArrayFile(path) as file:
        ids = plain_array(file.get("Units/ID")).ravel().astype(np.int64)
        trains = file.ragged("Units/spikeTrain") if len(ids) > 1 else [file.numbers("Units/spikeTrain").ravel()]
        rate = float(file.numbers("samplingRate").ravel()[0])
        start = file.numbers("sortingInfo/startTimes").ravel()[:1] if file.has("sortingInfo/startTimes") else [0]
    shifted = [np.asarray(train, dtype=np.float64) - float(start[0]) for train in trains]
    table = NeuronTable(len(ids), labels=ids, columns={"cluster": ids})
    return SpikeSource(Spikes.from_trains(shifted, rate=rate), table, None)
