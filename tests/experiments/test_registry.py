import subprocess
import sys

import pytest

from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET
from synapsnet_pyg.experiments.registry import ALIASES, EXPERIMENTS, experiment


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("toys", {}, "an experiment among"),
        ("stdp", {"seeds": 0}, "at least 1 seed"),
        ("ring", {"data": ["somewhere"]}, "recordings for task-networks, states only"),
        ("task-networks", {"data": ["nowhere"]}, "nowhere"),
    ],
)
def test_tells_what_is_wrong(name, arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        experiment(name, **arguments)


def test_every_experiment_has_its_published_size_and_a_quick_one():
    for name, choice in EXPERIMENTS.items():
        full, quick = experiment(name), experiment(name, quick=True)
        assert full.name == quick.name == name
        assert full.settings["seeds"] == choice.seeds > quick.settings["seeds"]
        assert {trial.method for trial in full.trials} >= {NETFORMER, LEAST_SQUARES, SYNAPSNET}


@pytest.mark.parametrize(("old", "new"), ALIASES.items())
def test_old_names_are_accepted(old, new):
    assert old not in EXPERIMENTS
    assert experiment(old).name == new


def test_names_are_known_without_torch():
    code = "import sys, synapsnet_pyg.experiments.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
