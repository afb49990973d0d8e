"""Comparison of two versions of the package: runs the same seeded commands with both and compares all files bit by bit.

    python benchmarks/same_numbers.py OLD_TREE [NEW_TREE] [--keep FOLDER]

List files, columns, keys and commands that a refactoring renames in the dictionaries below; other names that differ
are reported as missing. Durations, versions, paths and the command line are not compared. Exit status 1: something
differs.
"""

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

RENAMED: dict[str, str] = {
    r"-changing-edges-course\b": "-changing-edges-traces",
    r"(?<!experiments/)\bnetformer-toy\b": "toy-systems",
    r"^(compared/runs|recovered/runs|experiments/[^/]+/trials)/(.*/)?scores\.json$": r"\1/\2result.json",
    "changing-edges.csv:^mean": "weight",
    "tested/.*:^probability$": "edge_probability",
    "result.json:^([0-9]+/)": r"seeds/\1",
    "run.json:^model/name$": "model/kind",
    "run.json:^training/": "recipe/",
    "connectivity.json:^laws\\b": "parameters",
    "csv:^probability$": "edge_probability",
    "npz:^probability$": "edge_probability",
    ".ckpt:activity_(mean|scale)_([0-9]+)$": r"graphs.\2.activity_\1",
    ".ckpt:\\b(functional_connectivity|linear_path|common_drive|modulation)\\.([0-9]+)\\.": r"graphs.\2.\1.",
    ".ckpt:functional_connectivity\\.unit$": "functional_connectivity.scale",
    ".ckpt:functional_connectivity\\.price$": "functional_connectivity.penalty_scale",
    ".ckpt:common_drive\\.load$": "common_drive.receivers",
    ".ckpt:common_drive\\.read$": "common_drive.senders",
    "\\bbelieved\\b": "posterior mean",
    ".ckpt:_law\\.": "_distribution.",
    "^course$": "time series",
    "/course$": "/time series",
}
"""Pattern of an old name -> new name of files (relative paths), columns, keys of arrays and JSON, entries of a
state_dict, texts. A pattern behind ``ending:`` is for the names inside files with that ending alone."""

COMMAND_NAMES: dict[str, tuple[str, ...]] = {"changes": ("changes", "dynamics")}
"""Command of the chain -> its names in old and new versions."""

IGNORED = re.compile(
    r"seconds|s|fit \(s\)|versions?|version|patience|command|path|relative_path|adapted_from|notes|title"
    r"|pytorch-lightning_version"
)
"""Names of columns and keys whose values are not compared; a patience of None was left out in older files."""

SMALL = "--bins 600 --neurons 30 --recorded 8"
SHORT = "--preset fast --epochs 2"
ANCHORS = ("mean", "copy", "ar5", "var1", "var5")
MODELS: dict[str, str] = {
    "synapsnet": "--model-args.hidden_size 8",
    "neuprint": "",
    "netformer": "",
    "gwnet": "",
    "lfads": "",
    "rnn": "--model-args.hidden_size 8",
    "gru": "--model-args.hidden_size 8",
    "lstm": "--model-args.hidden_size 8",
    "amag": "",
    **dict.fromkeys(ANCHORS, ""),
}
"""Model -> further options of its fit."""

SIMULATED = {
    "paper": f"sim/paper.h5 {SMALL}",
    "calcium": f"sim/calcium --sessions 2 {SMALL}",
    "neuropixels": f"sim/neuropixels.h5 {SMALL}",
    "toy": "sim/toy.h5 --bins 300",
    "cell-types": f"sim/cells.h5 {SMALL} --sim-args.states 2 --bins 1500",
}


