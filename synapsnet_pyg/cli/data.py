"""Commands that create and describe session files.

Heavy libraries are imported by the command that needs them.
"""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from synapsnet_pyg.cli.arguments import Names, existing_folder, listed, option_groups, output_folder, session_file
from synapsnet_pyg.datasets.registry import DATASETS, PUBLIC_DATASETS, dataset_class, open_dataset
from synapsnet_pyg.simulations.registry import ALIASES as SIMULATION_ALIASES
from synapsnet_pyg.simulations.registry import SIMULATIONS, simulation


def simulate(
    out: str,
    *,
    population: Annotated[str, Names(SIMULATIONS, SIMULATION_ALIASES)] = "paper",
    sessions: int | None = None,
    bins: int | None = None,
    seed: int = 0,
    neurons: int | None = None,
    recorded: int | None = None,
    bin_size: float | None = None,
    name: str | None = None,
    sim_args: dict[str, Any] | None = None,
) -> None:
    """Simulate a population whose wiring is known.

    Args:
        out: Session file to write, such as sim.h5; with --sessions a folder, created if needed.
        population: Simulation to run.
        sessions: Number of sessions. Sessions of calcium and neuropixels share an animal, and neurons.
        bins: Number of bins of each recording.
        seed: Seed of all random numbers.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded.
        bin_size: Duration of one bin in seconds.
        name: Name of a single session; the file's name without its ending if not given.
        sim_args: Any other argument of the simulation, as in --sim-args.hidden_drive 0 (paper).

    Example:
        synapsnet simulate sim.h5
        synapsnet simulate sessions --population calcium --sessions 4 --bins 3000
    """
    if sessions is not None and (sessions < 1 or name is not None):
        raise ValueError(f"Expected --sessions of at least 1 (got {sessions}), without --name.")
    path = session_file(out) if sessions is None else None
    sizes = {"bins": bins, "neurons": neurons, "recorded": recorded, "bin_size": bin_size}
    parameters = {key: value for key, value in sizes.items() if value is not None} | dict(sim_args or {})
    make = simulation(population, parameters)
    if path is not None:
        session = make(0, seed, name=name or path.stem)
        session.save(path)
        print(f"{session}\nwritten to {path}")
        return
    for number in range(sessions or 0):
        session = make(number, seed)
        session.save(output_folder(out) / f"{session.name}.h5")
        print(session)
    print(f"{sessions} session file(s) in {out}; now: synapsnet fit {shlex.quote(out)} --out run")


