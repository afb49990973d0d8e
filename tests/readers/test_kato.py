import numpy as np
import pytest
from matlab73 import Cell, write_v73

from synapsnet_pyg import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.kato import KatoReader

random = np.random.default_rng(0)
TRACES = [random.standard_normal((30, 3)), random.standard_normal((40, 4))]
FORWARD = [np.r_[np.ones(10), np.zeros(20)], np.r_[np.zeros(5), np.ones(35)]]
NAMES = [["AVAL", "12", "RIMR"], ["AVAL", "RIVL", "3", "AVBR"]]


def write(path, rates=(2.8, 3.1), names=NAMES):
    states = [{"fwd": forward, "rev": 1 - forward} for forward in FORWARD]
    worms = {"deltaFOverF_bc": TRACES, "NeuronNames": [Cell(own) for own in names], "fps": rates, "States": states}
    write_v73(path, {"NoStim_Data": {key: Cell(values) for key, values in worms.items()}})


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "NoStim_Data.mat")
    return tmp_path / "NoStim_Data.mat"


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(KatoReader().read(path, "kato", selection), selection)


def test_each_worm_by_its_number(path):
    assert KatoReader().recognises(path)
    for worm in (0, 1):
        session = read(path, activity=str(worm), behaviour=["fwd"])
        np.testing.assert_allclose(session.activity, TRACES[worm].T, rtol=1e-6)
        np.testing.assert_array_equal(session.behaviour[:, 0], FORWARD[worm])
        assert session.bin_size == pytest.approx(1 / (2.8, 3.1)[worm])
    assert session.neuron_id == ["AVAL", "RIVL", "kato-1/2", "AVBR"]


def test_describes_every_worm(path):
    rows = dict(KatoReader().describe(path))
    assert rows["worm 1"] == "4 neurons, 3 with a name, 40 frames at 3.1 Hz"
    assert rows["behaviours"] == "fwd, rev"
    assert rows["next"].endswith("--activity 0")


@pytest.mark.parametrize("number", [None, "2", "-1", "first"])
def test_a_worm_that_there_is_not(path, number):
    with pytest.raises(ValueError, match=r"the number of a worm among 0, 1 in"):
        read(path, activity=number)


def test_what_does_not_fit(path):
    with pytest.raises(ValueError, match=r"behaviours among fwd, rev, .*got speed"):
        read(path, activity="0", behaviour=["speed"])
    write(path, names=[["AVAL"], ["AVAL"]])
    with pytest.raises(ValueError, match=r"3 names of worm 0 .*got 1"):
        read(path, activity="0")
    write(path, rates=(0.0, 1.0))
    with pytest.raises(ValueError, match=r"a frame rate above 0 for each worm"):
        read(path, activity="0")
