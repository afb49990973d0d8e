"""A slice of ``make fuzz``: the same tries on every run."""

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "fuzz" / "run.py"
SLICE = "--seed 1 --inputs 81 --fits 1 --kills 2 --disks 2 --names 2 --hostile 12 --seconds 30 --jobs 1"
"""Tries of the slice: they end half a minute after the files to mutate are made, which takes as long."""


@pytest.mark.slow
def test_a_slice_of_the_fuzzing_finds_nothing(tmp_path):
    words = [sys.executable, str(RUN), "--keep", str(tmp_path), *SLICE.split()]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "all as they should be" in told.stdout
