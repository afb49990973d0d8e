"""Allen Visual Coding, Neuropixels (Siegle et al. 2021)."""

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.download import allen_cache, dandiset
from synapsnet_pyg.datasets.nwb_file import (
    Blocks,
    Ragged,
    column,
    count_spikes,
    electrodes_of,
    intervals,
    invalid,
    merged,
    open_nwb,
    peak_rows,
    span,
    times_of,
    without,
)
from synapsnet_pyg.datasets.recordings import LeftOutError, RecordingDataset, listed, require_folder
from synapsnet_pyg.datasets.time_bins import TimeBins, onto, warn

_CCF = ("anterior_posterior_ccf_coordinate", "dorsal_ventral_ccf_coordinate", "left_right_ccf_coordinate")
_FIELDS = ("snr", "firing_rate", "waveform_duration")
BEHAVIOUR = ("running speed", "pupil area")
"""Names of the behaviours that a session can have."""


class AllenNeuropixels(RecordingDataset):
    r"""Spikes of mouse visual cortex, thalamus and hippocampus, from six Neuropixels probes in each session.

    There are 58 sessions of as many mice, with about 690 neurons each after the filters. An AllenSDK cache
    (``session_<id>/session_<id>.nwb``, ``channels.csv``) or DANDI folders (000021, 000022) are read with h5py only, the
    spikes of one neuron at a time.

    - *Neurons* are the units that pass AllenSDK's filters, given as arguments; a unit with NaN in a metric fails.
      Fields are ``area`` (of the peak channel), ``position`` (CCF, micrometres: anterior-posterior, dorsal-ventral,
      left-right), ``probe``, ``snr``, ``firing_rate`` and ``waveform_duration``. Ids are the Allen unit ids.
    - *Position* is taken from ``channels.csv`` beside or above the file. The released NWB files hold a copy of the
      second coordinate as the third; without the table the third is NaN, with a warning.
    - *Segments* are the blocks of a stimulus: rows at most ``gap`` seconds apart are one block. Times marked as
      invalid, and the time from the first to the last laser pulse of the optotagging, are left out.
    - *Running speed* (cm/s) is interpolated at the bins' centres. The files lack times in which the wheel stood still,
      so that the speed in gaps longer than ``still`` seconds is zero.

    Args:
        root: Folder of the cache or of DANDI.
        stimulus: One or several stimuli of the file, with blanks for underscores: ``"natural scenes"``, ``"drifting
            gratings"``, ``"spontaneous"``, ``"natural movie one"``, ...; their blocks are segments of one session.
            Sessions without any of them are left out. None: the whole recording.
        bin_size: Duration of one bin in seconds; the paper's is 33.3 ms.
        areas: Acronyms of the areas to keep (``["VISp", "CA1"]``). None: all.
        isi_violations: Largest value of the metric in kept units; the default is AllenSDK's.
        amplitude_cutoff: Largest value of the metric in kept units; the default is AllenSDK's.
        presence_ratio: Smallest value of the metric in kept units; 0.9 in most papers, 0.95 in today's AllenSDK.
        quality: Quality of kept units. None: any.
        positioned: Whether to keep only neurons with three known coordinates (SynapsNet's "sessions where neuron
            locations were available").
        behaviour: Some of ``"running speed"`` and ``"pupil area"`` (product of the fitted ellipse's half axes times
            pi). A behaviour that a session lacks is zero throughout, with a warning.
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
        ValueError: A file is damaged or incomplete; the message names it.

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
        self.bin_size, self.quality = bin_size, quality
        self.areas = None if areas is None else set(listed(areas))
        self.largest = {"isi_violations": isi_violations, "amplitude_cutoff": amplitude_cutoff}
        self.smallest = {"presence_ratio": presence_ratio}
        self.positioned, self.gap, self.still, self.shortest = positioned, gap, still, shortest
        self.behaviour = listed(behaviour)
        if not set(self.behaviour) <= set(BEHAVIOUR):
            raise ValueError(f"Expected behaviours among {', '.join(BEHAVIOUR)} (got {', '.join(self.behaviour)}).")
        super().__init__(root, sessions, processed=processed, jobs=jobs, transform=transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns every ``.nwb`` file with units; files of the local field potential have none."""
        require_folder(root, "fetch sessions with AllenNeuropixels.download(root, ids) or 'synapsnet download'")
        sources: dict[str, list[Path]] = {}
        for path in sorted(root.rglob("*.nwb")):
            number = re.search(r"(?:session_|ses-)(\d+)", path.stem)
            name = f"allen-{number[1] if number else path.stem}"
            if re.search(r"probe[_-]", path.stem) or not _may_have_units(path):
                continue
            if name in sources:
                warn(f"'{path}' is left out: session {name} is in '{sources[name][0]}' already.")
                continue
            table = next((up / "channels.csv" for up in path.parents if (up / "channels.csv").is_file()), None)
            inside = table is not None and root in (table.parent, *table.parent.parents)
            sources[name] = [path, table] if table is not None and inside else [path]
        return sources

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads one session."""
        with open_nwb(files[0]) as file:
            bins = self._bins(file)
            spikes = Ragged(file["units"], "spike_times")
            kept, known = self._neurons(file, files[1] if len(files) > 1 else None)
            if not len(kept):
                raise LeftOutError("no unit passes the filters" + (f" in {self.areas}" if self.areas else ""))
            counts = count_spikes(spikes, kept, bins)
            ids = column(file["units"], "id")[kept]
            series = [self._behaviour_at(bins.centres, file, behaviour) for behaviour in self.behaviour]
        return Session(
            counts,
            torch.from_numpy(np.stack(series, axis=1).astype(np.float32)) if series else None,
            bin_size=self.bin_size,
            segment=torch.from_numpy(bins.segment),
            neuron_id=[f"allen/{unit}" for unit in ids],
            behaviour_name=self.behaviour,
            name=name,
            **{key: entries[kept] for key, entries in known.items()},
        )

    def _bins(self, file: h5py.File) -> TimeBins:
        """Returns bins in the blocks of the stimulus, without invalid blocks and the optotagging."""
        if self.stimuli is None:
            spikes = Ragged(file["units"], "spike_times")
            blocks: Blocks = [span(spikes, np.arange(len(spikes)))]
        else:
            tables = {f"{stimulus.replace(' ', '_')}_presentations" for stimulus in self.stimuli}
            present = {key for key in file.get("intervals", {}) if key.endswith("_presentations")}
            if not tables & present:
                shown = ", ".join(sorted(key.removesuffix("_presentations").replace("_", " ") for key in present))
                raise LeftOutError(f"it has no {' or '.join(self.stimuli)} (but {shown or 'no stimuli'})")
            rows = sorted(row for key in tables & present for row in intervals(file["intervals"][key]))
            blocks = merged(rows, self.gap)
        blocks = without(blocks, invalid(file) + _laser(file))
        blocks = [(start, stop) for start, stop in blocks if stop - start >= max(self.shortest, self.bin_size)]
        if not blocks:
            raise LeftOutError(f"it has no valid block of {self.shortest:g} s or longer")
        return TimeBins(blocks, self.bin_size)

    def _neurons(self, file: h5py.File, channels: Path | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Returns the rows of the units that pass the filters, and the fields of all units."""
        units, table = file["units"], electrodes_of(file)
        if table is None:
            raise ValueError(f"Expected a table of electrodes in '{file.filename}' (there is none).")
        row, peak = peak_rows(units, table), column(units, "peak_channel_id").astype(np.int64)
        area = column(table, "location")[row]
        position = self._position(table, row, peak, channels=channels)
        passes = (row >= 0) & ~np.isin(area, ["", "None", "nan"])
        if "valid_data" in table:
            passes &= column(table, "valid_data")[row].astype(bool)
        if self.quality is not None and self._has(units, "quality"):
            passes &= column(units, "quality") == self.quality
        with np.errstate(invalid="ignore"):  # a comparison with NaN is False
            for key, limit in self.largest.items():
                passes &= column(units, key) <= limit if self._has(units, key) else True
            for key, limit in self.smallest.items():
                passes &= column(units, key) >= limit if self._has(units, key) else True
        if self.areas is not None:
            for missing in sorted(self.areas - set(column(table, "location"))):
                warn(f"'{file.filename}' has no electrode in area '{missing}'.")
            passes &= np.isin(area, sorted(self.areas))
        if self.positioned:
            passes &= np.isfinite(position).all(axis=1)
        kept = np.flatnonzero(passes)
        known: dict[str, np.ndarray] = {"area": area, "position": position}
        if "group_name" in table:
            known["probe"] = column(table, "group_name")[row]
        known |= {key: column(units, key) for key in _FIELDS if key in units}
        return kept, known

    def _has(self, units: h5py.Group, key: str) -> bool:
        """Returns True if the units have a column; warns if not."""
        if key not in units:
            warn(f"'{units.file.filename}' has no column '{key}', so that this filter is not applied.")
        return key in units

    def _position(self, table: h5py.Group, row: np.ndarray, peak: np.ndarray, *, channels: Path | None) -> np.ndarray:
        """Returns the CCF coordinates of each unit's peak channel [units, 3], NaN where unknown."""
        if channels is not None:
            position_of = _coordinates(channels)
            return np.array([position_of.get(channel, (np.nan,) * 3) for channel in peak.tolist()]).reshape(-1, 3)
        if not all(axis in table for axis in "xyz"):
            return np.full((len(row), 3), np.nan)
        x, y, z = (column(table, axis).astype(np.float64) for axis in "xyz")
        known = np.isfinite(y) & np.isfinite(z)
        if known.any() and (y[known] == z[known]).all():
            warn(
                f"'{table.file.filename}' holds a copy of y as z, a known fault of the released files: left-right "
                "positions are NaN; put the cache's channels.csv beside or above the file to get them."
            )
            z = np.full_like(z, np.nan)
        return np.where(row[:, None] >= 0, np.stack([x, y, z], axis=1)[row], np.nan)

    def _behaviour_at(self, at: np.ndarray, file: h5py.File, name: str) -> np.ndarray:
        """Interpolates a behaviour at the centres of the bins [T]; returns zeros, with a warning, if it is missing."""
        try:
            return self._running(file, at) if name == "running speed" else _pupil(file, at)
        except ValueError as error:
            warn(f"{name} is missing and taken as zero: {error}")
            return np.zeros(len(at))

    def _running(self, file: h5py.File, at: np.ndarray) -> np.ndarray:
        """Interpolates the running speed, which is zero in long gaps."""
        path = "processing/running/running_speed"
        if path not in file:
            raise ValueError(f"there is no '{path}' in '{file.filename}'.")
        group = file[path]
        values, start = group["data"][()], group["timestamps"][()].astype(np.float64)
        if start.ndim == 2:  # files from before June 2020: starts, then ends
            start, stop = start if len(start) == 2 else start.T
        elif "processing/running/running_speed_end_times/timestamps" in file:
            stop = file["processing/running/running_speed_end_times/timestamps"][()].astype(np.float64)
        else:
            stop = start + (np.median(np.diff(start)) if len(start) > 1 else 0.0)
        speed = onto(at, start, values, f"'{path}' of '{file.filename}'")
        if self.still is not None and len(start) == len(stop) and len(start) > 1:
            order = np.argsort(start, kind="stable")
            start, stop = start[order], np.maximum.accumulate(stop[order])
            last = np.clip(np.searchsorted(start, at, side="right") - 1, 0, len(start) - 2)
            gap = start[last + 1] - stop[last] > self.still
            speed[gap & (at >= stop[last]) & (at < start[last + 1])] = 0.0
        return speed

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


