"""Ids, fields and true connectivity of neurons from arrays, and from a table beside them."""

from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.intake.neuron_table import NeuronTable, conditions_of
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import plain_array, rows_of, texts
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.array_keys import ID_NAMES, ArrayKeys, last_name
from synapsnet_pyg.readers.table_files import TABLE


def read_neurons(
    file: ArrayFile, keys: ArrayKeys, selection: Selection, N: int, *, labels: Any, notes: list[str]
) -> NeuronTable:
    """Reads the ids and the fields of N neurons: those that are asked for, and those of the conditions.

    Args:
        file: Opened file.
        keys: Keys of ids, fields and true weights, and the table of neurons.
        selection: Conditions on the neurons.
        N: Number of neurons.
        labels: Number or text of each neuron in this file. None: none.
        notes: List that is added to.

    Raises:
        ValueError: A key is missing, or its length does not fit.
    """
    ids = None if keys.neuron_ids is None else file.per_neuron(keys.neuron_ids, N)
    known = texts(ids if ids is not None else labels) if ids is not None or labels is not None else None
    columns = (
        {} if keys.neuron_table is None else read_table(file.path, keys.neuron_table, N, labels=known, notes=notes)
    )
    asked = dict(keys.fields)
    for condition in conditions_of(selection.where):
        asked.setdefault(condition.column, condition.column)
    for name, key in asked.items():
        if key in columns:
            columns[name] = columns[key]
        elif (own := _of_groups(file, keys, key, labels)) is not None:
            columns[name] = own
        elif file.has(key):
            joined = None if known is None else _joined(file, file.resolve(key), known)
            columns[name] = file.per_neuron(key, N) if joined is None else joined
        elif name in keys.fields or not columns:
            beside = f", or a column of '{keys.neuron_table}'" if keys.neuron_table else ""
            raise ValueError(
                f"Expected '{key}' with an entry for each of the {N} neurons among the keys of '{file.path}'{beside} "
                f"(found {', '.join(_fitting(file, N)) or 'none that fits'})."
            )
    truth = None if keys.truth is None else file.numbers(keys.truth)
    if truth is not None and truth.shape != (N, N):
        raise ValueError(f"Expected true weights of shape [{N}, {N}] in '{keys.truth}' (got {list(truth.shape)}).")
    # A neuron without a label keeps its row in the file when others are left out.
    return NeuronTable(N, ids, np.arange(N) if labels is None else labels, columns=columns, truth=truth)


def _of_groups(file: ArrayFile, keys: ArrayKeys, key: str, labels: Any) -> np.ndarray | None:
    """Returns a field that lies in the group of each neuron, beside its spike times; None if there is none."""
    if labels is None or keys.spike_times is None or file.has(key):
        return None
    pattern = key if "*" in key else f"{keys.spike_times.strip('/').split('/*')[0]}/*/{key}"
    found = file.matching(pattern)
    entries = {name: file.get(own).ravel()[:1] for name, own in found.items()}
    own = [entries.get(text, np.zeros(0)) for text in texts(labels)]
    return plain_array([entry[0] if len(entry) else None for entry in own]) if entries else None


def _joined(file: ArrayFile, key: str, labels: list[str]) -> np.ndarray | None:
    """Returns a column of a table among the arrays, joined by the ids in a column beside it; None if there are none."""
    group = key.rpartition("/")[0]
    beside = [f"{group}/{name}" for name in file.children(group) if last_name(name) in ID_NAMES] if group else []
    rows = file.get(key)
    same = {name: file.get(name) for name in beside if name != key and len(file.shape(name) or ()) == 1}
    same = {name: values for name, values in same.items() if len(values) == len(rows)}
    place = _places(same, labels)
    return None if place is None else _taken(rows, place[1])


def _fitting(file: ArrayFile, N: int) -> list[str]:
    """Returns the keys with an entry for each neuron."""
    return [key for key in file.keys if N in (file.shape(key) or ())][:20]


def read_table(source: Path, path: str, N: int, *, labels: list[str] | None, notes: list[str]) -> dict[str, np.ndarray]:
    """Returns the columns of a table of neurons, joined by the neurons' labels, or else by row.

    Args:
        source: File or folder of the recording; the table may lie beside it.
        path: Path of the table.
        N: Number of neurons.
        labels: Label of each neuron. None: none.
        notes: List that is added to.

    Raises:
        ValueError: The table has columns of different lengths, or fits neither labels nor rows.
    """
    beside = (source if source.is_dir() else source.parent) / path
    with ArrayFile(beside if beside.exists() and not Path(path).is_absolute() else Path(path)) as table:
        columns = {name: np.asarray(table.get(name)) for name in table.keys if name != TABLE}
        notes += table.notes
    rows = len(next(iter(columns.values())))
    if any(len(column) != rows for column in columns.values()):
        raise ValueError(f"Expected columns of one length in the table '{path}'.")
    if labels is not None and (place := _places(columns, labels)) is not None:
        name, at = place
        missing = int((at < 0).sum())
        if missing:
            warn(f"{missing} of {N} neurons are not in '{name}' of '{path}'; their entries are missing.")
        notes.append(
            f"table '{path}' joined by '{name}' ({N} of its {rows} rows)" if not missing else f"table '{path}'"
        )
        return {key: _taken(column, at) for key, column in columns.items()}
    if rows != N:
        hint = "no column holds the neurons' ids" if labels else "the neurons have no ids; give --neuron-ids"
        raise ValueError(f"Expected {N} rows, one for each neuron, in the table '{path}' (got {rows}; {hint}).")
    notes.append(f"table '{path}' joined by row")
    return columns


def _places(columns: dict[str, np.ndarray], labels: list[str]) -> tuple[str, np.ndarray] | None:
    """Returns the column that holds the neurons' labels, and the row of each neuron in it (-1: none)."""
    names = sorted(columns, key=lambda name: (last_name(name) not in ID_NAMES, list(columns).index(name)))
    for name in names:
        entries = texts(columns[name])
        present = [text for text in entries if text]
        if len(set(present)) < len(present):
            continue  # entries that come twice identify no neuron
        place = rows_of(entries, labels)
        if (place >= 0).sum() > len(labels) / 2:
            return name, place
    return None


def _taken(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Returns entries of a column; missing ones for rows of -1."""
    if (rows >= 0).all():
        return column[rows]
    taken = column[np.maximum(rows, 0)].astype(object)
    taken[rows < 0] = None
    return taken
