"""Pins the form of all that the command line leaves and prints: files, columns, keys, names, lines, never numbers.

A form that was meant to change is written anew by::

    SYNAPSNET_UPDATE_GOLDEN=1 pytest tests/test_golden.py

and then read as the difference of the files in ``tests/golden``, one for each command.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forms import form_of_folder, lines, shapes, skeleton, sorted_json
from helpers import make_session
from on_disk import write_allen, write_bugeon, write_suite2p
from parsers import choices_of, command_parsers, is_required, options_of

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.experiments.registry import EXPERIMENTS
from synapsnet_pyg.models.registry import MODELS, build_model
from synapsnet_pyg.nn.dynamics import DYNAMICS
from synapsnet_pyg.simulations.registry import SIMULATIONS

LONGEST = "experiment-toy-systems"
GOLDEN = Path(__file__).parent / "golden"
UPDATE = "SYNAPSNET_UPDATE_GOLDEN"

SMALL = "--bins 600 --neurons 30 --recorded 8"
FIT = "--preset fast --epochs 1 --model-args.hidden_size 6 --model-args.embedding_dim 4"
SIMULATED = {
    "paper": f"sim.h5 {SMALL}",
    "calcium": f"calcium --sessions 2 {SMALL}",
    "neuropixels": f"neuropixels --sessions 2 {SMALL}",
    "toy-systems": "toy.h5 --bins 60",
    "stdp": "stdp.h5 --bins 300 --sim-args.synapses 5",
    "cell-types": f"cells.h5 {SMALL} --sim-args.states 2",
    "ring": "ring.h5 --bins 60 --neurons 10",
    "spiking-ring": "spikes.h5 --bins 60",
    "task-networks": "task.h5 --sim-args.trials 4 --sim-args.updates 2",
}
"""Population -> what 'simulate' is asked for."""

EXPERIMENTS_IN_SECONDS: dict[str, dict[str, object]] = {
    "toy-systems": {"seeds": 2, "epochs": 1},
    "stdp": {"seeds": 1, "epochs": 1, "bins": 1500},
    "task-networks": {"seeds": 1, "epochs": 0.01},
    "cell-types": {"seeds": 1, "epochs": 1, "bins": 500},
    "ring": {"seeds": 1, "epochs": 1, "bins": 600},
    "spiking-ring": {"seeds": 1, "epochs": 1},
    "states": {"seeds": 1, "epochs": 1, "bins": 2000},
}
QUICK_ENOUGH = ("toy-systems", "stdp", "ring")
"""The others take longer than a safety net should."""

STEPS: dict[str, str] = {
    **{f"simulate-{name}": f"simulate {{out}}/{words} --population {name}" for name, words in SIMULATED.items()},
    "convert": "convert {lab}/lab.npz {out}/lab.h5 --activity counts --axes bin,neuron --behaviour running,still "
    "--bin-size 0.05 --areas area --types kind --positions where --fields depth --neuron-ids ids --truth truth",
    "convert-spikes": "convert {lab}/spikes.npz {out}/spikes.h5 --spike-times times --spike-neuron neuron "
    "--bin-size 0.05 --sampling-rate 1000",
    "convert-trials": "convert {lab}/trials.npz {out}/trials.h5 --activity counts --axes trial,neuron,bin "
    "--bin-size 0.05",
    "convert-next-day": "convert {lab}/next.npz {out}/next.h5 --activity counts --axes bin,neuron --bin-size 0.05 "
    "--neuron-ids ids",
    "prepare-suite2p": "prepare suite2p {lab}/suite2p --out {out} --set-args.frame_rate 6",
    "prepare-bugeon": "prepare bugeon {lab}/bugeon --out {out} --stimulus spontaneous",
    "prepare-allen-neuropixels": "prepare allen-neuropixels {lab}/allen --out {out} --stimulus spontaneous",
    "inspect": "inspect {simulate-paper}/sim.h5 --figure {out}/sim.png",
    "inspect-converted": "inspect {convert}/lab.h5",
    "inspect-folder": "inspect {simulate-calcium}/calcium",
    "inspect-arrays": "inspect {lab}/lab.npz",
    "inspect-nwb": "inspect {lab}/allen/session_715093703.nwb",
    "fit": f"fit {{simulate-neuropixels}}/neuropixels --out {{out}}/run {FIT}",
    "fit-another-seed": f"fit {{simulate-neuropixels}}/neuropixels --out {{out}}/run {FIT} --seed 1",
    "fit-one": f"fit {{convert}}/lab.h5 --out {{out}}/run {FIT} --model-args.modulation true",
    "fit-per-session": "fit {simulate-calcium}/calcium --out {out}/run --model gru --preset fast --epochs 1 "
    "--model-args.hidden_size 6",
    "fit-anchor": "fit {simulate-paper}/sim.h5 --out {out}/run --model var1",
    "adapt": "adapt {fit}/run {simulate-neuropixels}/neuropixels/neuropixels-0-0.h5 --out {out}/run --epochs 1",
    "evaluate": "evaluate {fit}/run",
    "evaluate-json": "evaluate {fit}/run --json",
    "evaluate-horizons": "evaluate {fit-anchor}/run --horizon 3",
    "evaluate-horizons-json": "evaluate {fit-anchor}/run --horizon 3 --json",
    "evaluate-without-truth": "evaluate {fit-per-session}/run",
    "connectivity": "connectivity {fit}/run --out {out} --format npz,csv,parquet,graphml,gexf,sparse",
    "connectivity-significance": "connectivity {fit}/run --out {out} --significance "
    "--format npz,csv,parquet,graphml,gexf,sparse",
    "connectivity-fdr": "connectivity {fit-one}/run --out {out} --significance --fdr 0.9",
    "connectivity-ensemble": "connectivity {fit}/run --out {out} --ensemble {fit-another-seed}/run --top-k 9 "
    "--significance",
    "blocks": "blocks {fit}/run --group-by area --out {out} --animal neuropixels-0-0,neuropixels-0-1",
    "blocks-quantiles": "blocks {fit-one}/run --group-by depth --quantiles 2 --out {out}",
    "signs": "signs {fit}/run --out {out}",
    "signs-groups": "signs {fit-one}/run --group-by cell_type --out {out}",
    "dynamics": "dynamics {fit}/run --out {out} --top-k 5",
    "dynamics-states": "dynamics {fit-one}/run --out {out} --states running,still --group-by cell_type --save",
    "dynamics-not-at-all": "dynamics {fit-anchor}/run --out {out}",
    "compare-states": "compare {fit-one}/run --out {out} --states running --group-by cell_type --draws 40",
    "compare-halves": "compare {simulate-paper}/sim.h5 --out {out} --halves --draws 40",
    "compare-sessions": "compare {convert}/lab.h5 {convert-next-day}/next.h5 --out {out} --draws 40",
    "perturb": "perturb {fit-one}/run --out {out} --stimulate n0,n3 --silence n1 --remove-edge n0:n4 --horizon 3 "
    "--format csv,parquet",
    "perturb-all": "perturb {fit}/run --out {out} --stimulate all --held --horizon 2 --windows 40 "
    "--ensemble {fit-another-seed}/run",
    "figures": "figures {fit}/run --out {out}",
    "report": "report {fit-one}/run",
    "benchmark-forecasting": "benchmark forecasting {simulate-calcium}/calcium --out {out} --models rnn,synapsnet "
    "--preset fast --epochs 1 --seeds 2",
    "benchmark-horizons": "benchmark forecasting {simulate-paper}/sim.h5 --out {out} --models gru --context 6 "
    "--horizon 3 --preset fast --epochs 1",
    "benchmark-sweep": "benchmark forecasting {simulate-paper}/sim.h5 --out {out} --sweep window=1,2 "
    "--models synapsnet --preset fast --epochs 1 --single-only",
    "benchmark-connectivity": f"benchmark connectivity --out {{out}} --seeds 2 {SMALL} "
    "--methods synapsnet,sparse_low_rank_var,ridge_var,lag1 --epochs 1",
    **{f"experiment-{name}": f"experiment {name} --quick --out {{out}}" for name in QUICK_ENOUGH},
}
"""Name of the file -> what is typed; {out} is a folder of its own, {name of another step} that step's folder."""

