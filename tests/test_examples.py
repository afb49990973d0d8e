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
    "first_steps.py": [],
    "memory.py": ["--neurons", "20", "--bins", "3000"],
    "recovery.py": "--seeds 1 --bins 800 --neurons 40 --recorded 12 --epochs 1 --out".split(),
    "speed_curbd.py": "--neurons 12 --bins 90 --rounds 1".split(),
    "speed_rivals.py": "--neurons 12 --batch 3 --rounds 1".split(),
    "speed.py": "--neurons 12 --batch 3 --targets 4 --rounds 1".split(),
    "train_minimal.py": ["1500", "40", "12"],
}


@pytest.mark.parametrize("script", sorted(SMALL))
def test_runs_from_top_to_bottom(script, tmp_path):
    if script == "bugeon.py":
        write_bugeon(tmp_path / "bugeon", frames=200)
    if script == "allen_neuropixels.py":
        for session in (715093703, 719161530):
            write_allen(tmp_path / "allen" / f"session_{session}.nwb", session)
    arguments = [*SMALL[script], *([tmp_path] if SMALL[script][-1:] == ["--out"] else [])]
    ran = subprocess.run([sys.executable, EXAMPLES / script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


def test_every_script_is_run():
    """my_forecaster.py is no script: test_cli.py fits it."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == SMALL.keys() | {"my_forecaster.py"}