def chain() -> dict[str, str]:
    """Lists the commands: name of a piece -> words. All paths are relative to a folder of the tree's own."""
    pieces = {f"simulate {name}": f"simulate {words} --population {name}" for name, words in SIMULATED.items()}
    for model, options in MODELS.items():
        pieces[f"fit {model}"] = f"fit sim/paper.h5 --out fit/{model} --model {model} {SHORT} {options}"
    synapsnet = f"{SHORT} --model-args.hidden_size 8"
    pieces |= {
        "fit paper's recipe": "fit sim/paper.h5 --out fit/recipe --epochs 1 --model-args.hidden_size 8",
        "fit without linear path": f"fit sim/paper.h5 --out fit/plain {synapsnet} --model-args.linear_path false",
        "fit modulated": f"fit sim/paper.h5 --out fit/modulated {synapsnet} --model-args.modulation true",
        "fit states": f"fit sim/cells.h5 --out fit/states {synapsnet} --model-args.modulation true",
        "fit together": f"fit sim/calcium --out fit/together {synapsnet}",
        "fit another seed": f"fit sim/calcium --out fit/seed {synapsnet} --seed 1",
        "fit neuprint together": f"fit sim/calcium --out fit/neuprints --model neuprint {SHORT}",
        "adapt": "adapt fit/together sim/calcium/calcium-0-0.h5 --out fit/adapted --epochs 1",
        **{f"evaluate {run}": f"evaluate fit/{run} --json" for run in (*MODELS, "plain", "modulated", "together")},
        "connectivity": "connectivity fit/synapsnet --out found/plain --format npz,csv",
        "connectivity significance": "connectivity fit/together --out found/tested --format npz,csv --significance "
        "--shifts 20",
        "connectivity ensemble": "connectivity fit/together --out found/ensemble --format npz,csv --ensemble fit/seed",
        "connectivity neuprint": "connectivity fit/neuprint --out found/neuprint --format npz,csv",
        "changes": "changes fit/netformer --out changing/netformer --save",
        "changes states": "changes fit/states --out changing/states --save --states STATES --group-by cell_type",
        "benchmark forecasting": "benchmark forecasting sim/calcium --out compared --models synapsnet,gru --preset "
        "fast --epochs 1 --seeds 2",
        "benchmark connectivity": f"benchmark connectivity --out recovered --seeds 2 {SMALL} --epochs 1 --methods "
        "synapsnet,sparse_low_rank_var,soft_ridge,lasso_var,ridge_var,poisson_glm,partial_correlation,lag0,lag1,lag2",
        **{f"experiment {name}": f"experiment {name} --quick --out experiments/{name}" for name in QUICKER},
    }
    return pieces


def states_of(file: Path) -> list[str]:
    """Reads the names of a session's behaviours, by which states are asked for."""
    with h5py.File(file) as session:
        for key in ("behaviour_name", "behavior_name", "behaviour_names"):
            if key in session:
                return [name.decode() if isinstance(name, bytes) else str(name) for name in session[key][()]]
    return []


QUICKER: dict[str, dict[str, int]] = {
    "netformer-toy": {"seeds": 1, "epochs": 3},
    "stdp": {"seeds": 1, "epochs": 1, "bins": 1500},
    "ring": {"seeds": 1, "epochs": 1, "bins": 600},
}
"""Experiment -> sizes for '--quick', so that it takes seconds."""

DRIVER = """
import contextlib, io, json, random, shlex, sys, time, traceback
import numpy, torch
from synapsnet_pyg.cli.main import main
from synapsnet_pyg.experiments import registry
EXPERIMENTS = registry.EXPERIMENTS
for name, quick in QUICK.items():
    name = getattr(registry, "ALIASES", {}).get(name, name)
    EXPERIMENTS[name] = EXPERIMENTS[name]._replace(quick=quick)
for piece, line in json.loads(sys.stdin.read()):
    random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
    words, out, error, began = shlex.split(line), io.StringIO(), io.StringIO(), time.monotonic()
    sys.argv = ["synapsnet", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            status = main(words)
        except SystemExit as ended:
            status = ended.code
        except Exception:
            status = traceback.format_exc()
    result = {"piece": piece, "status": status, "out": out.getvalue(), "error": error.getvalue()}
    print(json.dumps(result | {"seconds": time.monotonic() - began}), flush=True)
"""
"""Runs commands one after the other in one process: most take less time than torch takes to be imported."""


