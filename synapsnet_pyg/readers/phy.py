"""Sorted spikes in folders of phy and of Kilosort 2 to 4."""

import ast
import operator
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from synapsnet_pyg.intake.neuron_table import MICROMETRES, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.readers.cluster_rows import PIECE, label_rows, whole_ids
from synapsnet_pyg.readers.cluster_tables import cluster_columns
from synapsnet_pyg.readers.mapped_arrays import StoredVector, mapped_numbers, stored_vector
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.readers.usual_choices import choice_note, counted, named, only_activity, usual_rows

_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


_NO_PROGRAM = (SyntaxError, ValueError, RecursionError, MemoryError)
"""Errors of Python for a text that is no program, or one that is nested too deeply."""


class PhyReader(Reader):
    """Folders of phy and of Kilosort 2, 2.5, 3 and 4.

    ``params.py`` is a program; it is parsed for the sampling rate and never run. Tables of clusters are joined by the
    cluster's id, so that a cluster that a table lacks stays. Noise is left out unless ``--where`` says otherwise.
    """

    name = "phy"
    generic = frozenset(
        {"sorter_output", "phy", "kilosort", "kilosort2", "kilosort2.5", "kilosort3", "kilosort4", "ks"}
    )

    own_keys = frozenset({"spike_times", "spike_clusters", "spike_templates"})

    def recognises(self, path: Path) -> bool:
        """Returns True if a folder has spike times and the cluster of each spike."""
        return (path / "spike_times.npy").is_file() and any(
            (path / f"{stem}.npy").is_file() for stem in ("spike_clusters", "spike_templates")
        )

    def files(self, path: Path) -> list[Path]:
        """Returns the times, clusters, parameters and tables; waveforms and features do not decide the content."""
        small = {"spike_clusters.npy", "spike_templates.npy", "params.py", "templates.npy", "channel_positions.npy"}
        return sorted(
            file
            for file in path.iterdir()
            if file.is_file() and (file.name in small or file.suffix in (".tsv", ".csv") or "times" in file.name)
        )

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads the clusters of a folder as neurons.

        Raises:
            ValueError: A file is damaged, there are not as many times as clusters, or no cluster has a spike.
        """
        excluded = only_activity(selection, "a folder of phy")
        present = sorted(file.stem for file in path.glob("spike_*.npy") if "time" in file.stem or "sec" in file.stem)
        stem = named(selection.activity, present, ["spike_times"], f"'{path}'")
        notes = [choice_note(stem, present)] if len(present) > 1 else []
        times, of_spike = stored_vector(path / f"{stem}.npy"), _clusters(path)
        if len(times) != len(of_spike):
            raise ValueError(
                f"Expected a cluster for each of the {len(times)} entries of '{path / stem}.npy' (got {len(of_spike)})."
            )
        rate = selection.sampling_rate or _rate(path, times, stem)
        if rate is None:
            raise ValueError(
                f"Expected a number 'sample_rate' in '{path / 'params.py'}', which is parsed and never run (there is "
                "none); give --sampling-rate, the samples a second."
            )
        ids, row_of = label_rows(of_spike, "'spike_clusters'", notes)
        if not len(ids):
            raise ValueError(f"Expected clusters with spikes in '{path}' (no spike has a cluster).")
        clock = "" if selection.sampling_rate or rate == 1.0 else f" (sample_rate of '{path / 'params.py'}')"
        spikes = Spikes(times, row_of, count=len(ids), rate=rate, label=f"'{path / stem}.npy'{clock}")
        columns, found = cluster_columns(path, ids)
        notes += found
        columns |= {key: values for key, values in _places(path, ids).items() if key not in columns}
        if "group" in columns:
            notes.append(f"{len(ids)} clusters with spikes: {counted(columns['group'], 'unsorted')}")
        neurons = NeuronTable(len(ids), labels=ids, columns=columns, prefix="phy", position_unit=MICROMETRES)
        noise = np.array([text.lower() == "noise" for text in texts(columns.get("group", [""] * len(ids)))])
        good = "'group==good' chooses the good ones, " if "good" in texts(columns.get("group", [])) else ""
        reason = f"{int(noise.sum())} noise (--where {good}'group!=none' takes all)"
        kept, gone = usual_rows(~noise, reason, selection, columns=("group", "kslabel"), name=name)
        return Recording(name, spikes.take(kept), neurons.take(kept), excluded=excluded, notes=[*notes, *gone])

    def describe(self, path: Path) -> Rows:
        """Describes a folder from its tables and the headers of its arrays."""
        times, of_spike = stored_vector(path / "spike_times.npy"), _clusters(path)
        ids = np.unique(whole_ids(of_spike[:PIECE]).clip(-1))
        ids = ids[ids >= 0]
        rate = _rate(path, times, "spike_times")
        ends = [float(times[at : at + 1][0]) / rate for at in (0, len(times) - 1)] if rate and len(times) else []
        span = f", {ends[0]:.1f} to {ends[1]:.1f} s" if ends else ""
        rows = [("spikes", f"{len(times)}{span}"), ("sampling rate", f"{rate:g} Hz" if rate else "not stated")]
        columns, notes = cluster_columns(path, ids)
        part = f", in the first {PIECE} spikes" if len(of_spike) > PIECE else ""
        rows.append(("clusters", f"{len(ids)} with spikes{part}"))
        rows += [("group", counted(columns["group"], "unsorted"))] if "group" in columns else []
        rows += [("fields", ", ".join(columns) or "none"), *(("note", note) for note in notes)]
        return [*rows, *next_rows(path, "--bin-size 0.0333", unknown="" if rate else "--sampling-rate")]


def sampling_rate(path: Path) -> float | None:
    """Returns ``sample_rate`` of a ``params.py``, which is parsed and never run; None if it is not a plain number.

    Args:
        path: Path of the file.
    """
    if not path.is_file():
        return None
    known: dict[str, float] = {}
    for statement in _statements(path.read_text(encoding="utf-8-sig", errors="replace")):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(statement, "value", None)
        number = _number(value, known) if names and value is not None else None
        for key in names:
            known.pop(key, None)
            if number is not None:
                known[key] = number
    rate = known.get("sample_rate")
    return rate if rate is not None and np.isfinite(rate) and rate > 0 else None


def _statements(text: str) -> Iterator[ast.stmt]:
    """Yields the statements of a program; lines that are no Python, as ``'C:\\Users'``, are skipped."""
    try:
        yield from ast.parse(text).body
    except _NO_PROGRAM:
        for line in text.splitlines():
            with suppress(*_NO_PROGRAM):
                yield from ast.parse(line).body


def _number(node: ast.AST, known: dict[str, float]) -> float | None:
    """Returns the value of a plain number, of sums and products of them, and of names assigned before; else None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("float", "int"):
        return _number(node.args[0], known) if len(node.args) == 1 else None
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _number(node.left, known), _number(node.right, known)
        if left is not None and right is not None and not (isinstance(node.op, ast.Div) and right == 0):
            return _OPERATORS[type(node.op)](left, right)
    return None


