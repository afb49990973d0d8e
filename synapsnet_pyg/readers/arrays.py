"""Recordings from a lab's own arrays: MATLAB, numpy, HDF5, Zarr, NetCDF, tables, folders of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.array_activity import read_trials, traces_of
from synapsnet_pyg.readers.array_behaviours import excluded_blocks, read_behaviours, read_blocks
from synapsnet_pyg.readers.array_files import SUFFIXES, ArrayFile
from synapsnet_pyg.readers.array_keys import ArrayKeys
from synapsnet_pyg.readers.array_neurons import read_neurons
from synapsnet_pyg.readers.array_spikes import read_spikes
from synapsnet_pyg.readers.array_survey import names_an_array
from synapsnet_pyg.readers.proposal import propose
from synapsnet_pyg.readers.reader import Reader, Rows
from synapsnet_pyg.readers.table_files import TABLE

_PARTS = frozenset({".npy", ".csv", ".tsv", ".parquet"})
"""Endings of files that make a folder one recording."""

_MOST_ROWS = 60
"""Largest number of arrays that are described."""


class ArraysReader(Reader):
    """Reader of arrays by key, the format of files that have no other.

    Without keys it takes what is clear, such as a table of spikes with columns of times and neurons, or arrays with
    named axes and a clock; otherwise its error names the options that fit.
    """

    name = "arrays"

    def recognises(self, path: Path) -> bool:
        """Returns True for a file of arrays, a Zarr folder, or a folder of ``.npy`` files and tables."""
        if path.name.startswith("."):
            return False
        if path.is_file():
            return path.suffix.lower() in SUFFIXES - {".zarr", ".txt"}
        return path.suffix.lower() == ".zarr" or _is_one_recording(path)

    def files(self, path: Path) -> list[Path]:
        """Returns the files of arrays."""
        if path.is_dir() and path.suffix.lower() == ".zarr":
            return sorted(file for file in path.rglob("*") if file.is_file())
        return super().files(path)

    def read(self, path: Path, name: str, selection: Selection, keys: ArrayKeys | None = None) -> Recording:
        """Reads arrays of one file or folder.

        Args:
            path: File or folder.
            name: Name of the session.
            selection: Choices of the user; behaviours, events, intervals and exclusions are keys.
            keys: Keys of the arrays. None: by the proposal, where it is clear.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: A key is missing, lengths do not fit, or nothing says what the arrays are; the message then
                proposes options.
        """
        keys = keys or ArrayKeys()
        with ArrayFile(path) as file:
            notes = file.notes
            keys, selection = _completed(file, keys, selection, notes)
            activity: Spikes | Traces
            labels: Any
            if keys.spike_times is not None:
                found = read_spikes(file, keys, selection.sampling_rate, notes)
                activity, labels, trials = found.spikes, found.labels, None
                N = activity.count
            else:
                key = keys.activity or selection.activity
                behaviours = (*selection.behaviour, *selection.events)
                used = [own for own in (keys.times, keys.behaviour_times, *behaviours) if own]
                trials = read_trials(file, keys, key, used)
                activity = traces_of(file, keys, trials, selection, notes)
                N, labels = len(trials.values), trials.labels
            return Recording(
                name,
                activity,
                neurons=read_neurons(file, keys, selection, N, labels=labels, notes=notes),
                behaviours=read_behaviours(file, keys, selection, trials, notes),
                intervals=(
                    None
                    if selection.intervals is None
                    else read_blocks(file, selection.intervals, selection.behaviour_rate)
                ),
                excluded=excluded_blocks(file, selection, activity, notes),
                notes=notes,
            )

    def describe(self, path: Path) -> Rows:
        """Describes the arrays of a file by their headers and first entries, and the command that fits."""
        with ArrayFile(path) as file:
            rows: Rows = [("file", f"arrays of {path}")]
            rows += [("form", note) for note in file.notes]
            known = file.keys
            rows += [(key, _described(file, key)) for key in known[:_MOST_ROWS]]
            if len(known) > _MOST_ROWS:
                rows.append(("", f"and {len(known) - _MOST_ROWS} more arrays"))
            proposal = propose(file)
            rows += [("seems", sentence) for sentence in proposal.reasons]
            if proposal.possible:
                rows.append(("next", proposal.command(path)))
        return rows


def _completed(file: ArrayFile, keys: ArrayKeys, selection: Selection, notes: list[str]) -> tuple[ArrayKeys, Selection]:
    """Returns keys and choices, those of the proposal where none are given and all is clear.

    Raises:
        ValueError: Nothing says what the arrays are.
    """
    chosen = keys.activity or selection.activity
    if keys.spike_times is not None or keys.axes or (chosen is not None and _has_axes(file, chosen)):
        return keys, selection
    if not file.keys:
        raise ValueError(f"Expected arrays in '{file.path}' (it holds none).")
    proposal = propose(file, chosen, keys)
    if proposal.clear(selection):
        notes += proposal.reasons
        return proposal.completed(keys, selection)
    seems = "; ".join(proposal.reasons) or "no array looks like one"
    raise ValueError(
        f"Expected to know which arrays of '{file.path}' are the activity (it seems: {seems}). Try the options "
        f"{proposal.options()}"
    )


def _has_axes(file: ArrayFile, key: str) -> bool:
    """Returns True if a key says which axis is which: a group of vectors, a table with a column for each neuron."""
    return file.is_group(key) or "*" in key or (key == TABLE and file.has(key))


def _is_one_recording(folder: Path) -> bool:
    """Returns True if a folder's files are arrays of one recording, not one recording each.

    Names that differ in numbers alone, such as ``mouse1.npy`` and ``mouse2.npy``, are recordings, and so are those of
    which none speaks of an array, such as ``alice.npy`` and ``bob.npy``.
    """
    names = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _PARTS and not path.name.startswith(".") and path.is_file()
    ]
    stems = {re.sub(r"\d+", "", path.stem) for path in names}
    known = any(path.suffix != ".npy" or names_an_array(path.stem.lower()) for path in names)
    return len(names) == 1 or (len(stems) > 1 and known)


def _described(file: ArrayFile, key: str) -> str:
    """Returns kind, shape and first entries of an array."""
    entry = file.entry(key)
    if entry.refusal:
        return f"cannot be read: {entry.refusal}"
    shape = "" if entry.shape is None else f" {list(entry.shape)}"
    axes = f" ({', '.join(entry.axes)})" if entry.axes and key != "table" else ""
    summary = f"{entry.dtype or 'unknown'}{shape}{axes}"
    try:
        head = file.head(key)
    except ValueError as error:
        return f"{summary}, {error}"
    if head is None or not head.size or head.dtype.kind in "cV":
        return summary
    values = plain_array(head)
    if values.dtype.kind in "fib":
        whole = values.astype(np.float64)
        good = whole[np.isfinite(whole)]
        bad = whole.size - good.size
        begin = "" if entry.shape is not None and head.size >= np.prod(entry.shape) else "first entries "
        summary += f", {begin}{good.min():.4g} to {good.max():.4g}" if good.size else ""
        return summary + (f", {bad} NaN or infinite" if bad else "")
    return (
        f"{summary}, {shorten([repr(text) for text in values.ravel().tolist()], 4)}"
        if values.dtype.kind == "U"
        else summary
    )
