import os
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest
import torch

from synapsnet_pyg.benchmarks.recovery import Populations
from synapsnet_pyg.cli.main import main
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.registry import ALIASES, SIMULATIONS, simulation, simulation_function, tells_response
from synapsnet_pyg.simulations.zoo import ZOO


@pytest.mark.parametrize("label", ZOO)
def test_every_world_is_a_simulation_with_its_arguments_and_a_response(label):
    world = ZOO[label]
    assert world.simulation in SIMULATIONS
    assert set(world.parameters) <= set(signature(simulation_function(label)).parameters)
    assert tells_response(label)


def test_labels_are_no_other_names():
    # The integrator has the name of its simulation, whose wiring it adds; so have worlds without further parameters.
    same = {label for label in ZOO if label in SIMULATIONS}
    assert all(ZOO[label].simulation == label for label in same)
    assert not set(ZOO) & set(ALIASES)


def test_parameters_replace_those_of_the_zoo():
    session = simulation("lif-half", {"bins": 20, "neurons": 12, "recorded": 5})(0, 3, name="here")
    assert (session.num_neurons, session.num_bins, session.name) == (5, 20, "here")
    assert simulation("lif-2ms", {"bins": 5, "neurons": 4})(0, 0).bin_size == pytest.approx(0.002)


def test_benchmark_expands_the_zoo_and_asks_for_the_response(tmp_path):
    populations = Populations(("zoo", "lif", "paper")).all(tmp_path, (0, 1))
    assert len(populations) == 2 * (len(ZOO) + 1)
    by_kind = {population.kind: population for population in populations}
    assert list(by_kind) == [*ZOO, "paper"]
    assert by_kind["lif"].parameters == {"response": True}
    assert by_kind["lif-half"].parameters == {"response": True, "recorded": 100}
    assert by_kind["paper"].parameters == {}
    small = Populations(("lif-half",), {"bins": 30, "neurons": 8, "recorded": 5, "starts": 3}).all(tmp_path, (2,))[0]
    session = small.load()
    assert session.true_response.shape == (5, 5, 3)
    assert session.name == "lif-half-2"


def test_command_takes_a_label(tmp_path, capsys):
    assert not main(
        f"simulate {tmp_path}/one.h5 --population oscillation --bins 50 --neurons 9 --sim-args.response true".split()
    )
    assert not main(f"simulate {tmp_path}/two.h5 --population lif-half --bins 50 --neurons 9 --recorded 4".split())
    assert "4 neurons x 50 bins" in capsys.readouterr().out
    assert Session.load(tmp_path / "one.h5").true_response.shape == (9, 9, 4)


def test_integrator_is_there_where_its_wiring_is(tmp_path):
    folder = tmp_path / "connectome-rate-networks"
    folder.mkdir()
    code = "from synapsnet_pyg.simulations.zoo import ZOO; print('integrator' in ZOO)"
    found = []
    for make in (False, True):
        if make:
            (folder / "zebrafish_oculomotor.npz").touch()
        environment = {**os.environ, "SYNAPSNET_RECORDINGS": str(tmp_path)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found.append(run.stdout.strip())
    assert found == ["False", "True"]


def test_response_is_kept_by_files_parts_and_standardisation(tmp_path: Path):
    session = simulation("oscillation", {"bins": 60, "neurons": 6, "response": True, "starts": 4})(0, 0)
    session.save(tmp_path / "session.h5")
    loaded = Session.load(tmp_path / "session.h5")
    for other in (loaded, session.standardise(), session.split().train, session.slice(3, 9)):
        assert torch.equal(other.true_response, session.true_response)
        assert torch.equal(other.true_response_error, session.true_response_error)
    assert set(session.neuron_fields) == {"cell_type"}