def _rate(path: Path, times: StoredVector, stem: str) -> float | None:
    """Returns the samples a second of spike times; 1 for seconds, which times with fractions are; else None."""
    begin = times[:PIECE]
    if begin.dtype.kind == "f" and (begin != np.floor(begin))[np.isfinite(begin)].any():
        if stem == "spike_times":
            warn(f"'{path / stem}.npy' holds fractions of samples; its times are taken as seconds.")
        return 1.0
    return sampling_rate(path / "params.py")


def _clusters(path: Path) -> StoredVector:
    """Opens the cluster of each spike: phy's, or Kilosort's templates where nobody used phy."""
    clusters = path / "spike_clusters.npy"
    return stored_vector(clusters if clusters.is_file() else path / "spike_templates.npy")


def _places(path: Path, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Returns where on the probe each cluster lies; with a warning, nothing if a file cannot be read."""
    try:
        return _peaks(path, ids)
    except ValueError as error:
        warn(f"{str(error).rstrip('.')}; the clusters' channels and places are left out.")
        return {}


def _peaks(path: Path, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the channel with the largest amplitude of each cluster's template, and its place on the probe."""
    file = path / "templates.npy"
    if not file.is_file():
        return {}
    templates = mapped_numbers(file)
    if templates.ndim != 3 or not templates.size:
        return {}
    inverse = mapped_numbers(path / "whitening_mat_inv.npy") if (path / "whitening_mat_inv.npy").is_file() else None
    channels = templates.shape[2]
    sparse = mapped_numbers(path / "templates_ind.npy") if (path / "templates_ind.npy").is_file() else None
    peak = np.full(len(ids), -1)  # clusters that were merged or split in phy have no template of their own
    for row, template in enumerate(ids.tolist()):
        if template >= len(templates):
            continue
        shape = np.asarray(templates[template], dtype=np.float32)
        if inverse is not None and inverse.shape == (channels, channels):
            shape = shape @ inverse
        peak[row] = int(np.ptp(shape, axis=0).argmax())
        if sparse is not None and sparse.shape == (len(templates), channels):
            peak[row] = int(sparse[template, peak[row]])
    places = {"peak_channel": np.where(peak >= 0, peak, np.nan)}
    if (path / "channel_positions.npy").is_file():
        position = np.asarray(mapped_numbers(path / "channel_positions.npy", 2), dtype=np.float64)
        inside = (peak >= 0) & (peak < len(position))
        found = np.full((len(ids), position.shape[1]), np.nan)
        found[inside] = position[peak[inside]]
        places |= {"position": found, "depth": found[:, -1]}
    return places
