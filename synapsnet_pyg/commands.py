"""What each command does: a typed function each, whose docstring is its help.

Heavy libraries are imported by the command that needs them.
"""

import json as json_text
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal


def simulate(
    out: str,
    *,
    population: Literal["paper", "calcium", "neuropixels"] = "paper",
    sessions: int | None = None,
    bins: int | None = None,
    seed: int = 0,
    neurons: int | None = None,
    recorded: int | None = None,
    bin_size: float | None = None,
    name: str | None = None,
) -> None:
    """Simulate a population whose wiring is known.

    Args:
        out: Session file to write, such as sim.h5; with --sessions a folder, made if it is not there.
        population: paper (section 3.2), calcium (two-photon fluorescence) or neuropixels (six visual areas).
        sessions: How many sessions; of calcium and neuropixels they share an animal, and neurons.
        bins: Length of each recording.
        seed: Decides everything random.
        neurons: Neurons in the population.
        recorded: How many of them are recorded.
        bin_size: Seconds a bin.
        name: Name of a single session; the file's name without its ending if not given.
    """
    if sessions is not None and (sessions < 1 or name is not None):
        raise ValueError(f"Expected --sessions of at least 1 (got {sessions}), without --name.")
    path = _session_file(out) if sessions is None else None
    from synapsnet_pyg.datasets.registry import SIMULATIONS

    sizes = {"bins": bins, "neurons": neurons, "recorded": recorded, "bin_size": bin_size}
    laws = {key: value for key, value in sizes.items() if value is not None}
    make = SIMULATIONS[population]
    if path is not None:
        session = make(0, seed, name=name or path.stem, **laws)
        session.save(path)
        print(f"{session}\nwritten to {path}")
        return
    for number in range(sessions or 0):
        session = make(number, seed, **laws)
        session.save(_output_folder(out) / f"{session.name}.h5")
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
    path = _session_file(out)
    from synapsnet_pyg.datasets.arrays import read_arrays, read_spike_times

    named = {"area": areas, "cell_type": types, "position": positions}
    known = {field: key for field, key in named.items() if key is not None}
    known |= {key.rsplit("/", 1)[-1]: key for key in _listed(fields)}
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
            _listed(behaviour),
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
            _listed(axes),
            bin_size,
            _listed(behaviour),
            _listed(behaviour_axes) or None,
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
    from synapsnet_pyg.atomic import atomic_path
    from synapsnet_pyg.datasets.registry import open_dataset

    given: dict[str, Any] = {
        "stimulus": _listed(stimulus) or None,
        "bin_size": bin_size,
        "behaviour": None if behaviour is None else _listed(behaviour),
        "sessions": _listed(sessions) or None,
        "processed": folder / ".prepared",
    }
    arguments = {key: value for key, value in given.items() if value is not None} | dict(set_args or {})
    made = open_dataset(dataset, root, {"jobs": jobs} | arguments)
    targets = [_session_file(str(folder / Path(kept).name)) for kept in made.processed_paths]
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
        if not _listed(sessions):
            raise ValueError(
                "Expected --sessions: each is 2 to 3 GB, so say which; ids stand in the cache's sessions.csv."
            )
        AllenNeuropixels.download(root, _listed(sessions), source)
    else:
        raise ValueError(f"Expected bugeon or allen-neuropixels, which can be fetched (got '{dataset}').")
    print(f"fetched into {root}; now: synapsnet prepare {dataset} {root} --out sessions")


def inspect(path: str, *, figure: str | None = None) -> None:
    """Tell what a recording holds: sizes, rates, silent neurons, behaviour, segments, cost of a fit.

    Args:
        path: Session file, NWB file, arrays, or a folder of recordings.
        figure: PNG file to draw a session into: activity of all neurons, behaviour under it.
    """
    target = None if figure is None else _existing_folder(figure)
    from synapsnet_pyg.inspection import inspect_path

    told = inspect_path(path, target)
    width = max(len(what) for what, _ in told)
    for what, value in told:
        print(f"{what:{width}s}  {value}")