@option_groups(
    activity="activity axes fill_nan",
    spikes="spike_times spike_index spike_neuron sampling_rate",
    time="bin_size times rebin rebin_by start stop",
    behaviour="behaviour behaviour_axes behaviour_times advance",
    neurons="neuron_ids areas types positions fields truth",
)
def convert(
    source: str,
    out: str,
    *,
    activity: str | None = None,
    axes: str | None = None,
    fill_nan: float = 0.0,
    spike_times: str | None = None,
    spike_index: str | None = None,
    spike_neuron: str | None = None,
    sampling_rate: float | None = None,
    bin_size: float | None = None,
    times: str | None = None,
    rebin: int = 1,
    rebin_by: Literal["sum", "mean"] = "sum",
    start: float | None = None,
    stop: float | None = None,
    behaviour: str | None = None,
    behaviour_axes: str | None = None,
    behaviour_times: str | None = None,
    advance: int = 0,
    neuron_ids: str | None = None,
    areas: str | None = None,
    types: str | None = None,
    positions: str | None = None,
    fields: str | None = None,
    truth: str | None = None,
    name: str | None = None,
) -> None:
    """Make a session file of your own arrays (.npz, .npy, .mat, .h5, a folder of .npy).

    Args:
        source: File of arrays, or a folder of .npy files, whose keys are their names.
        out: Session file to write.
        activity: Key of the activity; may be left out where the file holds one array.
        axes: Order of the activity's axes: neuron,bin or bin,neuron or trial,neuron,bin or trial,bin,neuron.
        fill_nan: Largest share of NaN of a neuron that is kept, such as 0.01; its gaps are filled linearly.
        spike_times: Key of spike times to count in bins, instead of --activity and --axes.
        spike_index: Key of the end of each neuron's spikes among the spike times (as in NWB).
        spike_neuron: Key of the neuron of each spike (as spike_clusters of phy), instead of --spike-index.
        sampling_rate: Sampling rate in Hz, where spike times count samples.
        bin_size: Duration of one bin in seconds, as stored in the source; may be left out beside --times.
        times: Key of the time of each bin in seconds; gaps end a segment.
        rebin: Number of bins to join into one.
        rebin_by: Way to join bins: sum (counts) or mean (dF/F).
        start: Time in seconds at which to begin counting spikes; the first spike if not given.
        stop: Time in seconds at which to end; the last spike if not given.
        behaviour: Keys of variables that all neurons share, separated by commas; their axes are found by length.
        behaviour_axes: Order of the behaviour's axes (of trial, bin, value), where lengths fit several.
        behaviour_times: Key of the behaviour's own clock in seconds; behaviour is interpolated at the bins.
        advance: Number of bins by which behaviour is moved forward: 1 for a stimulus that acts within its own bin and
            is known beforehand.
        neuron_ids: Key of the neurons' ids; the same id in two sessions means the same neuron, an empty id a new
            neuron.
        areas: Key of the neurons' brain areas.
        types: Key of the neurons' cell types.
        positions: Key of the neurons' positions.
        fields: Keys of other fields of the neurons, separated by commas.
        truth: Key of the true connectivity, [receiver, sender], where it is known.
        name: Name of the session; the out file's name without its ending if not given.

    Example:
        synapsnet convert m1.mat m1.h5 --activity spikes --axes neuron,bin --bin-size 0.05 --behaviour handVel
        synapsnet convert sorted s.h5 --spike-times spike_times --spike-neuron spike_clusters --bin-size 0.02
    """
    path = session_file(out)
    from synapsnet_pyg.datasets.behaviour_arrays import BehaviourSource
    from synapsnet_pyg.datasets.neuron_arrays import NeuronKeys
    from synapsnet_pyg.datasets.time_bins import advanced, warn

    named = {"area": areas, "cell_type": types, "position": positions}
    known = {field: key for field, key in named.items() if key is not None}
    known |= {key.rsplit("/", 1)[-1]: key for key in listed(fields)}
    keys = NeuronKeys(neuron_ids, known, truth)
    shared = BehaviourSource(listed(behaviour), listed(behaviour_axes) or None, behaviour_times)
    name = name or path.stem
    if spike_times is not None:
        if bin_size is None or activity or axes or rebin != 1:
            raise ValueError("Expected --bin-size beside --spike-times, and neither --activity, --axes nor --rebin.")
        from synapsnet_pyg.datasets.spike_times import SpikeSource, read_spike_times

        rate = 1.0 if sampling_rate is None else sampling_rate
        spikes = SpikeSource(
            spike_times, bin_size, spike_index, spike_neuron, sampling_rate=rate, start=start, stop=stop
        )
        session = read_spike_times(source, spikes, behaviour=shared, neurons=keys, name=name)
    elif axes is None:
        raise ValueError("Expected the order of the activity's axes, such as --axes neuron,bin (or --spike-times KEY).")
    else:
        from synapsnet_pyg.datasets.arrays import ActivitySource, read_arrays

        recorded = ActivitySource(
            activity, listed(axes), bin_size, times, rebin=rebin, rebin_mean=rebin_by == "mean", fill_nan=fill_nan
        )
        session = read_arrays(source, recorded, behaviour=shared, neurons=keys, name=name)
    if session.bin_size >= 5:
        warn(f"bins of {session.bin_size:g} s are long for neurons; --bin-size is in seconds.")
    if advance:
        session.behaviour = advanced(session.behaviour, session.segment, advance)
    session.save(path)
    print(f"found   {session.num_neurons} neurons, {session.num_bins} bins of {session.bin_size:g} s")
    print(f"        = {session.num_bins * session.bin_size:.1f} s in {len(session.segment)} segment(s)")
    print(f"        behaviour: {', '.join(session.behaviour_name) or 'none'}")
    print(f"        fields of the neurons: {', '.join(['id', *session.neuron_fields])}")
    print(f"written to {path}")


