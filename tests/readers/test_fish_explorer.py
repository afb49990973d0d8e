import h5py
import numpy as np
import pytest
from scipy.io import savemat

from synapsnet_pyg import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.fish_explorer import FishExplorerReader
from synapsnet_pyg.readers.reader import find_recordings

N, T = 3, 40
random = np.random.default_rng(0)
VALUES, MOTOR = random.standard_normal((N, T)).astype(np.float32), random.random((5, T))
XYZ = np.arange(18.0).reshape(6, 3)


@pytest.fixture
def folder(tmp_path):
    """A fish as InitializationforGUI_step1.m saves it; HDF5 of MATLAB has its axes exchanged."""
    folder = tmp_path / "subject_1"
    folder.mkdir()
    with h5py.File(folder / "TimeSeries.h5", "w") as file:
        file["CellResp"], file["CellRespZ"], file["CellRespAvr"] = VALUES.T, 2 * VALUES.T, VALUES[:, :10].T
        file["absIX"] = np.array([[2.0, 5.0, 6.0]], dtype=np.float32)
    data = {"fpsec": 1.97, "CellXYZ_norm": XYZ, "Behavior_full": MOTOR, "stim_full": np.arange(T)[None] % 3}
    savemat(folder / "data_full.mat", {"data": data})
    return folder


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(FishExplorerReader().read(path, "f", selection), selection)


def test_traces_positions_and_behaviour(folder):
    found = find_recordings(folder.parent, [FishExplorerReader()])
    assert {name: own.path for name, own in found.items()} == {"subject_1": folder}
    session = read(folder, behaviour=["motor", "stimulus"])
    np.testing.assert_array_equal(session.activity, VALUES)
    assert session.bin_size == pytest.approx(1 / 1.97)
    np.testing.assert_array_equal(session.position, XYZ[[1, 4, 5]])
    assert session.neuron_id == ["f/1", "f/4", "f/5"]
    np.testing.assert_allclose(session.behaviour[:, :5], MOTOR.T, rtol=1e-6)
    assert session.num_behaviours == 6
    np.testing.assert_array_equal(read(folder, activity="CellRespZ").activity, 2 * VALUES)


def test_the_file_alone_has_no_frame_rate(folder):
    (folder / "data_full.mat").unlink()
    file = folder / "TimeSeries.h5"
    with pytest.raises(ValueError, match=r"the frame rate of .*--frame-rate, 1.84 to 2.56"):
        read(file)
    assert read(file, frame_rate=2.0).bin_size == 0.5
    assert dict(FishExplorerReader().describe(file))["next"].endswith("--frame-rate 30")


def test_describes(folder):
    rows = dict(FishExplorerReader().describe(folder))
    assert (rows["CellResp"], rows["frame rate"]) == ("3 cells, 40 frames", "1.97 Hz")
    assert rows["behaviours"] == "motor, stimulus"


def test_what_is_not_there(folder, tmp_path):
    with pytest.raises(ValueError, match=r"behaviours among motor, stimulus, .*got speed"):
        read(folder, behaviour=["speed"])
    (folder / "data_full.mat").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"data_full.mat' cannot be read: it is damaged"):
        read(folder)
    (tmp_path / "TimeSeries.h5").write_bytes(b"cut")
    assert not FishExplorerReader().recognises(tmp_path)
