"""The same command gives the same files, byte by byte; examples/determinism.md says where numbers differ."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from synapsnet_pyg.models.checkpoint import load_model

COMMANDS = """
simulate sim.h5 --neurons 30 --recorded 9 --bins 900
convert sim.npy converted.h5 --axes neuron,bin --bin-size 0.05
fit sim.h5 --out run --preset fast --epochs 2 --model-args.hidden_size 8
evaluate run --neurons neurons.csv
connectivity run --out connectivity --significance
dynamics run --out dynamics
perturb run --out perturb --stimulate sim/1
signs run --out signs
compare run --halves --out compare
figures run --out figures
report run --out report
"""
CODE = """
import sys, numpy
from synapsnet_pyg import Session
from synapsnet_pyg.cli.main import main
for line in sys.argv[1].strip().splitlines():
    assert main(line.split()) == 0, line
    if line.startswith("simulate"):
        numpy.save("sim.npy", Session.load("sim.h5").activity.numpy())
"""
TIMES = {"history.csv", "last.ckpt", "run.json"}
"""Files with seconds, or the moment at which something was made."""


def made(folder: Path, seed: int, threads: int = 1, commands: str = COMMANDS) -> Path:
    """Runs commands in a process of its own, in a folder of one name."""
    folder.mkdir(parents=True)
    environment = os.environ | {"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", CODE, commands]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "output.txt").write_text(re.sub(r"[0-9.]+ s\b", "", done.stdout))
    return folder


def contents(folder: Path, file: Path) -> bytes:
    """Reads a file; the page of a report names the folder of its recording."""
    return (folder / file).read_bytes().replace(str(folder).encode(), b"")


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The same commands in two processes with different hash seeds."""
    return [made(tmp_path_factory.mktemp(str(seed)) / "work", seed) for seed in (1, 2)]


@pytest.mark.slow
def test_every_command_twice_writes_the_same_files(twice):
    first, second = twice
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    other = [str(file) for file in files if contents(first, file) != contents(second, file)]
    assert [file for file in other if Path(file).name not in TIMES] == []


@pytest.mark.slow
def test_two_fits_learn_the_same_weights(twice):
    first, second = (load_model(folder / "run" / "best.ckpt").state_dict() for folder in twice)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first if isinstance(first[key], torch.Tensor))


@pytest.mark.slow
def test_one_and_two_threads_give_the_same_fit(twice, tmp_path):
    few = "\n".join(COMMANDS.strip().splitlines()[:3])
    parallel = made(tmp_path / "work", seed=1, threads=2, commands=few)
    assert (parallel / "sim.h5").read_bytes() == (twice[0] / "sim.h5").read_bytes()
    one, two = (load_model(folder / "run" / "best.ckpt").state_dict() for folder in (twice[0], parallel))
    for key, value in ((key, value) for key, value in one.items() if isinstance(value, torch.Tensor)):
        assert torch.equal(two[key], value), key
