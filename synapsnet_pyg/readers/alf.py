"""Recordings of the International Brain Laboratory in its ALF folders."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.behaviours import Behaviour, Events, Intervals, Series
from synapsnet_pyg.intake.blocks import Blocks, blocks_of
from synapsnet_pyg.intake.neuron_table import MICROMETRES, Fields, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import at_rows, plain_array, rows_of
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.alf_files import (
    AlfFiles,
    alf_files,
    attributes_of,
    has_spikes,
    times_of,
)
from synapsnet_pyg.readers.cluster_rows import JoinedVectors, label_rows
from synapsnet_pyg.readers.mapped_arrays import StoredVector, stored_vector
from synapsnet_pyg.readers.reader import Reader, Rows, natural, next_rows

_SORTERS = ("iblsorter", "pykilosort")
"""Folders of sorters below a probe, the one that counts first; without one it is the probe's own folder."""

_LARGE = frozenset({"waveforms", "templates", "waveformsChannels", "times", "samples", "amps"})
"""Attributes of clusters that are no field of a neuron."""


class _Probe(NamedTuple):
    """Sorted spikes of one probe."""

    name: str
    """Name of the probe; an empty text for the only one."""
    folder: Path
    """Folder with the spikes."""
    ids: np.ndarray
    """Clusters that have spikes."""


