"""HDF5 files of NWB, opened with the reason where they cannot be."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py

from synapsnet_pyg.readers.hdf5_files import survey_hdf5

_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex", b".git/annex")
"""Starts of small files that stand for files that were not fetched."""


def hdf5_of_nwb(source: Any, name: str) -> h5py.File:
    """Opens an HDF5 file for reading.

    Args:
        source: Path, or open file of a remote one.
        name: Path or URL, as in messages.

    Raises:
        ValueError: It cannot be opened; the message gives the reason.
    """
    with suppress(ImportError):
        import_module("hdf5plugin")  # filters with which some labs compress
    if isinstance(source, Path):
        survey_hdf5(source, parts=True)
    try:
        return h5py.File(source, "r")
    except Exception as error:  # h5py raises errors of many kinds for damaged files
        reason = "it is no HDF5 file, or damaged"
        if "truncated" in str(error):
            reason = "it is cut short; fetch or copy it again"
        elif isinstance(error, PermissionError):
            reason = "it may not be read by you"
        elif isinstance(error, BlockingIOError) or "unable to lock" in str(error):
            reason = "another program is writing it"
        raise ValueError(f"Expected an NWB file (got '{name}': {reason}).") from None


def check_start(path: Path) -> None:
    """Raises an error for an empty file, and for one that stands for a file that was not fetched."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        raise ValueError(f"Expected an NWB file (got '{path}', which may not be read by you).") from None
    if not start:
        raise ValueError(f"Expected an NWB file (got '{path}', which is empty); fetch or copy it again.")
    if start.startswith(_POINTERS):
        raise ValueError(
            f"Expected an NWB file (got '{path}', a pointer to a file that was not fetched); 'datalad get' or "
            "'git lfs pull' fetches it."
        )
