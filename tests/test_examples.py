import subprocess
import sys
from pathlib import Path

import pytest
from on_disk import write_allen, write_bugeon

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "allen_neuropixels.py": ["allen", "2"],
    "bin_spikes.py": "--units 9 --minutes 0.5 --spikes 3000".split(),
    "bugeon.py": ["bugeon", "2"],
    "changing_connectivity.py": "--bins 1500 --epochs 1 --state-bins 2000 --neurons 30 --state-epochs 1 --out".split(),
    "first_steps.py": [],
    "memory.py": ["--neurons", "20", "--bins", "3000"],
    "recovery_growth.py": "--seeds 1 --neurons 24 --bins 300 400 500 --epochs 1 --out".split(),
    "speed_netformer.py": "--neurons 12 --bins 300 --window 6 --embedding 5 --steps 2".split(),
    "speed_curbd.py": "--neurons 12 --bins 90 --rounds 1".split(),
    "speed_rivals.py": "--neurons 12 --batch 3 --rounds 1".split(),
    "speed.py": "--neurons 12 --batch 3 --targets 4 --rounds 1".split(),
    "train_minimal.py": ["1500", "40", "12"],
}
RECORDED = {
    "worm_connectome.py": ["celegans-flavell-wholebrain", "celegans-connectome/connectome_matrices.npz"],
    "zebrafish.py": ["zebrafish-regions-legare"],
}


def ran(script, arguments, folder):
    done = subprocess.run([sys.executable, EXAMPLES / script, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", sorted(SMALL))
def test_runs_from_top_to_bottom(script, tmp_path):
    if script == "bugeon.py":
        write_bugeon(tmp_path / "bugeon", frames=200)
    if script == "allen_neuropixels.py":
        for session in (715093703, 719161530):
            write_allen(tmp_path / "allen" / f"session_{session}.nwb", session)
    assert ran(script, [*SMALL[script], *([tmp_path] if SMALL[script][-1:] == ["--out"] else [])], tmp_path)


@pytest.mark.parametrize("script", sorted(RECORDED))
def test_runs_on_its_recording(script, recording, tmp_path):
    options = ["--epochs", "1", "--permutations", "19", *(["--worms", "1"] if "worm" in script else [])]
    assert "AUROC" in ran(script, [*map(recording, RECORDED[script]), *options], tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".png"]


def test_the_believed_graph_is_left_as_a_file(tmp_path):
    assert "true" in ran("believed_graph.py", "1500 40 12 --epochs 2".split(), tmp_path)
    left = {path.name for path in (tmp_path / "believed-graph").iterdir()}
    figures = {f"{name}.png" for name in ("matrices", "significance", "currents", "perturbation", "graph")}
    assert left == figures | {"believed-graph.graphml"}


def test_every_script_is_run():
    """my_forecaster.py is no script: test_cli.py fits it."""
    others = {"believed_graph.py", "my_forecaster.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == SMALL.keys() | RECORDED.keys() | others
