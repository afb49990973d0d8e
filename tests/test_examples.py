"""Examples and benchmark scripts run from top to bottom on small data."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import make_session
from on_disk import write_allen, write_bugeon

import synapsnet_pyg
from synapsnet_pyg.benchmarks.forecasting import compare_forecasts
from synapsnet_pyg.benchmarks.variants import named

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
LONG = tuple(
    f"examples/{name}.py" for name in ("changing_connectivity", "edges_to_trust", "bugeon", "allen_neuropixels")
)
SMALL = {
    "examples/allen_neuropixels.py": "allen 2",
    "examples/bugeon.py": "bugeon 2",
    "examples/changing_connectivity.py": "--bins 1500 --epochs 1 --state-bins 2000 --neurons 30 --state-epochs 1 "
    "--out figures",
    "examples/edges_to_trust.py": "1500 40 12 --epochs 2 --frames 400",
    "examples/first_steps.py": "",
    "examples/train_minimal.py": "1500 40 12",
    "benchmarks/adapt.py": "--bins 300 --recorded 9 --minutes 0.5 0.9 --epochs 1",
    "benchmarks/gpu_check.py": "--device cpu --quick",
    "benchmarks/horizons.py": "results --model ar5 --horizons 1 2",
    "benchmarks/intake.py": "--spikes 3000 --neurons 9 --gigabytes 0.001",
    "benchmarks/intervals.py": "session.h5 --models copy --horizon 2",
    "benchmarks/latency.py": "--neurons 5 --models copy --horizons 1 --bins 100 --steps 5",
    "benchmarks/memory.py": "--neurons 20 --bins 3000",
    "benchmarks/memory_of_commands.py": "--neurons 20 --bins 600 --only inspect",
    "benchmarks/neuron_signs.py": "--seeds 0 --recordings none",
    "benchmarks/perturbation.py": "--neurons 20 --bins 2000 --epochs 1 --horizon 2 --driven 3 --starts 100",
    "benchmarks/recovery_growth.py": "--seeds 1 --neurons 24 --bins 300 400 500 --epochs 1 --out growth",
    "benchmarks/scale.py": "--neurons 9 12 --extrapolate 40 --senders 3 --bins 300 --epochs 1 --models sparse nlinear",
    "benchmarks/sessions.py": "--sessions 2 --neurons 9 --bins 300 --senders 3 --epochs 1",
    "benchmarks/significance.py": "--neurons 12 --bins 600",
    "benchmarks/speed.py": "--neurons 12 --batch 3 --targets 4 --rounds 1",
    "benchmarks/speed_curbd.py": "--neurons 12 --bins 90 --rounds 1",
    "benchmarks/speed_netformer.py": "--neurons 12 --bins 300 --window 6 --embedding 5 --steps 2",
    "benchmarks/threads.py": "--neurons 12 --batch 3 --loads 1 --rounds 1",
    "benchmarks/speed_rivals.py": "--neurons 12 --batch 3 --rounds 1",
}
"""Script -> arguments that make it short."""

SHORTER = dict.fromkeys(
    ("examples/first_steps.py", "examples/train_minimal.py"),
    (r"Recipe\.fast\([\w.]+\)", "Recipe(epochs=1, targets=16)"),
)
"""Script -> pattern of its text, and the text in that place which makes it short."""

RECORDED = {
    "examples/signal_propagation.py": [
        "celegans-flavell-wholebrain",
        "celegans-signal-propagation/signal_propagation.npz",
    ],
    "examples/worm_connectome.py": ["celegans-flavell-wholebrain", "celegans-connectome/connectome_matrices.npz"],
    "examples/zebrafish.py": ["zebrafish-regions-legare"],
}
"""Script -> recordings that it needs."""

FEW = {
    "examples/signal_propagation.py": ["--worms", "1", "--steps", "1", "2", "--starts", "2", "--samples", "9"],
    "examples/worm_connectome.py": ["--worms", "1"],
}
"""Script -> further arguments that make it short."""

ELSEWHERE = {
    "examples/my_forecaster.py": "not a script; fitted in test_cli.py",
    "benchmarks/same_numbers.py": "needs an older version of the package",
}
"""Script -> why it is not run here."""

WRITTEN = {
    "examples/changing_connectivity.py": {"figures/changes.png", "figures/connectivity.h5", "figures/states.png",
                                          "figures/synapses.png"},
    "examples/edges_to_trust.py": {
        f"edges-to-trust/{name}" for name in ("currents.png", "graph.png", "matrices.png", "perturbation.png",
                                              "significance.png", "significant-edges.graphml", "slow.png")
    },
}  # fmt: skip
"""Script -> files that it writes into the working folder."""


def name_of(script: Path) -> str:
    return script.relative_to(ROOT).as_posix()


def output(script: str, arguments: list[str | Path], folder: Path) -> str:
    path = ROOT / script
    if script in SHORTER:
        text, changes = re.subn(*SHORTER[script], path.read_text())
        assert changes == 1
        path = folder / path.name
        path.write_text(text)
    command = [sys.executable, path, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(name, marks=pytest.mark.slow) if name.startswith("benchmarks/") or name in LONG else name
        for name in sorted(SMALL)
    ],
)
def test_runs_from_top_to_bottom(script, tmp_path):
    if script == "examples/bugeon.py":
        write_bugeon(tmp_path / "bugeon", frames=200)
    if script == "examples/allen_neuropixels.py":
        for session in (715093703, 719161530):
            write_allen(tmp_path / "allen" / f"session_{session}.nwb", session)
    if script in ("benchmarks/horizons.py", "benchmarks/intervals.py"):
        make_session().save(tmp_path / "session.h5")
    if script == "benchmarks/horizons.py":
        compare_forecasts([str(tmp_path / "session.h5")], tmp_path / "results", named(["copy"]), horizon=2)
    assert output(script, SMALL[script].split(), tmp_path)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert script not in WRITTEN or files == WRITTEN[script]


@pytest.mark.parametrize("script", sorted(RECORDED))
def test_runs_on_its_recording(script, recording, tmp_path):
    options = ["--epochs", "1", "--permutations", "19", *FEW.get(script, [])]
    assert "AUROC" in output(script, [*map(recording, RECORDED[script]), *options], tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".png"]


def test_every_script_is_run_or_stands_in_a_list():
    scripts = {name_of(script) for script in (*EXAMPLES, *BENCHMARKS)}
    assert scripts == SMALL.keys() | RECORDED.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("script", EXAMPLES, ids=name_of)
def test_examples_import_public_names_alone(script):
    imports = [
        node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    modules = {name.name for node in imports if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert not [module for module in modules if module.startswith("synapsnet_pyg.")], modules
    names = {
        name.name
        for node in imports
        if isinstance(node, ast.ImportFrom) and node.module == "synapsnet_pyg"
        for name in node.names
    }
    assert names
    assert names <= set(synapsnet_pyg.__all__)


@pytest.mark.parametrize("script", BENCHMARKS, ids=name_of)
def test_benchmarks_are_scripts(script):
    tree = ast.parse(script.read_text())
    assert ast.unparse(tree.body[-1].test) == "__name__ == '__main__'"


def test_the_script_that_is_not_run_here_has_a_help():
    assert "usage:" in output("benchmarks/same_numbers.py", ["--help"], ROOT)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_the_check_of_a_gpu_says_that_there_is_none(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "gpu_check.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--device cpu" in done.stderr


def test_my_forecaster_fits_on_a_screen():
    assert len((ROOT / "examples" / "my_forecaster.py").read_text().splitlines()) <= 30
