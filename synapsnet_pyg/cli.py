"""The commands. Each is a typed function; heavy libraries are imported by the command that needs them."""

import json as json_text
import os
import re
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal, NoReturn

try:
    from docstring_parser import parse as parse_docstring
    from jsonargparse import ArgumentParser
except ImportError as error:
    print(f"synapsnet: error: {error}; install synapsnet_pyg with its extras, [train,viz]", file=sys.stderr)
    raise SystemExit(2) from None


def simulate(
    out: str,
    *,
    bins: int = 30_000,
    seed: int = 0,
    neurons: int = 600,
    recorded: int = 200,
    bin_size: float = 1 / 30,
    name: str | None = None,
) -> None:
    """Simulate spike counts of a population whose wiring is known.

    Args:
        out: Session file to write, such as sim.h5.
        bins: Length of the recording.
        seed: Decides everything random.
        neurons: Neurons in the population.
        recorded: How many of them are recorded.
        bin_size: Seconds a bin.
        name: Name of the session; the file's name without its ending if not given.
    """
    path = _session_file(out)
    from synapsnet_pyg.datasets.simulated import simulate as simulate_session

    session = simulate_session(bins, seed, neurons, recorded, bin_size, name or path.stem)
    session.save(path)
    print(f"{session}\nwritten to {path}")


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
        model: synapsnet, mean, copy, ar5, var1, var5, or package.module.Class of your own.
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


COMMANDS: tuple[Callable[..., None], ...] = (
    simulate,
    convert,
    prepare,
    download,
    inspect,
    fit,
    evaluate,
    connectivity,
    figures,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 2 after one line on what was wrong with the input."""
    parser = _parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        parser.print_help(sys.stderr)
        return 2
    given = parser.parse_args(words)
    command = next(c for c in COMMANDS if c.__name__ == given.command)
    values = given[given.command].as_dict()
    values.pop("config", None)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("always", category=UserWarning)
            warnings.showwarning = _show_warning
            command(**values)
        return 0
    except BrokenPipeError:  # 'synapsnet ... | head' is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, NotImplementedError, FloatingPointError) as error:
        if os.environ.get("SYNAPSNET_TRACEBACK"):
            raise
        print(f"synapsnet {command.__name__}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"synapsnet {command.__name__}: error: {error}; install the extras [train,viz]", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = "; the same command with --resume goes on after the last whole epoch" if command is fit else ""
        print(f"synapsnet {command.__name__}: interrupted{hint}", file=sys.stderr)
        return 130


class _Parser(ArgumentParser):
    """Tells what is wrong in one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        # In a user's words, not in those of Python's types.
        message = re.sub(r"a typing\.Literal\[(.*?)\]", r"one of \1", " ".join(message.split()))
        message = re.sub(r"an? <class 'float'>", "a number", re.sub(r"an? <class 'int'>", "a whole number", message))
        print(f"{self.prog}: error: {message} (see --help)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> _Parser:
    parser = _Parser(prog="synapsnet", description="Forecast a recorded population and learn who drives whom.")
    subcommands = parser.add_subcommands(dest="command", required=True)
    for command in COMMANDS:
        told = parse_docstring(command.__doc__ or "")
        one = _Parser(description=told.short_description)
        one.add_argument("--config", action="config", help="YAML file of options.")
        described = {parameter.arg_name: parameter.description for parameter in told.params}
        for parameter in signature(command).parameters.values():
            _add(one, parameter, described[parameter.name] or "")
        subcommands.add_subcommand(command.__name__, one, help=told.short_description)
    return parser


def _add(parser: _Parser, parameter: Parameter, told: str) -> None:
    """A parameter before the star is an argument, one after it an option."""
    if parameter.kind is not Parameter.KEYWORD_ONLY:
        many = {"nargs": "+", "type": str} if parameter.annotation == list[str] else {"type": parameter.annotation}
        parser.add_argument(parameter.name, help=told, **many)
        return
    flag = f"--{parameter.name.replace('_', '-')}"
    if parameter.annotation is bool:
        parser.add_argument(flag, action="store_true", help=told)
    elif parameter.default is Parameter.empty:
        parser.add_argument(flag, type=parameter.annotation, required=True, help=told)
    else:
        parser.add_argument(flag, type=parameter.annotation, default=parameter.default, help=told)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    from synapsnet_pyg.datasets.clocks import DataWarning

    if issubclass(category, DataWarning):
        print(f"warning: {message}", file=sys.stderr)


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


if __name__ == "__main__":
    sys.exit(main())
