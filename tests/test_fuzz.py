"""A slice of ``make fuzz``: the same tries on every run."""

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent / "fuzz" / "run.py"
SLICE = "--inputs 135 --fits 2 --kills 4 --disks 4 --names 2 --hostile 31"


def test_a_slice_of_the_fuzzing_finds_nothing(tmp_path):
    words = [sys.executable, str(RUN), "--seed", "1", "--seconds", "60", "--jobs", "1", "--keep", str(tmp_path)]
    told = subprocess.run([*words, *SLICE.split()], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