ALSO_THERE = {"report": "fit-one"}
"""Step that writes beside what another one wrote -> that other one."""


def write_lab(lab: Path) -> None:
    """Writes recordings as others have them."""
    lab.mkdir()
    random = np.random.default_rng(0)
    running = np.repeat(random.integers(0, 2, 60), 10).astype(float)
    np.savez(
        lab / "lab.npz",
        counts=random.poisson(1.0, (600, 9)),
        running=running,
        still=1 - running,
        area=np.array(["V1", "LM", "AL"] * 3),
        kind=np.array(["E", "E", "I"] * 3),
        where=random.standard_normal((9, 3)),
        depth=random.uniform(size=9),
        ids=np.array([f"n{i}" for i in range(9)]),
        truth=random.standard_normal((9, 9)) * (random.uniform(size=(9, 9)) < 0.3),
    )
    ids = np.array([f"n{i}" for i in range(2, 9)])
    np.savez(lab / "next.npz", counts=random.poisson(1.0, (500, 7)), ids=ids)
    np.savez(lab / "spikes.npz", times=np.arange(0, 9000, 7), neuron=random.integers(0, 4, 1286))
    np.savez(lab / "trials.npz", counts=random.poisson(1.0, (7, 5, 40)))
    write_suite2p(lab / "suite2p")
    write_bugeon(lab / "bugeon")
    write_allen(lab / "allen" / "session_715093703.nwb", 715093703)


