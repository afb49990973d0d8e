"""Sessions from NWB files, as a PyG dataset."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.lab_recordings import LabRecordings
from synapsnet_pyg.datasets.recordings import listed
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.nwb import NWBReader
from synapsnet_pyg.readers.nwb_groups import is_nwb_zarr, url_of
from synapsnet_pyg.readers.reader import find_recordings


class NWBRecording(LabRecordings):
    """Sessions from an NWB file, a folder of NWB files, or a URL: spikes of units, or traces of two-photon series.

    Spikes are counted in bins; the frames of a two-photon trace are bins. What the file says was not observed
    (``obs_intervals``, ``invalid_times``) ends segments. Columns of the table of units or cells become neuron fields,
    as do area and position of units with electrodes.

    Args:
        path: NWB file (HDF5, or a folder of Zarr), folder that is searched for them, or URL (``https://``,
            ``dandi://DANDISET/PATH``).
        activity: Name or path of a table of units, of a two-photon series, or of the group that holds the series of all
            planes. None: the only activity of the file.
        sessions: Names of sessions, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``processed`` beside the file or in the folder.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.
        **choices: Further choices, arguments of :class:`~synapsnet_pyg.intake.recording.Selection`: ``bin_size``,
            ``behaviour`` (names or whole paths), ``intervals``, ``where``, ``exclude``, ``events`` and others.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A file is damaged or has no such activity, behaviour or intervals; the message lists its contents.

    Example:
        >>> NWBRecording("sub-1.nwb", bin_size=1 / 30, behaviour=["running_speed"])[0]  # doctest: +SKIP
        Session('sub-1', 31 neurons x 54000 bins of 0.0333333 s, 1 behaviour, 1 segment, quality, area)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        activity: str | None = None,
        *,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
        **choices: Any,
    ) -> None:
        choices |= {key: listed(choices[key]) for key in ("behaviour", "exclude", "events") if key in choices}
        source = Path(path).expanduser()
        if processed is None:
            inside = source.is_dir() and not is_nwb_zarr(source)
            processed = (source if inside else Path() if url_of(path) else source.parent) / "processed"
        super().__init__(
            source,
            Selection(activity=activity, **choices),
            sessions=sessions,
            processed=processed,
            jobs=jobs,
            transform=transform,
        )

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns every NWB file by its name; the same file behind several links once."""
        found = find_recordings(url_of(root) or root, [NWBReader()])
        stems = [_stem(path) for _, path in found.values()]
        return {
            stem if stems.count(stem) == 1 else name: [path]
            for stem, (name, (_, path)) in zip(stems, found.items(), strict=True)
        }

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads one file."""
        return Session.from_recording(NWBReader().read(files[0], name, self.selection), self.selection)


def _stem(path: Path) -> str:
    """Returns the name of a file without its endings."""
    return path.name.removesuffix(".zarr").removesuffix(".nwb").removesuffix(path.suffix)
