"""Descriptions of session files, and of files that can be converted to sessions."""

import shlex
from collections import Counter
from pathlib import Path

import numpy as np
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_file import is_session_file
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.nwb_file import Ragged, column, electrodes_of, intervals, open_nwb, text, time_series
from synapsnet_pyg.datasets.registry import DATASETS, dataset_class
from synapsnet_pyg.files import atomic_path, shorten
from synapsnet_pyg.plots.canvas import make_stacked_figure
from synapsnet_pyg.plots.forecasts import draw_behaviour_traces, draw_heat_map

Rows = list[tuple[str, str]]
"""Labels and their descriptions."""


def inspect_path(path: str | Path, figure: Path | None = None) -> Rows:
    """Describes a session file, an NWB file, arrays, or a folder of recordings.

    Args:
        path: Path of the recording.
        figure: PNG file to draw a session file into.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The file is damaged or of no known kind, or a figure is requested and the file is not a session
            file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"Expected a recording (there is no '{path}').")
    if not path.is_dir() and is_session_file(path):
        session = Session.load(path)
        rows = [("file", f"session file, {path.stat().st_size / 1e6:.1f} MB"), *inspect_session(session)]
        if figure is not None:
            draw_session(session, figure)
            rows.append(("figure", f"written to {figure}"))
        return rows
    if figure is not None:
        raise ValueError(f"Expected a session file to draw (got '{path}'); make one with convert or prepare.")
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".nwb":
        return _nwb(path)
    return _arrays(path)


def inspect_session(session: Session) -> Rows:
    """Describes a session: sizes, rates, silent and constant neurons, behaviour, segments, fields, split.

    Example:
        >>> import torch
        >>> inspect_session(Session(torch.ones(2, 50), bin_size=0.1, name="demo"))[1]
        ('neurons', '2 (2 constant: no score will count them)')
    """
    N, T, d = session.num_neurons, session.num_bins, session.bin_size
    activity, length = session.activity, session.segment[:, 1] - session.segment[:, 0]
    in_segments = int(length.sum())
    rows = [
        ("session", session.name),
        ("neurons", f"{N}{_constant(session)}"),
        ("bins", f"{T} of {d:g} s ({1 / d:.3g} Hz): {T * d:.1f} s = {T * d / 60:.1f} min"),
        ("segments", f"{len(length)} of {int(length.min())} to {int(length.max())} bins" if len(length) else "none"),
    ]
    if in_segments < T:
        rows.append(("outside", f"{T - in_segments} bins lie in no segment"))
    means = activity.mean(1)
    if all(bool((row == row.round()).all()) and float(row.min()) >= 0 for row in activity):
        rate = means / d
        rows.append(("activity", f"counts, {_spread(rate)} Hz a neuron, at most {int(activity.max())} in a bin"))
    else:
        rows.append(("activity", f"real, from {activity.min():.3g} to {activity.max():.3g}, means {_spread(means)}"))
    for k, name in enumerate(session.behaviour_name):
        values = session.behaviour[:, k]
        constant = ", constant" if float(values.min()) == float(values.max()) else ""
        rows.append(
            ("behaviour", f"{name}: {values.min():.3g} to {values.max():.3g}, mean {values.mean():.3g}{constant}")
        )
    for field, entries in session.neuron_fields.items():
        rows.append((field, _summary(entries)))
    if session.true_connectivity is not None:
        E = int((session.edge_index[0] != session.edge_index[1]).sum())
        rows.append(("true graph", f"{E} edges, {100 * E / max(N * (N - 1), 1):.1f} % of all pairs"))
    if in_segments >= 3:
        split = session.split()
        parts = ", ".join(f"{kind} {part.num_bins}" for kind, part in split._asdict().items())
        short = [kind for kind, part in split._asdict().items() if not windows_of(part, 5)]
        rows.append(("split", f"{parts} bins" + (f"; no window of 5 fits in {', '.join(short)}" if short else "")))
    return rows


def _constant(session: Session) -> str:
    """Returns a remark on silent and constant neurons, or an empty text."""
    low, high = session.activity.amin(1), session.activity.amax(1)
    constant, silent = low == high, (low == 0) & (high == 0)
    masks = {"silent": silent, "constant": constant & ~silent}
    counts = [f"{int(mask.sum())} {word}" for word, mask in masks.items() if bool(mask.any())]
    return f" ({', '.join(counts)}: no score will count them)" if counts else ""


def _spread(values: Tensor) -> str:
    """Returns range and median of values."""
    low, middle, high = (float(values.quantile(q)) for q in (0.0, 0.5, 1.0))
    return f"{low:.3g} to {high:.3g} (median {middle:.3g})"


def _summary(values: Tensor | list[str]) -> str:
    """Returns the range of numbers, or the most frequent texts."""
    if isinstance(values, Tensor):
        shape = "" if values.dim() == 1 else f"{list(values.shape)}, "
        good = values[values.isfinite()] if values.is_floating_point() else values
        missing = values.numel() - good.numel()
        span = f"{float(good.min()):.4g} to {float(good.max()):.4g}" if good.numel() else "no number"
        return f"{shape}{span}" + (f", {missing} NaN" if missing else "")
    counted = Counter(values).most_common()
    return shorten([f"{key or '(empty)'} {count}" for key, count in counted], 8)


def _folder(path: Path) -> Rows:
    """Describes the session files of a folder, or the data sets that find sessions in it."""
    sessions = [file for file in sorted(path.glob("*.h5")) if is_session_file(file)]
    if sessions:
        return [(file.name, repr(Session.load(file))) for file in sessions]
    rows: Rows = []
    for name in DATASETS:
        sources = dataset_class(name).find(path)  # type: ignore[call-arg,arg-type]
        if sources and not (name == "nwb" and rows):
            shown = ", ".join(list(sources)[:6]) + (" ..." if len(sources) > 6 else "")
            command = f"synapsnet prepare {name} {shlex.quote(str(path))} --out sessions"
            rows.append((name, f"{len(sources)} session(s): {shown}; {command}"))
    if rows:
        return rows
    if any(path.glob("*.npy")):
        return _arrays(path)
    raise ValueError(f"Expected sessions, NWB files, .npy files or a known data set in '{path}' (found none).")


def _nwb(path: Path) -> Rows:
    """Describes units, time series and intervals of an NWB file."""
    with open_nwb(path) as file:
        rows: Rows = [("file", f"NWB, {path.stat().st_size / 1e6:.1f} MB")]
        if "units/spike_times" in file:
            spikes = Ragged(file["units"], "spike_times")
            count = spikes.end - spikes.start
            rows.append(("units", f"{len(spikes)} with {int(count.sum())} spikes, {int((count == 0).sum())} silent"))
            if len(spikes) and count.any():
                ends = [spikes.values[a] for a in spikes.start[count > 0]] + [
                    spikes.values[b - 1] for b in spikes.end[count > 0]
                ]
                span = float(max(ends)) - float(min(ends))
                rows.append(
                    ("time", f"{min(ends):.1f} to {max(ends):.1f} s, {count.sum() / span / len(spikes):.3g} Hz a unit")
                )
            for key in ("quality", "location"):
                if key in file["units"]:
                    rows.append((key, _summary(column(file["units"], key).tolist())))
        electrodes = electrodes_of(file)
        if electrodes is not None and "location" in electrodes:
            rows.append(("electrodes", _summary(column(electrodes, "location").tolist())))
        for group in time_series(file):
            kind = text(group.attrs.get("neurodata_type", "TimeSeries"))
            rows.append((kind, f"{group.name.strip('/')} {list(group['data'].shape)}"))
        for key, table in file.get("intervals", {}).items():
            if "start_time" in table:
                blocks = intervals(table)
                rows.append(("intervals", f"{key}: {len(blocks)} rows, {sum(b - a for a, b in blocks):.1f} s"))
        rows.append(("next", f"synapsnet prepare nwb {shlex.quote(str(path))} --out sessions --bin-size 0.0333"))
    return rows


def _arrays(path: Path) -> Rows:
    """Describes the arrays of a file or a folder."""
    with ArrayFile(path) as source:
        rows: Rows = [("file", f"arrays of {path}")]
        for key in source.keys:
            try:
                array = source.get(key)
            except ValueError as error:
                rows.append((key, str(error)))
                continue
            summary = f"{array.dtype} {list(array.shape)}"
            if array.dtype.kind in "fiub" and array.size:
                numbers = array.astype(np.float64)
                bad = int((~np.isfinite(numbers)).sum())
                good = numbers[np.isfinite(numbers)]
                summary += f", {good.min():.4g} to {good.max():.4g}" if good.size else ""
                summary += f", {bad} NaN or infinite" if bad else ""
            elif array.size and array.ndim < 2 and array.dtype.kind in "US":
                summary += ", " + ", ".join(map(str, array.ravel()[:4])) + (" ..." if array.size > 4 else "")
            rows.append((key, summary))
        options = "--activity KEY --axes neuron,bin --bin-size SECONDS"
        if any("spike" in key and "time" in key for key in source.keys):
            options = "--spike-times KEY --spike-index KEY (or --spike-neuron KEY) --bin-size SECONDS"
        rows.append(("next", f"synapsnet convert {shlex.quote(str(path))} session.h5 {options}"))
    return rows


def draw_session(session: Session, path: Path) -> None:
    """Draws the activity as a heat map, with the behaviour below, into one PNG file.

    Raises:
        OSError: The folder is missing or cannot be written.
    """
    figure, (top, bottom) = make_stacked_figure(10, 6, (3, 1 if session.num_behaviours else 0.01))
    draw_heat_map(top, session.activity, session.bin_size, segment=session.segment)
    if session.num_behaviours:
        draw_behaviour_traces(bottom, session.behaviour, session.bin_size, names=session.behaviour_name)
    else:
        bottom.remove()
        top.set_xlabel("time (s)")
    top.set_title(f"{session.name}: {session.num_neurons} neurons")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