def ran(words: list[str], name: str, root: Path, before: set[str]) -> dict[str, Any]:
    """Runs a command in this process and keeps the form of what it printed and wrote."""
    out, error = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setattr("sys.argv", ["synapsnet", *words])  # tables say by which command they were made
        status = main(words)
    assert status == 0, error.getvalue()
    below = root / ALSO_THERE.get(name, name)
    files = {path: form for path, form in form_of_folder(below).items() if path not in before}
    told = out.getvalue()
    printed = skeleton(json.loads(told)) if "--json" in words else lines(told, root / name)
    return {"files": files, "printed": printed, "said": sorted(set(lines(error.getvalue(), root / name)))}


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Forms"]:
    """Runs each command when its form is asked for, and those before that it needs, once."""
    root = tmp_path_factory.mktemp("golden")
    write_lab(root / "lab")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("COLUMNS", "1000")  # no line is broken, however long the paths are
        for name, quick in EXPERIMENTS_IN_SECONDS.items():
            patch.setitem(EXPERIMENTS, name, EXPERIMENTS[name]._replace(quick=quick))
        yield Forms(root)


class Forms:
    """Forms of commands, run in order of need."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: dict[str, dict[str, Any]] = {}

    def of(self, name: str) -> dict[str, Any]:
        """Finds the form of a step, once."""
        if name not in self.found:
            needed = [one for one in STEPS if f"{{{one}}}" in STEPS[name]]
            for one in needed:
                self.of(one)
            out = self.root / name
            out.mkdir()
            there = {one: str(self.root / one) for one in needed} | {"out": str(out), "lab": str(self.root / "lab")}
            words = [_filled(word, there) for word in STEPS[name].split()]
            beside = self.root / ALSO_THERE.get(name, name)
            before = {path.relative_to(beside).as_posix() for path in beside.rglob("*")}
            self.found[name] = ran(words, name, self.root, before)
        return self.found[name]


def _filled(word: str, there: dict[str, str]) -> str:
    for name, path in there.items():
        word = word.replace(f"{{{name}}}", path)
    return word


def compare(name: str, form: Any) -> None:
    """Compares a form with the one that is kept, or keeps it where that was asked for."""
    path, found = GOLDEN / f"{name}.json", sorted_json(form)
    if os.environ.get(UPDATE):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(found)
    told = f"The form of '{name}' is not that of {path.name}; {UPDATE}=1 writes it anew, if that is meant."
    assert path.is_file(), f"There is no {path.name}; {UPDATE}=1 writes it."
    assert json.loads(found) == json.loads(path.read_text()), told


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == LONGEST else name for name in STEPS]
)
def test_a_command_leaves_what_it_always_left(name: str, forms: Forms) -> None:
    compare(name, forms.of(name))


def test_states_of_models_have_the_same_keys_and_shapes() -> None:
    sessions = [make_session(5, 120, 2, "first"), make_session(4, 90, 2, "second")]
    for one, ids in zip(sessions, ("abcde", "cdfg"), strict=True):  # they share two neurons
        one.neuron_id = list(ids)
    variants: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in MODELS}
    variants |= {f"synapsnet, {name}": ("synapsnet", {"dynamics": name}) for name in DYNAMICS}
    variants["synapsnet, modulation"] = ("synapsnet", {"modulation": True})
    variants["synapsnet, without linear path"] = ("synapsnet", {"linear_path": False})
    states = {
        label: shapes(build_model(name, sessions, arguments).state_dict().items())
        for label, (name, arguments) in variants.items()
    }
    compare("state_dict", states)


def test_commands_have_the_same_options() -> None:
    compare(
        "options",
        {
            command: {
                name: {
                    "choices": choices_of(action),
                    "default": None if is_required(name, action, parser) else action.default,
                    "required": is_required(name, action, parser),
                }
                for name, action in options_of(parser).items()
            }
            for command, parser in command_parsers().items()
        },
    )


def test_every_command_and_population_is_run() -> None:
    """Download alone needs the network."""
    run = {" ".join(words.split()[: 2 if words.startswith("benchmark") else 1]) for words in STEPS.values()}
    assert run >= {"simulate", "convert", "prepare", "inspect", "fit", "adapt", "evaluate", "connectivity", "dynamics"}
    assert run >= {
        "blocks",
        "signs",
        "compare",
        "perturb",
        "figures",
        "report",
        "benchmark forecasting",
        "benchmark connectivity",
        "experiment",
    }
    assert run <= command_parsers().keys()
    assert SIMULATED.keys() <= SIMULATIONS.keys()
    assert EXPERIMENTS_IN_SECONDS.keys() <= EXPERIMENTS.keys()


def test_nothing_is_kept_that_is_not_compared() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == STEPS.keys() | {"state_dict", "options"}