class AlfReader(Reader):
    """ALF folders of the International Brain Laboratory.

    Times are ``spikes.times``, in seconds of the session's common clock. The probes of a session's folder ``alf`` are
    joined into one recording, whose neurons are named ``probe00/123``; the folder of one probe is one recording.
    All clusters with spikes are neurons.
    """

    name = "ibl-alf"
    generic = frozenset({"alf", *_SORTERS})

    def recognises(self, path: Path) -> bool:
        """Returns True for a folder with spikes, or with folders of probes that have some."""
        return path.is_dir() and bool(_spike_folders(path))

    def files(self, path: Path) -> list[Path]:
        """Returns the files of the probes and of the session."""
        objects = [alf_files([folder]) for folder in (*_spike_folders(path).values(), *_session_folders(path))]
        files = {file.path for own in objects for attributes in own.values() for file in attributes.values()}
        return sorted(path for path in files if path.exists())

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the clusters of all probes as neurons, and behaviours, events and intervals by their names.

        Raises:
            ValueError: A file is damaged, or there is no such behaviour, event or interval; the message lists all.
        """
        if selection.activity is not None:
            raise ValueError(
                f"Expected no --activity for an ALF folder, whose activity is its spikes (got '{selection.activity}')."
            )
        notes: list[str] = []
        probes, trains, tables = [], [], []
        for probe_name, folder in _spike_folders(path).items():
            objects = alf_files([folder])
            times = stored_vector(objects["spikes"]["times"].path)
            clusters = stored_vector(objects["spikes"]["clusters"].path)
            if len(times) != len(clusters):
                raise ValueError(
                    f"Expected a cluster for each of the {len(times)} spikes in '{folder}' (got {len(clusters)})."
                )
            ids, rows = label_rows(clusters, f"'{folder}'", notes)
            if not len(ids):
                raise ValueError(f"Expected clusters with spikes in '{folder}' (no spike has a cluster).")
            probe = _Probe(probe_name, folder, ids)
            probes.append(probe)
            trains.append((times, rows))
            tables.append(_table(objects, probe))
            notes += _revisions(objects)
        spikes = _joined(probes, trains, f"the spike times of '{path}'", selection.sampling_rate)
        columns, labels = _merged(probes, tables)
        if "label" in columns:
            passed = int((plain_array(columns["label"]) == 1).sum())
            notes.append(f"{passed} of {len(labels)} clusters pass all of the IBL's criteria (--where 'label==1')")
        if len(probes) > 1:
            notes.append(f"{len(probes)} probes joined: {', '.join(probe.name for probe in probes)}")
        session = _Session(alf_files(_session_folders(path)), selection)
        return Recording(
            name,
            spikes,
            NeuronTable(len(labels), labels=labels, columns=columns, prefix="alf", position_unit=MICROMETRES),
            behaviours=[*map(session.behaviour, selection.behaviour), *map(session.event, selection.events)],
            intervals=session.intervals(selection.intervals) if selection.intervals else None,
            excluded=selection.excluded(session.intervals),
            notes=notes,
        )

    def describe(self, path: Path) -> Rows:
        """Describes the probes and what stands beside them, from headers."""
        rows = []
        for name, folder in _spike_folders(path).items():
            objects = alf_files([folder])
            times = stored_vector(objects["spikes"]["times"].path)
            last = f", up to {float(times[len(times) - 1 :][0]):.1f} s" if len(times) else ""
            fields = sorted(objects.get("clusters", {}))
            rows.append((name or "spikes", f"{len(times)} spikes{last}; clusters: {', '.join(fields) or 'no table'}"))
        around = alf_files(_session_folders(path))
        beside = {name: sorted(own) for name, own in around.items() if name not in ("spikes", "clusters", "channels")}
        rows += [(name, shorten(own, 12)) for name, own in sorted(beside.items())]
        extra = " --behaviour wheel" if "position" in beside.get("wheel", []) else ""
        return [*rows, *next_rows(path, f"--bin-size 0.0333{extra}")]


class _Session:
    """Behaviours, events and intervals of a session by name.

    Args:
        objects: Files by object and attribute.
        selection: Choices of the user.
    """

    def __init__(self, objects: AlfFiles, selection: Selection) -> None:
        self.objects = {name: own for name, own in objects.items() if name not in ("spikes", "clusters", "channels")}
        self.selection = selection

    def behaviour(self, name: str) -> Behaviour:
        """Returns an attribute with its object's times: ``wheel.position``, or ``wheel`` for the first one."""
        values, times, label = self._found(name)
        rate = self.selection.behaviour_rate or 1.0
        if times is None:
            raise ValueError(f"Expected times of '{name}' (there are no '{label}.times' or '{label}.timestamps').")
        return Series(name, values, times / rate, self.selection.period(name), label=f"'{name}'")

    def event(self, name: str) -> Events | Intervals:
        """Returns moments such as ``licks.times`` or ``trials.stimOn_times``, or intervals."""
        owner, _, attribute = name.partition(".")
        own = self.objects.get(owner, {})
        if (not attribute and "times" in own and "intervals" not in own) or attribute == "times":
            return Events(name, np.asarray(times_of(own, -1)))
        values, _, _ = self._found(name, first="intervals")
        if values.ndim == 2 and values.shape[1] == 2:
            return Intervals(name, blocks_of(values[:, 0], values[:, 1], f"'{name}'"))
        return Events(name, values)

    def intervals(self, name: str) -> Blocks:
        """Returns the intervals of an object such as ``trials``, or of one of its attributes."""
        values, _, _ = self._found(name, first="intervals")
        if values.ndim != 2 or values.shape[1] != 2:
            raise ValueError(f"Expected starts and stops [n, 2] in '{name}' (got {list(values.shape)}).")
        return blocks_of(values[:, 0], values[:, 1], f"'{name}'")

    def _found(self, name: str, first: str = "position") -> tuple[np.ndarray, np.ndarray | None, str]:
        """Returns the values of an attribute, the times of its object if there are some, and the object's name."""
        owner, _, attribute = name.partition(".")
        if owner not in self.objects:
            raise ValueError(f"Expected an object of ALF among {self._known()} (got '{name}').")
        columns = attributes_of(self.objects[owner])
        for key in [key.removesuffix("_0") for key in columns if key.endswith("_0")]:
            if f"{key}_1" in columns:  # starts and stops of a table
                columns[key] = np.stack([columns[f"{key}_0"], columns[f"{key}_1"]], axis=1)
        others = [key for key in columns if key not in ("times", "timestamps", "intervals")]
        key = attribute or (others[0] if first not in columns and len(others) == 1 else first)
        if key not in columns:
            raise ValueError(f"Expected an attribute of '{owner}' among {shorten(list(columns), 20)} (got '{name}').")
        values = np.asarray(columns[key])
        return values, times_of(self.objects[owner], len(values)), owner

    def _known(self) -> str:
        """Returns the names of the objects for a message."""
        return shorten(sorted(self.objects), 20) or "none, as there are only spikes"


