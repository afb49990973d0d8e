"""Commands that create and describe session files.

Heavy libraries are imported by the command that needs them.
"""

import csv
import shlex
from typing import Annotated, Any, Literal

from synapsnet_pyg.cli.arguments import (
    Names,
    existing_folder,
    listed,
    output_folder,
    seconds,
    session_file,
)
from synapsnet_pyg.datasets.registry import PUBLIC_DATASETS, dataset_class
from synapsnet_pyg.files import say, shorten
from synapsnet_pyg.simulations.registry import ALIASES as SIMULATION_ALIASES
from synapsnet_pyg.simulations.registry import SIMULATIONS, simulation
from synapsnet_pyg.simulations.zoo import ZOO


def simulate(
    out: str,
    *,
    population: Annotated[str, Names(SIMULATIONS, {**SIMULATION_ALIASES, **dict.fromkeys(ZOO, "")})] = "paper",
    sessions: int | None = None,
    bins: int | None = None,
    seed: int = 0,
    neurons: int | None = None,
    recorded: int | None = None,
    bin_size: float | str | None = None,
    name: str | None = None,
    sim_args: dict[str, Any] | None = None,
) -> None:
    """Simulate a population whose wiring is known.

    Args:
        out: Session file to write, such as sim.h5; with --sessions a folder, created if needed.
        population: Simulation to run, or a world of the zoo, such as lif-half.
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
    sizes = {"bins": bins, "neurons": neurons, "recorded": recorded, "bin_size": seconds(bin_size, "--bin-size")}
    parameters = {key: value for key, value in sizes.items() if value is not None} | dict(sim_args or {})
    make = simulation(population, parameters)
    if path is not None:
        session = make(0, seed, name=name or path.stem)
        session.save(path)
        say(session, f"written to {path}")
        return
    for number in range(sessions or 0):
        session = make(number, seed)
        session.save(output_folder(out) / f"{session.name}.h5")
        say(session)
    say(f"{sessions} session file(s) in {out}; now: synapsnet fit {shlex.quote(out)} --out run")


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
    say(f"fetched into {root}; now: synapsnet prepare {dataset} {root} --out sessions")


def divide(session: str, out: str, *, table: str, column: str = "part") -> None:
    """Name the training, validation and test segments (trials) of a session; fit and benchmark then use these parts.

    Args:
        session: Session file.
        out: Session file to write.
        table: CSV file with a header and a row for each segment, in the order of time.
        column: Column of the table with the part of each segment: train, validation, test, or empty for unused ones.

    Example:
        synapsnet divide m1.h5 m1-parts.h5 --table trials.csv
        synapsnet divide m1.h5 m1-parts.h5 --table trials.csv --column split
    """
    target = session_file(out)
    from synapsnet_pyg.data.division import by_segment
    from synapsnet_pyg.data.session import Session

    whole, names = Session.load(session), _column(table, column)
    try:
        parts = by_segment(whole, names)
    except ValueError as error:
        raise ValueError(f"'{table}' does not divide '{session}': {error}") from None
    parts.save(target)
    counts = ", ".join(f"{name} {part.num_bins}" for name, part in parts.split()._asdict().items())
    say(f"{counts} bins", f"written to {target}")


def _column(table: str, column: str) -> list[str]:
    """Reads the texts of a column of a CSV file."""
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            rows, header = list(reader), reader.fieldnames or []
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"Expected a CSV file in UTF-8 (got '{table}': {error}).") from None
    if not rows or column not in header:
        found = shorten(list(header)) if rows else "no row"
        raise ValueError(f"Expected a column '{column}' in '{table}' (got {found}).")
    return [(row[column] or "").strip() for row in rows]


def inspect(path: str, *, figure: str | None = None, device: Literal["auto", "cpu", "cuda"] = "auto") -> None:
    """Describe a recording: sizes, rates, silent neurons, behaviour, segments, cost of a fit.

    Args:
        path: Session file, NWB file, arrays, or a folder of recordings.
        figure: PNG, SVG or PDF file to write: activity of all neurons of a session, and its behaviour.
        device: Device of the fit whose time and memory are told: cuda (a GPU), cpu, or auto, a GPU if there is one.

    Example:
        synapsnet inspect m1.h5
        synapsnet inspect m1.h5 --figure m1.png
    """
    target = None if figure is None else existing_folder(figure)
    from synapsnet_pyg.data.session import Session
    from synapsnet_pyg.data.session_file import is_session_file
    from synapsnet_pyg.datasets.inspection import inspect_path
    from synapsnet_pyg.runs.cost import cost_rows
    from synapsnet_pyg.runs.hardware import Hardware

    rows = inspect_path(path, target)
    if is_session_file(path):
        rows += cost_rows(Session.load(path), Hardware(device))
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        say(f"{label:{width}s}  {value}")
