"""Recordings in NWB files of any lab, in HDF5 or Zarr, on disk or at a URL."""

from pathlib import Path

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.blocks import apart
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.readers.hdf5_files import open_hdf5
from synapsnet_pyg.readers.nwb_contents import Contents
from synapsnet_pyg.readers.nwb_description import describe_nwb
from synapsnet_pyg.readers.nwb_groups import is_nwb_zarr, open_nwb, url_of
from synapsnet_pyg.readers.nwb_traces import cells_of
from synapsnet_pyg.readers.nwb_units import units_of
from synapsnet_pyg.readers.reader import Reader, Rows

_MOST_MISSING = 5
"""Largest number of notes on links that lead nowhere, and on arrays that are not read."""


class NWBReader(Reader):
    """Reads NWB: spikes of units, or traces of two-photon series, with behaviours and intervals by name."""

    name = "nwb"
    generic = frozenset({"nwb"})

    def recognises(self, path: Path) -> bool:
        """Returns True for ``.nwb`` files, other HDF5 files that say that they are NWB, Zarr folders, and URLs."""
        if url_of(path) is not None:
            return True
        if path.is_dir():
            return is_nwb_zarr(path)
        if path.suffix.lower() == ".nwb":
            return True
        return path.suffix.lower() in (".h5", ".hdf5") and _says_nwb(path)

    def files(self, path: Path) -> list[Path]:
        """Returns the file, or the headers of a Zarr folder."""
        path = Path(path)
        return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads a recording; spikes and traces stay in the file until they are counted."""
        file = open_nwb(path)
        contents = Contents(file)
        chosen = contents.activity(selection.activity)
        found = units_of(chosen, selection) if chosen.units else cells_of(chosen, selection)
        others = [other.path for other in contents.activities if other.path != chosen.path]
        if others:
            found.notes.insert(0, f"activity {chosen.path} (also there: {shorten(others, 8)})")
        found.notes.extend(list(file.missing.values())[:_MOST_MISSING])
        named = selection.intervals
        return Recording(
            name,
            found.activity,
            found.neurons,
            behaviours=[
                *(contents.behaviour(wanted, selection) for wanted in selection.behaviour),
                *(contents.happenings(wanted, selection) for wanted in selection.events),
            ],
            observed_by=found.observed_by,
            intervals=None if named is None else apart(contents.blocks(named, "intervals")),
            excluded=contents.excluded(selection),
            notes=found.notes,
        )

    def describe(self, path: Path) -> Rows:
        """Describes units, time series and intervals; spike times are read in pieces."""
        return describe_nwb(path)


def _says_nwb(path: Path) -> bool:
    """Returns True if an HDF5 file says that it is NWB."""
    try:
        with open_hdf5(path, parts=True) as file:
            return "nwb_version" in file.attrs
    except OSError:
        return False
