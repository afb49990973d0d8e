"""Description of an NWB file for ``synapsnet inspect``."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synapsnet_pyg.files import shorten, typed_path
from synapsnet_pyg.intake.blocks import duration, merged
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.spikes import Spikes, SpikeSurvey
from synapsnet_pyg.readers.nwb_contents import Contents
from synapsnet_pyg.readers.nwb_groups import Node, as_text, open_nwb, url_of
from synapsnet_pyg.readers.nwb_tables import clock_of, column, intervals, neuron_columns, ticks
from synapsnet_pyg.readers.nwb_units import observed_by, places, spikes_of
from synapsnet_pyg.readers.reader import Rows

_USUAL = ("DfOverF", "Deconvolved", "Fluorescence")
"""Groups of two-photon series whose names a proposed command prefers."""


def describe_nwb(path: Path) -> Rows:
    """Describes units, two-photon series, time series and intervals, and the command that makes a session.

    Spike times are read in pieces; of everything else only headers and small columns.

    Args:
        path: File, folder of Zarr, or URL.

    Raises:
        ValueError: The file is damaged.
    """
    file = open_nwb(path)
    contents = Contents(file)
    size = f", {path.stat().st_size / 1e6:.1f} MB" if path.is_file() else ""
    rows: Rows = [("file", f"NWB {file.version}".strip() + size)]
    modules = [child.name for child in processing.children()] if (processing := file.get("processing")) else []
    if modules:
        rows.append(("modules", ", ".join(modules)))
    options: dict[str, str] = {}
    for table in contents.units:
        try:
            spikes = spikes_of(table)
            survey = spikes.survey()
            rows += _units(table, spikes, survey)
            if survey.total:
                options[table.path] = " --bin-size 0.0333" + _clock_of_spikes(survey)
        except ValueError as error:
            rows.append(("units", str(error)))
    electrodes = file.get("general/extracellular_ephys/electrodes")
    location = None if electrodes is None or electrodes.is_array else column(electrodes, "location")
    if location is not None:
        rows.append(("electrodes", _counted(location)))
    for plane in contents.planes:
        rows.append(("cells", _plane(plane)))
    for series in [*contents.traces, *(one for one in contents.series if one not in contents.traces)]:
        data = series.array("data")
        unit = "" if data is None else as_text(data.attribute("unit"))
        rows.append((series.kind or "TimeSeries", f"{series.path} {[] if data is None else list(data.shape)} {unit}"))
    for group in contents.events:
        rows.append(("events", group.path))
    for table in contents.intervals:
        try:
            blocks = intervals(table)
            rows.append(("intervals", f"{table.path}: {len(blocks)} rows, {duration(blocks):.1f} s"))
        except ValueError as error:
            rows.append(("intervals", str(error)))
    rows += [("not read", sentence) for sentence in file.missing.values()]
    command = _command(path, contents, options)
    return [*rows, ("next", command) if command else ("activity", "none that is known")]


def _units(table: Node, spikes: Spikes, survey: SpikeSurvey) -> Rows:
    """Describes a table of units."""
    silent = int((survey.counts == 0).sum())
    rows: Rows = [("units", f"{table.path}: {spikes.count} with {survey.total} spikes, {silent} silent")]
    own = None if table.array("spike_times") is None else observed_by(table, spikes)
    blocks = merged([block for blocks in own or () for block in blocks])
    if survey.total:
        each = survey.total / spikes.count
        time = duration(blocks) or survey.last - survey.first
        rate = f"{each / time:.3g} Hz a unit " if time > 0 else ""
        rows.append(("time", f"{survey.first:.1f} to {survey.last:.1f} s, {rate}({each:.4g} spikes a unit)"))
    if doubt := survey.doubt():
        rows.append(("clock", doubt))
    if blocks:
        rows.append(("observed", f"{shorten([f'{a:.1f} to {b:.1f} s' for a, b in blocks], 6)} (obs_intervals)"))
    if table.array("spike_times") is None:
        return rows
    columns = neuron_columns(table, spikes.count)
    columns |= {key: values for key, values in places(table, spikes.count).items() if key == "area"}
    for name, values in columns.items():
        if values.dtype.kind in "Ub" or len(set(texts(values))) <= 6:
            rows.append((name, _counted(values)))
    numbers = [name for name, values in columns.items() if name not in dict(rows)]
    if numbers:
        rows.append(("columns", shorten(numbers, 20)))
    return rows


def _plane(plane: Node) -> str:
    """Describes a table of cells."""
    ids = plane.array("id")
    count = 0 if ids is None else len(ids)
    marks = [
        f"{name}: {_counted(values)}"
        for name, values in neuron_columns(plane, count).items()
        if values.ndim == 1 and len(set(texts(values))) <= 3
    ]
    return "; ".join([f"{plane.path}: {count}", *marks])


def _counted(values: np.ndarray) -> str:
    """Returns the most frequent entries of a column."""
    return shorten([f"{key or '(empty)'} {count}" for key, count in Counter(texts(values)).most_common()], 8)


def _clock_of_spikes(survey: SpikeSurvey) -> str:
    """Returns the option that a clock in doubt needs: the likely ticks a second, or the time of most spikes."""
    doubt = survey.doubt()
    if not doubt:
        return ""
    named = re.search(r"--start \S+ --stop \S+", doubt)
    return f" {named[0]}" if named else _likely(float(survey.rates.mean()), 5.0)


def _clock_of_frames(series: Node) -> str:
    """Returns the option that a clock of frames needs if there is none, or one that is not in seconds."""
    stamps = series.array("timestamps")
    if stamps is None:
        return "" if clock_of(series, 0).step else " --frame-rate 30"
    if len(stamps.shape) != 1 or len(stamps) < 2 or stamps.dtype.kind not in "fiu" or ticks(stamps):
        return ""
    step = float(np.median(np.diff(stamps[:1000].astype(np.float64))))
    return "" if not step > 0 or 1e-4 <= step < 5 else _likely(1 / step, 30.0)


def _likely(rate: float, usual: float) -> str:
    """Returns the option of the ticks a second that bring a rate in Hz closest to a usual one."""
    known = {1000.0: "1000", 30000.0: "30000", 1 / 60: "0.0166667", 1 / 86400: "1.15741e-05"}
    return f" --sampling-rate {known[min(known, key=lambda ticks: abs(np.log(max(rate, 1e-9) * ticks / usual)))]}"


def _command(path: Path, contents: Contents, options: Mapping[str, str]) -> str:
    """Returns the command that makes a session of a file; an empty text if it has no activity."""
    known = [one for one in contents.activities if not one.units or one.path in options]
    source = typed_path(url_of(path) or path)
    if not known:
        wide = [one.path for one in contents.series if len(one.need("data").shape) == 2]
        clock = _clock_of_frames(contents.file.need(wide[0])) if wide else ""
        return f"synapsnet convert {source} out.h5 --activity {shlex.quote(wide[0])}{clock}" if wide else ""
    preferred = [one for one in known if one.units]
    preferred += [one for name in _USUAL for one in known if name in one.path]
    chosen = (preferred or known)[0]
    activity = f" --activity {shlex.quote(chosen.path)}" if len(contents.activities) > 1 else ""
    option = options[chosen.path] if chosen.units else _clock_of_frames(chosen.nodes[0])
    return f"synapsnet convert {source} out.h5{activity}{option}"
