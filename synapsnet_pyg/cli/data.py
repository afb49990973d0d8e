"""Commands that make and look at session files.

Heavy libraries are imported by the command that needs them.
"""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Literal

from synapsnet_pyg.cli.arguments import existing_folder, listed, output_folder, session_file


def simulate(
    out: str,
    *,
    population: Literal[
        "paper", "calcium", "neuropixels", "toy", "plasticity", "cell-types", "ring", "spiking-ring", "task"
    ] = "paper",
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
        out: Session file to write, such as sim.h5; with --sessions a folder, made if it is not there.
        population: paper (section 3.2), calcium (two-photon fluorescence), neuropixels (six visual areas), or one of
            NetFormer's: toy, plasticity, cell-types, ring, spiking-ring, task.
        sessions: How many sessions; of calcium and neuropixels they share an animal, and neurons.
        bins: Length of each recording.
        seed: Decides everything random.
        neurons: Neurons in the population.
        recorded: How many of them are recorded.
        bin_size: Seconds a bin.
        name: Name of a single session; the file's name without its ending if not given.
        sim_args: Any other argument of the simulator, as in --sim-args.hidden_drive 0 or --sim-args.coupling 0 (paper).
    """
    if sessions is not None and (sessions < 1 or name is not None):
        raise ValueError(f"Expected --sessions of at least 1 (got {sessions}), without --name.")
    path = session_file(out) if sessions is None else None
    from synapsnet_pyg.simulations.registry import simulation

    sizes = {"bins": bins, "neurons": neurons, "recorded": recorded, "bin_size": bin_size}
    laws = {key: value for key, value in sizes.items() if value is not None} | dict(sim_args or {})
    make = simulation(population, laws)
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


def convert(
    source: str,
    out: str,
    *,
    axes: str | None = None,
    bin_size: float | None = None,
    activity: str | None = None,
    times: str | None = None,
    spike_times: str | None = None,
    spike_index: str | None = None,
    spike_neuron: str | None = None,
    sampling_rate: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    behaviour: str | None = None,
    behaviour_axes: str | None = None,
    behaviour_times: str | None = None,
    advance: int = 0,
    areas: str | None = None,
    types: str | None = None,
    positions: str | None = None,
    neuron_ids: str | None = None,
    fields: str | None = None,
    truth: str | None = None,
    rebin: int = 1,
    rebin_by: Literal["sum", "mean"] = "sum",
    fill_nan: float = 0.0,
    name: str | None = None,
) -> None:
    """Make a session file of your own arrays (.npz, .npy, .mat, .h5, a folder of .npy).

    Args:
        source: File of arrays, or a folder of .npy files, whose keys are their names.
        out: Session file to write.
        axes: Order of the activity's axes: neuron,bin or bin,neuron or trial,neuron,bin or trial,bin,neuron.
        bin_size: Seconds a bin as stored in the source; may be left out beside --times.
        activity: Key of the activity; may be left out where the file holds one array.
        times: Key of the time of each bin in seconds; gaps end a segment.
        spike_times: Key of spike times, instead of --activity and --axes; they are counted in bins.
        spike_index: Key of the end of each neuron's spikes among them (as in NWB), or
        spike_neuron: key of the neuron of each spike (as spike_clusters of phy).
        sampling_rate: Hz, where spike times count samples.
        start: Seconds at which to begin counting spikes; the first spike if not given.
        stop: Seconds at which to end; the last spike if not given.
        behaviour: Keys of what all neurons share, separated by commas; their axes are found by length.
        behaviour_axes: Order of the behaviour's axes (of trial, bin, value), asked for where lengths leave it open.
        behaviour_times: Key of the behaviour's own clock in seconds; it is brought onto the bins linearly.
        advance: Bins by which behaviour is moved forward: 1 for a stimulus that acts within its own bin and is known
            beforehand.
        areas: Key of the neurons' brain areas.
        types: Key of the neurons' cell types.
        positions: Key of the neurons' positions.
        neuron_ids: Key of the neurons' ids; the same id in two sessions means the same neuron, an empty one a
            new neuron.
        fields: Keys of anything else known about each neuron, separated by commas.
        truth: Key of the true connectivity, [receiver, sender], where it is known.
        rebin: Bins to join into one.
        rebin_by: Whether joined bins are added up (counts) or averaged (dF/F).
        fill_nan: Keep neurons with at most this share of NaN, such as 0.01, filled linearly; others are left out.
        name: Name of the session; the out file's name without its ending if not given.
    """
    path = session_file(out)
    from synapsnet_pyg.datasets.arrays import read_arrays, read_spike_times
    from synapsnet_pyg.datasets.time_bins import advanced, warn

    named = {"area": areas, "cell_type": types, "position": positions}
    known = {field: key for field, key in named.items() if key is not None}
    known |= {key.rsplit("/", 1)[-1]: key for key in listed(fields)}
    if spike_times is not None:
        if bin_size is None or activity or axes or rebin != 1:
            raise ValueError("Expected --bin-size beside --spike-times, and neither --activity, --axes nor --rebin.")
        session = read_spike_times(
            source,
            spike_times,
            bin_size,
            spike_index,
            spike_neuron,
            1.0 if sampling_rate is None else 1 / sampling_rate,
            start,
            stop,
            listed(behaviour),
            behaviour_times,
            known,
            neuron_ids,
            name or path.stem,
            truth,
        )
    elif axes is None:
        raise ValueError("Expected the order of the activity's axes, such as --axes neuron,bin (or --spike-times KEY).")
    else:
        session = read_arrays(
            source,
            activity,
            listed(axes),
            bin_size,
            listed(behaviour),
            listed(behaviour_axes) or None,
            known,
            neuron_ids,
            rebin,
            rebin_by == "mean",
            name or path.stem,
            times,
            behaviour_times,
            truth,
            fill_nan,
        )
    if session.bin_size >= 5:
        warn(f"bins of {session.bin_size:g} s are long for neurons; --bin-size is in seconds.")
    if advance:
        session.behaviour = advanced(session.behaviour, session.segment, advance)
    session.save(path)
    print(f"found   {session.num_neurons} neurons, {session.num_bins} bins of {session.bin_size:g} s")
    print(f"        = {session.num_bins * session.bin_size:.1f} s in {len(session.segment)} segment(s)")
    print(f"        behaviour: {', '.join(session.behaviour_name) or 'none'}")
    print(f"        known of each neuron: {', '.join(['id', *session.neuron_fields])}")
    print(f"written to {path}")


def prepare(
    dataset: str,
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
    """Make session files of a public set, NWB files or a Suite2p folder.

    Args:
        dataset: bugeon, allen-neuropixels, nwb or suite2p.
        root: Folder of the recordings (or one NWB file).
        out: Folder for the session files, made if it is not there; what was read once is kept in .prepared there.
        stimulus: Such as "natural scenes", "drifting gratings", "spontaneous"; several separated by commas.
        bin_size: Seconds a bin, for spikes.
        behaviour: What all neurons share, separated by commas, by the names that the set or the file has.
        sessions: Names of sessions to take, or how they end, separated by commas; wildcards allowed.
        jobs: How many processes read at once.
        set_args: Any other argument of the set, as in --set-args.frame_rate 30 or --set-args.areas '[VISp]'.
    """
    folder = Path(out)
    from synapsnet_pyg.datasets.registry import open_dataset
    from synapsnet_pyg.files import atomic_path

    given: dict[str, Any] = {
        "stimulus": listed(stimulus) or None,
        "bin_size": bin_size,
        "behaviour": None if behaviour is None else listed(behaviour),
        "sessions": listed(sessions) or None,
        "processed": folder / ".prepared",
    }
    arguments = {key: value for key, value in given.items() if value is not None} | dict(set_args or {})
    made = open_dataset(dataset, root, {"jobs": jobs} | arguments)
    targets = [session_file(str(folder / Path(kept).name)) for kept in made.processed_paths]
    for kept, target, session in zip(made.processed_paths, targets, made, strict=True):
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
    dataset: str, root: str, *, sessions: str | None = None, source: Literal["cache", "dandi"] = "cache"
) -> None:
    """Fetch a public set: bugeon, or sessions of allen-neuropixels.

    Args:
        dataset: bugeon or allen-neuropixels.
        root: Folder to fill; what is there already is not fetched again.
        sessions: For allen-neuropixels: session ids, separated by commas (715093703), or of DANDI 000021/sub-707296975.
        source: For allen-neuropixels: the AllenSDK's cache, or dandi.
    """
    from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
    from synapsnet_pyg.datasets.bugeon import Bugeon

    if dataset == "bugeon":
        Bugeon.download(root)
    elif dataset == "allen-neuropixels":
        if not listed(sessions):
            raise ValueError(
                "Expected --sessions: each is 2 to 3 GB, so say which; ids stand in the cache's sessions.csv."
            )
        AllenNeuropixels.download(root, listed(sessions), source)
    else:
        raise ValueError(f"Expected bugeon or allen-neuropixels, which can be fetched (got '{dataset}').")
    print(f"fetched into {root}; now: synapsnet prepare {dataset} {root} --out sessions")


def inspect(path: str, *, figure: str | None = None) -> None:
    """Tell what a recording holds: sizes, rates, silent neurons, behaviour, segments, cost of a fit.

    Args:
        path: Session file, NWB file, arrays, or a folder of recordings.
        figure: PNG file to draw a session into: activity of all neurons, behaviour under it.
    """
    target = None if figure is None else existing_folder(figure)
    from synapsnet_pyg.data.session import Session
    from synapsnet_pyg.data.session_file import is_session_file
    from synapsnet_pyg.datasets.inspection import inspect_path
    from synapsnet_pyg.runs.cost import cost_of_fit

    told = inspect_path(path, target)
    if is_session_file(path):
        told += cost_of_fit(Session.load(path))
    width = max(len(what) for what, _ in told)
    for what, value in told:
        print(f"{what:{width}s}  {value}")
