import h5py
import numpy as np
import pytest
import scipy.io

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.cell_explorer import CellExplorerReader
from synapsnet_pyg.readers.reader import find_recordings

BIN = 0.25
TRAINS = [np.array([1.0, 1.3, 2.6, 20.9]), np.array([3.1]), np.array([1.1, 8.25, 8.3, 8.35, 15.0])]
UID = [1, 2, 5]
TYPES = ["Pyramidal Cell", "Narrow Interneuron", "Pyramidal Cell"]


def cells(items):
    made = np.empty((1, len(items)), dtype=object)
    made[0] = [*items]
    return made


def write_v73(path, name, fields):
    """A struct of MATLAB v7.3: cells are references, axes are reversed, texts are numbers."""

    def put(group, key, value):
        if isinstance(value, dict):
            inner = group.create_group(key)
            inner.attrs["MATLAB_class"] = np.bytes_("struct")
            for sub, entry in value.items():
                put(inner, sub, entry)
        elif isinstance(value, np.ndarray) and value.dtype == object:
            refs = group.create_dataset(key, value.shape[::-1], dtype=h5py.ref_dtype)
            refs.attrs["MATLAB_class"] = np.bytes_("cell")
            for i, entry in enumerate(value.ravel()):
                put(group.file.require_group("#refs#"), f"{name}{key}{i}", entry)
                refs[i, 0] = group.file[f"#refs#/{name}{key}{i}"].ref
        elif isinstance(value, str):
            group[key] = np.array([[ord(c)] for c in value], dtype="u2")
            group[key].attrs["MATLAB_class"] = np.bytes_("char")
        else:
            group[key] = np.atleast_2d(value).T
            group[key].attrs["MATLAB_class"] = np.bytes_("double")

    with h5py.File(path, "w", userblock_size=512) as file:
        put(file, name, fields)


def write(path, name, fields, v73):
    write_v73(path, name, fields) if v73 else scipy.io.savemat(path, {name: fields})


def write_session(folder, v73=False, metrics=True):
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "rat1_day2"
    spikes = {"times": cells([train[:, None] for train in TRAINS]), "UID": np.array(UID), "numcells": 3.0}
    spikes |= {"shankID": np.array([1, 1, 2]), "ids": cells([np.arange(len(train)) for train in TRAINS])}
    write(folder / f"{base.name}.spikes.cellinfo.mat", "spikes", spikes, v73)
    if metrics:
        own = {"UID": np.array(UID), "putativeCellType": cells(TYPES), "firingRate": np.array([1.5, 0.2, 3.0])}
        own |= {"general": {"basename": "rat1_day2"}, "waveforms": {"filt": cells([np.zeros(9)] * 3)}}
        write(folder / f"{base.name}.cell_metrics.cellinfo.mat", "cell_metrics", own, v73)
    clock = np.arange(0, 25, 0.05)
    animal = {"timestamps": clock, "position": {"x": np.cos(clock), "y": np.sin(clock)}, "speed": clock * 2}
    write(folder / f"{base.name}.animal.behavior.mat", "animal", animal, v73)
    ripples = {"timestamps": np.array([[2.0, 2.5], [8.0, 8.5]]), "peaks": np.array([2.1, 8.2])[:, None]}
    write(folder / f"{base.name}.ripples.events.mat", "ripples", ripples, v73)
    states = {"ints": {"WAKEstate": np.array([[1.0, 6.0], [12.0, 18.0]]), "NREMstate": np.array([[6.0, 12.0]])}}
    write(folder / f"{base.name}.SleepState.states.mat", "SleepState", states, v73)
    return folder


def read(path, **choices):
    selection = Selection(bin_size=BIN, **choices)
    return Session.from_recording(CellExplorerReader().read(path, "s", selection), selection)


def counted(bins, first=1.0):
    return [
        [sum(first + a * BIN - 1e-9 <= t < first + (a + 1) * BIN - 1e-9 for t in train) for a in range(bins)]
        for train in TRAINS
    ]