def run_chain(tree: Path, folder: Path, only: str) -> dict[str, float]:
    """Runs all pieces with a tree in a folder and keeps their output.

    Returns:
        Seconds that each took.

    Raises:
        RuntimeError: A command failed.
    """
    (folder / "sim").mkdir(parents=True)
    (folder / "printed").mkdir()
    chosen = {piece: line for piece, line in chain().items() if re.search(only, piece)}
    simulated = [piece for piece in chosen if piece.startswith("simulate")]
    taken = _driven(tree, folder, {piece: chosen.pop(piece) for piece in simulated})
    for piece, line in chosen.items():
        command, _, rest = line.partition(" ")
        if "STATES" in rest:
            rest = rest.replace("STATES", shlex.quote(",".join(states_of(folder / "sim" / "cells.h5"))))
        chosen[piece] = f"{_known(tree, command)} {rest}"
    return taken | _driven(tree, folder, chosen)


def _driven(tree: Path, folder: Path, pieces: dict[str, str]) -> dict[str, float]:
    done = _called(tree, ["-c", f"QUICK = {QUICKER!r}\n{DRIVER}"], folder, json.dumps(list(pieces.items())))
    taken = {}
    for line in done.stdout.splitlines():
        result = json.loads(line)
        command = pieces[result["piece"]]
        if result["status"]:
            raise RuntimeError(f"{tree}: synapsnet {command}: {result['error'][-600:]} {result['status']}")
        taken[result["piece"]] = result["seconds"]
        if "--json" in command:
            (folder / "printed" / f"{result['piece']}.json").write_text(result["out"])
    if taken.keys() != pieces.keys():
        raise RuntimeError(f"{tree}: ended after {list(taken)[-1:]}: {done.stderr[-600:]}")
    return taken


def _called(tree: Path, words: list[str], folder: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    setting = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "COLUMNS": "1000"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=setting, input=given, capture_output=True, text=True, check=False)


def _known(tree: Path, command: str) -> str:
    """Finds the name of a command in a tree."""
    for name in COMMAND_NAMES.get(command, ()):
        if not _called(tree, ["-m", "synapsnet_pyg.cli", name, "--help"], tree).returncode:
            return name
    return command


def numbers_of(path: Path) -> dict[str, Any]:
    """Reads every array and value of a file by its place; files of other formats have none."""
    readers: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
        ".npz": _of_arrays,
        ".csv": _of_table,
        ".json": lambda one: _of_json(json.loads(one.read_text()), ()),
        ".h5": _of_datasets,
        ".ckpt": _of_checkpoint,
    }
    return dict(readers[path.suffix](path)) if path.suffix in readers else {}


def _of_arrays(path: Path) -> Iterator[tuple[str, Any]]:
    with np.load(path, allow_pickle=False) as file:
        yield from ((key, file[key]) for key in file.files)