def _spike_folders(path: Path) -> dict[str, Path]:
    """Returns the folder with the spikes of each probe by its name; the name of a single probe's folder is empty."""
    own = _sorted_folder(path)
    if own is not None:
        return {"": own}
    if not any(path.glob("probe*")) and not any(path.glob("*/spikes.times*.npy")):
        return {}
    probes: dict[str, Path] = {}
    for folder in sorted(path.iterdir(), key=lambda folder: natural(folder.name)):
        if folder.is_dir() and not folder.name.startswith((".", "#")):
            found = _sorted_folder(folder)
            if found is not None:
                probes[folder.name] = found
    return probes


def _sorted_folder(folder: Path) -> Path | None:
    """Returns the folder with the spikes of one probe: that of a sorter below it, or its own; None if none has any."""
    return next((place for place in (*(folder / sorter for sorter in _SORTERS), folder) if has_spikes(place)), None)


def _session_folders(path: Path) -> list[Path]:
    """Returns the folders that may hold behaviour: the session's and those of its tasks."""
    home = path
    for folder in (path, *path.parents[:2]):
        if folder.name == "alf":
            home = folder
            break
    tasks = [folder for folder in sorted(home.glob("task*")) if folder.is_dir()]
    return list(dict.fromkeys([home, *tasks, path]))


def _table(objects: AlfFiles, probe: _Probe) -> Fields:
    """Returns the fields of the clusters that have spikes."""
    clusters = dict(objects.get("clusters", {}))
    metrics = attributes_of({"metrics": clusters.pop("metrics")} if "metrics" in clusters else {})
    columns = attributes_of(clusters, _LARGE)
    taken = {key: at_rows(plain_array(values), probe.ids) for key, values in columns.items() if key != "cluster_id"}
    by_id = metrics.pop("cluster_id", columns.get("cluster_id"))
    place = probe.ids if by_id is None else rows_of(by_id, probe.ids)
    taken |= {key: at_rows(plain_array(values), place) for key, values in metrics.items() if key not in taken}
    channels = attributes_of(objects.get("channels", {}), _LARGE)
    if "channels" in taken and taken["channels"].dtype.kind in "fi":
        peak = np.nan_to_num(taken["channels"], nan=-1).astype(np.int64)
        for key, name in (
            ("brainLocationAcronyms_ccf_2017", "acronym"),
            ("brainLocationIds_ccf_2017", "atlas_id"),
            ("mlapdv", "position"),
            ("localCoordinates", "local_position"),
        ):
            if key in channels and name not in taken:
                taken[name] = at_rows(plain_array(channels[key]), peak)
    return taken


def _joined(
    probes: list[_Probe],
    trains: list[tuple[StoredVector, Callable[[int, int], np.ndarray]]],
    label: str,
    rate: float | None,
) -> Spikes:
    """Returns the spikes of all probes, whose clocks are the same."""
    first = np.cumsum([0, *(len(probe.ids) for probe in probes)])
    times = JoinedVectors([times for times, _ in trains])

    def rows(start: int, stop: int) -> np.ndarray:
        """Returns the rows of the spikes of all probes."""
        pieces = [(trains[i][1](a, b), first[i]) for i, a, b in times.pieces(start, stop)]
        return np.concatenate([np.where(row >= 0, row + shift, -1) for row, shift in pieces])

    return Spikes(times, rows, count=int(first[-1]), rate=rate, label=label)


def _merged(probes: list[_Probe], tables: list[Fields]) -> tuple[Fields, list[str]]:
    """Returns the columns of all probes, and a label for each neuron; a column that a probe lacks is left out."""
    several = len(probes) > 1
    labels = [f"{probe.name}/{i}" if several else str(i) for probe in probes for i in probe.ids.tolist()]
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    if lost := sorted({key for table in tables for key in table} - set(shared)):
        warn(f"some probes lack the fields {shorten(lost)}, which are left out.")
    columns = {key: np.concatenate([table[key] for table in tables]) for key in shared}
    if several:
        columns["probe"] = np.array([probe.name for probe in probes for _ in probe.ids], dtype=np.str_)
    return columns, labels


def _revisions(objects: AlfFiles) -> list[str]:
    """Returns a note on the revisions that were taken."""
    found = sorted({file.revision for own in objects.values() for file in own.values() if file.revision})
    return [f"revisions {', '.join(found)}"] if found else []