@pytest.mark.parametrize("v73", [False, True])
def test_units_with_the_fields_of_cell_metrics(tmp_path, v73):
    folder = write_session(tmp_path / "rat1_day2", v73)
    (found,) = find_recordings(tmp_path, [CellExplorerReader()]).items()
    assert found[0] == "rat1_day2"
    assert found[1].path == folder
    for path in (folder, folder / "rat1_day2.spikes.cellinfo.mat"):
        assert CellExplorerReader().recognises(path)
        session = read(path)
        np.testing.assert_array_equal(session.activity, counted(session.num_bins))
        assert session.neuron_id == ["s/1", "s/2", "s/5"]
        assert session.putativeCellType == TYPES
        assert session.firingRate.tolist() == [1.5, 0.2, 3.0]
        assert session.shankID.tolist() == [1, 1, 2]
    assert read(folder, where="putativeCellType==Pyramidal Cell").neuron_id == ["s/1", "s/5"]
    rows = dict(CellExplorerReader().describe(folder))
    assert rows["units"] == "3"
    assert rows["behavior"] == "animal"
    assert rows["events"] == "ripples"


@pytest.mark.parametrize("v73", [False, True])
def test_behaviours_events_and_intervals(tmp_path, v73):
    folder = write_session(tmp_path, v73)
    session = read(
        folder, behaviour=["animal", "animal.speed", "animal/position/y"], events=["ripples", "ripples.peaks"]
    )
    at = 1.0 + BIN * (np.arange(session.num_bins) + 0.5)
    clock = np.arange(0, 25, 0.05)
    for k, values in enumerate((np.cos(clock), np.sin(clock), clock * 2, np.sin(clock))):
        np.testing.assert_allclose(session.behaviour[:, k], np.interp(at, clock, values), atol=1e-5)
    assert session.behaviour[:, 4].nonzero().ravel().tolist() == [4, 5, 28, 29]
    assert session.behaviour[:, 5].nonzero().ravel().tolist() == [4, 28]
    assert read(folder, exclude=["ripples"]).segment.tolist() == [[0, 4], [4, 26], [26, 75]]
    assert read(folder, intervals="SleepState.ints.WAKEstate").segment.tolist() == [[0, 20], [20, 44]]


def test_epochs_of_the_session(tmp_path):
    folder = write_session(tmp_path)
    epochs = cells([{"startTime": 1.0, "stopTime": 5.0, "name": "a"}, {"startTime": 6.0, "stopTime": 9.0, "name": "b"}])
    with pytest.raises(ValueError, match=r"rat1_day2\.session\.mat' with epochs"):
        read(folder, intervals="epochs")
    scipy.io.savemat(folder / "rat1_day2.session.mat", {"session": {"epochs": epochs, "name": "rat1"}})
    assert read(folder, intervals="epochs").segment.tolist() == [[0, 16], [16, 28]]


def test_metrics_of_other_units_are_joined_by_uid(tmp_path):
    folder = write_session(tmp_path)
    own = {"UID": np.array([5, 1]), "putativeCellType": cells(["B", "A"]), "firingRate": np.array([5.0, 1.0])}
    write(folder / "rat1_day2.cell_metrics.cellinfo.mat", "cell_metrics", own, False)
    with pytest.warns(DataWarning, match="2 units and the spikes 3; they are joined by UID"):
        session = read(folder)
    assert session.putativeCellType == ["A", "", "B"]
    np.testing.assert_array_equal(session.firingRate, [1.0, np.nan, 5.0])


def test_one_unit_without_metrics(tmp_path):
    scipy.io.savemat(tmp_path / "a.spikes.cellinfo.mat", {"spikes": {"times": cells([TRAINS[2]]), "UID": 4}})
    session = read(tmp_path)
    assert session.neuron_id == ["s/4"]
    np.testing.assert_array_equal(session.activity[0].sum(), 4)  # the last spike ends the recording


def test_says_what_is_wrong(tmp_path):
    folder = write_session(tmp_path)
    with pytest.raises(ValueError, match=r"among SleepState, animal, ripples \(got 'wheel'\)"):
        read(folder, behaviour=["wheel"])
    with pytest.raises(ValueError, match=r"among position/x, position/y, speed, timestamps \(got 'animal\.head'\)"):
        read(folder, behaviour=["animal.head"])
    with pytest.raises(ValueError, match="starts and stops"):
        read(folder, intervals="ripples.peaks")
    with pytest.raises(ValueError, match="no --activity"):
        read(folder, activity="lfp")
    scipy.io.savemat(folder / "rat1_day2.spikes.cellinfo.mat", {"spikes": {"UID": 1}})
    with pytest.raises(ValueError, match=r"'spikes\.times' in"):
        read(folder)
    (folder / "other.spikes.cellinfo.mat").write_text("")
    assert not CellExplorerReader().recognises(folder)  # two sessions: each file is one
    assert CellExplorerReader().recognises(folder / "other.spikes.cellinfo.mat")
