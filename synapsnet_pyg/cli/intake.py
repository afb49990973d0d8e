"""Commands that read recordings into session files.

Heavy libraries are imported by the command that needs them.
"""

import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from synapsnet_pyg.cli.arguments import (
    Names,
    chosen_names,
    circles,
    listed,
    option_groups,
    output_folder,
    seconds,
    session_file,
)
from synapsnet_pyg.datasets.registry import DATASETS, READERS, open_dataset
from synapsnet_pyg.files import file_name, say, shorten, visible

if TYPE_CHECKING:
    from synapsnet_pyg.data.session import Session


@option_groups(
    activity="activity axes fill_nan min_rate",
    spikes="spike_times spike_index spike_neuron sampling_rate",
    time="bin_size frame_rate times rebin rebin_by start stop intervals exclude",
    behaviour="behaviour behaviour_file behaviour_axes behaviour_times behaviour_rate circular events advance",
    neurons="where neuron_table neuron_ids areas types positions fields truth",
)
def convert(
    source: str,
    out: str,
    *,
    activity: str | None = None,
    axes: str | None = None,
    fill_nan: float = 0.0,
    min_rate: float = 0.0,
    spike_times: str | None = None,
    spike_index: str | None = None,
    spike_neuron: str | None = None,
    sampling_rate: float | None = None,
    bin_size: float | str | None = None,
    frame_rate: float | None = None,
    times: str | None = None,
    rebin: int = 1,
    rebin_by: Literal["sum", "mean"] | None = None,
    start: float | None = None,
    stop: float | None = None,
    intervals: str | None = None,
    exclude: str | None = None,
    behaviour: str | None = None,
    behaviour_file: str | None = None,
    behaviour_axes: str | None = None,
    behaviour_times: str | None = None,
    behaviour_rate: float | None = None,
    circular: str | None = None,
    events: str | None = None,
    advance: int = 0,
    where: str | None = None,
    neuron_table: str | None = None,
    neuron_ids: str | None = None,
    areas: str | None = None,
    types: str | None = None,
    positions: str | None = None,
    fields: str | None = None,
    truth: str | None = None,
    reader: Annotated[str | None, Names(READERS)] = None,
    sessions: str | None = None,
    name: str | None = None,
) -> None:
    """Make session files of a recording, or of a folder of them, in any format that labs have.

    The format is found out: NWB, phy and Kilosort, Suite2p, CaImAn and others need no options. Arrays (.mat, .npz,
    .npy, .h5, .csv, .parquet, .nc) need their keys; 'synapsnet inspect' proposes them.

    Args:
        source: File or folder of a recording, folder of recordings, or URL of an NWB file.
        out: Session file to write (ends in .h5), or folder for one session file a recording, created if needed.
        activity: Key or name of the activity; may be left out where there is one.
        axes: Order of the activity's axes, such as neuron,bin or bin,neuron or neuron,bin,trial.
        fill_nan: Largest share of NaN of a neuron that is kept, such as 0.01; its gaps are filled linearly.
        min_rate: Smallest mean rate in Hz of a neuron that is kept (mean of its trace).
        spike_times: Key of spike times to count in bins, instead of --activity and --axes; one array, or one for each
            neuron.
        spike_index: Key of the end of each neuron's spikes among the spike times (as in NWB).
        spike_neuron: Key of the neuron of each spike (as spike_clusters of phy), instead of --spike-index.
        sampling_rate: Ticks a second of the activity's clock: 30000 for samples at 30 kHz, 1000 for milliseconds, 1
            for seconds that look like something else.
        bin_size: Duration of one bin in seconds, such as 0.05 or 1/30; of arrays, as stored in the source.
        frame_rate: Frames a second, where imaging results have no clock.
        times: Key of the time of each bin; gaps end a segment.
        rebin: Number of bins to join into one.
        rebin_by: Way to join bins: sum (counts) or mean (traces); by the kind of activity if not given.
        start: Time in seconds at which to begin; the first spike or frame if not given.
        stop: Time in seconds at which to end; the last spike or frame if not given.
        intervals: Name of intervals whose rows become segments, such as trials.
        exclude: Names of intervals to leave out, separated by commas, such as light pulses, or START:STOP in seconds.
        behaviour: Names of variables that all neurons share, separated by commas; of arrays, axes are found by length.
        behaviour_file: File of arrays or table that holds the behaviours, such as tracking.csv or task.mat, in or
            beside each recording; events and intervals are taken from it too where it holds them.
        behaviour_axes: Order of the behaviour's axes (of trial, bin, value), where lengths fit several.
        behaviour_times: Key of the behaviour's own clock; behaviour is interpolated at the bins.
        behaviour_rate: Ticks a second of the behaviours' clocks, such as 1000 for milliseconds.
        circular: Behaviours that are angles, separated by commas; heading=360 or phase=6.2832 gives the full circle.
        events: Names of event times (their number in a bin) or intervals (share of a bin) that become behaviours.
        advance: Number of bins by which behaviour is moved forward: 1 for a stimulus that acts within its own bin and
            is known beforehand.
        where: Condition on fields of the neurons that are kept, such as 'group==good' or 'depth<500, iscell==1'.
        neuron_table: Table of the neurons (.csv, .tsv, .parquet) beside the arrays, by row or by id.
        neuron_ids: Key of the neurons' ids; the same id in two sessions means the same neuron, an empty id a new
            neuron.
        areas: Key of the neurons' brain areas.
        types: Key of the neurons' cell types.
        positions: Key of the neurons' positions.
        fields: Keys of other fields of the neurons, separated by commas.
        truth: Key of the true connectivity, [receiver, sender], where it is known.
        reader: Format of the source, if it shall not be found out.
        sessions: Names of sessions to convert, or ends of names, separated by commas; wildcards allowed.
        name: Name of the session; the out file's name without its ending if not given.

    Example:
        synapsnet convert m1.mat m1.h5 --activity spikes --axes neuron,bin --bin-size 0.05 --behaviour handVel
        synapsnet convert sorted sessions --where 'group==good' --bin-size 1/50
    """
    one = Path(out).suffix.lower() in (".h5", ".hdf5", ".npy", ".npz", ".mat")
    path = session_file(out) if one else None
    from synapsnet_pyg.datasets.inspection import public_sets
    from synapsnet_pyg.datasets.lab_recordings import BehaviourFile, read_found, reader_of, recordings_at
    from synapsnet_pyg.datasets.recordings import activity_digest
    from synapsnet_pyg.intake.recording import Selection
    from synapsnet_pyg.readers.array_keys import ArrayKeys

    named = {"area": areas, "cell_type": types, "position": positions}
    known = {field: key for field, key in named.items() if key is not None}
    known |= {key.rsplit("/", 1)[-1]: key for key in listed(fields)}
    keys = ArrayKeys(
        None if spike_times is not None else activity,
        listed(axes),
        times=times,
        spike_times=spike_times,
        spike_index=spike_index,
        spike_neuron=spike_neuron,
        behaviour_axes=listed(behaviour_axes) or None,
        behaviour_times=None if behaviour_file else behaviour_times,
        neuron_ids=neuron_ids,
        fields=known,
        truth=truth,
        neuron_table=neuron_table,
    )
    selection = Selection(
        activity=activity,
        bin_size=seconds(bin_size, "--bin-size"),
        behaviour=listed(behaviour),
        circular=circles(circular),
        events=listed(events),
        intervals=intervals,
        exclude=listed(exclude),
        where=where,
        min_rate=min_rate,
        start=start,
        stop=stop,
        sampling_rate=sampling_rate,
        behaviour_rate=behaviour_rate,
        frame_rate=frame_rate,
        rebin=rebin,
        rebin_by=rebin_by,
        fill_nan=fill_nan,
        advance=advance,
    )
    if behaviour_file is not None and not (selection.behaviour or selection.events or selection.intervals):
        raise ValueError("Expected --behaviour, --events or --intervals with keys of --behaviour-file.")
    beside = None if behaviour_file is None else BehaviourFile(behaviour_file, behaviour_times)
    found = chosen_names(recordings_at(source, reader), listed(sessions))
    if path is not None and len(found) > 1:
        raise ValueError(
            f"Expected a folder for {len(found)} sessions, {shorten(list(found))} (got '{out}'); name "
            "a folder, or choose one by --sessions."
        )
    if name is not None and len(found) > 1:
        raise ValueError(f"Expected --name for one recording (found {len(found)}: {shorten(list(found))}).")
    written: list[Path] = []
    failed: list[str] = []
    seen: dict[str, str] = {}
    for own, recording in found.items():
        label = name or (path.stem if path is not None else own)
        try:
            with _warnings_of(own if len(found) > 1 else ""):
                session = read_found(recording, label, selection, keys=keys, behaviour_file=beside)
        except (ValueError, OSError, ImportError) as error:
            if len(found) == 1:
                raise
            say(f"warning: {own} is left out: {error}", file=sys.stderr)
            failed.append(own)
            continue
        target = path if path is not None else session_file(str(output_folder(out) / f"{file_name(label)}.h5"))
        _warn_of_another(target, session)
        session.save(target)
        written.append(target)
        same = seen.setdefault(activity_digest(session), own) if len(found) > 1 else own
        if same != own:
            say(f"warning: {own} holds the same activity as {same}.", file=sys.stderr)
        _print_session(session, reader_of(recording, keys).name, target)
    if not written:
        public = [row[1].rpartition("; ")[2] for row in public_sets(Path(source))]
        hint = f"; try '{public[0]}'" if public else ""
        raise ValueError(f"Expected a recording that can be read in '{source}' (none of {len(failed)} can){hint}.")
    if path is None:
        say(f"{len(written)} session file(s) in {out}; now: synapsnet fit {shlex.quote(out)} --out run")