def fit(
    sessions: list[str],
    *,
    out: str,
    model: str = "synapsnet",
    preset: Literal["paper", "fast"] = "paper",
    window: int | None = None,
    targets: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    halve_every: int | None = None,
    patience: int | None = None,
    seed: int = 0,
    model_args: dict[str, Any] | None = None,
    resume: bool = False,
) -> None:
    """Fit a model to one or more sessions.

    Args:
        sessions: Session files, or folders of them; several are fitted together, a neuron id that comes twice is one
            neuron.
        out: Folder of the run, to be made.
        model: synapsnet, neuprint, gwnet, lfads, amag, rnn, gru, lstm, mean, copy, ar5, var1, var5, or
            package.module.Class of your own.
        preset: Training recipe: paper (one target a window, 100 epochs) or fast (16 targets, 12 epochs or more).
        window: Past bins that a forecast sees; 5 if not given.
        targets: Bins forecast in each window, instead of the preset's.
        epochs: Instead of the preset's.
        batch_size: Windows a step, instead of the preset's.
        learning_rate: Of the first epochs, instead of the preset's.
        halve_every: Epochs after which the learning rate is halved, instead of the preset's.
        patience: Stop after so many epochs without a better validation correlation; never if not given.
        seed: Of the weights' start, the order of windows and dropout.
        model_args: Any argument of the model, as in --model-args.hidden_size 64.
        resume: Continue an interrupted run, given the same command again (--epochs may be larger).
    """
    from synapsnet_pyg.fitting import fit_files

    given = {
        "targets": targets,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "halve_every": halve_every,
        "patience": patience,
    }
    arguments = dict(model_args or {}) | ({} if window is None else {"window": window})
    fit_files(_session_files(sessions), Path(out), model, arguments, preset, given, seed, resume)
    print(f"fitted run in {out}; now: synapsnet evaluate {out}")


def adapt(
    run: str,
    session: str,
    *,
    out: str,
    epochs: int | None = None,
    patience: int | None = None,
    seed: int = 0,
    resume: bool = False,
) -> None:
    """Take what a run learned to a new session: its dynamics stay, connectivity and embeddings are learned.

    Args:
        run: Folder of a run of a model whose dynamics sessions share, such as synapsnet or neuprint.
        session: Session file with the same behaviours.
        out: Folder of the new run.
        epochs: Instead of the run's.
        patience: Stop after so many epochs without a better validation correlation, instead of the run's.
        seed: Of the weights' start, the order of windows and dropout.
        resume: Continue an interrupted run, given the same command again.
    """
    from synapsnet_pyg.fitting import adapt_file

    adapt_file(Path(run), session, Path(out), {"epochs": epochs, "patience": patience}, seed, resume)
    print(f"fitted run in {out}; now: synapsnet evaluate {out}")


def evaluate(run: str, *, json: bool = False) -> None:
    """Score a run on its test parts, beside mean, copy, AR(5) and ridge VAR forecasts.

    Args:
        run: Folder of the run.
        json: Print one JSON object instead of tables.
    """
    from synapsnet_pyg.evaluation import evaluate as evaluate_run
    from synapsnet_pyg.run import Run

    scores = evaluate_run(Run.load(run))
    if json:
        print(json_text.dumps(scores, indent=2))
    else:
        from synapsnet_pyg.tables import print_scores

        print_scores(scores)


def connectivity(
    run: str,
    *,
    out: str,
    format: str = "npz,csv,graphml",
    threshold: float = 0.0,
    top_k: int | None = None,
) -> None:
    """Write the learned connectivity: matrix, edge table, graph.

    Args:
        run: Folder of the run.
        out: Folder for the files, made if it is not there.
        format: Of npz (matrix), csv (edge table), graphml, gexf; several separated by commas.
        threshold: Leave edges of smaller absolute weight out of table and graph.
        top_k: Keep only so many strongest edges in table and graph.
    """
    formats = _listed(format)
    from synapsnet_pyg.export import FORMATS, save_connectivity, strongest
    from synapsnet_pyg.run import Run

    unknown = [one for one in formats if one not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"Expected formats among {', '.join(FORMATS)} (got '{format}').")
    loaded = Run.load(run)
    matrices = {name: loaded.model.connectivity(part.train) for name, part in loaded.split().items()}
    edges = {name: int(strongest(matrix, threshold, top_k).count_nonzero()) for name, matrix in matrices.items()}
    folder = _output_folder(out)
    for name, matrix in matrices.items():
        for one in formats:
            path = save_connectivity(loaded.sessions[name], matrix, folder, one, threshold, top_k)
            count = "all weights" if one == "npz" else f"{edges[name]} edges"
            print(f"written to {path}: {count}")


def figures(run: str, *, out: str, session: str | None = None) -> None:
    """Draw a run: connectivity, forecasts of a few neurons, training curve.

    Args:
        run: Folder of the run.
        out: Folder for the PNG files, made if it is not there.
        session: Which session; all if not given.
    """
    from synapsnet_pyg.figures import draw_run
    from synapsnet_pyg.run import Run

    loaded = Run.load(run)
    if session is not None and session not in loaded.sessions:
        raise ValueError(f"Expected a session among {', '.join(loaded.sessions)} (got '{session}').")
    folder = _output_folder(out)
    for path in draw_run(loaded, [session] if session else list(loaded.sessions), folder):
        print(f"written to {path}")


