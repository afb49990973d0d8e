"""Allen Visual Coding, Neuropixels (Siegle et al. 2021)."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.allen_files import coordinates, session_files, stimuli_of
from synapsnet_pyg.datasets.download import allen_cache, dandiset
from synapsnet_pyg.datasets.recordings import LeftOutError, RecordingDataset, listed, require_folder
from synapsnet_pyg.intake.behaviours import Behaviour, Columns, Grid, NotRecorded, Series
from synapsnet_pyg.intake.blocks import Blocks, duration, merged, within, without
from synapsnet_pyg.intake.neuron_table import MICROMETRES, NeuronTable
from synapsnet_pyg.intake.notes import DataWarning, warn
from synapsnet_pyg.intake.plain import at_rows, texts
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.readers.nwb_groups import Node, NWBFile, as_text, open_nwb
from synapsnet_pyg.readers.nwb_tables import column, intervals, needed_column, seconds, times_of, values_of
from synapsnet_pyg.readers.nwb_units import kept_spikes, peak_rows, spikes_of

_FIELDS = ("snr", "firing_rate", "waveform_duration")
_LONGEST = 36_000.0
"""Longest time in seconds in which a mouse stands still; a longer gap is one of the recording."""

_SPEEDS = {"cm/s": 1.0, "m/s": 100.0, "mm/s": 0.1}
"""Unit of a running speed -> centimetres a second."""

BEHAVIOUR = ("running speed", "pupil area")
"""Names of the behaviours that a session can have."""


class AllenNeuropixels(RecordingDataset):
    r"""Spikes of mouse visual cortex, thalamus and hippocampus, from six Neuropixels probes in each session.

    There are 58 sessions of as many mice, with about 690 neurons each after the filters. An AllenSDK cache
    (``session_<id>/session_<id>.nwb``, ``channels.csv``), DANDI folders (000021, 000022) and single files are read; the
    spikes in pieces.

    - *Neurons* are the units that pass AllenSDK's filters, given as arguments; a unit with NaN in a metric fails.
      Units whose peak channel is missing, or not in the table of electrodes, are left out with a warning. Fields are
      ``area`` (of the peak channel), ``position`` (CCF, micrometres: anterior-posterior, dorsal-ventral,
      left-right), ``probe``, ``snr``, ``firing_rate`` and ``waveform_duration``. Ids are the Allen unit ids.
    - *Position* is taken from ``channels.csv`` beside or above the file. The released NWB files hold a copy of the
      second coordinate as the third; without the table the third is NaN, with a warning. Coordinates below zero are
      unknown.
    - *Segments* are the blocks of a stimulus: rows at most ``gap`` seconds apart are one block. Times marked as
      invalid, and the time from the first to the last laser pulse of the optotagging, are left out.
    - *Running speed* (cm/s) is interpolated at the bins' centres. The files lack times in which the wheel stood still,
      so that the speed in gaps longer than ``still`` seconds is zero.

    Args:
        root: Folder of the cache or of DANDI, folder of a session, or a session file.
        stimulus: One or several stimuli of the file, with blanks for underscores: ``"natural scenes"``, ``"drifting
            gratings"``, ``"spontaneous"``, ``"natural movie one"``, ...; their blocks are segments of one session.
            Sessions without any of them are left out. None: the whole recording.
        bin_size: Duration of one bin in seconds; the paper's is 33.3 ms.
        areas: Acronyms of the areas to keep (``["VISp", "CA1"]``), each with its subregions (``LGd-sh`` is in ``LGd``,
            ``VISpm`` is not in ``VISp``). None: all.
        isi_violations: Largest value of the metric in kept units; the default is AllenSDK's.
        amplitude_cutoff: Largest value of the metric in kept units; the default is AllenSDK's.
        presence_ratio: Smallest value of the metric in kept units; 0.9 in most papers, 0.95 in today's AllenSDK.
        quality: Quality of kept units. None: any.
        positioned: Whether to keep only neurons with three known coordinates (SynapsNet's "sessions where neuron
            locations were available").
        behaviour: Some of ``"running speed"`` and ``"pupil area"`` (product of the fitted ellipse's half axes times
            pi). A behaviour that a session lacks is marked as not recorded, with a warning.
        gap: Longest pause within a block in seconds; gratings pause for 1 s between rows.
        still: Longest gap in seconds across which the running speed is interpolated. None: all gaps.
        shortest: Duration of the shortest kept block in seconds.
        sessions: Names of sessions, ``"allen-<session id>"``, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``root/processed``.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.

    Raises:
        FileNotFoundError: There is no session.
        ValueError: A file is damaged or incomplete, or no session has such a stimulus; the message names it.

    References:
        Siegle et al., "Survey of spiking in the mouse visual system reveals functional hierarchy", Nature 592 (2021).

    Example:
        >>> AllenNeuropixels("data/allen", stimulus="natural scenes", areas=["VISp"], jobs=2)  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        stimulus: str | Sequence[str] | None = "natural scenes",
        *,
        bin_size: float = 1 / 30,
        areas: str | Sequence[str] | None = None,
        isi_violations: float = 0.5,
        amplitude_cutoff: float = 0.1,
        presence_ratio: float = 0.9,
        quality: str | None = "good",
        positioned: bool = False,
        behaviour: Sequence[str] = ("running speed",),
        gap: float = 2.0,
        still: float | None = 0.5,
        shortest: float = 1.0,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        self.stimuli = None if stimulus is None else listed(stimulus)
        self.selection, self.quality = Selection(bin_size=bin_size), quality
        self.areas = None if areas is None else set(listed(areas))
        self.largest = {"isi_violations": isi_violations, "amplitude_cutoff": amplitude_cutoff}
        self.smallest = {"presence_ratio": presence_ratio}
        self.positioned, self.gap, self.still, self.shortest = positioned, gap, still, shortest
        self.behaviour = listed(behaviour)
        if not set(self.behaviour) <= set(BEHAVIOUR):
            raise ValueError(f"Expected behaviours among {', '.join(BEHAVIOUR)} (got {', '.join(self.behaviour)}).")
        path = Path(root).expanduser()
        if processed is None:
            processed = (path.parent if path.is_file() else path) / "processed"
        self._check_stimuli(path)
        super().__init__(path, sessions, processed=processed, jobs=jobs, transform=transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns every session file; files of other labs, and of the local field potential, are none."""
        if not root.is_file():
            require_folder(root, "fetch sessions with AllenNeuropixels.download(root, ids) or 'synapsnet download'")
        return session_files(root)

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads one session."""
        file = open_nwb(files[0])
        units = file.need("units")
        notes: list[str] = []
        blocks = self._blocks(file, units, notes)
        kept, neurons = self._neurons(file, units, files[1] if len(files) > 1 else None, notes=notes)
        finders = {"running speed": self._running, "pupil area": _pupil}
        behaviours = [_OrNotRecorded(wanted, finders[wanted], file) for wanted in self.behaviour]
        spikes = kept_spikes(units, kept)
        recording = Recording(name, spikes, neurons, behaviours=behaviours, observed=blocks, notes=notes)
        return Session.from_recording(recording, self.selection)

    def _check_stimuli(self, root: Path) -> None:
        """Raises an error if no session has any of the stimuli; warns of each that no session has."""
        present: set[str] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # repeated by the search that follows
            sources = self.find(root) if self.stimuli is not None else {}
        for files in sources.values():
            try:
                present |= set(stimuli_of(open_nwb(files[0])))
            except (ValueError, FileNotFoundError):  # named when the session is read
                return
        unknown = [one for one in self.stimuli or () if one.replace(" ", "_") not in present]
        if present and unknown:
            shown = ", ".join(sorted(one.replace("_", " ") for one in present))
            message = f"Expected a stimulus among {shown} (no session has {' or '.join(unknown)}"
            if len(unknown) == len(self.stimuli or ()):
                raise ValueError(f"{message}, so that all are left out).")
            warn(f"{message}).")

    def _blocks(self, file: NWBFile, units: Node, notes: list[str]) -> Blocks:
        """Returns the blocks of the stimulus, without invalid times and the optotagging."""
        if self.stimuli is None:
            survey = spikes_of(units, 1.0).survey()
            if not survey.total:
                raise LeftOutError("it has no spikes")
            blocks = [(survey.first, survey.last)]
        else:
            tables = stimuli_of(file)
            wanted = [tables[key] for one in self.stimuli if (key := one.replace(" ", "_")) in tables]
            if not wanted:
                shown = ", ".join(sorted(key.replace("_", " ") for key in tables))
                raise LeftOutError(f"it has no {' or '.join(self.stimuli)} (but {shown or 'no stimuli'})")
            blocks = merged([row for table in wanted for row in intervals(table)], self.gap)
        bad = file.get("intervals/invalid_times")
        lost = merged(([] if bad is None else intervals(bad)) + _laser(file))
        if gone := duration(within(blocks, lost)):
            notes.append(f"{gone:.1f} s of invalid times and laser pulses are left out")
        blocks = without(blocks, lost)
        blocks = [
            (start, stop)
            for start, stop in blocks
            if stop - start >= max(self.shortest, self.selection.bin_size or 0.0)
        ]
        if not blocks:
            raise LeftOutError(f"it has no valid block of {self.shortest:g} s or longer")
        return blocks

    def _neurons(
        self, file: NWBFile, units: Node, channels: Path | None, *, notes: list[str]
    ) -> tuple[np.ndarray, NeuronTable]:
        """Returns the rows of the units that pass the filters, and their table."""
        table = file.need("general/extracellular_ephys/electrodes")
        peak, ids = needed_column(units, "peak_channel_id"), needed_column(units, "id")
        row = peak_rows(units, table)
        assert row is not None
        location = np.array(texts(needed_column(table, "location")), dtype=np.str_)
        area = at_rows(location, row)
        position = self._position(table, row, peak, channels=channels)
        passes = row >= 0
        if not passes.all():
            warn(f"{int((~passes).sum())} of {len(row)} units have no electrode, and are left out.")
        passes &= area != ""
        valid = column(table, "valid_data")
        if valid is not None:
            passes &= np.isin(at_rows(np.array(texts(valid), dtype=np.str_), row), ["True", "TRUE", "true", "1"])
        if self.quality is not None and (quality := self._metric(units, "quality")) is not None:
            passes &= quality == self.quality
        with np.errstate(invalid="ignore"):  # a comparison with NaN is False
            for key, limit in self.largest.items():
                passes &= True if (metric := self._metric(units, key)) is None else metric <= limit
            for key, limit in self.smallest.items():
                passes &= True if (metric := self._metric(units, key)) is None else metric >= limit
        if self.areas is not None:
            passes &= np.isin(area, self._folded(location, file, notes))
        if self.positioned:
            passes &= np.isfinite(position).all(axis=1)
        kept = np.flatnonzero(passes)
        if not len(kept):
            raise LeftOutError("no unit passes the filters" + (f" in {sorted(self.areas)}" if self.areas else ""))
        notes.append(f"{len(kept)} of {len(row)} units pass the filters")
        known: dict[str, np.ndarray] = {"area": area, "position": position}
        if (probe := column(table, "group_name")) is not None:
            known["probe"] = at_rows(np.array(texts(probe), dtype=np.str_), row)
        known |= {key: values for key in _FIELDS if (values := column(units, key)) is not None}
        names = [f"allen/{unit}" for unit in texts(ids[kept])]
        fields = {key: entries[kept] for key, entries in known.items()}
        return kept, NeuronTable(len(kept), ids=names, columns=dict(fields), prefix="allen", position_unit=MICROMETRES)

    def _folded(self, location: np.ndarray, file: NWBFile, notes: list[str]) -> list[str]:
        """Returns the chosen areas with their subregions, such as ``LGd-sh`` of ``LGd``; warns of areas that lack."""
        chosen: list[str] = []
        for area in sorted(self.areas or ()):
            inside = sorted({one for one in location.tolist() if one == area or one.startswith(f"{area}-")})
            if not inside:
                warn(f"'{file.name}' has no electrode in area '{area}'.")
            elif inside != [area]:
                notes.append(f"area {area} includes {', '.join(one for one in inside if one != area)}")
            chosen += inside
        return chosen

    def _metric(self, units: Node, key: str) -> np.ndarray | None:
        """Returns a column of the units; warns if there is none."""
        values = column(units, key)
        if values is None:
            warn(f"'{units.file.name}' has no column '{key}', so that this filter is not applied.")
        return values

    def _position(self, table: Node, row: np.ndarray, peak: np.ndarray, *, channels: Path | None) -> np.ndarray:
        """Returns the CCF coordinates of each unit's peak channel [units, 3], NaN where unknown."""
        if channels is not None:
            position_of = coordinates(channels)
            known = texts(peak)
            lost = sum(1 for channel in set(known) if channel and channel not in position_of)
            if lost:
                warn(f"{lost} peak channels of '{table.file.name}' are not in '{channels}': their position is NaN.")
            return np.array([position_of.get(channel, (np.nan,) * 3) for channel in known]).reshape(-1, 3)
        axes = [column(table, axis) for axis in "xyz"]
        if any(axis is None for axis in axes):
            return np.full((len(row), 3), np.nan)
        x, y, z = (np.where(axis.astype(np.float64) >= 0, axis, np.nan) for axis in axes if axis is not None)
        both = np.isfinite(y) & np.isfinite(z)
        if both.any() and (y[both] == z[both]).all():
            warn(
                f"'{table.file.name}' holds a copy of y as z, a known fault of the released files: left-right "
                "positions are NaN; put the cache's channels.csv beside or above the file to get them."
            )
            z = np.full_like(z, np.nan)
        return at_rows(np.stack([x, y, z], axis=1), row)

    def _running(self, file: NWBFile) -> Series:
        """Finds the running speed in cm/s, which is zero in long gaps."""
        group = file.need("processing/running/running_speed")
        speed = values_of(group).astype(np.float64).ravel()
        data = group.array("data")
        unit = "" if data is None else as_text(data.attribute("unit"))
        if unit and unit.lower() not in _SPEEDS:
            warn(f"the running speed of '{file.name}' has unit '{unit}', and is taken as it is.")
        speed = speed * _SPEEDS.get(unit.lower(), 1.0)
        start = times_of(group, len(speed))
        stamps = group.array("timestamps")
        ends = file.get("processing/running/running_speed_end_times")
        stop = start + (np.median(np.diff(start)) if len(start) > 1 else 0.0)
        if stamps is not None and len(stamps.shape) == 2:  # files from before June 2020: starts, then ends
            stop = (stamps[()] if stamps.shape[0] == 2 else stamps[()].T)[1].astype(np.float64)
        elif ends is not None and ends.array("timestamps") is not None:
            stop = seconds(ends, "timestamps")
        if self.still is not None and len(start) == len(stop) == len(speed):
            start, speed = _standing(start, stop, speed, self.still)
        return Series("running speed", speed, start, label=f"running speed {group!r}")

    @classmethod
    def download(
        cls, root: str | os.PathLike[str], sessions: Iterable[int | str] = (), *, source: str | None = None
    ) -> None:
        """Fetches sessions of 2 to 3 GB each with a progress bar; an interrupted download continues where it stopped.

        Args:
            root: Folder to fill.
            sessions: Session ids for the cache; paths or subject folders of a dandiset such as
                ``"000021/sub-707296975"`` for DANDI.
            source: ``"cache"`` (the AllenSDK's files, with ``channels.csv``; the default) or ``"dandi"`` (extra
                ``dandi``).

        Raises:
            OSError: The source cannot be reached; the message describes a download by hand.
            ValueError: No session is given, or a file differs from the published one.
        """
        names = [str(session) for session in sessions]
        if not names:
            raise ValueError(
                "Expected the sessions to fetch, with --sessions (got none); each is 2 to 3 GB, and the cache's "
                "sessions.csv lists their ids."
            )
        {"cache": allen_cache, "dandi": dandiset}[source or "cache"](Path(root), names)


@dataclass(frozen=True)
class _OrNotRecorded:
    """Behaviour that is marked as not recorded, with a warning, where a session lacks it."""

    name: str
    find: Callable[[NWBFile], Behaviour]
    file: NWBFile

    def on(self, grid: Grid) -> Columns:
        """Returns the behaviour in each bin."""
        try:
            return self.find(self.file).on(grid)
        except ValueError as error:
            warn(f"{self.name} was not recorded, and is marked so: {error}")
            return NotRecorded(self.name).on(grid)


def _laser(file: NWBFile) -> Blocks:
    """Returns the block from the first to the last laser pulse of the optotagging, or no block."""
    table = file.get("processing/optotagging/optogenetic_stimulation")
    pulses = [] if table is None else intervals(table)
    return [(pulses[0][0], max(stop for _, stop in pulses))] if pulses else []


def _pupil(file: NWBFile) -> Series:
    """Finds the area of the pupil."""
    group = file.need("processing/eye_tracking/pupil_ellipse_fits")
    width, height = needed_column(group, "width"), needed_column(group, "height")
    times = times_of(group, len(width))
    return Series("pupil area", np.pi * width * height, times, label=f"pupil area {group!r}")


def _standing(start: np.ndarray, stop: np.ndarray, speed: np.ndarray, still: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns times and speeds with samples of zero in the gaps in which the wheel stood still."""
    usual = float(np.median(np.diff(start))) if len(start) > 1 else 0.0
    begin, end = np.clip(stop[:-1], start[:-1], start[:-1] + 10 * usual), start[1:]  # stops of another clock are none
    gaps = np.flatnonzero((end - begin > still) & (end - begin < _LONGEST))
    zeros = [np.append(np.arange(begin[i], end[i] - usual, 0.5), end[i] - usual) for i in gaps.tolist()]
    place = np.repeat(gaps + 1, [len(part) for part in zeros])
    return np.insert(start, place, np.concatenate([np.zeros(0), *zeros])), np.insert(speed, place, 0.0)