def prepare(
    dataset: Annotated[str, Names(DATASETS)],
    root: str,
    *,
    out: str,
    stimulus: str | None = None,
    activity: str | None = None,
    bin_size: float | str | None = None,
    frame_rate: float | None = None,
    sampling_rate: float | None = None,
    behaviour_rate: float | None = None,
    rebin: int | None = None,
    start: float | None = None,
    stop: float | None = None,
    intervals: str | None = None,
    exclude: str | None = None,
    behaviour: str | None = None,
    circular: str | None = None,
    events: str | None = None,
    where: str | None = None,
    min_rate: float | None = None,
    fill_nan: float | None = None,
    sessions: str | None = None,
    jobs: int = 1,
    set_args: dict[str, Any] | None = None,
) -> None:
    """Make session files of a public data set, NWB files or a Suite2p folder; 'convert' reads other formats.

    Args:
        dataset: Data set to read.
        root: Folder of the recordings (or one NWB file).
        out: Folder for the session files, created if needed; sessions that were read are kept in .prepared there.
        stimulus: Stimuli, separated by commas, such as "natural scenes", "drifting gratings", "spontaneous".
        activity: Name of the activity in the files.
        bin_size: Duration of one bin in seconds, for spikes, such as 0.05 or 1/30.
        frame_rate: Frames a second, where imaging results have no clock.
        sampling_rate: Ticks a second of the activity's clock, where it is not in seconds.
        behaviour_rate: Ticks a second of the behaviours' clocks, such as 1000 for milliseconds.
        rebin: Number of frames to join into one bin.
        start: Time in seconds at which to begin.
        stop: Time in seconds at which to end.
        intervals: Name of intervals whose rows become segments, such as trials.
        exclude: Names of intervals to leave out, separated by commas, or START:STOP in seconds.
        behaviour: Behaviours, separated by commas, by the names that the data set or the file has.
        circular: Behaviours that are angles, separated by commas; heading=360 gives the full circle.
        events: Names of event times or intervals that become behaviours, separated by commas.
        where: Condition on fields of the neurons that are kept, such as 'quality==good'.
        min_rate: Smallest mean rate in Hz of a neuron that is kept.
        fill_nan: Largest share of NaN of a neuron that is kept.
        sessions: Names of sessions, or ends of names, separated by commas; wildcards allowed.
        jobs: Number of processes that read at once.
        set_args: Any other argument of the data set, as in --set-args.frame_rate 30 or --set-args.areas '[VISp]'.

    Example:
        synapsnet prepare nwb recordings --out sessions --bin-size 0.0333
        synapsnet prepare bugeon bugeon --out sessions --stimulus spontaneous --jobs 2
    """
    folder = Path(out)
    from synapsnet_pyg.files import atomic_path

    given = {
        "stimulus": listed(stimulus) or None,
        "bin_size": seconds(bin_size, "--bin-size"),
        "behaviour": None if behaviour is None else listed(behaviour),
        "activity": activity,
        "frame_rate": frame_rate,
        "sampling_rate": sampling_rate,
        "behaviour_rate": behaviour_rate,
        "rebin": rebin,
        "start": start,
        "stop": stop,
        "intervals": intervals,
        "exclude": listed(exclude) or None,
        "circular": circles(circular) or None,
        "events": listed(events) or None,
        "where": where,
        "min_rate": min_rate,
        "fill_nan": fill_nan,
        "sessions": listed(sessions) or None,
        "processed": folder / ".prepared",
    }
    arguments = {key: value for key, value in given.items() if value is not None} | dict(set_args or {})
    opened = open_dataset(dataset, root, {"jobs": jobs} | arguments)
    targets = [session_file(str(folder / Path(kept).name)) for kept in opened.processed_paths]
    for kept, target, session in zip(opened.processed_paths, targets, opened, strict=True):
        with atomic_path(target) as temporary:
            shutil.copyfile(kept, temporary)
        say(session)
        _print_notes(session)
    others = set(visible(folder, "*.h5")) - set(targets)
    if others:
        say(
            f"warning: '{folder}' holds {len(others)} other session files too; name those to be fitted.",
            file=sys.stderr,
        )
    files = shlex.quote(str(folder)) if not others else " ".join(shlex.quote(str(target)) for target in targets)
    say(f"{len(targets)} session file(s) in {folder}; now: synapsnet fit {files} --out run")