def _may_have_units(path: Path) -> bool:
    """Returns True if a file may hold units, or is damaged and will raise an error when it is read."""
    try:
        with h5py.File(path, "r") as file:
            return "units/spike_times" in file
    except OSError:
        return True


def _laser(file: h5py.File) -> Blocks:
    """Returns the block from the first to the last laser pulse of the optotagging, or no block."""
    path = "processing/optotagging/optogenetic_stimulation"
    pulses = intervals(file[path]) if path in file else []
    return [(pulses[0][0], max(stop for _, stop in pulses))] if pulses else []


def _pupil(file: h5py.File, at: np.ndarray) -> np.ndarray:
    """Interpolates the area of the pupil."""
    path = "processing/eye_tracking/pupil_ellipse_fits"
    if path not in file:
        raise ValueError(f"there is no '{path}' in '{file.filename}'.")
    group = file[path]
    area = np.pi * group["width"][()] * group["height"][()]
    return onto(at, times_of(group, len(area)), area, f"'{path}' of '{file.filename}'")


def _coordinates(path: Path) -> dict[int, tuple[float, float, float]]:
    """Reads the CCF coordinates of each channel id from ``channels.csv``."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = {"id", *_CCF} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(
                f"Expected columns id, {', '.join(_CCF)} in '{path}' (lacks {', '.join(sorted(missing))})."
            )
        try:
            return {
                int(float(row["id"])): tuple(float(row[key] or "nan") for key in _CCF)  # type: ignore[misc]
                for row in rows
            }
        except ValueError as error:
            raise ValueError(f"Expected numbers in '{path}' ({error}).") from None