def prepare(
    dataset: Annotated[str, Names(DATASETS)],
    root: str,
    *,
    out: str,
    stimulus: str | None = None,
    bin_size: float | None = None,
    behaviour: str | None = None,
    sessions: str | None = None,
    jobs: int = 1,
    set_args: dict[str, Any] | None = None,
) -> None:
    """Make session files of a public data set, NWB files or a Suite2p folder.

    Args:
        dataset: Data set to read.
        root: Folder of the recordings (or one NWB file).
        out: Folder for the session files, created if needed; sessions that were read are kept in .prepared there.
        stimulus: Stimuli, separated by commas, such as "natural scenes", "drifting gratings", "spontaneous".
        bin_size: Duration of one bin in seconds, for spikes.
        behaviour: Behaviours, separated by commas, by the names that the data set or the file has.
        sessions: Names of sessions, or ends of names, separated by commas; wildcards allowed.
        jobs: Number of processes that read at once.
        set_args: Any other argument of the data set, as in --set-args.frame_rate 30 or --set-args.areas '[VISp]'.

    Example:
        synapsnet prepare nwb recordings --out sessions --bin-size 0.0333
        synapsnet prepare bugeon bugeon --out sessions --stimulus spontaneous --jobs 2
    """
    folder = Path(out)
    from synapsnet_pyg.files import atomic_path

    given: dict[str, Any] = {
        "stimulus": listed(stimulus) or None,
        "bin_size": bin_size,
        "behaviour": None if behaviour is None else listed(behaviour),
        "sessions": listed(sessions) or None,
        "processed": folder / ".prepared",
    }
    arguments = {key: value for key, value in given.items() if value is not None} | dict(set_args or {})
    opened = open_dataset(dataset, root, {"jobs": jobs} | arguments)
    targets = [session_file(str(folder / Path(kept).name)) for kept in opened.processed_paths]
    for kept, target, session in zip(opened.processed_paths, targets, opened, strict=True):
        with atomic_path(target) as temporary:
            shutil.copyfile(kept, temporary)
        print(session)
    others = set(folder.glob("*.h5")) - set(targets)
    if others:
        print(
            f"warning: '{folder}' holds {len(others)} other session files too; name those to be fitted.",
            file=sys.stderr,
        )
    files = shlex.quote(str(folder)) if not others else " ".join(shlex.quote(str(target)) for target in targets)
    print(f"{len(targets)} session file(s) in {folder}; now: synapsnet fit {files} --out run")


def download(
    dataset: Annotated[str, Names(PUBLIC_DATASETS)],
    root: str,
    *,
    sessions: str | None = None,
    source: Literal["cache", "dandi"] | None = None,
) -> None:
    """Fetch a public data set, or sessions of it.

    Args:
        dataset: Data set to fetch.
        root: Folder to fill; files that are there already are not fetched again.
        sessions: Sessions of allen-neuropixels, separated by commas: ids (715093703), or folders of DANDI
            (000021/sub-707296975).
        source: Source of allen-neuropixels: cache (of the AllenSDK, if not given) or dandi.

    Example:
        synapsnet download bugeon bugeon
        synapsnet download allen-neuropixels allen --sessions 715093703
    """
    dataset_class(dataset).download(root, listed(sessions), source=source)
    print(f"fetched into {root}; now: synapsnet prepare {dataset} {root} --out sessions")


def inspect(path: str, *, figure: str | None = None) -> None:
    """Describe a recording: sizes, rates, silent neurons, behaviour, segments, cost of a fit.

    Args:
        path: Session file, NWB file, arrays, or a folder of recordings.
        figure: PNG file to write: activity of all neurons of a session, and its behaviour.

    Example:
        synapsnet inspect m1.h5
        synapsnet inspect m1.h5 --figure m1.png
    """
    target = None if figure is None else existing_folder(figure)
    from synapsnet_pyg.data.session import Session
    from synapsnet_pyg.data.session_file import is_session_file
    from synapsnet_pyg.datasets.inspection import inspect_path
    from synapsnet_pyg.runs.cost import cost_of_fit

    rows = inspect_path(path, target)
    if is_session_file(path):
        rows += cost_of_fit(Session.load(path))
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"{label:{width}s}  {value}")