def benchmark_forecasting(
    sessions: list[str],
    *,
    out: str,
    models: str | None = None,
    seeds: int = 1,
    preset: Literal["paper", "fast"] = "paper",
    epochs: int | None = None,
    patience: int | None = 10,
    targets: int | None = None,
    learning_rate: float | None = None,
    sweep: str | None = None,
    ablations: bool = False,
    dynamics: bool = False,
    single_only: bool = False,
    jobs: int = 1,
    cluster: Literal["local", "slurm"] = "local",
) -> None:
    """Compare forecasters on the same windows of the same sessions: tables, figures, one JSON file.

    Give the same command again to go on: jobs that are done are not repeated.

    Args:
        sessions: Session files, or folders of them.
        out: Folder of the comparison.
        models: Names, separated by commas; those of the paper's Table 1 if not given (of a sweep: synapsnet, neuprint).
        seeds: How many fits of each, from seed 0 on.
        preset: Training recipe of all: paper or fast.
        epochs: Instead of the preset's.
        patience: Stop a fit after so many epochs without a better validation correlation.
        targets: Bins forecast in each window, instead of the preset's.
        learning_rate: Instead of the preset's.
        sweep: Sizes to compare, window=1,2,5,10,20 (figure 6) or embedding=4,8,16,32,64,128 (figure 7).
        ablations: Compare SynapsNet with itself without each of its parts (Table 2).
        dynamics: Compare SynapsNet with RNN, GRU, LSTM and Transformer inside (Table 3).
        single_only: Leave out the fits of all sessions together.
        jobs: How many fits at once.
        cluster: Where they run: local (this machine) or slurm.
    """
    from synapsnet_pyg import benchmark
    from synapsnet_pyg.comparison import Kind, compare_forecasts

    if sum([sweep is not None, ablations, dynamics]) > 1 or (models and (ablations or dynamics)):
        raise ValueError("Expected one of --models, --sweep, --ablations and --dynamics (--sweep goes with --models).")
    kind: Kind = "forecasting"
    if sweep is not None:
        what, _, sizes = sweep.partition("=")
        if what not in ("window", "embedding") or not all(size.isdigit() for size in _listed(sizes)) or not sizes:
            raise ValueError(f"Expected --sweep window=1,2,5 or embedding=4,8,16 (got '{sweep}').")
        kind = "window" if what == "window" else "embedding"
        variants = benchmark.sweep(_listed(models) or ["synapsnet", "neuprint"], what, list(map(int, _listed(sizes))))
    elif ablations:
        kind, variants = "ablations", benchmark.ablations()
    elif dynamics:
        kind, variants = "dynamics", benchmark.dynamics()
    else:
        variants = [benchmark.Variant(name, name) for name in _listed(models) or benchmark.PAPER_MODELS]
    training = {"epochs": epochs, "patience": patience, "targets": targets, "learning_rate": learning_rate}
    if seeds < 1:
        raise ValueError(f"Expected at least 1 seed (got {seeds}).")
    files = _session_files(sessions)
    told = compare_forecasts(files, Path(out), variants, kind, seeds, preset, training, not single_only, jobs, cluster)
    from synapsnet_pyg.tables import print_comparison

    print_comparison(told)
    print(f"written to {out}: {kind}.md, .csv, .tex, .json, .png and {kind}-sessions.md, .csv, .tex")
    if told["failed"]:
        raise RuntimeError(f"{len(told['failed'])} job(s) failed; the same command tries them again.")


COMMANDS: tuple[Callable[..., None], ...] = (
    simulate,
    convert,
    prepare,
    download,
    inspect,
    fit,
    adapt,
    evaluate,
    connectivity,
    figures,
    benchmark_forecasting,
)


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _session_files(paths: list[str]) -> list[str]:
    """Files as they are, folders as the session files in them."""
    files: list[str] = []
    for path in paths:
        inside = sorted(map(str, Path(path).glob("*.h5"))) if Path(path).is_dir() else [path]
        if not inside:
            raise FileNotFoundError(f"Expected session files in '{path}' (there are none).")
        files += inside
    return files


def _existing_folder(out: str) -> Path:
    path = Path(out)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (there is no '{path.parent}').")
    return path


def _session_file(out: str) -> Path:
    """Where a session may be written: to a new file, or over an older session, but never over anything else."""
    path = _existing_folder(out)
    if path.suffix in (".npy", ".npz", ".mat"):
        raise ValueError(f"Expected a session file, which ends in .h5 (got '{path}').")
    if path.exists():
        from synapsnet_pyg.session import is_session_file

        if not is_session_file(path):
            raise FileExistsError(
                f"'{path}' is there and no session file, so it is not overwritten; choose another name."
            )
    return path


def _output_folder(out: str) -> Path:
    from synapsnet_pyg.atomic import make_folder

    return make_folder(out)
