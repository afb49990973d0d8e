import subprocess
import sys
from inspect import signature

import pytest

from synapsnet_pyg.simulations.registry import ALIASES, SIMULATIONS, simulation, simulation_function


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_simulation_takes_seed_and_name(name):
    parameters = signature(simulation_function(name)).parameters
    assert {"seed", "name"} <= set(parameters)
    assert SIMULATIONS[name].description


def test_older_names_are_accepted():
    assert not set(ALIASES) & set(SIMULATIONS)
    for old, new in ALIASES.items():
        assert simulation_function(old) is simulation_function(new)


def test_refuses_unknown_names_and_arguments():
    with pytest.raises(ValueError, match="a population among paper"):
        simulation("cerebellum", {})
    with pytest.raises(ValueError, match=r"arguments of 'ring' among bins, .* \(got trials\)"):
        simulation("ring", {"trials": 3})


def test_names_are_listed_without_torch():
    code = (
        "import sys, synapsnet_pyg.simulations.registry, synapsnet_pyg.datasets.registry; "
        "assert not {'torch', 'numpy', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
