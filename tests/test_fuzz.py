"""A slice of ``make fuzz``: the same tries on every run."""

import re
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent / "fuzz" / "run.py"
SLICE = "--seed 1 --inputs 81 --fits 1 --kills 2 --disks 2 --names 1 --hostile 12 --seconds 12 --jobs 1"
"""Tries of the slice; a busy machine makes fewer: none begins 12 seconds after the files to mutate are made."""


def test_a_slice_of_the_fuzzing_finds_nothing(tmp_path):
    words = [sys.executable, str(RUN), "--keep", str(tmp_path), *SLICE.split()]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert re.search(r"^[1-9]\d* tries, all as they should be", told.stdout, re.MULTILINE), told.stdout
