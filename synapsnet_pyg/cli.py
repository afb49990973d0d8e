"""The commands. Each is a typed function; heavy libraries are imported by the command that needs them."""

import inspect
import json as json_text
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

try:
    from docstring_parser import parse as parse_docstring
    from jsonargparse import ArgumentParser
except ImportError as error:
    raise SystemExit(f"synapsnet: error: {error}; install synapsnet_pyg with its extras, [train,viz]") from None


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
    path = _output_file(out)
    from synapsnet_pyg.datasets.simulated import simulate as simulate_session

    session = simulate_session(bins, seed, neurons, recorded, bin_size, name or path.stem)
    session.save(path)
    print(f"{session}\nwritten to {path}")


def convert(
    source: str,
    out: str,
    *,
    axes: str,
    bin_size: float,
    activity: str | None = None,
    behaviour: str | None = None,
    behaviour_axes: str | None = None,
    areas: str | None = None,
    types: str | None = None,
    positions: str | None = None,
    neuron_ids: str | None = None,
    fields: str | None = None,
    rebin: int = 1,
    rebin_by: Literal["sum", "mean"] = "sum",
    name: str | None = None,
) -> None:
    """Make a session file of your own arrays (.npz, .npy, .mat, .h5).

    Args:
        source: File of arrays.
        out: Session file to write.
        axes: Order of the activity's axes: neuron,bin or bin,neuron or trial,neuron,bin or trial,bin,neuron.
        bin_size: Seconds a bin as stored in the source.
        activity: Key of the activity; may be left out where the file holds one array.
        behaviour: Keys of what all neurons share, separated by commas; their axes are found by length.
        behaviour_axes: Order of the behaviour's axes (of trial, bin, value), asked for where lengths leave it open.
        areas: Key of the neurons' brain areas.
        types: Key of the neurons' cell types.
        positions: Key of the neurons' positions.
        neuron_ids: Key of the neurons' ids; the same id in two sessions means the same neuron.
        fields: Keys of anything else known about each neuron, separated by commas.
        rebin: Bins to join into one.
        rebin_by: Whether joined bins are added up (counts) or averaged (dF/F).
        name: Name of the session; the out file's name without its ending if not given.
    """
    path = _output_file(out)
    from synapsnet_pyg.datasets.arrays import read_arrays

    named = {"area": areas, "cell_type": types, "position": positions}
    known = {field: key for field, key in named.items() if key is not None}
    known |= {key.rsplit("/", 1)[-1]: key for key in _listed(fields)}
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
    )
    session.save(path)
    print(f"found   {session.num_neurons} neurons, {session.num_bins} bins of {session.bin_size:g} s")
    print(f"        = {session.num_bins * session.bin_size:.1f} s in {len(session.segment)} segment(s)")
    print(f"        behaviour: {', '.join(session.behaviour_name) or 'none'}")
    print(f"        known of each neuron: {', '.join(['id', *session.neuron_fields])}")
    print(f"written to {path}")


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
        sessions: Session files; several are fitted together, a neuron id that comes twice is one neuron.
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
    fit_files(sessions, Path(out), model, arguments, preset, given, seed, resume)
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
    from synapsnet_pyg.export import FORMATS, save_connectivity
    from synapsnet_pyg.run import Run

    unknown = [one for one in formats if one not in FORMATS]
    if unknown or not formats:
        raise ValueError(f"Expected formats among {', '.join(FORMATS)} (got '{format}').")
    loaded = Run.load(run)
    folder = _output_folder(out)
    for name, part in loaded.split().items():
        matrix = loaded.model.connectivity(part.train)
        for one in formats:
            print(f"written to {save_connectivity(loaded.sessions[name], matrix, folder, one, threshold, top_k)}")


def figures(run: str, *, out: str, session: str | None = None) -> None:
    """Draw a run: connectivity, forecasts of a few neurons, training curve.

    Args:
        run: Folder of the run.
        out: Folder for the PNG files, made if it is not there.
        session: Which session; the first if not given.
    """
    from synapsnet_pyg.figures import draw_run
    from synapsnet_pyg.run import Run

    loaded = Run.load(run)
    if session is not None and session not in loaded.sessions:
        raise ValueError(f"Expected a session among {', '.join(loaded.sessions)} (got '{session}').")
    for path in draw_run(loaded, session or next(iter(loaded.sessions)), _output_folder(out)):
        print(f"written to {path}")


COMMANDS: tuple[Callable[..., None], ...] = (simulate, convert, fit, evaluate, connectivity, figures)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 2 after one line on what was wrong with the input."""
    parser = _parser()
    given = parser.parse_args(list(sys.argv[1:] if arguments is None else arguments))
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
        print(f"{self.prog}: error: {' '.join(message.split())} (see --help)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> _Parser:
    parser = _Parser(prog="synapsnet", description="Forecast a recorded population and learn who drives whom.")
    subcommands = parser.add_subcommands(dest="command", required=True)
    for command in COMMANDS:
        told = parse_docstring(command.__doc__ or "")
        one = _Parser(description=told.short_description)
        one.add_argument("--config", action="config", help="YAML file of options.")
        described = {parameter.arg_name: parameter.description for parameter in told.params}
        for parameter in inspect.signature(command).parameters.values():
            _add(one, parameter, described[parameter.name] or "")
        subcommands.add_subcommand(command.__name__, one, help=told.short_description)
    return parser


def _add(parser: _Parser, parameter: inspect.Parameter, told: str) -> None:
    """A parameter before the star is an argument, one after it an option."""
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        many = {"nargs": "+", "type": str} if parameter.annotation == list[str] else {"type": parameter.annotation}
        parser.add_argument(parameter.name, help=told, **many)
        return
    flag = f"--{parameter.name.replace('_', '-')}"
    if parameter.annotation is bool:
        parser.add_argument(flag, action="store_true", help=told)
    elif parameter.default is inspect.Parameter.empty:
        parser.add_argument(flag, type=parameter.annotation, required=True, help=told)
    else:
        parser.add_argument(flag, type=parameter.annotation, default=parameter.default, help=told)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    from synapsnet_pyg.datasets.arrays import DataWarning

    if issubclass(category, DataWarning):
        print(f"warning: {message}", file=sys.stderr)


def _listed(text: str | None) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _output_file(out: str) -> Path:
    path = Path(out)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (there is no '{path.parent}').")
    return path


def _output_folder(out: str) -> Path:
    path = Path(out)
    path.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    sys.exit(main())