def _of_table(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    for column, name in enumerate(header):
        yield name, [row[column] for row in rows]


def _of_json(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        yield "/".join(place), value
    for key, one in inside or ():
        if not IGNORED.fullmatch(str(key)):
            yield from _of_json(one, (*place, str(key)))


def _of_datasets(path: Path) -> Iterator[tuple[str, Any]]:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        found |= {f"@{key}": value for key, value in file.attrs.items()}
        file.visititems(visit)
    yield from found.items()


def _of_checkpoint(path: Path) -> Iterator[tuple[str, Any]]:
    import torch

    saved = torch.load(path, map_location="cpu", weights_only=True)
    for key, value in saved["state_dict"].items():
        yield key, value.numpy() if isinstance(value, torch.Tensor) else value


def renamed(name: str, file: str = "") -> str:
    """Returns an old name as the new tree has it."""
    for old, new in RENAMED.items():
        ending, colon, pattern = old.rpartition(":")
        if not colon or (file and file.endswith(ending)):
            name = re.sub(pattern, new, name)
    return name


def compared(old: dict[str, Any], new: dict[str, Any], file: str) -> list[str]:
    """Lists the differences between the numbers of two files, by the name of the old one."""
    old = {renamed(key, file): value for key, value in old.items() if not _ignored(key)}
    new = {key: value for key, value in new.items() if not _ignored(key)}
    missing = [f"'{key}' is only in the old" for key in sorted(old.keys() - new.keys())]
    missing += [f"'{key}' is only in the new" for key in sorted(new.keys() - old.keys())]
    return missing + [f"'{key}': {why}" for key in old if key in new and (why := _differs(old[key], new[key]))]


def _ignored(place: str) -> bool:
    return any(IGNORED.fullmatch(part) for part in (place, place.lstrip("@"), place.rpartition("/")[2]))


def _differs(old: Any, new: Any) -> str:
    """Compares bytes where there are arrays, so that a NaN equals itself and 0 is not -0."""
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        if old.dtype != new.dtype or old.shape != new.shape:
            return f"{old.dtype} {list(old.shape)} against {new.dtype} {list(new.shape)}"
        if old.dtype.kind not in "fiub":
            return "" if [_text(one) for one in old.flat] == [_text(one) for one in new.flat] else "other texts"
        if old.tobytes() == new.tobytes():
            return ""
        unequal = int((~np.isclose(old, new, rtol=0, atol=0, equal_nan=True)).sum())
        apart = np.nanmax(np.abs(old.astype(float) - new.astype(float)), initial=0)
        return f"{unequal} of {old.size} values, by at most {apart:.3g}"
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        rows = [i for i, (one, other) in enumerate(zip(old, new, strict=True)) if _text(one) != _text(other)]
        return f"{len(rows)} of {len(old)} rows, first {old[rows[0]]!r} against {new[rows[0]]!r}" if rows else ""
    return "" if _text(old) == _text(new) else f"{str(old)[:60]!r} against {str(new)[:60]!r}"


def _text(value: Any) -> str:
    text = value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else repr(value)
    return renamed(text)


def compare_folders(old: Path, new: Path) -> tuple[int, int]:
    """Compares all files of two folders and prints a line for each that holds numbers.

    Returns:
        Number of files compared, and number of files that differ.
    """
    files = [
        {path.relative_to(one).as_posix(): path for path in one.rglob("*") if path.is_file()} for one in (old, new)
    ]
    olds = {renamed(name): path for name, path in files[0].items()}
    compared_files = different = 0
    for name in sorted(olds.keys() | files[1].keys()):
        if name.endswith("settings.json"):  # what a folder was made with, not what was found
            continue
        if name not in olds or name not in files[1]:
            differences = [f"only in the {'old' if name in olds else 'new'} tree's"]
        else:
            numbers = [numbers_of(one) for one in (olds[name], files[1][name])]
            if not any(numbers):
                continue
            differences = compared(numbers[0], numbers[1], name)
        compared_files += 1
        different += bool(differences)
        print(f"{name}: {'; '.join(differences) if differences else 'identical'}", flush=True)
    return compared_files, different


def main() -> int:
    """Runs the chain twice and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="Folder with the old synapsnet_pyg.")
    parser.add_argument(
        "new",
        type=Path,
        nargs="?",
        default=Path(__file__).parents[1],
        help="Folder with the new one; this tree if not given.",
    )
    parser.add_argument(
        "--keep", type=Path, help="Folder to keep all results in; OLD is not run again if its results are there."
    )
    parser.add_argument(
        "--only", default="", help="Pattern of pieces, such as 'simulate|fit synapsnet'; all if not given."
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = (given.keep or Path(temporary)).resolve()
        finished = place / "old-finished"
        for label, tree in (("old", given.old.resolve()), ("new", given.new.resolve())):
            if label == "old" and finished.is_file():
                continue
            shutil.rmtree(place / label, ignore_errors=True)
            taken = run_chain(tree, place / label, given.only)
            slowest = sorted(taken, key=lambda piece: -taken[piece])[:4]
            longest = ", ".join(f"{piece} {taken[piece]:.0f} s" for piece in slowest)
            print(f"{label}: {sum(taken.values()):.0f} s, longest {longest}", flush=True)
            finished.touch()
        files, different = compare_folders(place / "old", place / "new")
    print(f"{files} files compared, {different} differ" if different else f"{files} files compared, all identical")
    return int(bool(different) or not files)


if __name__ == "__main__":
    sys.exit(main())
