"""Descriptions of session files, and of files that can be converted to sessions."""

import warnings
from collections import Counter
from pathlib import Path

from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_file import is_session_file
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.datasets.lab_recordings import recordings_at
from synapsnet_pyg.datasets.registry import PUBLIC_DATASETS, dataset_class
from synapsnet_pyg.files import shorten, typed_path, visible
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.plots.canvas import figure_text, make_stacked_figure
from synapsnet_pyg.plots.forecasts import draw_behaviour_traces, draw_heat_map
from synapsnet_pyg.plots.image_files import write_image
from synapsnet_pyg.readers.hdf5_files import survey_hdf5
from synapsnet_pyg.readers.reader import Found, Rows, require_path

_MOST = 12
"""Largest number of recordings that are listed by name."""


def inspect_path(path: str | Path, figure: Path | None = None) -> Rows:
    """Describes a session file, a recording of any format, or a folder of recordings.

    Args:
        path: Path of the recording, or URL of an NWB file.
        figure: File to draw a session file into, its ending ``.png``, ``.svg`` or ``.pdf``.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The file is damaged or of no known kind, or a figure is requested and the file is not a session
            file.
    """
    if "://" in str(path):
        return _recordings(path)
    path = Path(path)
    require_path(path)
    survey_hdf5(path, parts=True)
    if not path.is_dir() and is_session_file(path):
        session = Session.load(path)
        rows = [("file", f"session file, {path.stat().st_size / 1e6:.1f} MB"), *inspect_session(session)]
        if figure is not None:
            draw_session(session, figure)
            rows.append(("figure", f"written to {figure}"))
        return rows
    if figure is not None:
        raise ValueError(f"Expected a session file to draw (got '{path}'); make one with 'synapsnet convert'.")
    return _recordings(path)


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
        ("ids", shorten(session.neuron_id, 5)),
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
        share = session.recorded_share[k]
        if share < 1:
            constant += f", recorded in {100 * share:.1f} % of the bins" if share else ", not recorded"
        rows.append(
            ("behaviour", f"{name}: {values.min():.3g} to {values.max():.3g}, mean {values.mean():.3g}{constant}")
        )
    for field, entries in session.neuron_fields.items():
        rows.append((field, _summary(entries)))
    rows += [("note", note) for note in session.get("notes") or []]
    if session.true_connectivity is not None:
        E = int((session.edge_index[0] != session.edge_index[1]).sum())
        rows.append(("true graph", f"{E} edges, {100 * E / max(N * (N - 1), 1):.1f} % of all pairs"))
    if in_segments >= 3:
        split = session.split()
        parts = ", ".join(f"{kind} {part.num_bins - int(part.context.sum())}" for kind, part in split._asdict().items())
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


def _recordings(path: str | Path) -> Rows:
    """Describes the session files of a folder, or the recordings in a file or folder, with the command to read them."""
    if Path(path).is_dir():
        sessions = [file for file in visible(Path(path), "*.h5") if is_session_file(file)]
        if sessions:
            return [(file.name, _short(file)) for file in sessions]
        if rows := public_sets(Path(path)):
            return rows
    found = recordings_at(path)
    if len(found) == 1:
        recording = next(iter(found.values()))
        return [("format", recording.reader.name), *recording.describe()]
    formats = Counter(recording.reader.name for recording in found.values())
    rows = [("found", f"{len(found)} recordings: {', '.join(f'{n} {name}' for name, n in formats.items())}")]
    rows += [(name, f"{recording.reader.name}, {recording.path}") for name, recording in list(found.items())[:_MOST]]
    if len(found) > _MOST:
        rows.append(("...", f"and {len(found) - _MOST} more"))
    last = next((own for one in found.values() if (own := dict(_described(one)))), {})
    options = "".join(last.get("next", "").partition(" --")[1:])
    rows.append(("next", f"synapsnet convert {typed_path(path)} sessions{options}"))
    return [*rows, ("replace", last["replace"])] if "replace" in last else rows


def public_sets(folder: Path) -> Rows:
    """Returns the public data sets in a folder, each with its sessions and the command that reads them.

    Args:
        folder: Folder of a data set, or above it.
    """
    rows: Rows = []
    for name in PUBLIC_DATASETS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # the command repeats them
            sources = dataset_class(name).find(folder)  # type: ignore[call-arg,arg-type]
        if sources:
            command = f"synapsnet prepare {name} {typed_path(folder)} --out sessions"
            rows.append((name, f"{len(sources)} session(s): {shorten(list(sources), 6)}; {command}"))
    return rows


def _described(found: Found) -> Rows:
    """Describes a recording; one that cannot be read, which does not hold up the others, by nothing."""
    try:
        return found.describe()
    except (ValueError, OSError, ImportError):
        return []


def _short(path: Path) -> str:
    """Describes a session file in one line; a damaged one by the reason."""
    try:
        return repr(Session.load(path))
    except ValueError as error:
        return str(error)


def draw_session(session: Session, path: Path) -> None:
    """Draws the activity as a heat map, with the behaviour below, into one file.

    Raises:
        ValueError: The name of the file has another ending than ``.png``, ``.svg`` or ``.pdf``.
        OSError: The folder is missing or cannot be written.
    """
    figure, (top, bottom) = make_stacked_figure(10, 6, (3, 1 if session.num_behaviours else 0.01))
    draw_heat_map(top, session.activity, session.bin_size, segment=session.segment)
    if session.num_behaviours:
        behaviour = session.known_behaviour(session.behaviour)
        draw_behaviour_traces(bottom, behaviour, session.bin_size, names=session.behaviour_name)
    else:
        bottom.remove()
        top.set_xlabel("time (s)")
        top.tick_params(labelbottom=True)  # stacked axes leave the numbers to the lowest
    top.set_title(f"{figure_text(session.name)}: {session.num_neurons} neurons")
    write_image(figure, path)