def _warn_of_another(path: Path, session: "Session") -> None:
    """Says that a file holds another session, which is about to be replaced, because runs may need it."""
    from synapsnet_pyg.data.session import Session

    try:
        other = Session.load(path) if path.exists() else session
    except (ValueError, OSError):  # a file that is no session file, or a damaged one
        return
    if other.fingerprint != session.fingerprint:
        say(
            f"warning: '{path}' held another session ({other.num_neurons} neurons, {other.num_bins} bins of "
            f"{other.bin_size:g} s), which is replaced; runs fitted to that one cannot be read with the new one.",
            file=sys.stderr,
        )


@contextmanager
def _warnings_of(name: str) -> Iterator[None]:
    """Puts the name of a session before the warnings of reading it; nothing without a name."""
    from synapsnet_pyg.intake.notes import DataWarning, warn

    with warnings.catch_warnings(record=bool(name)) as caught:
        if caught is not None:
            warnings.simplefilter("always", DataWarning)
        yield
    for warning in caught or ():
        warn(f"{name}: {warning.message}")


def _print_notes(session: "Session") -> None:
    """Prints what reading a recording noted."""
    for note in session.get("notes") or []:
        say(f"note    {note}")


def _print_session(session: "Session", form: str, path: Path) -> None:
    """Prints what was found and kept of a recording, and where its session lies."""
    T, d, S = session.num_bins, session.bin_size, len(session.segment)
    say(f"found   {session.name}: {session.num_neurons} neurons, {T} bins of {d:g} s (format {form})")
    say(f"        = {T * d:.1f} s in {S} segment(s)")
    say(f"        behaviour: {', '.join(session.behaviour_name) or 'none'}")
    say(f"        fields of the neurons: {', '.join(['id', *session.neuron_fields])}")
    _print_notes(session)
    say(f"written to {path}")
